/*
 * run.c - toms.run_retention(): one batch of each rule and tenant, in the caller's transaction.
 *
 * The same step as the worker's, for whoever has a scheduler of his own.  A rule that fails is told of and the others
 * go on.
 */
#include "retention/due.h"

#include "access/xact.h"
#include "base/clock.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_run_retention);

#define DRY_RUN_COUNTS 1000000

/* How long a batch may go on looking for rows that it can delete, where the first ones cannot be. */
#define PATIENCE_MS 10000

typedef struct Run
{
	ReturnSetInfo *result;
	TimestampTz as_of;
	bool		dry_run;
	int			limit;
} Run;

enum
{
	RUN_RULE,
	RUN_RELATION,
	RUN_TENANT,
	RUN_ACTION,
	RUN_DUE,
	RUN_DONE,
	RUN_CASCADED,
	RUN_HELD,
	RUN_BLOCKED,
	RUN_MORE,
	RUN_PROBLEM,
	RUN_COLUMNS
};

static const TomsRule *
find_rule(const TomsRelation *relation, int64 id)
{
	for (int i = 0; relation && i < relation->nrules; i++)
	{
		if (relation->rules[i].id == id)
			return &relation->rules[i];
	}
	return NULL;
}

static void
tell(const Run *run, const TomsRuleTurn *turn, const char *action, int64 due, const TomsBatchResult *batch)
{
	Datum		values[RUN_COLUMNS];
	bool		nulls[RUN_COLUMNS] = {false};

	if (due == 0 && batch->held == 0 && batch->blocked == 0 && batch->problem == NULL)
		return;
	values[RUN_RULE] = Int64GetDatum(turn->rule);
	values[RUN_RELATION] = CStringGetTextDatum(toms_relation_name(turn->root));
	values[RUN_TENANT] = CStringGetTextDatum(turn->tenant);
	values[RUN_ACTION] = CStringGetTextDatum(action);
	values[RUN_DUE] = Int64GetDatum(due);
	values[RUN_DONE] = Int64GetDatum(batch->rows);
	values[RUN_CASCADED] = Int64GetDatum(batch->cascaded);
	values[RUN_HELD] = Int64GetDatum(batch->held);
	values[RUN_BLOCKED] = Int64GetDatum(batch->blocked);
	values[RUN_MORE] = BoolGetDatum(batch->more);
	values[RUN_PROBLEM] = batch->problem ? CStringGetTextDatum(batch->problem) : 0;
	nulls[RUN_PROBLEM] = batch->problem == NULL;
	tuplestore_putvalues(run->result->setResult, run->result->setDesc, values, nulls);
}

static void
add_batch(TomsBatchResult *sum, const TomsBatchResult *batch)
{
	sum->rows += batch->rows;
	sum->cascaded += batch->cascaded;
	sum->held += batch->held;
	sum->blocked += batch->blocked;
	sum->more = batch->more;
	if (batch->problem)
		sum->problem = batch->problem;
}

/* Where the first rows cannot be deleted it goes on to others, as long as it takes in reason. */
static TomsBatchResult
run_batches(const Run *run, const TomsRuleTurn *turn)
{
	TimestampTz began = toms_clock_steady();
	TomsBatchPosition position = toms_position_take(turn);
	TomsBatchResult sum = {0};

	do
	{
		TomsRelation *relation = toms_catalog_relation(turn->root);
		const TomsRule *rule = find_rule(relation, turn->rule);
		TomsBatchResult batch = {0};

		if (rule)
			batch = toms_retention_batch(relation, rule, turn->tenant, run->as_of, run->limit, &position);
		add_batch(&sum, &batch);
		if (batch.more && batch.blocked == 0)
			break;
	} while (sum.more && sum.rows == 0 && !TimestampDifferenceExceeds(began, toms_clock_steady(), PATIENCE_MS));
	if (sum.more)
		toms_position_keep(turn, &position);
	else if (position.context)
		MemoryContextDelete(position.context);
	return sum;
}

static void
run_turn(const Run *run, const TomsRuleTurn *turn)
{
	TomsRelation *relation = toms_catalog_relation(turn->root);
	const TomsRule *rule = find_rule(relation, turn->rule);
	TomsBatchResult batch = {0};
	const char *action;
	int64		due;

	if (rule == NULL)
		return;
	action = rule->action == TOMS_RETENTION_PSEUDONYMISE ? "pseudonymise" : "delete";
	if (run->dry_run)
		due = toms_retention_count_due(relation, rule, turn->tenant, run->as_of, DRY_RUN_COUNTS);
	else
	{
		batch = run_batches(run, turn);
		due = batch.rows + batch.held + batch.blocked;
	}
	tell(run, turn, action, due, &batch);
}

/* What is wrong with one rule must not keep the others from being carried out. */
static void
try_turn(const Run *run, const TomsRuleTurn *turn)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		run_turn(run, turn);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;
		TomsBatchResult failed = {0};

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(memory);
		failed.problem = toms_retention_describe(error);
		tell(run, turn, "failed", 0, &failed);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
}

static void
check_as_of(const Run *run)
{
	if (!run->dry_run)
		toms_clock_require();
	if (run->as_of > GetCurrentTransactionStartTimestamp() && !run->dry_run)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rows are not deleted before their period is over"),
				 errhint("dry_run => true tells what will be due then.")));
	if (TIMESTAMP_NOT_FINITE(run->as_of))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a run is of a time that is not infinite")));
}

static void
destroy_loose_keys(void)
{
	List	   *tenants = toms_retention_loose_tenants();
	ListCell   *cell;

	foreach(cell, tenants)
	{
		SPI_connect();
		toms_loose_keys_destroy(lfirst(cell));
		SPI_finish();
	}
}

static void
run_turns(const Run *run, List *turns)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "toms retention turn", ALLOCSET_DEFAULT_SIZES);
	ListCell   *cell;

	foreach(cell, turns)
	{
		MemoryContext old = MemoryContextSwitchTo(work);

		CHECK_FOR_INTERRUPTS();
		try_turn(run, lfirst(cell));
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
}

/* toms.run_retention(as_of, dry_run) */
Datum
toms_run_retention(PG_FUNCTION_ARGS)
{
	Run			run = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.as_of = PG_GETARG_TIMESTAMPTZ(0),.dry_run = PG_GETARG_BOOL(1),
	.limit = toms_retention_batch_rows()};

	InitMaterializedSRF(fcinfo, 0);
	check_as_of(&run);
	if (!run.dry_run)
		destroy_loose_keys();
	toms_position_running(true);
	PG_TRY();
	{
		run_turns(&run, toms_retention_turns());
	}
	PG_FINALLY();
	{
		toms_position_running(false);
	}
	PG_END_TRY();
	return (Datum) 0;
}
