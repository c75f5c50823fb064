/*
 * check.c - asks the rule for every relation a statement touches, before it starts.
 *
 * Called by hooks.c around the planner and the executor.  PostgreSQL's own referential-integrity
 * queries are let through; what a trigger inside one of them runs is not one of them (level.c).
 */
#include "guard/admin.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/change.h"
#include "base/compat.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "context/context.h"
#include "guard/level.h"
#include "guard/trail.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "policy/policy.h"
#include "replication/logicalworker.h"
#include "seal/seal.h"
#include "tcop/pquery.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"

/* The last user whom the policies let pass, with privileges for these verbs; kept with the relation. */
typedef struct TomsPassages
{
	uint64		configuration;	/* what toms_configuration_count was */
	Oid			user;
	AclMode		verbs;
} TomsPassages;


/* The range table of the statement that is being started: it has been checked. */
static List *checked_rtable = NIL;

/* What has been checked is no more being started, whatever became of it. */
void
toms_guard_forget_checked(void)
{
	checked_rtable = NIL;
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	toms_guard_forget_checked();
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId sub, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		toms_guard_forget_checked();
}

void
toms_guard_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
	toms_level_init();
	toms_guard_trail_init();
	toms_loss_init();
	toms_admin_init();
	toms_gate_init();
}

/* range tables ----------------------------------------------------------------------- */

void
toms_guard_refuse(const TomsAccess *access, const TomsFinding *finding)
{
	TomsRefusal refusal = {.reason = finding->reason,.relid = access->relation->relid,
		.who = toms_context_who(),.verbs = access->verbs ? toms_verb_text(access->verbs) : NULL,
	.detail = finding->detail,.hint = finding->hint};

	toms_refuse(&refusal);
}

static TomsFinding
refused_holding(void)
{
	return (TomsFinding) {.passage = TOMS_PASS_REFUSED,.reason = TOMS_CURSOR_WITH_HOLD,
		.detail = "Its rows would stay readable after the transaction, for whoever uses the connection next.",
	.hint = "Declare the cursor without WITH HOLD and read it in its transaction."};
}

/*
 * A temporary view stays with the connection and hides a table of the same name from whoever
 * has it next; functions in it would see that client's rows.
 */
static bool
has_temporary_view(List *rtable)
{
	ListCell   *cell;

	foreach(cell, rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		if (OidIsValid(rte->relid) && rte->relkind == RELKIND_VIEW &&
			isAnyTempNamespace(get_rel_namespace(rte->relid)))
			return true;
	}
	return false;
}

static TomsFinding
refused_folding(void)
{
	return (TomsFinding) {.passage = TOMS_PASS_REFUSED,.reason = TOMS_IMMUTABLE,
		.detail = "What it reads would stay in a plan, for whoever runs that next.",
	.hint = "ALTER FUNCTION … STABLE; what reads a table is not immutable."};
}

static TomsFinding
refused_temporary(void)
{
	return (TomsFinding) {.passage = TOMS_PASS_REFUSED,.reason = TOMS_TEMPORARY_VIEW,
		.detail = "Somebody who had the connection before may have made it.",
	.hint = "Name the table with its schema; DISCARD TEMP; REVOKE TEMPORARY ON DATABASE … FROM PUBLIC;"};
}

/*
 * A row without a tenant column finds its parent row, and a period of retention its start event in another
 * table, through a view whose owner bypasses row security; the view shows the keys of the tenant in force and no more.  It is read by the
 * policies of tables that have such parents or rules, so only a statement that reads one may.
 */
bool
toms_guard_is_lookup(Oid check_as_user, List *rtable)
{
	ListCell   *cell;

	if (!OidIsValid(check_as_user) || check_as_user == GetUserId() || check_as_user != toms_policy_lookup_role())
		return false;
	foreach(cell, rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);
		TomsRelation *child = rte->rtekind == RTE_RELATION ? toms_catalog_relation(rte->relid) : NULL;

		if (child && (child->nparents > 0 || toms_policy_looks_starts_up(child)))
			return true;
	}
	return false;
}

