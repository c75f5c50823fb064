/*
 * hooks.c - the only file that touches PostgreSQL's hook pointers.
 *
 * Each dispatcher saves nothing but the next hook and holds calls, no logic: refuse first,
 * then the next hook or PostgreSQL's own function, then bring up to date.  (object_access
 * asks the next one first: several may refuse, none can permit.)  The order of checks is
 * this page.
 */
#include "postgres.h"

#include "audit/audit.h"
#include "base/compat.h"
#include "catalog/catalog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "commands/seclabel.h"
#include "guard/guard.h"
#include "hooks.h"
#include "libpq/auth.h"
#include "login/login.h"
#include "miscadmin.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "policy/policy.h"
#include "purpose/purpose.h"
#include "shmem.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/selfuncs.h"

static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;
static ClientAuthentication_hook_type next_client_authentication = NULL;
static post_parse_analyze_hook_type next_post_parse_analyze = NULL;
static planner_hook_type next_planner = NULL;
static ExecutorStart_hook_type next_executor_start = NULL;
static ExecutorRun_hook_type next_executor_run = NULL;
static ExecutorFinish_hook_type next_executor_finish = NULL;
static ExecutorCheckPerms_hook_type next_check_perms = NULL;
static ProcessUtility_hook_type next_utility = NULL;
static object_access_hook_type next_object_access = NULL;
static bool object_access_kept = false;
static toms_relation_info_hook_type next_relation_info = NULL;
static set_rel_pathlist_hook_type next_pathlist = NULL;
static create_upper_paths_hook_type next_upper_paths = NULL;
static get_relation_stats_hook_type next_relation_stats = NULL;
static needs_fmgr_hook_type next_needs_fmgr = NULL;
static fmgr_hook_type next_fmgr = NULL;

static void
shmem_request(void)
{
	if (next_shmem_request)
		next_shmem_request();
	toms_shmem_request();
}

static void
shmem_startup(void)
{
	if (next_shmem_startup)
		next_shmem_startup();
	toms_shmem_startup();
}

static void
client_authentication(Port *port, int status)
{
	toms_login_before(port, status);
	if (next_client_authentication)
		next_client_authentication(port, status);
	toms_login_after(port, status);
	toms_guard_authenticated(port->hba && port->hba->auth_method == uaPeer);
}

static void
post_parse_analyze(ParseState *state, Query *query, TomsJumbleState *jumble)
{
	toms_guard_after_parse(query, state->p_sourcetext);
	if (next_post_parse_analyze)
		next_post_parse_analyze(state, query, jumble);
}

static PlannedStmt *
call_planner(TOMS_PLANNER_PARAMS)
{
	return next_planner ? next_planner(TOMS_PLANNER_ARGS)
		: standard_planner(TOMS_PLANNER_ARGS);
}

static PlannedStmt *
plan(TOMS_PLANNER_PARAMS)
{
	TomsLevel	level;
	PlannedStmt *result;

	toms_policy_find_parents_once(parse);
	toms_policy_check_once(parse);
	toms_guard_before_plan(parse);
	toms_guard_keep_carried(parse);
	level = toms_guard_push_planning();
	PG_TRY();
	{
		result = call_planner(TOMS_PLANNER_ARGS);
	}
	PG_FINALLY();
	{
		toms_guard_pop_level(level);
	}
	PG_END_TRY();
	return result;
}

