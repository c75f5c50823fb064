/*
 * guard_int.h - between the files of slice guard.
 */
#ifndef TOMS_GUARD_INT_H
#define TOMS_GUARD_INT_H

#include "guard/guard.h"

#include "base/reason.h"
#include "catalog/catalog.h"

/* An access to one protected relation, as a statement asks for it. */
typedef struct TomsAccess
{
	TomsRelation *relation;
	AclMode		verbs;
	Oid			user;			/* whose privileges count: a view's owner, or the current user */
	bool		reads;			/* the statement reads rows of it, which it does not just write */
	bool		reads_own_rows; /* RETURNING: the statement reads what it writes */
	bool		through_temporary;	/* the statement reads a temporary view */
	bool		in_toast;		/* of its long values, where they are stored: no policy applies there */
} TomsAccess;

typedef enum TomsPassage
{
	TOMS_PASS_CONTEXT,			/* permitted by the context */
	TOMS_PASS_EMPTY,			/* no context, and that yields no rows */
	TOMS_PASS_ADMINISTRATOR,	/* let through for a stated reason, on record */
	TOMS_PASS_REFUSED
} TomsPassage;

typedef struct TomsFinding
{
	TomsPassage passage;
	TomsReason	reason;			/* TOMS_OK unless refused */
	bool		scope_tenant;
	const char *role;			/* of the context, if that permits */
	const char *detail;
	const char *hint;
} TomsFinding;

/* The one rule of the guard; raises no error and records nothing. */
extern TomsFinding toms_guard_examine(const TomsAccess *access);

/* Whether who opened the session, or SET ROLE in it, may bypass row security; the same, and a reason is stated. */
extern bool toms_guard_is_administrator(void);
extern bool toms_guard_administrator_at_work(void);

/* Raise the error of a finding. */
extern void toms_guard_refuse(const TomsAccess *access, const TomsFinding *finding);

/* Whether an EXPLAIN ANALYZE is running. */
extern bool toms_guard_is_counting(void);

/* check.c: whether a relation is looked up by a policy, for the rows of its children. */
extern bool toms_guard_is_lookup(Oid check_as_user, List *rtable);

/* A statement that calls others. */
typedef struct TomsRunning
{
	const QueryDesc *query;
	const char *purpose;		/* NULL: none was in force, or it does not matter */
	int			trigger_depth;	/* in which it was started */
} TomsRunning;

extern int	toms_guard_trigger_depth(void);

/* pin.c: the statements that called for the one that is being started; whether any is remembered */
extern List *toms_guard_running(void);
extern bool toms_guard_has_pins(void);

/* check.c: COPY that runs; NULL: none */
extern TomsCopy *toms_guard_copy(void);

/* check.c: a permission may have ended since the last rows were fetched. */
extern void toms_guard_check_again(PlannedStmt *stmt);

/* check.c: what has been checked is no more being started, whatever became of it. */
extern void toms_guard_forget_checked(void);

/* combine.c: refuse a statement whose accesses pass one by one and must not meet; "running" call it. */
extern void toms_guard_check_company(List *rtable, List *perminfos, bool makes_table, List *running);
extern bool toms_guard_makes_table(const QueryDesc *query);
extern bool toms_guard_can_be_open(const RangeTblEntry *rte);	/* what is not protected and written */

/* "what" was done, for the record: verbs, or "truncate", or "ddl". */
extern void toms_guard_record_administrator(Oid relid, const char *what);

/* ddl.c: whether a statement asks all rows that a table has.  The first locks nothing, and is true for more of them. */
extern bool toms_ddl_can_ask(const AlterTableStmt *alter);
extern bool toms_ddl_asks(const AlterTableStmt *alter);
extern bool toms_ddl_indexes_expression(const IndexStmt *index);
extern bool toms_ddl_measures_expression(const CreateStatsStmt *statistics);

/* OIDs of the tables with columns of a type, or of types made of it. */
extern List *toms_ddl_tables_of_type(Oid type);

/* minimise.c: refuse columns that a table does not take. */
extern void toms_minimise_before_alter(Oid relid, const AlterTableStmt *alter);
extern void toms_minimise_after_create(Oid relid);

/* qualified.c: refuse UPDATE and DELETE of a table without WHERE. */
extern void toms_qualified_before_plan(const Query *query);

/* observe.c: note what a table in observe mode would have refused. */
extern void toms_observe_note(const TomsAccess *access, const TomsFinding *finding);
extern Size toms_observe_shmem_size(void);
extern void toms_observe_shmem_init(void);
extern int	toms_observe_count(void);
/*
 * toms.would_refuse groups by query id, which costs time with every statement: it is switched
 * on where a table is observed, in other sessions from their next statement on.
 */
extern bool toms_observe_has_query_ids;	/* in this session */
extern void toms_observe_enable_query_ids(bool observing);

extern uint64 toms_guard_administrator_count(void);
/* Whether there are other columns among those selected than tell which row it is; not those of a data subject whose reads are strict. */
extern bool toms_guard_looks_into(const TomsRelation *relation, const Bitmapset *selected);
#endif							/* TOMS_GUARD_INT_H */
