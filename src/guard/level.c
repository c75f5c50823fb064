/*
 * level.c - levels of execution: which statement runs inside of which.
 *
 * Called by hooks.c around the planner, the executor and utility statements.  What is going on is one variable
 * of this backend; each level restores the one around it, on error too.
 */
#include "guard/level.h"

#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "context/context.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/regproc.h"

TomsLevel	toms_level;

static bool asking = false;

/*
 * A level that differs from the one around it in nothing that is asked later need not be
 * pushed: most do not.  What a parallel worker runs itself is told by its depth.
 */
bool
toms_guard_needs_level(void)
{
	return InNoForceRLSOperation() || toms_level.planning || IsParallelWorker() || toms_context_is_working();
}

/* For slice context, while toms works on rows itself: then every statement has a level. */
static int
level_of_statement(void)
{
	return toms_level.depth + asking;
}

/*
 * A cursor WITH HOLD is run to its end at COMMIT, in the context of its transaction, and
 * read afterwards by whoever has the connection then: also what functions in it read.
 */
static bool
is_held(QueryDesc *query)
{
	return ActivePortal && ActivePortal->queryDesc == query &&
		(ActivePortal->cursorOptions & CURSOR_OPT_HOLD) != 0;
}

bool
toms_guard_needs_run_level(QueryDesc *query)
{
	return toms_guard_needs_level() || is_held(query);
}

/*
 * A referential-integrity query runs as the table's owner with SECURITY_NOFORCE_RLS, so that no policy applies to it: it must
 * see all rows.  What a trigger, cast or operator runs inside of it must not, nor leave behind a plan without policies.
 */
TomsLevel
toms_guard_push_level(void)
{
	TomsLevel	enclosing = toms_level;

	toms_level.depth++;
	toms_level.planning = false;
	GetUserIdAndSecContext(&toms_level.user, &toms_level.security);
	if (InNoForceRLSOperation())
		SetUserIdAndSecContext(toms_level.user, toms_level.security & ~SECURITY_NOFORCE_RLS);
	return enclosing;
}

/* What the planner evaluates stays in the plan, which others may run later. */
TomsLevel
toms_guard_push_planning(void)
{
	TomsLevel	enclosing = toms_guard_push_level();

	toms_level.planning = true;
	toms_level.folding_around = toms_level.folding;
	return enclosing;
}

/* It would run with the rights that toms has. */
static void
refuse_owners_function(Oid function)
{
	if (function >= FirstNormalObjectId && get_func_namespace(function) != get_namespace_oid("toms", true))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a query of toms over all rows does not run function %s", format_procedure(function)),
				 errhint("It stands in an index, a constraint or a cast of a table, where functions of PostgreSQL itself are of use alone.")));
}

/* A function is about to be evaluated: by the planner it is for good, or for an estimate. */
void
toms_guard_before_function(Oid function)
{
	if (toms_in_system_query())
		refuse_owners_function(function);
	if (toms_level.planning && function >= FirstNormalObjectId)
		toms_level.folding = toms_level.folding_around || func_volatile(function) == PROVOLATILE_IMMUTABLE;
}

TomsLevel
toms_guard_push_run(QueryDesc *query)
{
	TomsLevel	enclosing = toms_guard_push_level();

	toms_level.holding |= is_held(query);
	return enclosing;
}

void
toms_guard_pop_level(TomsLevel level)
{
	if ((toms_level.security & SECURITY_NOFORCE_RLS) != 0)
		SetUserIdAndSecContext(toms_level.user, toms_level.security);
	toms_level = level;
}

void
toms_guard_enter_utility(TomsUtility utility)
{
	toms_level.holding |= utility.holds_cursor;
	toms_level.counting |= utility.counts_rows;
	toms_level.filling |= utility.fills_table;
	toms_level.restoring |= utility.restores;
	toms_level.copy = utility.copy;
}

void
toms_guard_utility_is_done(const QueryCompletion *completion)
{
	toms_guard_copy_is_done(toms_level.copy, completion);
}

TomsCopy *
toms_guard_copy(void)
{
	return toms_level.copy;
}

bool
toms_guard_is_restoring(void)
{
	return toms_level.restoring;
}

bool
toms_guard_is_counting(void)
{
	return toms_level.counting;
}

/* An error in between is followed by the end of a (sub)transaction. */
void
toms_level_asking(bool is_asking)
{
	asking = is_asking;
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	asking = false;
	toms_system_query_forget(InvalidSubTransactionId);
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId sub, SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	asking = false;
	toms_system_query_forget(sub);
}

void
toms_level_init(void)
{
	toms_context_level = level_of_statement;
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}
