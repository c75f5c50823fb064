/*
 * view.c - the trigger that writes rows of a plain view to its table.
 *
 * toms.create_plain_view() puts toms.plain_view_row() on the view, INSTEAD OF.  What it runs is run
 * as who uses the view, so the guard, the policies and the table's own triggers see an ordinary
 * statement.  Columns that are not changed are not written.  A row is found by its key; it must
 * still be as the view has shown it, in all columns that are not sealed and in those that are
 * changed, since conditions of the statement are not evaluated again.
 *
 * Which column of the table a column of the view is, is read from the view's query, so that both can
 * be renamed.  Statements are kept per backend and view until view or table change.
 */
#include "seal/seal_int.h"

#include "base/compat.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "base/relcache.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "parser/parsetree.h"
#include "policy/policy.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#define MOST_STATEMENTS 64

PG_FUNCTION_INFO_V1(toms_plain_view_row);

typedef struct ViewColumn
{
	const char *name;			/* of the table's column, quoted */
	const char *shown;			/* what the view shows of it, in terms of "t" */
	bool		is_sealed;
	bool		has_own_default;	/* NULL is for the table to fill */
	const char *key_operator;	/* NULL: no column of the key */
} ViewColumn;

typedef struct Statement
{
	CmdType		operation;
	bool		returns_row;
	Bitmapset  *columns;		/* that are written, from 1 */
	SPIPlanPtr	plan;
	SPIPlanPtr	check;			/* of UPDATE and DELETE: whether the row is another now */
} Statement;

typedef struct View
{
	Oid			relid;			/* hash key */
	Oid			table;
	bool		is_valid;
	int			uses;			/* a trigger of the table can write to the view again */
	MemoryContext context;		/* NULL: nothing is known */
	const char *table_name;
	int			ncolumns;		/* 0: reading them failed */
	ViewColumn *columns;
	List	   *statements;
} View;

static HTAB *views = NULL;

static void
relcache_callback(Oid relid)
{
	HASH_SEQ_STATUS scan;
	View	   *view;

	if (views == NULL)
		return;
	hash_seq_init(&scan, views);
	while ((view = hash_seq_search(&scan)) != NULL)
	{
		if (!OidIsValid(relid) || relid == view->relid || relid == view->table)
			view->is_valid = false;
	}
}

void
toms_view_init(void)
{
	toms_on_relation_change(relcache_callback);
}

static void
forget_view(View *view)
{
	ListCell   *cell;

	foreach(cell, view->statements)
	{
		Statement  *statement = lfirst(cell);

		SPI_freeplan(statement->plan);
		if (statement->check)
			SPI_freeplan(statement->check);
	}
	if (view->context)
		MemoryContextDelete(view->context);
	view->context = NULL;
	view->statements = NIL;
	view->ncolumns = 0;
}

/* The column of the table that a column of the view shows, of itself or through reveal(). */
static Var *
shown_column(Node *expression)
{
	if (IsA(expression, RelabelType))
		expression = (Node *) ((RelabelType *) expression)->arg;
	if (IsA(expression, FuncExpr) && ((FuncExpr *) expression)->args)
		expression = linitial(((FuncExpr *) expression)->args);
	return IsA(expression, Var) ? (Var *) expression : NULL;
}

static const char *
key_operator(Relation index, int position)
{
	Oid			type = index->rd_opcintype[position];
	Oid			operator = get_opfamily_member(index->rd_opfamily[position], type, type, BTEqualStrategyNumber);
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *text;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "index %u has no operator of equality", RelationGetRelid(index));
	form = (Form_pg_operator) GETSTRUCT(tuple);
	text = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return text;
}

/* NULL: the column is not in the table's primary key. */
static const char *
key_operator_of(Relation table, AttrNumber column)
{
	Oid			index_id = toms_primary_key(table);
	Relation	index = OidIsValid(index_id) ? index_open(index_id, AccessShareLock) : NULL;
	const char *found = NULL;

	if (index == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no primary key", RelationGetRelationName(table)),
				 errdetail("The view finds the row that it changes by its key.")));
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		if (index->rd_index->indkey.values[i] == column)
			found = key_operator(index, i);
	}
	index_close(index, AccessShareLock);
	return found;
}