/*
 * What has passed by the context passes again, as far as the context is not concerned, until
 * something is configured; unless it is a special case this time.  Foreign keys' queries have
 * been told apart before.
 */
static bool
is_plain(const TomsAccess *access)
{
	return !toms_level.holding && !toms_level.counting && !toms_level.folding && !access->through_temporary && !access->in_toast &&
		access->relation->mode == TOMS_MODE_ENFORCE &&
		SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA;
}

/* The count is asked last: a decision may take in another session's change. */
static bool
has_passed(const TomsAccess *access)
{
	const TomsPassages *passages = access->relation->passages;

	return passages && passages->user == access->user && (access->verbs & ~passages->verbs) == 0 &&
		is_plain(access) &&
		toms_policy_decide(access->relation, access->verbs, NULL).reason == TOMS_OK &&
		!toms_context_expired_now() &&
		passages->configuration == toms_configuration_count;
}

static void
remember_passage(const TomsAccess *access, uint64 configuration)
{
	TomsPassages *passages = access->relation->passages;

	if (!is_plain(access))
		return;
	if (passages == NULL)
		passages = access->relation->passages =
			MemoryContextAllocZero(toms_relation_context(access->relation), sizeof(TomsPassages));
	if (passages->configuration != configuration || passages->user != access->user)
		passages->verbs = 0;
	passages->configuration = configuration;
	passages->user = access->user;
	passages->verbs |= access->verbs;
}

/* What a statement's accesses are looked at together for; most are not. */
typedef struct Concern
{
	bool		separated;
	bool		special;		/* reads what must not be copied */
	bool		open;			/* writes what is not protected */
	bool		makes_table;
} Concern;

/* A range table that is checked. */
typedef struct Checking
{
	const PlannedStmt *stmt;	/* NULL: of a utility statement */
	bool		refuse;			/* or only ask */
	bool		tells;			/* what it reads is told of: it has just been started */
	bool		copies;			/* COPY: what administrators read is told of too */
	bool		fills;			/* COPY FROM: what it fills is told of */
	bool		pin;			/* some access passes, or is refused, by the context */
	bool		past_policies;	/* some access is an administrator's */
	List	   *reads;			/* topmost tables, and tables of the trail */
	Concern		concern;
} Checking;

static void
note_read(Checking *checking, const TomsAccess *access)
{
	if (checking->tells && (access->reads || checking->fills))
		checking->reads = list_append_unique_oid(checking->reads, access->relation->root);
}

/* COPY of a table to which policies apply goes on as a query, which is told of then. */
static void
note_passed(Checking *checking, const TomsAccess *access)
{
	if (checking->stmt)
		note_read(checking, access);
}

/* One access; returns false if it is refused and the caller only asks. */
static bool
check_access(const TomsAccess *access, Checking *checking)
{
	uint64		configuration = toms_configuration_count;
	TomsFinding finding = toms_guard_examine(access);

	if (toms_level.holding && (finding.passage == TOMS_PASS_CONTEXT || finding.passage == TOMS_PASS_EMPTY))
		finding = refused_holding();
	if (toms_level.folding && (finding.passage == TOMS_PASS_CONTEXT || finding.passage == TOMS_PASS_EMPTY))
		finding = refused_folding();
	if (access->through_temporary && finding.passage == TOMS_PASS_CONTEXT)
		finding = refused_temporary();
	if (finding.passage == TOMS_PASS_ADMINISTRATOR)
	{
		if (checking->copies)
			note_read(checking, access);
		toms_guard_record_administrator(access->relation->relid, toms_verb_text(access->verbs));
		checking->past_policies = true;
		return true;
	}
	if (access->relation->mode == TOMS_MODE_OBSERVE)
	{
		note_read(checking, access);
		toms_observe_enable_query_ids(true);
		if (finding.passage == TOMS_PASS_REFUSED)
			toms_observe_note(access, &finding);
		return true;
	}
	checking->pin = true;

	/*
	 * Who only asks is ADD FOREIGN KEY: a query of its own would see the rows of one
	 * tenant, while on "false" it looks at every row.
	 */
	if (!checking->refuse)
		return false;
	if (finding.passage == TOMS_PASS_REFUSED)
		toms_guard_refuse(access, &finding);
	if (finding.passage == TOMS_PASS_CONTEXT)
	{
		note_passed(checking, access);
		remember_passage(access, configuration);
	}
	return true;
}

