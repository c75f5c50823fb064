/*
 * examine.c - the rule: may this access pass, and if not, what is the first thing missing?
 *
 * Called by check.c before statements, and by toms.explain_access().  It looks at an
 * access from outside in: is row security in force for it at all; if it is bypassed, is
 * an administrator at work who stated a reason; else what does the context permit; and
 * last, is the plain privilege granted.
 */
#include "guard/admin.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "context/context.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

static TomsFinding
refused(TomsReason reason, const char *detail, const char *hint)
{
	return (TomsFinding) {.passage = TOMS_PASS_REFUSED,.reason = reason,.detail = detail,.hint = hint};
}

bool
toms_guard_is_administrator(void)
{
	/* the user outside of SECURITY DEFINER functions, so that these lend nothing; a check lends nothing to what it tries */
	return !toms_is_probing && has_bypassrls_privilege(GetOuterUserId()) && GetOuterUserId() != toms_policy_lookup_role();
}

bool
toms_guard_administrator_at_work(void)
{
	return toms_guard_is_administrator() && toms_admin_is_open();
}

/* Whether PostgreSQL would apply no policy to the access. */
static bool
is_bypassed(const TomsAccess *access)
{
	if (access->relation->mode == TOMS_MODE_OBSERVE && !access->in_toast)
		return has_bypassrls_privilege(access->user);
	return access->in_toast || check_enable_rls(access->relation->relid, access->user, true) != RLS_ENABLED;
}

static TomsFinding
refused_unapproved(void)
{
	const TomsAdminSlot *session = toms_admin_session();

	if (session && session->state == TOMS_ADMIN_ASKED)
		return refused(TOMS_ADMIN_APPROVAL_MISSING, psprintf("Session %lld waits for it.", (long long) session->id),
					   psprintf("Another officer: SELECT toms.approve_admin_session(%lld);", (long long) session->id));
	return refused(TOMS_ADMIN_APPROVAL_MISSING, "As toms.admin_approval is, a stated reason is not enough.",
				   "SELECT toms.open_admin_session('person', 'ticket', 'reason'); another officer approves it.");
}

static TomsFinding
examine_bypass(const TomsAccess *access, bool intact)
{
	if (toms_guard_is_administrator())
	{
		/* rows of a publisher arrive; nobody is there to state a reason */
		if (IsLogicalWorker() || toms_admin_is_open())
			return (TomsFinding) {.passage = TOMS_PASS_ADMINISTRATOR,.scope_tenant = true};
		if (toms_admin_needs_approval())
			return refused_unapproved();
		return refused(TOMS_REASON_MISSING,
					   psprintf("User \"%s\" bypasses row security.", GetUserNameFromId(GetOuterUserId(), false)),
					   "SET toms.reason = '…'; it is recorded. Programs: PGOPTIONS='-c toms.reason=nightly\\ dump'.");
	}
	if (access->in_toast)
		return refused(TOMS_POLICY_BYPASSED, "Its long values would be read where PostgreSQL stores them, of every tenant.",
					   "Read the table itself.");
	if (!intact)
		return refused(TOMS_PROTECTION_INCOMPLETE, "Its row security is not as toms made it.",
					   psprintf("SELECT * FROM toms.explain_protection(%s); toms.protect() with the same arguments mends it.",
								quote_literal_cstr(toms_relation_name(access->relation->root))));
	return refused(TOMS_POLICY_BYPASSED,
				   psprintf("User \"%s\", who owns the view or function that reads it, or a foreign key's table, bypasses row security.",
							GetUserNameFromId(access->user, false)),
				   "ALTER VIEW … SET (security_invoker = true), or let a role without BYPASSRLS own the view or function.");
}

static bool
lacks_privilege(const TomsAccess *access, AclMode verb)
{
	Oid			relid = access->relation->relid;

	return (access->verbs & verb) != 0 &&
		pg_class_aclcheck(relid, access->user, verb) != ACLCHECK_OK &&
		(verb == ACL_DELETE ||
		 pg_attribute_aclcheck_all(relid, access->user, verb, ACLMASK_ANY) != ACLCHECK_OK);
}

static TomsFinding
examine_privileges(const TomsAccess *access, TomsFinding permitted)
{
	AclMode		missing = 0;
	const char *user;

	for (AclMode verb = 1; verb <= access->verbs; verb <<= 1)
	{
		if (lacks_privilege(access, verb))
			missing |= verb;
	}
	if (missing == 0)
		return permitted;
	user = GetUserNameFromId(access->user, false);
	return refused(TOMS_GRANT_MISSING,
				   psprintf("User \"%s\" lacks the privilege to %s.", user, toms_verb_text(missing)),
				   psprintf("GRANT %s ON %s TO %s; or SET ROLE to the role of the context if \"%s\" does not inherit.",
							toms_verb_text(missing), toms_relation_name(access->relation->relid),
							quote_identifier(permitted.role), user));
}

static bool
owns(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		owner = HeapTupleIsValid(tuple) &&
		has_privs_of_role(GetUserId(), ((Form_pg_class) GETSTRUCT(tuple))->relowner);

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return owner;
}

static TomsFinding
examine_context(const TomsAccess *access)
{
	TomsRelation *relation = access->relation;
	TomsDecision decision = toms_policy_decide(relation, access->verbs, NULL);
	TomsFinding finding;

	if (decision.reason == TOMS_OK && !IsParallelWorker() && toms_context_expired_now())
		decision.reason = TOMS_CONTEXT_EXPIRED;
	if (decision.reason == TOMS_OK && toms_guard_is_counting())
		return refused(TOMS_EXPLAIN_ANALYZE, "It would count the rows of other tenants that it passes over.",
					   "EXPLAIN without ANALYZE, or as a role with BYPASSRLS and toms.reason set.");
	if (decision.reason == TOMS_OK && SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA && access->verbs != ACL_SELECT)
		return refused(TOMS_REASON_MISSING, "As session_replication_role is, foreign keys and triggers would not see what is written.",
					   "RESET session_replication_role; or write as a role with BYPASSRLS, with toms.reason set.");
	if (decision.reason == TOMS_OK)
		return (TomsFinding) {.passage = TOMS_PASS_CONTEXT,.scope_tenant = decision.scope_tenant,
		.role = decision.asker.context->role};
	if ((decision.reason == TOMS_CONTEXT_MISSING || decision.reason == TOMS_CONTEXT_ENDED) &&
		toms_context_missing_is_empty() && access->verbs == ACL_SELECT)
		return (TomsFinding) {.passage = TOMS_PASS_EMPTY};

	finding = refused(decision.reason, toms_policy_detail(relation, &decision),
					  toms_policy_hint(relation, &decision));
	if (!decision.asker.context && owns(relation->relid))
		finding.hint = psprintf("%s  You own the table: a migration runs as a role with BYPASSRLS, with toms.reason set.",
								finding.hint ? finding.hint : "");
	if (decision.reason == TOMS_VERB_NOT_PERMITTED && access->reads_own_rows &&
		decision.missing == ACL_SELECT)
		finding.detail = psprintf("%s RETURNING needs verb select.", finding.detail);
	return finding;
}

TomsFinding
toms_guard_examine(const TomsAccess *access)
{
	bool		intact = access->relation->mode == TOMS_MODE_OBSERVE || toms_policy_intact(access->relation);
	TomsFinding finding;

	if (is_bypassed(access) || !intact)
		return examine_bypass(access, intact);
	finding = examine_context(access);
	if (finding.passage == TOMS_PASS_CONTEXT)
		finding = examine_privileges(access, finding);
	return finding;
}
