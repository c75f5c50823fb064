/*
 * loss.c - statements by which rows of a protected table are lost all at once, without a policy being asked.
 *
 * Called by hooks.c for each table that is truncated or dropped and each column that is dropped, in whichever way, and by
 * utility.c; by probe.c for toms.check().  An administrator may, on record; an owner who is none may not.  What toms does
 * itself passes: its own DDL, and a partition that retention says it drops next.  A table that is only observed notes it.
 */
#include "guard/admin.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "guard/probe.h"
#include "guard/trail.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

/* What retention drops next, until its (sub)transaction ends; its OID is not given to another table before. */
static Oid	due = InvalidOid;

static void
at_transaction_event(XactEvent event, void *arg)
{
	due = InvalidOid;
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId sub, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		due = InvalidOid;
}

void
toms_loss_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}

void
toms_guard_drops_due(Oid relid)
{
	due = relid;
}

static TomsFinding
examine_loss(TomsReason reason, const char *detail, const char *hint)
{
	if (toms_guard_administrator_at_work())
		return (TomsFinding) {.passage = TOMS_PASS_ADMINISTRATOR,.scope_tenant = true};
	return (TomsFinding) {.passage = TOMS_PASS_REFUSED,.reason = reason,.detail = detail,.hint = hint};
}

TomsFinding
toms_guard_examine_truncate(void)
{
	return examine_loss(TOMS_TRUNCATE, "No policy applies to TRUNCATE.",
						"DELETE the rows of the tenant; a role with BYPASSRLS may truncate with toms.reason set.");
}

static TomsFinding
examine_drop(const char *detail)
{
	return examine_loss(TOMS_DROP, detail, "Run the migration as a role with BYPASSRLS and toms.reason set. Programs: PGOPTIONS='-c toms.reason=migration'.");
}

TomsFinding
toms_guard_examine_drop(void)
{
	return examine_drop("No policy applies to DROP, and the rows of every tenant go with the table.");
}

/* Pass, on record as "what", or note it, or refuse. */
static void
settle(TomsRelation *relation, const TomsFinding *finding, const char *what)
{
	TomsAccess	access = {.relation = relation,.user = GetUserId()};

	if (finding->passage == TOMS_PASS_ADMINISTRATOR)
		toms_guard_record_administrator(relation->relid, what);
	else if (relation->mode == TOMS_MODE_OBSERVE)
		toms_observe_note(&access, finding);
	else
		toms_guard_refuse(&access, finding);
}

void
toms_guard_check_truncate(Oid relid)
{
	TomsRelation *relation = toms_catalog_relation(relid);
	TomsFinding finding;

	if (relation == NULL)
	{
		(void) toms_guard_check_trail(relid, ACL_TRUNCATE, true);
		return;
	}
	finding = toms_guard_examine_truncate();
	settle(relation, &finding, "truncate");
}

/* What is temporary goes with its session, and what arrives from a publisher or in a new cluster has been asked for there. */
static bool
is_kept(const TomsRelation *relation)
{
	return relation && !relation->is_undeclared && relation->relid != due &&
		get_rel_persistence(relation->relid) != RELPERSISTENCE_TEMP &&
		!IsBinaryUpgrade && !IsLogicalWorker() && !toms_policy_in_maintenance();
}

static void
check_loss(Oid relid, TomsFinding finding)
{
	TomsRelation *relation = toms_catalog_relation(relid);

	if (is_kept(relation))
		settle(relation, &finding, "ddl");
}

void
toms_guard_check_unlogged(Oid relid)
{
	check_loss(relid, examine_drop("A crash of the server would empty a table that is not logged."));
}

/* Values of a composite type lose a member with it, in each table that has a column of it. */
static void
check_members(Oid relid)
{
	Oid			type = get_rel_type_id(relid);
	ListCell   *cell;

	foreach(cell, OidIsValid(type) ? toms_ddl_tables_of_type(type) : NIL)
		check_loss(lfirst_oid(cell), examine_drop("The values of every tenant lose what the type loses."));
}

void
toms_guard_check_drop(Oid relid, AttrNumber column)
{
	if (RecoveryInProgress() || !toms_catalog_is_installed())
		return;
	if (column == 0)
	{
		check_loss(relid, toms_guard_examine_drop());
		return;
	}
	check_loss(relid, examine_drop("No policy applies to DROP COLUMN, and the values of every tenant go with it."));
	check_members(relid);
}

void
toms_guard_rows_lost(Oid relid)
{
	if (!RecoveryInProgress())
		toms_policy_keep_held_table(relid);
}
