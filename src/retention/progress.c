/*
 * progress.c - what a run has done, written down for each rule and tenant in its own transactions.
 *
 * Called by round.c.  A pair of which there is nothing to tell has no row and costs no write.  What becomes of a worker that
 * has died is not in a table: toms.retention_worker() reads shared memory.
 */
#include "retention/worker.h"

#include "audit/audit.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(toms_retention_worker);

#define MOST_ARGUMENTS 7

/* Arguments of a statement. */
typedef struct Arguments
{
	int			count;
	Oid			types[MOST_ARGUMENTS];
	Datum		values[MOST_ARGUMENTS];
	char		nulls[MOST_ARGUMENTS];
} Arguments;

static void
add(Arguments *arguments, Oid type, Datum value, bool isnull)
{
	int			i = arguments->count++;

	arguments->types[i] = type;
	arguments->values[i] = value;
	arguments->nulls[i] = isnull ? 'n' : ' ';
}

static void
add_number(Arguments *arguments, int64 number)
{
	add(arguments, INT8OID, Int64GetDatum(number), false);
}

static void
add_text(Arguments *arguments, const char *text)
{
	add(arguments, TEXTOID, text ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
}

static void
add_time(Arguments *arguments, TimestampTz time)
{
	add(arguments, TIMESTAMPTZOID, TimestampTzGetDatum(time), false);
}

/* Returns how many rows came of it, or were changed; SPI is left connected. */
static uint64
run(const char *statement, Arguments *arguments)
{
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(statement, arguments->count, arguments->types, arguments->values, arguments->nulls, false, 0) < 0)
		elog(ERROR, "could not read or write the progress of retention");
	return SPI_processed;
}

static Arguments
of_pair(int64 rule, const char *tenant)
{
	Arguments	arguments = {0};

	add_number(&arguments, rule);
	add_text(&arguments, tenant);
	return arguments;
}

/* writing --------------------------------------------------------------------------------- */

static const char batch[] =
"INSERT INTO toms.retention_run AS r (rule, tenant, began_at, at, rows, cascaded) VALUES ($1, $2, $3, pg_catalog.clock_timestamp(), $4, $5)"
" ON CONFLICT (rule, tenant) DO UPDATE SET began_at = excluded.began_at, at = excluded.at, ended_at = NULL,"
" rows = excluded.rows + CASE WHEN r.began_at = excluded.began_at THEN r.rows ELSE 0 END,"
" cascaded = excluded.cascaded + CASE WHEN r.began_at = excluded.began_at THEN r.cascaded ELSE 0 END";

void
toms_progress_batch(const TomsRuleTurn *turn, TimestampTz began_at, const TomsBatchResult *result)
{
	Arguments	arguments = of_pair(turn->rule, turn->tenant);

	add_time(&arguments, began_at);
	add_number(&arguments, result->rows);
	add_number(&arguments, result->cascaded);
	(void) run(batch, &arguments);
	SPI_finish();
}

/* Nothing is written if it is as it was. */
static const char turn_end[] =
"INSERT INTO toms.retention_run AS r (rule, tenant, began_at, at, ended_at, held, blocked, problem, failures, failed_at, stopped_at, due)"
" VALUES ($1, $2, pg_catalog.now(), pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp(), $3, $4, $5,"
" CASE WHEN $5 IS NULL THEN 0 ELSE 1 END, CASE WHEN $5 IS NOT NULL THEN pg_catalog.now() END, CASE WHEN $6 THEN pg_catalog.now() END, CASE WHEN $6 THEN $7 END)"
" ON CONFLICT (rule, tenant) DO UPDATE SET at = excluded.at, ended_at = excluded.ended_at, held = excluded.held, blocked = excluded.blocked,"
" problem = excluded.problem, failures = CASE WHEN $5 IS NULL THEN 0 ELSE r.failures + 1 END,"
" failed_at = CASE WHEN $5 IS NOT NULL THEN coalesce(r.failed_at, excluded.failed_at) END,"
" stopped_at = CASE WHEN $6 THEN coalesce(r.stopped_at, excluded.stopped_at) END, due = excluded.due"
" WHERE r.ended_at IS NULL OR $5 IS NOT NULL OR (r.held, r.blocked, r.problem, r.stopped_at IS NOT NULL, r.due) IS DISTINCT FROM"
" (excluded.held, excluded.blocked, excluded.problem, excluded.stopped_at IS NOT NULL, excluded.due)";

void
toms_progress_turn(const TomsTurnEnd *end)
{
	Arguments	arguments = of_pair(end->rule, end->tenant);

	add_number(&arguments, end->held);
	add_number(&arguments, end->blocked);
	add_text(&arguments, end->problem);
	add(&arguments, BOOLOID, BoolGetDatum(end->stopped), false);
	add_number(&arguments, end->due);
	(void) run(turn_end, &arguments);
	SPI_finish();
}

