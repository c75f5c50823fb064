/*
 * round.c - one run of retention: all rules of a database, each for all its tenants.
 *
 * Called by worker.c.  Each batch is a transaction with its progress, so that a run that is broken off is gone on with
 * by the next one.  What goes wrong with one rule and tenant is written down, and the others go on.
 *
 * Partitions that go as a whole come first: whoever asks for rows that are due does not read theirs.
 */
#include "retention/worker.h"

#include "audit/audit.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "trail/trail.h"
#include "utils/memutils.h"

/* Batches that do nothing though more is said to be due. */
#define MOST_IDLE_BATCHES 20
#define NAP_MS 100

typedef struct Run
{
	MemoryContext context;
	TimestampTz as_of;
	List	   *turns;
	List	   *roots;			/* of partitions that may go: those that the last run began with first */
	List	   *loose;			/* tenants with keys that are to be destroyed */
	List	   *open;			/* pairs that the last run left something to tell of */
	TomsCandidates *candidates;
	char		problem[TOMS_PROBLEM_BYTES];
	TomsRoundEnd end;
} Run;

typedef enum Verdict
{
	VERDICT_IDLE,				/* nothing is due, or the rule has ended */
	VERDICT_DUE,
	VERDICT_BROKEN,				/* it cannot be carried out as it is */
	VERDICT_STOPPED				/* at the limit */
} Verdict;

/* A rule and tenant in this run. */
typedef struct Turn
{
	const Run  *run;
	const TomsRuleTurn *pair;
	Verdict		verdict;
	const char *broken;			/* why */
	bool		was_stopped;
	TomsBatchPosition position;
	TomsBatchResult last;
	int			idle;			/* batches */
	bool		waits;
	int64		rows;
	bool		wrote;			/* its progress */
	TomsTurnEnd end;
	char		problem[TOMS_PROBLEM_BYTES];
} Turn;

/* What is due ----------------------------------------------------------------------------- */

static const char *
why_broken(const TomsRule *rule)
{
	if (rule->column <= 0 || !OidIsValid(rule->type))
		return "its start event is gone";
	if (OidIsValid(rule->elsewhere) && rule->through <= 0)
		return "the column that leads to its start event is gone";
	return rule->zone ? NULL : "its time zone is not known";
}

/* Another session carries it out, in a transaction that will end. */
static bool
is_elsewhere(const TomsBatchResult *batch)
{
	return batch->problem && batch->more && batch->rows == 0 && batch->held == 0 && batch->blocked == 0;
}

static void
plan(void *arg)
{
	Run		   *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->context);
	ListCell   *cell;

	run->turns = toms_retention_turns();
	run->open = toms_progress_open();
	run->roots = toms_retention_noted_roots();
	foreach(cell, run->turns)
		run->roots = list_append_unique_oid(run->roots, ((TomsRuleTurn *) lfirst(cell))->root);
	MemoryContextSwitchTo(old);
}

static void
find_candidates(void *arg)
{
	Run		   *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	run->candidates = toms_candidates(run->turns, run->as_of);
	MemoryContextSwitchTo(old);
}

static bool
is_open(const Run *run, const TomsRuleTurn *pair)
{
	ListCell   *cell;

	foreach(cell, run->open)
	{
		const TomsRuleTurn *open = lfirst(cell);

		if (open->rule == pair->rule && strcmp(open->tenant, pair->tenant) == 0)
			return true;
	}
	return false;
}

/* Whether more is due than a run may delete unasked. */
static void
look_at_limit(Turn *turn, const TomsRelation *relation, const TomsRule *rule)
{
	int64		limit = toms_retention_limit;

	turn->verdict = VERDICT_DUE;
	if (limit < 0)
		return;
	turn->end.due = toms_retention_count_due(relation, rule, turn->pair->tenant, turn->run->as_of, limit + 1);
	if (turn->end.due == 0)
		turn->verdict = VERDICT_IDLE;
	if (turn->end.due <= limit || toms_progress_is_approved(turn->pair))
		return;
	turn->was_stopped = toms_progress_is_stopped(turn->pair);
	turn->verdict = VERDICT_STOPPED;
}

static void
look(void *arg)
{
	Turn	   *turn = arg;
	const TomsRelation *relation = toms_catalog_relation(turn->pair->root);
	const TomsRule *rule = toms_retention_rule(relation, turn->pair->rule);

	turn->verdict = VERDICT_IDLE;
	if (rule == NULL)
		return;
	turn->broken = why_broken(rule);
	if (turn->broken)
		turn->verdict = VERDICT_BROKEN;
	else
		look_at_limit(turn, relation, rule);
}

