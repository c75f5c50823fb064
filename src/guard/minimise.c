/*
 * minimise.c - which columns DDL may add to a table that refuses free text.
 *
 * Called by hooks.c for each column that is created, whatever statement creates it, and by
 * utility.c before a column gets another type or NOT NULL and after CREATE TABLE.  What the
 * table has when it is protected is never asked here: explain_protection() tells of it.
 *
 * Columns are read with the lock that the statement holds, or, before it, as relation_locked()
 * in utility.c took it.  Nobody is exempt: an officer changes the rule first.
 */
#include "guard/guard_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_type.h"
#include "policy/policy.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(toms_type_matter);

/* What a column of a type can hold, from the narrowest on. */
typedef enum Matter
{
	MATTER_CLOSED,				/* one of a list, a number, a point in time */
	MATTER_SEALED,				/* text or a file, as ciphertext */
	MATTER_OPEN					/* anything */
} Matter;

/* What is not listed takes anything: a type of an extension, of the day after tomorrow. */
static bool
is_closed_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case CASHOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case UUIDOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case POINTOID:
			return true;
		default:
			return get_typtype(type) == TYPTYPE_ENUM;
	}
}

static Matter matter_of(Oid type);

static Matter
matter_of_row(Oid type)
{
	Relation	row = try_relation_open(get_typ_typrelid(type), AccessShareLock);
	Matter		matter = row ? MATTER_CLOSED : MATTER_OPEN;

	for (int i = 0; row && i < RelationGetNumberOfAttributes(row); i++)
	{
		if (!TupleDescAttr(RelationGetDescr(row), i)->attisdropped)
			matter = Max(matter, matter_of(TupleDescAttr(RelationGetDescr(row), i)->atttypid));
	}
	if (row)
		relation_close(row, AccessShareLock);
	return matter;
}

static Matter
matter_of(Oid type)
{
	TomsSealedType sealed = toms_sealed_type(type);

	check_stack_depth();
	type = getBaseType(type);
	if (sealed == TOMS_SEALED_TEXT || sealed == TOMS_SEALED_BYTEA)
		return MATTER_SEALED;
	if (sealed != TOMS_NOT_SEALED || is_closed_type(type))
		return MATTER_CLOSED;
	if (OidIsValid(get_element_type(type)))
		return matter_of(get_element_type(type));
	switch (get_typtype(type))
	{
		case TYPTYPE_RANGE:
			return matter_of(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return matter_of(get_multirange_range(type));
		case TYPTYPE_COMPOSITE:
			return matter_of_row(type);
		default:
			return MATTER_OPEN;
	}
}

/* Large objects, which hold files, are attached to rows by their oid. */
static bool
holds_file(Oid type)
{
	Oid			base = getBaseType(type);

	return base == BYTEAOID || base == OIDOID || toms_sealed_type(type) == TOMS_SEALED_BYTEA;
}

/* The relation if DDL may not add everything to it. */
static const TomsRelation *
choosy_relation(Oid relid)
{
	const TomsRelation *relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;

	return relation && relation->mode == TOMS_MODE_ENFORCE && !relation->is_undeclared &&
		relation->free_text != TOMS_FREE_TEXT_ACCEPT ? relation : NULL;
}

static bool
takes(const TomsRelation *relation, Oid type)
{
	return matter_of(type) <= (relation->free_text == TOMS_FREE_TEXT_SEALED ? MATTER_SEALED : MATTER_CLOSED);
}

static void
refuse_column(const TomsRelation *relation, const char *detail)
{
	const char *table = quote_literal_cstr(toms_relation_name(relation->root));
	bool		refuses = relation->free_text == TOMS_FREE_TEXT_REFUSE;
	TomsRefusal refusal = {.reason = TOMS_FREE_TEXT,.relid = relation->relid,.who = toms_context_who(),.detail = detail,
		.hint = psprintf("Use %s.  An officer may change the rule: SELECT toms.protect(%s, …, free_text => %s);",
						 refuses ? "toms.health_code, toms.health_flag, toms.health_date, or a number, date, range, boolean, enum or uuid"
						 : "toms.sealed_text or toms.sealed_bytea",
						 table, refuses ? "'sealed'" : "'accept', reason => '…'")};

	toms_refuse(&refusal);
}

static void
check_column(const TomsRelation *relation, const char *column, Oid type, bool not_null)
{
	if (takes(relation, type))
		return;
	if (not_null && holds_file(type))
		refuse_column(relation, psprintf("Column \"%s\" would make it mandatory to upload a file, a certificate for instance.", column));
	refuse_column(relation, psprintf(matter_of(type) == MATTER_SEALED ? "Column \"%s\" is of type %s: sealed, but it takes anything."
									 : "Column \"%s\" is of type %s, which takes anything.", column, format_type_be(type)));
}

/* A column of a table, or of a row type that columns of tables are of. */
static void
check_column_of(Oid relid, const char *column, Oid type, bool not_null)
{
	List	   *tables = get_rel_relkind(relid) == RELKIND_COMPOSITE_TYPE ?
		toms_ddl_tables_of_type(get_rel_type_id(relid)) : list_make1_oid(relid);
	ListCell   *cell;

	foreach(cell, tables)
	{
		const TomsRelation *relation = choosy_relation(lfirst_oid(cell));

		if (relation)
			check_column(relation, column, type, not_null);
	}
}

/* What has been written to the catalog just now is not visible to others yet, the cache included. */
void
toms_guard_column_added(Oid relid, AttrNumber number)
{
	Relation	attributes;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	if (toms_policy_in_maintenance() || IsBinaryUpgrade || !toms_catalog_is_installed())
		return;
	attributes = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(number));
	scan = systable_beginscan(attributes, AttributeRelidNumIndexId, true, SnapshotSelf, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(tuple);

		check_column_of(relid, NameStr(column->attname), column->atttypid, column->attnotnull);
	}
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);
}