static ViewColumn
read_column(Relation table, const char *subject, AttrNumber number)
{
	Form_pg_attribute form = TupleDescAttr(RelationGetDescr(table), number - 1);
	ViewColumn	column = {.name = pstrdup(quote_identifier(NameStr(form->attname)))};

	column.is_sealed = toms_sealed_type(form->atttypid) != TOMS_NOT_SEALED;
	column.shown = column.is_sealed ?
		psprintf("toms.reveal(t.%s, %u::pg_catalog.regclass, t.%s::pg_catalog.text)", column.name, RelationGetRelid(table), subject) :
		psprintf("t.%s", column.name);
	column.has_own_default = form->attidentity != '\0' || form->attgenerated != '\0' || (column.is_sealed && form->atthasdef);
	column.key_operator = key_operator_of(table, number);
	return column;
}

static RangeTblEntry *
table_entry(Query *query)
{
	if (list_length(query->jointree->fromlist) != 1 || !IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return NULL;
	return rt_fetch(linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex, query->rtable);
}

static void __attribute__((noreturn))
refuse_view(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("view \"%s\" is not as toms.create_plain_view() made it", RelationGetRelationName(rel)),
			 errhint("SELECT toms.create_plain_view(…) again.")));
}

static void
read_view(View *view, Relation rel)
{
	Query	   *query = get_view_query(rel);
	RangeTblEntry *entry = table_entry(query);
	const TomsRelation *protection = entry && entry->rtekind == RTE_RELATION ? toms_catalog_relation(entry->relid) : NULL;
	MemoryContext old;
	const char *subject;
	Relation	table;
	int			ncolumns = 0;
	ListCell   *cell;

	if (protection == NULL)
		refuse_view(rel);
	view->context = AllocSetContextCreate(TopMemoryContext, "toms plain view", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(view->context);
	subject = protection->subject ? quote_identifier(get_attname(entry->relid, protection->subject, false)) : "tableoid";
	view->table = entry->relid;
	view->table_name = toms_relation_name(entry->relid);
	view->columns = palloc0(list_length(query->targetList) * sizeof(ViewColumn));
	view->is_valid = true;
	table = relation_open(entry->relid, AccessShareLock);
	foreach(cell, query->targetList)
	{
		Var		   *shown = shown_column((Node *) lfirst_node(TargetEntry, cell)->expr);

		if (shown == NULL || shown->varattno <= 0)
			refuse_view(rel);
		view->columns[ncolumns++] = read_column(table, subject, shown->varattno);
	}
	relation_close(table, AccessShareLock);
	view->ncolumns = ncolumns;
	MemoryContextSwitchTo(old);
}

static View *
view_of(Relation rel)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(View),.hcxt = TopMemoryContext};
	Oid			relid = RelationGetRelid(rel);
	bool		found;
	View	   *view;

	if (views == NULL)
		views = hash_create("toms plain views", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	view = hash_search(views, &relid, HASH_ENTER, &found);
	if (!found)
		*view = (View) {.relid = relid};
	if (view->uses == 0 && (!view->is_valid || view->ncolumns == 0 || list_length(view->statements) >= MOST_STATEMENTS))
	{
		forget_view(view);
		read_view(view, rel);
	}
	return view;
}

/* parameters: $1 and on are the columns of the new row, then come those of the old one ------ */

static void
append_key(StringInfo text, const View *view)
{
	const char *prefix = "";

	for (int i = 0; i < view->ncolumns; i++)
	{
		if (view->columns[i].key_operator == NULL)
			continue;
		appendStringInfo(text, "%st.%s %s $%d", prefix, view->columns[i].name, view->columns[i].key_operator, view->ncolumns + i + 1);
		prefix = " AND ";
	}
}

/* That the row is as the view has shown it; byte by byte, since not every type has "=". */
static void
append_unchanged(StringInfo text, const View *view, const Bitmapset *written)
{
	StringInfoData now;
	StringInfoData then;

	initStringInfo(&now);
	initStringInfo(&then);
	for (int i = 0; i < view->ncolumns; i++)
	{
		if (view->columns[i].is_sealed && !bms_is_member(i + 1, written))
			continue;
		appendStringInfo(&now, "%s%s", now.len ? ", " : "", view->columns[i].shown);
		appendStringInfo(&then, "%s$%d", then.len ? ", " : "", view->ncolumns + i + 1);
	}
	appendStringInfo(text, "pg_catalog.record_image_eq(ROW(%s), ROW(%s))", now.data, then.data);
}

