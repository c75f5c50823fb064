/*
 * guard.h - the second wall and the voice: refuses before a row is touched, and says why.
 *
 * Called by hooks.c alone.  What passes here still meets the policies.
 */
#ifndef TOMS_GUARD_H
#define TOMS_GUARD_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "guard/gate.h"
#include "guard/loss.h"
#include "guard/read.h"
#include "nodes/parsenodes.h"
extern Size toms_guard_shmem_size(void);
extern void toms_guard_shmem_init(bool found, void *area);
extern Size toms_guard_shmem_beside(void);
extern void toms_guard_init(void);

/*
 * Levels of execution: planner and executor calls nest.  Push, where a level is needed,
 * returns what pop needs; pop must run on error too.
 */
typedef struct TomsLevel
{
	int			depth;
	Oid			user;			/* who has entered it, and in which security context */
	int			security;
	bool		holding;		/* inside of a cursor that outlives its transaction */
	TomsCopy   *copy;			/* COPY that runs; NULL inside of another utility statement */
	bool		counting;		/* inside of EXPLAIN ANALYZE */
	bool		filling;		/* inside of a utility statement that fills a table */
	bool		restoring;		/* inside of COPY FROM by a superuser, before the trail is in use */
	bool		planning;		/* the planner is at work, by itself */
	bool		folding;		/* what is computed stays in a plan: by a function that is declared IMMUTABLE */
	bool		folding_around; /* that was so already when the planner was called */
} TomsLevel;

extern bool toms_guard_needs_level(void);
extern bool toms_guard_needs_run_level(QueryDesc *query);
extern TomsLevel toms_guard_push_level(void);
extern TomsLevel toms_guard_push_planning(void);
extern TomsLevel toms_guard_push_run(QueryDesc *query);
extern void toms_guard_pop_level(TomsLevel level);

extern void toms_guard_authenticated(bool by_peer);	/* the operating system vouched for the client */

/* After a statement is parsed, and not rewritten yet: refuse what cannot be told later. */
extern void toms_guard_after_parse(Query *query, const char *text);

/* Before a statement is planned: refuse what the planner would misunderstand; have foreign keys ask each row whose it is. */
extern void toms_guard_before_plan(Query *query);
extern void toms_guard_keep_carried(Query *query);

/*
 * Before and after a statement is started.  "before" refuses, or returns what is to be
 * remembered of it while it lives.
 */
extern TomsPinning toms_guard_before_start(QueryDesc *query);
extern void toms_guard_after_start(QueryDesc *query, TomsPinning pinning);

/* Around each fetch of rows; before: the context must still be the one the statement is pinned to. */
extern void toms_guard_before_run(QueryDesc *query);

/* What AFTER triggers record of the statement is of who opened it, not of whom it has made of himself. */
extern void toms_guard_before_finish(QueryDesc *query);

extern void toms_guard_after_run(QueryDesc *query);

/*
 * For what checks a range table without the executor, COPY for instance.  Returns false
 * instead of refusing where the caller only asks.
 */
extern bool toms_guard_check_rtable(List *rtable, List *perminfos, bool refuse);

/* Before a function that is not PostgreSQL's own is evaluated, by the executor or by the planner. */
extern void toms_guard_before_function(Oid function);

/* A column has been written to the catalog, a table is dropped: refuse what the table does not take; tell of it. */
extern void toms_guard_column_added(Oid relid, AttrNumber number);
extern void toms_guard_table_dropped(Oid relid);
extern void toms_guard_function_changed(Oid function);
extern void toms_guard_rule_dropped(Oid rule);	/* a view's, for instance, before the view */

/* What is known of a utility statement before it runs and needed afterwards. */
typedef struct TomsUtility
{
	bool		holds_cursor;	/* it declares a cursor that outlives its transaction */
	bool		counts_rows;	/* it is EXPLAIN ANALYZE */
	bool		fills_table;	/* it is ALTER TABLE or COPY FROM, which evaluate expressions for rows */
	bool		restores;		/* it is COPY FROM by a superuser, before the trail is in use */
	TomsCopy   *copy;			/* NULL: it is not COPY */
	Node	   *statement;		/* a copy, or NULL if nothing is left to do */
} TomsUtility;

extern TomsUtility toms_guard_before_utility(Node *statement);
extern void toms_guard_after_utility(Node *statement);
extern void toms_guard_enter_utility(TomsUtility utility);
extern void toms_guard_utility_is_done(const QueryCompletion *completion);	/* within it still */

/*
 * trail.c: what toms itself does to the tables of the audit trail by SQL, between on and off, which
 * nest.  No code of others may run meanwhile.  It ends with the (sub)transaction at the latest.
 */
extern void toms_guard_trail_work(bool on);

/*
 * Whoever writes to the trail says so in the same transaction, each time: from the first on nobody
 * else can, as a restore does before.  Until then nothing is to be sealed either.
 */
extern void toms_guard_trail_used(void);
extern bool toms_guard_trail_is_used(void);

/* Rows of a dump come before those of the trail perhaps: as long as that is not in use they are in the server log alone. */
extern bool toms_guard_is_restoring(void);
extern bool toms_guard_setting_is_secret(const char *name); /* its value is not told */

#endif							/* TOMS_GUARD_H */