static void
call_executor_start(QueryDesc *query, int eflags)
{
	if (next_executor_start)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
executor_start(QueryDesc *query, int eflags)
{
	TomsPinning pinning = toms_guard_before_start(query);

	if (!toms_guard_needs_level())
		call_executor_start(query, eflags);
	else
	{
		TomsLevel	level = toms_guard_push_level();

		PG_TRY();
		{
			call_executor_start(query, eflags);
		}
		PG_FINALLY();
		{
			toms_guard_pop_level(level);
		}
		PG_END_TRY();
	}
	toms_guard_after_start(query, pinning);
}

static void
call_executor_run(TOMS_EXECUTOR_RUN_PARAMS)
{
	if (next_executor_run)
		next_executor_run(TOMS_EXECUTOR_RUN_ARGS);
	else
		standard_ExecutorRun(TOMS_EXECUTOR_RUN_ARGS);
}

static void
executor_run(TOMS_EXECUTOR_RUN_PARAMS)
{
	toms_guard_before_run(query);
	if (!toms_guard_needs_run_level(query))
		call_executor_run(TOMS_EXECUTOR_RUN_ARGS);
	else
	{
		TomsLevel	level = toms_guard_push_run(query);

		PG_TRY();
		{
			call_executor_run(TOMS_EXECUTOR_RUN_ARGS);
		}
		PG_FINALLY();
		{
			toms_guard_pop_level(level);
		}
		PG_END_TRY();
	}
	toms_guard_after_run(query);
}

static void
call_executor_finish(QueryDesc *query)
{
	if (next_executor_finish)
		next_executor_finish(query);
	else
		standard_ExecutorFinish(query);
}

static void
executor_finish(QueryDesc *query)
{
	TomsLevel	level;

	toms_guard_before_finish(query);
	if (!toms_guard_needs_level())
	{
		call_executor_finish(query);
		return;
	}
	level = toms_guard_push_level();
	PG_TRY();
	{
		call_executor_finish(query);
	}
	PG_FINALLY();
	{
		toms_guard_pop_level(level);
	}
	PG_END_TRY();
}

static bool
check_perms(TOMS_CHECK_PERMS_PARAMS)
{
	if (!toms_guard_check_rtable(rtable, TOMS_CHECK_PERMS_INFOS, ereport_on_violation))
		return false;
	return next_check_perms ? next_check_perms(TOMS_CHECK_PERMS_ARGS) : true;
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (next_object_access)
		next_object_access(access, class, object, sub, arg);
	if (access == OAT_TRUNCATE && class == RelationRelationId)
	{
		toms_guard_check_truncate(object);
		toms_guard_rows_lost(object);
	}
	if (access == OAT_POST_CREATE && class == RelationRelationId && sub > 0)
		toms_guard_column_added(object, sub);
	if (access == OAT_DROP && class == RelationRelationId && sub == 0)
		toms_guard_table_dropped(object);
	if (access == OAT_DROP && class == RewriteRelationId)
		toms_guard_rule_dropped(object);
	if (access == OAT_DROP && class == RelationRelationId)
	{
		toms_guard_check_drop(object, sub);
		toms_guard_rows_lost(object);
	}
	if ((access == OAT_POST_CREATE || access == OAT_POST_ALTER) && class == ProcedureRelationId)
		toms_guard_function_changed(object);
	toms_worker_object_access(access, class, object);
}

/*
 * The executor asks object_access_hook for every function that a statement calls.  Ours only
 * looks at what utility statements do, so it is in its place while one runs, and at no other
 * time.  Returns whether it was put there.
 */
static bool
put_object_access(void)
{
	if (object_access_kept || object_access_hook == object_access)
		return false;
	next_object_access = object_access_hook;
	object_access_hook = object_access;
	return true;
}

/* A module loaded meanwhile calls ours as its next one: then ours stays. */
static void
take_object_access(void)
{
	if (object_access_hook == object_access)
		object_access_hook = next_object_access;
	else
		object_access_kept = true;
}

static void
utility(PlannedStmt *stmt, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
		ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	/* the statement's own tree may be gone when it has run */
	TomsUtility before = toms_guard_before_utility(stmt->utilityStmt);
	TomsLevel	level = toms_guard_push_level();
	bool		put;

	toms_guard_enter_utility(before);
	put = put_object_access();
	PG_TRY();
	{
		toms_worker_before_utility(stmt->utilityStmt);
		if (next_utility)
			next_utility(stmt, query_string, read_only_tree, context, params, environment, dest, completion);
		else
			standard_ProcessUtility(stmt, query_string, read_only_tree, context, params, environment, dest, completion);
		toms_guard_utility_is_done(completion);
	}
	PG_FINALLY();
	{
		toms_guard_pop_level(level);
		if (put)
			take_object_access();
	}
	PG_END_TRY();
	toms_guard_after_utility(before.statement);
}

static void
relation_info(TOMS_RELATION_INFO_PARAMS)
{
	if (next_relation_info)
		next_relation_info(TOMS_RELATION_INFO_ARGS);
	toms_policy_neutral_extended(TOMS_RELATION_INFO_RELID, rel);
}

static void
pathlist(PlannerInfo *root, RelOptInfo *rel, Index index, RangeTblEntry *rte)
{
	if (next_pathlist)
		next_pathlist(root, rel, index, rte);
	toms_policy_order_conditions(rel, rte);
}

static void
upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output, void *extra)
{
	if (next_upper_paths)
		next_upper_paths(root, stage, input, output, extra);
	if (stage == UPPERREL_FINAL)
		toms_policy_order_derived(root);
}

static bool
relation_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber column, VariableStatData *variable)
{
	return toms_policy_neutral_statistics(rte, column, variable) ||
		(next_relation_stats && next_relation_stats(root, rte, column, variable));
}

static bool
needs_fmgr(Oid function)
{
	toms_guard_before_function(function);
	return (next_needs_fmgr && next_needs_fmgr(function)) || toms_purpose_is_bound(function);
}

/* What a call site keeps: one place for two. */
typedef struct CallSite
{
	Datum		ours;
	Datum		next;
} CallSite;

static void
around_call(FmgrHookEventType event, FmgrInfo *function, Datum *kept)
{
	CallSite   *site = (CallSite *) DatumGetPointer(*kept);

	if (site == NULL)
	{
		site = MemoryContextAllocZero(function->fn_mcxt, sizeof(CallSite));
		*kept = PointerGetDatum(site);
	}
	/* one with settings of its own is called through here without being asked for before */
	if (event == FHET_START)
		toms_guard_before_function(function->fn_oid);
	if (event == FHET_START && next_fmgr)
		next_fmgr(event, function, &site->next);
	/* innermost: an error of the next one must not leave a frame behind */
	toms_purpose_around_call(event, function, &site->ours);
	if (event != FHET_START && next_fmgr)
		next_fmgr(event, function, &site->next);
}

static void
label(const ObjectAddress *object, const char *text)
{
	if (object->classId == ProcedureRelationId)
		toms_purpose_label_check(object, text);
	else
		toms_label_check(object, text);
}

void
toms_hooks_install(void)
{
	next_shmem_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	next_client_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = client_authentication;
	next_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;
	next_planner = planner_hook;
	planner_hook = plan;
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	next_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	next_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = executor_finish;
	next_check_perms = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_perms;
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	next_relation_info = toms_relation_info_hook;
	toms_relation_info_hook = relation_info;
	next_pathlist = set_rel_pathlist_hook;
	set_rel_pathlist_hook = pathlist;
	next_upper_paths = create_upper_paths_hook;
	create_upper_paths_hook = upper_paths;
	next_relation_stats = get_relation_stats_hook;
	get_relation_stats_hook = relation_stats;
	next_needs_fmgr = needs_fmgr_hook;
	needs_fmgr_hook = needs_fmgr;
	next_fmgr = fmgr_hook;
	fmgr_hook = around_call;

	register_label_provider("toms", label);
	register_label_provider("toms_seal", toms_seal_label_check);
}