static void
note_concern(Concern *concern, const TomsAccess *access)
{
	concern->separated |= access->relation->nseparations > 0;
	concern->special |= access->relation->is_special;
}

static bool
has_company(const Concern *concern)
{
	return concern->separated || (concern->special && (concern->open || concern->makes_table || toms_level.filling)) ||
		((concern->special || concern->open || concern->makes_table) && toms_guard_has_pins());
}

/* A table that is not protected: perhaps it is one of the trail. */
static bool
check_other(const RangeTblEntry *rte, Oid relid, TomsRtePerms perms, Checking *checking)
{
	if (!toms_guard_check_trail(relid, perms.required, checking->refuse))
		return false;
	if (checking->tells && (perms.required & ACL_SELECT) != 0 && toms_guard_reads_trail(relid))
		checking->reads = list_append_unique_oid(checking->reads, relid);
	checking->concern.open |= perms.writes && toms_guard_can_be_open(rte);
	return true;
}

/*
 * What a statement writes it reads if it hands it on, or if it looks at more of it than which row it is: a condition tells
 * of rows that it then does not change, and of a change that is rolled back nothing is in the trail.
 */
static bool
reads_rows(const Checking *checking, const TomsRelation *relation, TomsRtePerms perms, Index index)
{
	if ((perms.required & ACL_SELECT) == 0)
		return false;
	return checking->stmt == NULL || (!perms.writes && (perms.required & ACL_DELETE) == 0) ||
		toms_guard_returns(checking->stmt, index) || toms_guard_looks_into(relation, perms.selected);
}

/* The table whose rows are read: of a TOAST table the one whose long values it stores, which it depends on. */
static Oid
table_read(const RangeTblEntry *rte)
{
	Oid			relid = rte->relid;
	Relation	depend;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	if (rte->relkind != RELKIND_TOASTVALUE)
		return relid;
	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, lengthof(keys), keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		relid = ((Form_pg_depend) GETSTRUCT(tuple))->refobjid;
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return relid;
}

static bool
check_rtable(List *rtable, List *perminfos, Checking *checking)
{
	bool		fresh = false;
	ListCell   *cell;

	foreach(cell, rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);
		TomsRtePerms perms;
		TomsAccess	access;
		Oid			relid;

		if (rte->rtekind != RTE_RELATION)
			continue;
		perms = toms_rte_perms(rte, perminfos);
		if ((perms.required & TOMS_VERBS) == 0)
			continue;
		if (!fresh)
			AcceptInvalidationMessages();	/* a permission that has ended, ends now */
		fresh = true;
		if (toms_guard_is_lookup(perms.check_as_user, rtable))
			continue;
		relid = table_read(rte);
		access.relation = toms_catalog_relation(relid);
		if (access.relation == NULL)
		{
			if (!check_other(rte, relid, perms, checking))
				return false;
			continue;
		}
		if (InNoForceRLSOperation())
			return true;
		if (unlikely(!toms_gate_is_open()) && !toms_guard_gate_lets_through(toms_level.restoring || IsLogicalWorker()))
		{
			if (!checking->refuse)
				return false;
			toms_guard_refuse_closed(relid);
		}
		access.verbs = perms.required & TOMS_VERBS;
		access.user = OidIsValid(perms.check_as_user) ? perms.check_as_user : GetUserId();
		access.reads = reads_rows(checking, access.relation, perms, foreach_current_index(cell) + 1);
		access.reads_own_rows = checking->stmt && checking->stmt->hasReturning;
		access.through_temporary = has_temporary_view(rtable);
		access.in_toast = relid != rte->relid;
		if (checking->refuse && has_passed(&access))
		{
			checking->pin = true;
			note_passed(checking, &access);
		}
		else if (!check_access(&access, checking))
			return false;
		note_concern(&checking->concern, &access);
	}
	if (has_company(&checking->concern))
		toms_guard_check_company(rtable, perminfos, checking->concern.makes_table || toms_level.filling, toms_guard_running());
	return true;
}