static const char round_end[] =
"INSERT INTO toms.retention_round AS r (began_at, ended_at, rows, pairs, failed, stopped, problem)"
" VALUES ($1, pg_catalog.clock_timestamp(), $2, $3, $4, $5, $6)"
" ON CONFLICT (only_one) DO UPDATE SET began_at = excluded.began_at, ended_at = excluded.ended_at, rows = excluded.rows,"
" pairs = excluded.pairs, failed = excluded.failed, stopped = excluded.stopped, problem = excluded.problem";

/* What is told of rules that are not in force any more is of no use. */
static const char ended[] =
"DELETE FROM toms.retention_run r WHERE NOT EXISTS (SELECT FROM toms.retention_rule u WHERE u.id = r.rule AND u.valid_until IS NULL)";

void
toms_progress_round(const TomsRoundEnd *end)
{
	Arguments	none = {0};
	Arguments	arguments = {0};

	add_time(&arguments, end->began_at);
	add_number(&arguments, end->rows);
	add_number(&arguments, end->turns);
	add_number(&arguments, end->failed);
	add_number(&arguments, end->stopped);
	add_text(&arguments, end->problem);
	(void) run(round_end, &arguments);
	SPI_finish();
	(void) run(ended, &none);
	SPI_finish();
	(void) run("DELETE FROM toms.retention_partition n WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = n.partition)", &none);
	SPI_finish();
}

/* reading --------------------------------------------------------------------------------- */

static bool
exists(const char *query, const TomsRuleTurn *turn)
{
	Arguments	arguments = of_pair(turn->rule, turn->tenant);
	bool		found = run(query, &arguments) > 0;

	SPI_finish();
	return found;
}

static const char last_run[] =
"SELECT CASE WHEN EXISTS (SELECT FROM toms.retention_run r WHERE r.ended_at IS NULL)"
" OR EXISTS (SELECT FROM toms.tenant_end e WHERE e.state = 'erasing' AND e.problem IS NULL) THEN '-infinity' ELSE"
" coalesce((SELECT o.began_at FROM toms.retention_round o), (SELECT min(r.retained_at) FROM toms.retention_rule r WHERE r.valid_until IS NULL)) END";

void
toms_progress_last_run(TimestampTz *began)
{
	Arguments	none = {0};
	bool		isnull = true;
	Datum		value = (Datum) 0;

	if (run(last_run, &none) == 1)
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	if (!isnull)
		*began = DatumGetTimestampTz(value);
}

bool
toms_progress_is_stopped(const TomsRuleTurn *turn)
{
	return exists("SELECT FROM toms.retention_run WHERE rule = $1 AND tenant = $2 AND stopped_at IS NOT NULL", turn);
}

bool
toms_progress_is_approved(const TomsRuleTurn *turn)
{
	return exists("SELECT FROM toms.retention_run r JOIN toms.retention_approval a USING (rule, tenant)"
				  " WHERE r.rule = $1 AND r.tenant = $2 AND a.approved_at >= r.stopped_at", turn);
}

static TomsRuleTurn *
pair_of(HeapTuple row, TupleDesc columns, MemoryContext context)
{
	TomsRuleTurn *pair = MemoryContextAllocZero(context, sizeof(TomsRuleTurn));
	bool		isnull;

	pair->rule = DatumGetInt64(SPI_getbinval(row, columns, 1, &isnull));
	pair->tenant = MemoryContextStrdup(context, SPI_getvalue(row, columns, 2));
	return pair;
}

List *
toms_progress_open(void)
{
	MemoryContext context = CurrentMemoryContext;
	Arguments	none = {0};
	uint64		count = run("SELECT rule, tenant FROM toms.retention_run WHERE ended_at IS NULL OR problem IS NOT NULL OR stopped_at IS NOT NULL"
							" OR held > 0 OR blocked > 0", &none);
	List	   *pairs = NIL;

	for (uint64 i = 0; i < count; i++)
	{
		TomsRuleTurn *pair = pair_of(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, context);
		MemoryContext old = MemoryContextSwitchTo(context);

		pairs = lappend(pairs, pair);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return pairs;
}

/* for the view ------------------------------------------------------------------------------ */

static Datum
time_or_null(TimestampTz time, bool *isnull)
{
	*isnull = time == 0;
	return TimestampTzGetDatum(time);
}

/* toms.retention_worker(): pid, started_at, ended_at, last_step_at, wanted_since, wanted, problems */
Datum
toms_retention_worker(PG_FUNCTION_ARGS)
{
	TomsWorkerState state = toms_worker_state(TOMS_WORKER_RETENTION);
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int32GetDatum(state.pid);
	nulls[0] = state.pid == 0;
	values[1] = time_or_null(state.started_at, &nulls[1]);
	values[2] = time_or_null(state.ended_at, &nulls[2]);
	values[3] = time_or_null(state.last_step_at, &nulls[3]);
	values[4] = time_or_null(state.wanted_since, &nulls[4]);
	values[5] = BoolGetDatum(state.wanted);
	values[6] = Int32GetDatum(state.problems);
	nulls[6] = !state.wanted || state.problems < 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
