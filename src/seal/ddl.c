/*
 * ddl.c - sealed columns that come, change and go by DDL.
 *
 * Called by guard's utility hook around the statement, in its transaction.  Values are bound to
 * their rows by a trigger, so what would write them without it is refused.
 */
#include "seal/seal_int.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "parser/parse_type.h"
#include "policy/policy.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static void
refuse_rewrite(Oid relid, const char *detail, const char *hint)
{
	TomsRefusal refusal = {.reason = TOMS_SEALED_REWRITE,.relid = relid,.detail = detail,.hint = hint};

	toms_refuse(&refusal);
}

static void
refuse_converting(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("a column of table %s is being sealed or unsealed", toms_relation_name(relid)),
			 errhint("SELECT * FROM toms.conversions; call toms.seal_column() or toms.unseal_column() until it returns 0, or the other of the two to give it up.")));
}

static Oid
type_named(const ColumnDef *column)
{
	return column->typeName ? LookupTypeNameOid(NULL, column->typeName, true) : InvalidOid;
}

static bool
has_default(const ColumnDef *column, Oid type)
{
	ListCell   *cell;

	foreach(cell, column->constraints)
	{
		ConstrType	kind = lfirst_node(Constraint, cell)->contype;

		if (kind == CONSTR_DEFAULT || kind == CONSTR_GENERATED)
			return true;
	}
	return column->raw_default != NULL || get_typdefault(type) != NULL;
}

/* One default would be evaluated once, and stand in every row that is there. */
static void
check_add_column(Oid relid, const ColumnDef *column)
{
	Oid			type = type_named(column);

	if (OidIsValid(type) && toms_sealed_type(type) != TOMS_NOT_SEALED && has_default(column, type))
		refuse_rewrite(relid, "The default would be sealed once for all rows that are there.",
					   psprintf("ALTER TABLE … ADD COLUMN %s …; ALTER TABLE … ALTER COLUMN %s SET DEFAULT …;",
								quote_identifier(column->colname), quote_identifier(column->colname)));
}

static void
check_retype(Oid relid, const char *name, const ColumnDef *column)
{
	AttrNumber	attnum = get_attnum(relid, name);
	Oid			type = type_named(column);

	if ((OidIsValid(type) && toms_sealed_type(type) != TOMS_NOT_SEALED) ||
		(attnum != InvalidAttrNumber && toms_sealed_type(get_atttype(relid, attnum)) != TOMS_NOT_SEALED))
		refuse_rewrite(relid, "A new type is computed from rows without their trigger.",
					   psprintf("SELECT toms.%s(%s, %s, …); until it returns 0.",
								attnum != InvalidAttrNumber && toms_sealed_type(get_atttype(relid, attnum)) != TOMS_NOT_SEALED ? "unseal_column" : "seal_column",
								quote_literal_cstr(toms_relation_name(relid)), quote_literal_cstr(name)));
}

/* Triggers find both columns of a conversion by their names, and must run for every row. */
static void
check_conversion(Oid relid, const AlterTableCmd *command)
{
	const char *column = NULL;

	switch (command->subtype)
	{
		case AT_DropColumn:
		case AT_AlterColumnType:
			column = command->name;
			break;
		case AT_EnableTrig:
		case AT_EnableReplicaTrig:
		case AT_DisableTrig:
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
			break;
		default:
			return;
	}
	if (toms_seal_is_converting(relid, column))
		refuse_converting(relid);
}

void
toms_seal_before_rename(Oid relid, const char *column)
{
	if (OidIsValid(relid) && toms_seal_is_converting(relid, column))
		refuse_converting(relid);
}

void
toms_seal_before_alter(Oid relid, AlterTableStmt *alter)
{
	ListCell   *cell;

	if (!OidIsValid(relid))
		return;
	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		check_conversion(relid, command);
		if (command->subtype == AT_AddColumn)
			check_add_column(relid, castNode(ColumnDef, command->def));
		else if (command->subtype == AT_AlterColumnType)
			check_retype(relid, command->name, castNode(ColumnDef, command->def));
	}
}

