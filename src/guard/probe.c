/*
 * probe.c - tries what must be refused, for toms.check(): nothing is read, written or kept.
 *
 * Called by the probes of slice evidence through toms.try_access().  A read is planned and started like anybody's and
 * never run; of writes and DDL, which would take locks, the guard is asked what it would decide, and so of reads where
 * planning would run code of the table's owner: he would have it run as whoever he has granted a privilege to.
 * Meanwhile nobody is an administrator and no context is in force, whoever checks.  All happens in a sub-transaction that
 * is rolled back: the lock on the table, ACCESS SHARE, goes with it.
 */
#include "guard/probe.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "context/context.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "policy/policy.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rowsecurity.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(toms_try_access);

/* What came of it if it was not refused: nothing stops it, or there would be no rows. */
#define PROBE_EMPTY "empty"

static const char *
told(const TomsFinding *finding)
{
	if (finding->passage == TOMS_PASS_REFUSED)
		return toms_reason_code(finding->reason);
	return finding->passage == TOMS_PASS_EMPTY ? PROBE_EMPTY : NULL;
}

static bool
has_expression(Oid indexid)
{
	Relation	index = index_open(indexid, AccessShareLock);
	bool		found = !heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL) ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);

	index_close(index, NoLock);
	return found;
}

/*
 * Calls with constant arguments are evaluated as soon as a query is planned: in policies, indexes and statistics, and in
 * constraints if constraint_exclusion is on.  Of a foreign table another server may be asked.
 */
static bool
planning_runs_code(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	bool		found = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE || RelationGetStatExtList(rel) != NIL;
	ListCell   *cell;

	foreach(cell, rel->rd_rsdesc ? rel->rd_rsdesc->policies : NIL)
		found |= !toms_policy_is_reserved(((RowSecurityPolicy *) lfirst(cell))->policy_name);
	foreach(cell, RelationGetIndexList(rel))
		found |= has_expression(lfirst_oid(cell));
	relation_close(rel, NoLock);
	return found;
}

static Query *
parse_select(Oid relid)
{
	char	   *text = psprintf("SELECT FROM ONLY %s", toms_relation_name(relid));
	List	   *trees = pg_parse_query(text);

	return parse_analyze_fixedparams(linitial_node(RawStmt, trees), text, NULL, 0, NULL);
}

/* The name is looked up by who checks; all else is done by the role. */
static void
start_select(Oid relid, Oid role)
{
	Query	   *query = parse_select(relid);
	QueryDesc  *desc;
	int			security;
	Oid			user;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(role, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	query = linitial_node(Query, QueryRewrite(query));
	desc = CreateQueryDesc(toms_plan_query(query), "", GetActiveSnapshot(), InvalidSnapshot,
						   None_Receiver, NULL, NULL, 0);
	ExecutorStart(desc, EXEC_FLAG_EXPLAIN_ONLY);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
}

static const char *
ask(Oid relid, const char *verb, Oid role)
{
	TomsAccess	access = {.relation = toms_catalog_relation(relid),.verbs = toms_verb_parse(verb),.user = role};
	TomsFinding finding = {.passage = TOMS_PASS_CONTEXT};

	if (access.relation == NULL)
		return NULL;
	if (strcmp(verb, "truncate") == 0)
		finding = toms_guard_examine_truncate();
	else if (strcmp(verb, "drop") == 0)
		finding = toms_guard_examine_drop();
	else if (strcmp(verb, "ddl") == 0 && toms_guard_keeps_policies(relid))
		return toms_reason_code(TOMS_POLICY_MANAGED);
	else if (access.verbs != 0)
		finding = toms_guard_examine(&access);
	if (access.verbs == ACL_SELECT && finding.passage != TOMS_PASS_EMPTY && !planning_runs_code(relid))
	{
		start_select(relid, role);
		return NULL;
	}
	return access.relation->mode == TOMS_MODE_OBSERVE ? NULL : told(&finding);
}

/* The code of a refusal; PostgreSQL's own says that a privilege is missing.  Another error is none of an answer. */
static const char *
refusal_of(const ErrorData *error)
{
	if (error->constraint_name && strncmp(error->constraint_name, "toms_", 5) == 0)
		return error->constraint_name;
	return error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ? "insufficient_privilege" : NULL;
}

static const char *
ask_and_roll_back(Oid relid, const char *verb, Oid role)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	const char *volatile answer = NULL;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		if (toms_context_get())
			set_config_option("toms.token", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
		(void) set_config_option("constraint_exclusion", "partition", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
		PushActiveSnapshot(GetTransactionSnapshot());
		answer = ask(relid, verb, role);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		answer = refusal_of(error);
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	/* whoever catches it takes back his own sub-transaction, not this one */
	if (error && answer == NULL)
		ReThrowError(error);
	return answer;
}

/*
 * toms.try_access(relation, verb, role): the code of the refusal, "empty", or NULL if nothing refuses it.  Verbs are
 * those of permissions, truncate, drop, and ddl: to take row security off.
 */
Datum
toms_try_access(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *verb = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			role = PG_GETARG_OID(2);
	const char *answer;

	toms_is_probing = true;
	PG_TRY();
	{
		answer = ask_and_roll_back(relid, verb, role);
	}
	PG_FINALLY();
	{
		toms_is_probing = false;
	}
	PG_END_TRY();
	if (answer == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(answer));
}
