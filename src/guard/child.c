/*
 * child.c - partitions and inheritance children that are attached to a table, or detached.
 *
 * Called by utility.c around ALTER TABLE.
 */
#include "guard/admin.h"

#include "access/xact.h"
#include "context/context.h"
#include "guard/child.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

static bool
is_protected(Oid relid)
{
	TomsRelation *relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;

	return relation && !relation->is_undeclared;
}

static bool
is_enforced(Oid relid)
{
	return is_protected(relid) && toms_catalog_relation(relid)->mode == TOMS_MODE_ENFORCE;
}

static bool
has_own_rules(Oid relid)
{
	const TomsRelation *relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;

	return relation && relation->root == relid && relation->nrules > 0;
}

/*
 * Rows that are read through a parent meet the parent's policies, not the child's: a
 * protected table may only get a parent that is protected.
 */
void
toms_guard_check_new_parent(Oid child, Oid parent)
{
	TomsRefusal refusal = {.reason = TOMS_POLICY_BYPASSED,.relid = child,.who = toms_context_who(),
		.detail = "The policies of a child do not apply to what is read through its parent.",
	.hint = OidIsValid(parent) ? psprintf("SELECT toms.protect(%s, …);", quote_literal_cstr(toms_relation_name(parent))) : NULL};

	if (is_enforced(child) && !is_enforced(parent))
		toms_refuse(&refusal);
	if (has_own_rules(child))
	{
		refusal.reason = TOMS_POLICY_MANAGED;
		refusal.detail = "It has retention rules of its own, and those of its parent would count.";
		refusal.hint = "SELECT toms.unretain(id, reason => '…'); for each of them first: SELECT * FROM toms.retention_rules;";
		toms_refuse(&refusal);
	}
	if (is_protected(child) && is_protected(parent) && !toms_guard_administrator_at_work() && !toms_policy_same_form(child, parent))
	{
		refusal.reason = TOMS_POLICY_MANAGED;
		refusal.detail = "It is protected in another way than its parent, whose declarations and permissions would count.";
		refusal.hint = "An officer protects both alike first, or an administrator with toms.reason set attaches it.";
		toms_refuse(&refusal);
	}
}

/* A partition gets its triggers from its parent, if it has none of these names. */
void
toms_guard_hand_triggers_over(Oid child, Oid parent)
{
	if (is_protected(child) && is_protected(parent))
		toms_policy_run_as_superuser(psprintf("SELECT toms.drop_triggers(%u)", child));
}

/* Not of the worker, which drops it next.  The rules are those of the topmost table. */
static void
tell_rules(Oid parent, Oid relid)
{
	const TomsRelation *above = toms_catalog_relation(parent);

	if (MyBackendType != B_BG_WORKER && above && above->nrules > 0)
		ereport(WARNING,
				(errmsg("rows of \"%s\" are not under the retention rules of \"%s\" any more", get_rel_name(relid), get_rel_name(above->root)),
				 errhint("SELECT toms.retain(%s, …); or drop it once its rows are due.", quote_literal_cstr(toms_relation_name(relid)))));
}

void
toms_guard_child_let_go(Oid parent, Oid relid)
{
	if (OidIsValid(parent) && is_protected(relid))
		tell_rules(parent, relid);
}

/* It keeps its protection, but loses the triggers that it had from its parent, and has no rules of retention. */
void
toms_guard_partition_detached(Oid parent, Oid relid)
{
	bool		alone = !ActiveSnapshotSet();	/* CONCURRENTLY, and no portal: a background worker's */

	CommandCounterIncrement();
	if (!is_protected(relid))
		return;
	tell_rules(parent, relid);
	if (alone)
		PushActiveSnapshot(GetTransactionSnapshot());
	toms_policy_run_as_superuser(psprintf("SELECT toms.bind_sealed_columns(%u); SELECT toms.audit_changes(%u)", relid, relid));
	if (alone)
		PopActiveSnapshot();
}
