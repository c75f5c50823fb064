/*
 * sealed.c - which types are sealed, and which columns have them.
 *
 * Called by cache.c for each relation that is looked at for the first time, by slice
 * seal for types, and as toms.sealed_columns().  The types' OIDs are looked up by name once and kept until anything is
 * invalidated that the cache hears of.
 */
#include "catalog/catalog_int.h"

#include "access/relation.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/seclabel.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

static const char *const names[] = {
	[TOMS_HEALTH_FLAG] = "health_flag",
	[TOMS_HEALTH_CODE] = "health_code",
	[TOMS_HEALTH_DATE] = "health_date",
	[TOMS_SEALED_TEXT] = "sealed_text",
	[TOMS_SEALED_BYTEA] = "sealed_bytea",
};

PG_FUNCTION_INFO_V1(toms_sealed_columns);

static Oid	types[lengthof(names)];
static bool types_known = false;

void
toms_sealed_forget(void)
{
	types_known = false;
}

static void
find_types(void)
{
	Oid			schema = get_namespace_oid("toms", true);

	for (int i = 1; i < lengthof(names); i++)
		types[i] = OidIsValid(schema) ?
			GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(names[i]), ObjectIdGetDatum(schema)) : InvalidOid;
	types_known = OidIsValid(types[1]);
}

TomsSealedType
toms_sealed_type(Oid type)
{
	if (type < FirstNormalObjectId)
		return TOMS_NOT_SEALED;
	if (!types_known)
		find_types();
	type = getBaseType(type);
	for (int i = 1; types_known && i < lengthof(names); i++)
	{
		if (type == types[i])
			return (TomsSealedType) i;
	}
	return TOMS_NOT_SEALED;
}

/*
 * The sealed type of a column, or one that is somewhere in its array or row type; "within" then
 * is true: such values cannot be bound to their rows.
 */
static TomsSealedType
type_of_column(Oid type, bool *within)
{
	TomsSealedType sealed = toms_sealed_type(type);
	Oid			element;
	Relation	row;

	if (sealed != TOMS_NOT_SEALED || type < FirstNormalObjectId)
		return sealed;
	check_stack_depth();
	*within = true;
	type = getBaseType(type);
	element = get_element_type(type);
	if (OidIsValid(element))
		return type_of_column(element, within);
	row = get_typtype(type) == TYPTYPE_COMPOSITE ? try_relation_open(get_typ_typrelid(type), AccessShareLock) : NULL;
	for (int i = 0; row && sealed == TOMS_NOT_SEALED && i < RelationGetNumberOfAttributes(row); i++)
	{
		if (!TupleDescAttr(RelationGetDescr(row), i)->attisdropped)
			sealed = type_of_column(TupleDescAttr(RelationGetDescr(row), i)->atttypid, within);
	}
	if (row)
		relation_close(row, AccessShareLock);
	return sealed;
}

/* 0 if the column has no label. */
static uint32
column_id(Oid relid, AttrNumber column)
{
	ObjectAddress object;
	char	   *label;

	ObjectAddressSubSet(object, RelationRelationId, relid, column);
	label = GetSecurityLabel(&object, "toms_seal");
	return label && strncmp(label, "column=", 7) == 0 ? (uint32) strtoul(label + 7, NULL, 16) : 0;
}

int
toms_read_sealed_columns(Oid relid, TomsSealedColumn **columns)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	int			count = 0;

	*columns = NULL;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		bool		within = false;
		TomsSealedType type = column->attisdropped ? TOMS_NOT_SEALED : type_of_column(column->atttypid, &within);
		int32		modifier = column->atttypmod;

		if (type == TOMS_NOT_SEALED)
			continue;
		if (*columns == NULL)
			*columns = palloc(desc->natts * sizeof(TomsSealedColumn));
		(void) getBaseTypeAndTypmod(column->atttypid, &modifier);
		(*columns)[count++] = (TomsSealedColumn) {.column = column->attnum,.id = column_id(relid, column->attnum),
			.type = type,.modifier = modifier,.is_array = within};
	}
	relation_close(rel, AccessShareLock);
	return count;
}

/*
 * toms.sealed_columns(relation), as they stand now, whatever snapshot the transaction uses; none of a relation that
 * is gone.  It asks the relation's own columns: all types of a database are as many as its tables.
 */
Datum
toms_sealed_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	TomsSealedColumn *columns;
	int			count = rel ? toms_read_sealed_columns(PG_GETARG_OID(0), &columns) : 0;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), columns[i].column - 1);
		Datum		values[6] = {NameGetDatum(&column->attname), ObjectIdGetDatum(column->atttypid), Int32GetDatum(columns[i].modifier),
		BoolGetDatum(columns[i].is_array), BoolGetDatum(column->attgenerated != '\0'), ObjectIdGetDatum(types[columns[i].type])};
		bool		nulls[6] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	if (rel)
		relation_close(rel, AccessShareLock);
	return (Datum) 0;
}
