/*
 * work.c - rows of one tenant that are deleted or changed for a right, in the name of their table's owner.
 *
 * Called by SQL of this slice alone, which has chosen and locked the rows (toms.find_rows()).  All of it in the caller's
 * transaction, in a context of the tenant and purpose "rights" (retention/owner.h): a trigger of the table's owner that
 * reads or writes protected tables needs a permission for that purpose.
 */
#include "rights/rights.h"

#include "audit/audit.h"
#include "base/debug_point.h"
#include "catalog/catalog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "retention/retention.h"
#include "trail/trail.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

PG_FUNCTION_INFO_V1(toms_delete_rows);
PG_FUNCTION_INFO_V1(toms_change_rows);

/* Rows of one table, not of its children; the first three arguments of each function. */
typedef struct Rows
{
	Oid			part;
	Oid			root;
	const char *name;
	const char *tenant;
	ArrayType  *tids;
	int			count;
} Rows;

static Rows
take_rows(FunctionCallInfo fcinfo)
{
	Rows		rows = {.part = PG_GETARG_OID(0),.tenant = text_to_cstring(PG_GETARG_TEXT_PP(1)),.tids = PG_GETARG_ARRAYTYPE_P(2)};
	const TomsRelation *relation = toms_catalog_relation(rows.part);

	if (relation == NULL || relation->is_undeclared)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is not protected", toms_relation_name(rows.part))));
	rows.root = relation->root;
	rows.name = pstrdup(toms_relation_name(rows.part));
	rows.count = ArrayGetNItems(ARR_NDIM(rows.tids), ARR_DIMS(rows.tids));
	return rows;
}

/* "values" are an array of text, $2 of the statement, or NULL. */
static uint64
run(const Rows *rows, const char *statement, ArrayType *values)
{
	Oid			types[] = {TIDARRAYOID, TEXTARRAYOID};
	Datum		arguments[] = {PointerGetDatum(rows->tids), PointerGetDatum(values)};
	TomsOwnerWork work = toms_owner_begin(rows->part, rows->root, rows->tenant, TOMS_RIGHTS_PURPOSE);
	uint64		count;

	if (SPI_execute_with_args(statement, values ? 2 : 1, types, arguments, NULL, false, 0) < 0)
		elog(ERROR, "could not work on rows for a right");
	count = SPI_processed;
	toms_owner_end(work);
	return count;
}

/* What is left undone by others' code must not pass for done. */
static void
check_all_done(const Rows *rows, uint64 done)
{
	if (done == rows->count)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a trigger, a rule or a policy of table %s keeps rows", rows->name),
			 errdetail("%d rows were asked for, %d were done.", rows->count, (int) done),
			 errhint("SELECT tgname FROM pg_trigger WHERE tgrelid = '%s'::regclass; a trigger before DELETE or UPDATE must return its row.", rows->name)));
}

/* deleting ------------------------------------------------------------------------------ */

/* What a foreign key refuses at the end of the transaction would undo all of it, and could not be told. */
static void
check_constraints_at_once(void)
{
	if (SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0) < 0)
		elog(ERROR, "could not have constraints checked at once");
}

/* {"table": rows} of what foreign keys have deleted too. */
static char *
cascaded(const Rows *rows)
{
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, toms_tally_tables())
	{
		const TomsTally *tally = lfirst(cell);
		int64		others = tally->rows - (tally->root == rows->root ? rows->count : 0);

		if (others <= 0)
			continue;
		appendStringInfoString(&text, text.len == 0 ? "{" : ",");
		escape_json(&text, toms_relation_name(tally->root));
		appendStringInfo(&text, ":" INT64_FORMAT, others);
	}
	appendStringInfoString(&text, text.len == 0 ? "{}" : "}");
	return text.data;
}

static Datum
tallied_keys(void)
{
	int			count;
	int64	   *keys = toms_tally_keys(&count);
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = Int64GetDatum(keys[i]);
	return PointerGetDatum(construct_array(values, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * toms.delete_rows(part, tenant, rows, erasure): rows that went with them by foreign keys, per table, and the data keys of
 * the values that were in them.  Holds are asked by the trail's trigger, for each row.
 */
Datum
toms_delete_rows(PG_FUNCTION_ARGS)
{
	Rows		rows = take_rows(fcinfo);
	MemoryContext memory = CurrentMemoryContext;
	Datum		values[2];
	bool		nulls[2] = {false};
	TupleDesc	desc;
	char	   *text;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	toms_hold_keep_out();
	SPI_connect();
	check_constraints_at_once();
	toms_tally_begin();
	check_all_done(&rows, run(&rows, psprintf("DELETE FROM ONLY %s t WHERE t.ctid = ANY ($1)", rows.name), NULL));
	toms_tally_keep();
	text = MemoryContextStrdup(memory, cascaded(&rows));
	MemoryContextSwitchTo(memory);
	values[0] = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	values[1] = tallied_keys();
	toms_tally_end();
	TOMS_DEBUG_POINT("erasure-after-rows");
	toms_audit_deletion(rows.root, TOMS_VERB_DELETE, rows.tenant,
						psprintf("\"erasure\":" INT64_FORMAT ",\"rows\":%d,\"cascaded\":%s", PG_GETARG_INT64(3), rows.count, text));
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* changing ------------------------------------------------------------------------------- */

/* toms.change_rows(part, tenant, rows, assignments, values): "assignments" are SQL on "t" with $2 for the values, an array of text */
Datum
toms_change_rows(PG_FUNCTION_ARGS)
{
	Rows		rows = take_rows(fcinfo);
	uint64		done;

	SPI_connect();
	done = run(&rows, psprintf("UPDATE ONLY %s t SET %s WHERE t.ctid = ANY ($1)", rows.name, text_to_cstring(PG_GETARG_TEXT_PP(3))), PG_GETARG_ARRAYTYPE_P(4));
	check_all_done(&rows, done);
	SPI_finish();
	PG_RETURN_INT64((int64) done);
}