static void
append_row(StringInfo text, const View *view)
{
	for (int i = 0; i < view->ncolumns; i++)
		appendStringInfo(text, "%s%s", i ? ", " : "", view->columns[i].shown);
}

static char *
insert_text(const View *view, const Statement *statement)
{
	StringInfoData names;
	StringInfoData values;
	StringInfoData text;

	initStringInfo(&names);
	initStringInfo(&values);
	initStringInfo(&text);
	for (int i = 0; i < view->ncolumns; i++)
	{
		if (!bms_is_member(i + 1, statement->columns))
			continue;
		appendStringInfo(&names, "%s%s", names.len ? ", " : "", view->columns[i].name);
		appendStringInfo(&values, "%s$%d", values.len ? ", " : "", i + 1);
	}
	appendStringInfo(&text, "INSERT INTO %s AS t (%s) VALUES (%s)", view->table_name, names.data, values.data);
	if (statement->returns_row)
	{
		appendStringInfoString(&text, " RETURNING ");
		append_row(&text, view);
	}
	return text.data;
}

static char *
change_text(const View *view, const Statement *statement)
{
	StringInfoData text;
	const char *prefix = " SET ";

	initStringInfo(&text);
	appendStringInfo(&text, statement->operation == CMD_UPDATE ? "UPDATE %s AS t" : "DELETE FROM %s AS t", view->table_name);
	for (int i = 0; statement->operation == CMD_UPDATE && i < view->ncolumns; i++)
	{
		if (!bms_is_member(i + 1, statement->columns))
			continue;
		appendStringInfo(&text, "%s%s = $%d", prefix, view->columns[i].name, i + 1);
		prefix = ", ";
	}
	appendStringInfoString(&text, " WHERE ");
	append_key(&text, view);
	appendStringInfoString(&text, " AND ");
	append_unchanged(&text, view, statement->columns);
	if (statement->returns_row)
	{
		appendStringInfoString(&text, " RETURNING ");
		append_row(&text, view);
	}
	return text.data;
}

static char *
check_text(const View *view, const Statement *statement)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT FROM %s AS t WHERE ", view->table_name);
	append_key(&text, view);
	appendStringInfoString(&text, " AND NOT ");
	append_unchanged(&text, view, statement->columns);
	return text.data;
}