/*
 * By COPY a table's rows leave, or arrive, without a plan.  Those of a dump arrive before the trail is in use, and
 * must not put it in use.
 */
bool
toms_guard_check_rtable(List *rtable, List *perminfos, bool refuse)
{
	TomsCopy   *copy = refuse && !toms_level.restoring ? toms_level.copy : NULL;
	Checking	checking = {.refuse = refuse,.tells = copy != NULL,.copies = true,.fills = copy && copy->is_from};

	if (rtable == checked_rtable || (IsParallelWorker() && toms_level.depth == 0))
		return true;
	if (!check_rtable(rtable, perminfos, &checking))
		return false;
	if (checking.reads != NIL)
		toms_guard_copies(copy, checking.reads);
	return true;
}

static TomsPinning
before_start(QueryDesc *query)
{
	PlannedStmt *stmt = query->plannedstmt;
	Checking	checking = {.stmt = stmt,.refuse = true,.tells = !toms_context_is_own_work(),.copies = toms_guard_exports(query),
	.concern.makes_table = toms_guard_makes_table(query)};
	const Concern *concern = &checking.concern;
	bool		is_workers = IsParallelWorker() && toms_level.depth == 0;
	TomsPinning pinning = {.kind = TOMS_PIN_NONE};

	if (!toms_observe_has_query_ids)
		toms_observe_enable_query_ids(false);
	/* a parallel worker's own statement is its leader's, which has been checked */
	if (!is_workers)
		(void) check_rtable(stmt->rtable, toms_stmt_perminfos(stmt), &checking);
	checked_rtable = stmt->rtable;
	if (checking.pin || is_workers)
		pinning.kind = TOMS_PIN_IDENTITY;
	else if (checking.past_policies || concern->open || concern->makes_table || concern->special || concern->separated)
		pinning.kind = TOMS_PIN_RUN;
	pinning.past_policies = checking.past_policies;
	pinning.reads = checking.reads;
	return pinning;
}

TomsPinning
toms_guard_before_start(QueryDesc *query)
{
	TomsPinning pinning;

	if (!toms_context_is_working())
		return before_start(query);
	toms_level_asking(true);
	pinning = before_start(query);
	toms_level_asking(false);
	return pinning;
}

/*
 * A permission may have ended since the last rows were fetched.  What toms itself does to rows is done in a moment, and
 * what runs inside of it has just been checked.
 */
void
toms_guard_check_again(PlannedStmt *stmt)
{
	Checking	checking = {.stmt = stmt,.refuse = true};

	if (!toms_context_is_working())
		(void) check_rtable(stmt->rtable, toms_stmt_perminfos(stmt), &checking);
}

/*
 * A trigger INSTEAD OF cannot tell a conflict: PostgreSQL would find no key, or raise the error of a
 * duplicate.  ON CONFLICT stands in the statement itself or in its WITH.
 */
static void
check_conflict(Query *query)
{
	RangeTblEntry *target = query->onConflict ? rt_fetch(query->resultRelation, query->rtable) : NULL;

	if (target && toms_seal_is_plain_view(target->relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ON CONFLICT is not supported by plain view %s", toms_relation_name(target->relid)),
				 errhint("INSERT … ON CONFLICT into the table of the view: plain values are sealed there too.")));
}

void
toms_guard_before_plan(Query *query)
{
	ListCell   *cell;

	toms_guard_identify(query, NULL);
	toms_qualified_before_plan(query);
	check_conflict(query);
	foreach(cell, query->hasModifyingCTE ? query->cteList : NIL)
		check_conflict(castNode(Query, lfirst_node(CommonTableExpr, cell)->ctequery));
}
