/*
 * alter.c - tables and columns that policies stand on: renamed, given another type, dropped.
 *
 * Called by guard's utility hook around the statement, in its transaction.  A new type
 * takes the policies and lookups that stand on the column down and puts them up again in
 * the new type; PostgreSQL would refuse it otherwise.  Nobody reads meanwhile: row security
 * stays on, and the statement holds its lock.  What would take a protection away is
 * refused.
 */
#include "policy/policy_int.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

PG_FUNCTION_INFO_V1(toms_check_condition);

static bool
has_table_columns(Oid relid)
{
	char		kind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	return toms_catalog_is_installed() &&
		(kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_FOREIGN_TABLE);
}

static void
call(const char *function, Oid relid, const char *column)
{
	toms_policy_run_as_superuser(psprintf("SELECT toms.%s(%u%s%s)", function, relid, column ? ", " : "",
										  column ? quote_literal_cstr(column) : ""));
}

/* Whether the statement gives a column of a root table another type. */
static bool
changes_type(Oid relid, AlterTableStmt *alter)
{
	TomsRelation *relation = toms_catalog_relation(relid);
	ListCell   *cell;

	foreach(cell, alter->cmds)
	{
		if (lfirst_node(AlterTableCmd, cell)->subtype == AT_AlterColumnType)
			return relation && relation->root == relid;
	}
	return false;
}

void
toms_policy_before_alter(Oid relid, AlterTableStmt *alter)
{
	ListCell   *cell;

	if (!has_table_columns(relid))
		return;
	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_DropColumn)
			call("before_drop_column", relid, command->name);
		else if (command->subtype == AT_AlterColumnType)
			call("before_retype_column", relid, command->name);
	}
	if (changes_type(relid, alter))
		call("take_down", relid, NULL);
}

void
toms_policy_after_alter(Oid relid, AlterTableStmt *alter)
{
	if (!has_table_columns(relid) || !changes_type(relid, alter))
		return;
	CommandCounterIncrement();
	call("put_up", relid, NULL);
}

void
toms_policy_after_rename(Oid relid, const char *column, const char *renamed)
{
	if (!has_table_columns(relid))
		return;
	CommandCounterIncrement();
	toms_policy_run_as_superuser(psprintf("SELECT toms.after_rename_column(%u, %s, %s)", relid,
										  quote_literal_cstr(column), quote_literal_cstr(renamed)));
}

static bool
same_column(const TomsRelation *a, AttrNumber in_a, const TomsRelation *b, AttrNumber in_b)
{
	if (in_a == 0 || in_b == 0)
		return in_a == in_b;
	return strcmp(get_attname(a->relid, in_a, false), get_attname(b->relid, in_b, false)) == 0;
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool
toms_policy_same_form(Oid one, Oid other)
{
	const TomsRelation *a = toms_catalog_relation(one);
	const TomsRelation *b = toms_catalog_relation(other);

	/* looking up the one may renew the other, but only what has been invalidated meanwhile */
	for (int tries = 0; tries < 8 && (a != toms_catalog_relation(one) || b != toms_catalog_relation(other)); tries++)
	{
		a = toms_catalog_relation(one);
		b = toms_catalog_relation(other);
	}
	if (a == NULL || b == NULL)
		return false;
	if (!same_column(a, a->tenant, b, b->tenant) || !same_column(a, a->subject, b, b->subject) ||
		!same_column(a, a->parent_key, b, b->parent_key) || !same_column(a, a->parent_type, b, b->parent_type) ||
		strcmp(a->category, b->category) != 0 || a->free_text != b->free_text || a->read_audit != b->read_audit || a->shares_null_tenant != b->shares_null_tenant ||
		a->through_functions != b->through_functions ||
		a->alias.id != b->alias.id || a->nparents != b->nparents || a->nrow_labels != b->nrow_labels ||
		a->nlabelled != b->nlabelled)
		return false;
	for (int i = 0; i < a->nlabelled; i++)
	{
		if (!same_column(a, a->labelled[i].column, b, b->labelled[i].column) ||
			a->labelled[i].optional != b->labelled[i].optional || strcmp(a->labelled[i].category, b->labelled[i].category) != 0)
			return false;
	}
	for (int i = 0; i < a->nparents; i++)
	{
		if (a->parents[i].lookup != b->parents[i].lookup || !same_text(a->parents[i].type_value, b->parents[i].type_value))
			return false;
	}
	for (int i = 0; i < a->nrow_labels; i++)
	{
		if (strcmp(a->row_labels[i].condition, b->row_labels[i].condition) != 0 ||
			strcmp(a->row_labels[i].category, b->row_labels[i].category) != 0)
			return false;
	}
	return true;
}

/* A parent can be dropped together with its children, or after them. */
bool
toms_policy_before_drop(List *relids)
{
	StringInfoData tables;
	ListCell   *cell;

	if (relids == NIL || !toms_catalog_is_installed())
		return false;
	initStringInfo(&tables);
	foreach(cell, relids)
		appendStringInfo(&tables, "%s%u", tables.len ? "," : "", lfirst_oid(cell));
	toms_policy_run_as_superuser(psprintf("SELECT toms.before_drop_tables('{%s}')", tables.data));
	return true;
}

void
toms_policy_after_drop(void)
{
	if (!toms_catalog_is_installed())
		return;
	CommandCounterIncrement();
	toms_policy_run_as_superuser("SELECT toms.drop_unused_lookups()");
}

static void
refuse_condition(const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the condition cannot label rows: %s", why),
			 errhint("Compare columns of the row with constants, by operators that are immutable and leakproof: kind = 'SICK'. For enum types: SELECT toms.trust_function('pg_catalog.enum_eq(anyenum,anyenum)', reason => '…');")));
}

/* The names of the columns that an expression on a relation reads. */
static ArrayType *
columns_of(Relation rel, Node *expression)
{
	Bitmapset  *numbers = NULL;
	Datum	   *names = palloc(RelationGetNumberOfAttributes(rel) * sizeof(Datum));
	int			count = 0;

	pull_varattnos(expression, 1, &numbers);
	if (bms_next_member(numbers, -1) <= -FirstLowInvalidHeapAttributeNumber && !bms_is_empty(numbers))
		refuse_condition("it names the whole row or a system column");
	for (int i = 1; i <= RelationGetNumberOfAttributes(rel); i++)
	{
		if (bms_is_member(i - FirstLowInvalidHeapAttributeNumber, numbers))
			names[count++] = CStringGetTextDatum(get_attname(RelationGetRelid(rel), i, false));
	}
	return construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * toms.check_condition(relation, condition): the condition as PostgreSQL prints it, and the
 * columns it reads.  It will be evaluated on rows of every tenant: so it must not be able
 * to tell of them.
 */
Datum
toms_check_condition(PG_FUNCTION_ARGS)
{
	Relation	rel = relation_open(PG_GETARG_OID(0), AccessShareLock);
	Node	   *condition = toms_policy_parse(rel, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (checkExprHasSubLink(condition))
		refuse_condition("it has a sub-select");
	if (contain_mutable_functions(condition))
		refuse_condition("a function in it is not immutable");
	if (contain_leaked_vars(condition))
		refuse_condition("a function in it is not leakproof");
	values[0] = CStringGetTextDatum(deparse_expression(condition, deparse_context_for(RelationGetRelationName(rel), RelationGetRelid(rel)),
													   false, false));
	values[1] = PointerGetDatum(columns_of(rel, condition));
	if (DatumGetArrayTypeP(values[1])->ndim == 0)
		refuse_condition("it reads no column");
	relation_close(rel, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