static bool
is_key(const TomsRelation *relation, AttrNumber column)
{
	return column == relation->tenant || column == relation->subject || column == relation->parent_key ||
		column == relation->parent_type;
}

/* A new type for what says whose the rows are is an identifier's. */
static void
check_retype(Oid relid, const AlterTableCmd *command)
{
	const TomsRelation *relation = choosy_relation(relid);
	TypeName   *name = castNode(ColumnDef, command->def)->typeName;
	Oid			type = name ? LookupTypeNameOid(NULL, name, true) : InvalidOid;

	if (OidIsValid(type) && !(relation && is_key(relation, get_attnum(relid, command->name))))
		check_column_of(relid, command->name, type, false);
}

/* The column that a command makes NOT NULL, in either way that PostgreSQL has to write it; or NULL. */
static const char *
made_not_null(const AlterTableCmd *command)
{
	Constraint *constraint = command->subtype == AT_AddConstraint ? castNode(Constraint, command->def) : NULL;

	if (constraint && constraint->contype == CONSTR_NOTNULL && constraint->keys)
		return strVal(linitial(constraint->keys));
	return command->subtype == AT_SetNotNull ? command->name : NULL;
}

/* A column for a file was there before; that nobody can leave it out would be new. */
static void
check_not_null(Oid relid, const char *column)
{
	const TomsRelation *relation = choosy_relation(relid);
	AttrNumber	number = relation && column ? get_attnum(relid, column) : InvalidAttrNumber;

	if (number != InvalidAttrNumber && holds_file(get_atttype(relid, number)))
		check_column(relation, column, get_atttype(relid, number), true);
}

void
toms_minimise_before_alter(Oid relid, const AlterTableStmt *alter)
{
	ListCell   *cell;

	if (!OidIsValid(relid))
		return;
	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_AlterColumnType)
			check_retype(relid, command);
		check_not_null(relid, made_not_null(command));
	}
}

/*
 * A new child with columns that its parents have not.  While a dump is restored the root is not
 * intact yet: such a child was there before.
 */
void
toms_minimise_after_create(Oid relid)
{
	const TomsRelation *relation = choosy_relation(relid);
	Oid			root = relation ? relation->root : relid;
	Relation	rel;

	if (root == relid || !toms_policy_intact_by_itself(toms_catalog_relation(root)))
		return;
	rel = relation_open(relid, AccessShareLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);

		relation = choosy_relation(relid);
		if (relation && !column->attisdropped && column->attinhcount == 0)
			check_column(relation, NameStr(column->attname), column->atttypid, column->attnotnull);
	}
	relation_close(rel, AccessShareLock);
}

/* toms.type_matter(type): "closed", "sealed" or "open" */
Datum
toms_type_matter(PG_FUNCTION_ARGS)
{
	static const char *const words[] = {
		[MATTER_CLOSED] = "closed",
		[MATTER_SEALED] = "sealed",
		[MATTER_OPEN] = "open",
	};

	PG_RETURN_TEXT_P(cstring_to_text(words[matter_of(PG_GETARG_OID(0))]));
}
