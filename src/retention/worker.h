/*
 * worker.h - between the files of the background worker of retention.
 */
#ifndef TOMS_RETENTION_WORKER_H
#define TOMS_RETENTION_WORKER_H

#include "retention/retention_int.h"

#include "utils/timestamp.h"

/* Why something did not work, without values: "SQLSTATE 23503" for instance. */
#define TOMS_PROBLEM_BYTES 256

/* A statement that wants a table is not to wait for long, nor is the worker. */
#define TOMS_RETENTION_LOCK_TIMEOUT "2s"

/* Settings, in the units of their names. */
extern int	toms_retention_interval;	/* s */
extern int	toms_retention_limit;	/* rows; -1: none */
extern void toms_retention_worker_init(void);

/*
 * worker.c: run a step in a transaction of its own.  False after an error, of which "problem" tells then; the
 * server log has it in full.  TOP: it runs utility statements that commit by themselves.
 */
typedef void (*TomsRetentionStep) (void *arg);
extern bool toms_retention_try(TomsRetentionStep step, void *arg, char problem[TOMS_PROBLEM_BYTES]);
extern bool toms_retention_try_utility(const char *statement, char problem[TOMS_PROBLEM_BYTES]);

/* Attend to what has come meanwhile, and sleep; false if the worker is to leave. */
extern bool toms_retention_goes_on(void);
extern bool toms_retention_sleep(int64 milliseconds);

/* round.c: all rules of the database, once; false if the worker is to leave. */
extern bool toms_retention_run(void);

/* pace.c: how large the next batch is to be, and how long to wait before it. */
extern void toms_pace_init(void);
extern int	toms_pace_rows(void);
extern void toms_pace_look(void);	/* in a transaction: whether clients need the processors */
extern void toms_pace_begin(void);
extern void toms_pace_end(int64 rows);	/* -1: it was no batch of rows */
extern int64 toms_pace_watch(void);
extern bool toms_pace_wait(void);	/* false if the worker is to leave */

/* candidates.c: whom a run can leave out. */
typedef struct TomsCandidates TomsCandidates;
extern TomsCandidates *toms_candidates(List *turns, TimestampTz as_of);
extern bool toms_is_candidate(const TomsCandidates *candidates, const TomsRuleTurn *turn);

/* The rule, if it is in force still. */
extern const TomsRule *toms_retention_rule(const TomsRelation *relation, int64 id);

/* progress.c: rows of toms.retention_run and toms.retention_round, in the caller's transaction. */
typedef struct TomsTurnEnd
{
	int64		rule;
	const char *tenant;
	const char *problem;		/* NULL: none */
	int64		held;
	int64		blocked;
	bool		stopped;		/* at the limit */
	int64		due;			/* then: how many rows at least */
} TomsTurnEnd;

typedef struct TomsRoundEnd
{
	TimestampTz began_at;
	int64		rows;
	int			turns;
	int			failed;
	int			stopped;
	const char *problem;		/* of the run as a whole; NULL: none */
} TomsRoundEnd;

extern void toms_progress_batch(const TomsRuleTurn *turn, TimestampTz began_at, const TomsBatchResult *result);
extern void toms_progress_turn(const TomsTurnEnd *end);
extern void toms_progress_last_run(TimestampTz *began);	/* -infinity: it is not at its end */
extern void toms_progress_round(const TomsRoundEnd *end);
extern bool toms_progress_is_approved(const TomsRuleTurn *turn);
extern bool toms_progress_is_stopped(const TomsRuleTurn *turn);
extern List *toms_progress_open(void);	/* of TomsRuleTurn *: pairs whose last run left something to tell */

/* partition.c: take out whole partitions of a root of which all rows are due; false if the worker is to leave. */
extern List *toms_retention_noted_roots(void);	/* those that it has begun with, Oids */
extern bool toms_retention_partitions(Oid root, TimestampTz as_of, int *failed);

/* vacuum.c: tables of which much was deleted. */
extern bool toms_retention_vacuum(void);

#endif							/* TOMS_RETENTION_WORKER_H */