static SPIPlanPtr
prepare(const View *view, Relation rel, const char *text)
{
	Oid		   *types = palloc(2 * view->ncolumns * sizeof(Oid));
	SPIPlanPtr	plan;

	for (int i = 0; i < 2 * view->ncolumns; i++)
		types[i] = TupleDescAttr(RelationGetDescr(rel), i % view->ncolumns)->atttypid;
	plan = SPI_prepare(text, 2 * view->ncolumns, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare a statement of a plain view: %s", SPI_result_code_string(SPI_result));
	return plan;
}

static const Statement *
statement_for(View *view, Relation rel, const Statement *wanted)
{
	Statement  *statement;
	SPIPlanPtr	plan;
	SPIPlanPtr	check = NULL;
	MemoryContext old;
	ListCell   *cell;

	foreach(cell, view->statements)
	{
		statement = lfirst(cell);
		if (statement->operation == wanted->operation && statement->returns_row == wanted->returns_row &&
			bms_equal(statement->columns, wanted->columns))
			return statement;
	}
	plan = prepare(view, rel, wanted->operation == CMD_INSERT ? insert_text(view, wanted) : change_text(view, wanted));
	if (wanted->operation != CMD_INSERT)
		check = prepare(view, rel, check_text(view, wanted));
	old = MemoryContextSwitchTo(view->context);
	statement = palloc(sizeof(Statement));
	*statement = *wanted;
	statement->columns = bms_copy(wanted->columns);
	statement->plan = plan;
	statement->check = check;
	view->statements = lappend(view->statements, statement);
	MemoryContextSwitchTo(old);
	return statement;
}

/* rows ------------------------------------------------------------------------------- */

/*
 * RETURNING of the view is not known here, and only who may select can be given the row; anybody
 * else gets back what he wrote.
 */
static bool
may_read_back(const View *view)
{
	TomsRelation *relation = toms_catalog_relation(view->table);
	TomsDecision reading;

	if (relation == NULL || (pg_class_aclcheck(view->table, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
							 pg_attribute_aclcheck_all(view->table, GetUserId(), ACL_SELECT, ACLMASK_ALL) != ACLCHECK_OK))
		return false;
	reading = toms_policy_decide(relation, ACL_SELECT, NULL);
	if (reading.reason != TOMS_OK)
		return false;
	return reading.scope_tenant || !toms_policy_decide(relation, ACL_INSERT, NULL).scope_tenant;
}

static bool
is_changed(TupleDesc desc, int column, HeapTuple old, HeapTuple new)
{
	Form_pg_attribute form = TupleDescAttr(desc, column - 1);
	bool		old_null;
	bool		new_null;
	Datum		before = heap_getattr(old, column, desc, &old_null);
	Datum		after = heap_getattr(new, column, desc, &new_null);

	if (old_null || new_null)
		return old_null != new_null;
	return !datum_image_eq(before, after, form->attbyval, form->attlen);
}

static Statement
wanted_statement(const View *view, TupleDesc desc, TriggerData *trigger)
{
	Statement	wanted = {.operation = CMD_DELETE};

	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		return wanted;
	wanted.operation = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? CMD_INSERT : CMD_UPDATE;
	wanted.returns_row = wanted.operation == CMD_UPDATE || may_read_back(view);
	for (int i = 1; i <= view->ncolumns; i++)
	{
		if (wanted.operation == CMD_INSERT ?
			!(view->columns[i - 1].has_own_default && heap_attisnull(trigger->tg_trigtuple, i, desc)) :
			is_changed(desc, i, trigger->tg_trigtuple, trigger->tg_newtuple))
			wanted.columns = bms_add_member(wanted.columns, i);
	}
	return wanted;
}

static uint64
run(SPIPlanPtr plan, TupleDesc desc, HeapTuple new, HeapTuple old)
{
	int			ncolumns = desc->natts;
	Datum	   *values = palloc0(2 * ncolumns * sizeof(Datum));
	bool	   *nulls = palloc0(2 * ncolumns * sizeof(bool));
	char	   *marks = palloc(2 * ncolumns + 1);
	int			result;

	memset(nulls, true, 2 * ncolumns);
	if (new)
		heap_deform_tuple(new, desc, values, nulls);
	if (old)
		heap_deform_tuple(old, desc, values + ncolumns, nulls + ncolumns);
	for (int i = 0; i < 2 * ncolumns; i++)
		marks[i] = nulls[i] ? 'n' : ' ';
	result = SPI_execute_plan(plan, values, marks, false, 0);
	if (result < 0)
		elog(ERROR, "could not write through a plain view: %s", SPI_result_code_string(result));
	return SPI_processed;
}

static void
refuse_changed(const View *view)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not write a row of table %s: it has been changed meanwhile", view->table_name),
			 errhint("Repeat the transaction.")));
}

/* The row as it is now stored, or as it was given; NULL: there is none. */
static HeapTuple
write_row(View *view, TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	Statement	wanted = wanted_statement(view, desc, trigger);
	HeapTuple	old = wanted.operation == CMD_INSERT ? NULL : trigger->tg_trigtuple;
	HeapTuple	new = wanted.operation == CMD_INSERT ? trigger->tg_trigtuple : trigger->tg_newtuple;
	const Statement *statement;

	if (wanted.operation == CMD_UPDATE && bms_is_empty(wanted.columns))
		return new;
	statement = statement_for(view, trigger->tg_relation, &wanted);
	if (run(statement->plan, desc, new, old) == 0)
	{
		if (wanted.operation != CMD_INSERT && run(statement->check, desc, new, old) > 0)
			refuse_changed(view);
		return NULL;
	}
	if (wanted.returns_row)
		return SPI_copytuple(SPI_tuptable->vals[0]);
	return wanted.operation == CMD_DELETE ? old : new;
}

Datum
toms_plain_view_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	View	   *view;
	HeapTuple	row = NULL;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("toms.plain_view_row() is a trigger instead of each row")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	view = view_of(trigger->tg_relation);
	view->uses++;
	PG_TRY();
	{
		row = write_row(view, trigger);
	}
	PG_FINALLY();
	{
		view->uses--;
	}
	PG_END_TRY();
	SPI_finish();
	return PointerGetDatum(row);
}

bool
toms_seal_is_plain_view(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_VIEW && OidIsValid(get_trigger_oid(relid, TOMS_PLAIN_VIEW_TRIGGER, true));
}