/* A default, or a column that may be generated. */
static bool
adds_expression(const AlterTableStmt *alter)
{
	ListCell   *cell;

	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_ColumnDefault || command->subtype == AT_AddColumn || toms_is_set_expression(command))
			return true;
	}
	return false;
}

void
toms_seal_after_alter(Oid relid, const AlterTableStmt *alter)
{
	const TomsRelation *relation;

	if (!OidIsValid(relid))
		return;
	CommandCounterIncrement();
	relation = toms_catalog_relation(relid);
	if (relation == NULL || relation->is_undeclared || relation->nsealed == 0)
		return;
	/* a child that is not labelled yet is closed: a dump labels it later, and so does INHERIT */
	if (relation->root != relid && relation->subject == 0)
		return;
	for (int i = 0; i < relation->nsealed; i++)
	{
		if (relation->sealed[i].id == 0)
		{
			toms_policy_run_as_superuser(psprintf("SELECT toms.bind_sealed_columns(%u)", relid));
			return;
		}
	}
	if (adds_expression(alter))
		toms_policy_run_as_superuser(psprintf("SELECT toms.check_sealable(%u)", relid));
}

/* Whether an expression as it was written names a sealed column, or the whole row. */
static bool
names_sealed(Node *node, void *context)
{
	const TomsRelation *relation = context;

	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		Node	   *name = llast(((ColumnRef *) node)->fields);
		AttrNumber	column = IsA(name, String) ? get_attnum(relation->relid, strVal(name)) : InvalidAttrNumber;

		for (int i = 0; i < relation->nsealed; i++)
		{
			if (relation->sealed[i].column == column)
				return true;
		}
		return column == InvalidAttrNumber;
	}
	return raw_expression_tree_walker(node, names_sealed, context);
}

/* What an index held of an opened value would be in plain. */
void
toms_seal_before_index(Oid relid, const IndexStmt *index)
{
	TomsRelation *relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;
	ListCell   *cell;

	foreach(cell, index->indexParams)
	{
		if (relation && relation->nsealed > 0 && names_sealed(lfirst_node(IndexElem, cell)->expr, relation))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("an index on table %s cannot be computed from a sealed column", toms_relation_name(relid)),
					 errdetail("If it opened the column's values, they would stand in it in plain."),
					 errhint("toms.blind_index() makes a column that can be searched.")));
	}
}

/*
 * DROP EXTENSION … CASCADE would take the columns along, and their values with them; so would that
 * of plpgsql, which functions of toms are written in.
 */
void
toms_seal_before_drop(const DropStmt *drop)
{
	ListCell   *cell;

	if ((drop->removeType != OBJECT_EXTENSION && drop->removeType != OBJECT_SCHEMA && drop->removeType != OBJECT_LANGUAGE) ||
		!toms_catalog_is_installed())
		return;
	foreach(cell, drop->objects)
	{
		if (strcmp(strVal(lfirst(cell)), "toms") == 0 || strcmp(strVal(lfirst(cell)), "plpgsql") == 0)
			toms_policy_run_as_superuser("SELECT toms.check_no_sealed_column()");
	}
}

static Oid
owner_of_schema(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner = HeapTupleIsValid(tuple) ? ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner : InvalidOid;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return owner;
}

/* Whoever made the extension owns its types, on which the columns depend. */
void
toms_seal_before_drop_owned(const DropOwnedStmt *drop)
{
	ListCell   *cell;

	if (!toms_catalog_is_installed())
		return;
	foreach(cell, drop->roles)
	{
		if (get_rolespec_oid(lfirst_node(RoleSpec, cell), true) == owner_of_schema(get_namespace_oid("toms", true)))
			toms_policy_run_as_superuser("SELECT toms.check_no_sealed_column()");
	}
}