/* Batches --------------------------------------------------------------------------------- */

/* The rule as it is now: it may have been changed, or ended, since the last one. */
static void
do_batch(void *arg)
{
	Turn	   *turn = arg;
	const TomsRelation *relation = toms_catalog_relation(turn->pair->root);
	const TomsRule *rule = toms_retention_rule(relation, turn->pair->rule);

	memset(&turn->last, 0, sizeof(turn->last));
	if (rule == NULL || why_broken(rule))
		return;
	turn->last = toms_retention_batch(relation, rule, turn->pair->tenant, turn->run->as_of, toms_pace_rows(), &turn->position);
	turn->waits = is_elsewhere(&turn->last);
	if (turn->last.problem && !turn->waits)
		strlcpy(turn->problem, turn->last.problem, sizeof(turn->problem));
	turn->last.problem = NULL;
	toms_pace_look();
	if (turn->last.rows > 0)
		toms_progress_batch(turn->pair, turn->run->as_of, &turn->last);
}

static void
count_batch(Turn *turn)
{
	const TomsBatchResult *last = &turn->last;

	turn->rows += last->rows;
	turn->wrote |= last->rows > 0;
	turn->end.held += last->held;
	turn->end.blocked += last->blocked;
	turn->idle = last->rows + last->held + last->blocked > 0 ? 0 : turn->idle + 1;
}

/* Returns false if the worker is to leave; *failed: an error. */
static bool
do_batches(Turn *turn, bool *failed)
{
	do
	{
		if (!toms_pace_wait())
			return false;
		toms_pace_begin();
		*failed = !toms_retention_try(do_batch, turn, turn->problem);
		if (*failed)
			return true;
		count_batch(turn);
		toms_pace_end(turn->last.rows);
		if (turn->waits && !toms_retention_sleep(NAP_MS))
			return false;
	} while (turn->last.more && turn->idle < MOST_IDLE_BATCHES);
	return true;
}

/* The end of a turn ----------------------------------------------------------------------- */

static void
write_end(void *arg)
{
	Turn	   *turn = arg;

	toms_progress_turn(&turn->end);
}

/* A finding, which the trail has even if nobody reads the server log. */
static void
tell_limit(const Turn *turn)
{
	StringInfoData details;
	TomsEvent	event = {.kind = TOMS_ENTRY_ADMIN,.verb = TOMS_VERB_RETENTION_STOPPED,.relid = turn->pair->root};

	initStringInfo(&details);
	toms_event_say(&details, "finding", "retention_limit");
	appendStringInfo(&details, ",\"rule\":" INT64_FORMAT ",\"limit\":%d", turn->pair->rule, toms_retention_limit);
	toms_event_say(&details, "of_tenant", turn->pair->tenant);
	event.details = details.data;
	(void) toms_event_try(&event);
	pfree(details.data);
}

static void
tell_event(void *arg)
{
	tell_limit(arg);
}

static void
end_turn(Run *run, Turn *turn, bool failed)
{
	char		problem[TOMS_PROBLEM_BYTES];
	bool		stopped = turn->verdict == VERDICT_STOPPED;

	if (turn->position.context)
		MemoryContextDelete(turn->position.context);
	if (turn->broken)
		strlcpy(turn->problem, turn->broken, sizeof(turn->problem));
	turn->end.rule = turn->pair->rule;
	turn->end.tenant = turn->pair->tenant;
	turn->end.problem = turn->problem[0] ? turn->problem : NULL;
	turn->end.stopped = stopped;
	run->end.rows += turn->rows;
	run->end.failed += turn->end.problem != NULL;
	run->end.stopped += stopped;
	if (turn->wrote || turn->end.problem || stopped || turn->end.held > 0 || turn->end.blocked > 0 || is_open(run, turn->pair))
		(void) toms_retention_try(write_end, turn, problem);
	if (stopped && !turn->was_stopped)
		(void) toms_retention_try(tell_event, turn, problem);
}

/* Returns false if the worker is to leave. */
static bool
do_turn(Run *run, const TomsRuleTurn *pair)
{
	Turn		turn = {.run = run,.pair = pair};
	bool		failed = !toms_retention_try(look, &turn, turn.problem);

	run->end.turns++;
	if (!failed && turn.verdict == VERDICT_DUE && !do_batches(&turn, &failed))
		return false;
	end_turn(run, &turn, failed);
	return toms_retention_goes_on();
}

/* The run --------------------------------------------------------------------------------- */

/* This, and those that follow: false if the worker is to leave. */
static bool
do_partitions(Run *run)
{
	ListCell   *cell;

	foreach(cell, run->roots)
	{
		if (!toms_retention_partitions(lfirst_oid(cell), run->as_of, &run->end.failed))
			return false;
	}
	return true;
}

static bool
do_turns(Run *run)
{
	ListCell   *cell;

	foreach(cell, run->turns)
	{
		const TomsRuleTurn *pair = lfirst(cell);

		if ((toms_is_candidate(run->candidates, pair) || is_open(run, pair)) && !do_turn(run, pair))
			return false;
	}
	return true;
}

static void
find_loose(void *arg)
{
	Run		   *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	run->loose = toms_retention_loose_tenants();
	MemoryContextSwitchTo(old);
}

static void
destroy_loose(void *tenant)
{
	SPI_connect();
	toms_loose_keys_destroy(tenant);
	SPI_finish();
}

/* Keys of values that are gone, which could not be destroyed with them. */
static bool
destroy_keys(Run *run)
{
	char		problem[TOMS_PROBLEM_BYTES];
	ListCell   *cell;

	if (!toms_retention_try(find_loose, run, problem))
		run->end.failed++;
	foreach(cell, run->loose)
	{
		if (!toms_retention_goes_on())
			return false;
		if (!toms_retention_try(destroy_loose, lfirst(cell), problem))
			run->end.failed++;
	}
	return true;
}

/* What other slices do ------------------------------------------------------------------- */

static TomsRoundStep other_step = NULL;

typedef struct Other
{
	int64		rows;
	bool		more;
} Other;

void
toms_retention_round_step(TomsRoundStep step)
{
	Assert(other_step == NULL);
	other_step = step;
}

static void
do_other(void *arg)
{
	Other	   *other = arg;

	other->rows = other_step(toms_retention_batch_rows(), &other->more);
}

/* Returns false if the worker is to leave. */
static bool
do_others(Run *run)
{
	char		problem[TOMS_PROBLEM_BYTES];
	Other		other = {.more = other_step != NULL};

	while (other.more)
	{
		other.more = false;
		if (!toms_retention_goes_on() || !toms_pace_wait())
			return false;
		toms_pace_begin();
		if (!toms_retention_try(do_other, &other, problem))
			run->end.failed++;
		toms_pace_end(-1);
	}
	return true;
}

static void
write_round(void *arg)
{
	toms_progress_round(&((Run *) arg)->end);
}

/* Once in an interval at most: what is wrong is said as long as it is. */
static void
say_end(const TomsRoundEnd *end)
{
	if (end->problem == NULL && end->failed == 0 && end->stopped == 0)
		return;
	ereport(LOG,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("toms retention in database %u: %d failed, %d stopped at toms.retention_limit", MyDatabaseId, end->failed, end->stopped),
			 end->problem ? errdetail("The run as a whole failed: %s.", end->problem) : 0,
			 errhint("SELECT * FROM toms.retention_progress; tells of each rule.")));
}

/* Returns false where the run cannot go on without it. */
static bool
prepare(Run *run, TomsRetentionStep step)
{
	if (toms_retention_try(step, run, run->problem))
		return true;
	run->end.problem = run->problem;
	run->end.failed++;
	return false;
}

static bool
do_all(Run *run)
{
	if (!prepare(run, plan))
		return true;
	if (!do_partitions(run))
		return false;
	if (!prepare(run, find_candidates))
		return true;
	return do_turns(run) && destroy_keys(run) && do_others(run) && (run->end.rows == 0 || toms_retention_vacuum());
}

static bool
run_all(Run *run)
{
	char		ignored[TOMS_PROBLEM_BYTES];

	if (!do_all(run))
		return false;
	(void) toms_retention_try(write_round, run, ignored);
	toms_process_tell_problems(run->end.failed + run->end.stopped);
	say_end(&run->end);
	return true;
}

bool
toms_retention_run(void)
{
	Run			run = {.context = AllocSetContextCreate(TopMemoryContext, "toms retention run", ALLOCSET_DEFAULT_SIZES),.as_of = GetCurrentTimestamp()};
	bool		goes_on;

	run.end.began_at = run.as_of;
	goes_on = run_all(&run);
	MemoryContextDelete(run.context);
	return goes_on;
}
