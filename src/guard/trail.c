/*
 * trail.c - the tables of the audit trail are written by toms itself and by nobody else.
 *
 * Called by check.c for each table that a statement writes, and by utility.c before DDL.  Owners
 * and superusers are refused like anybody.  Toms writes entries below the executor; where it uses
 * SQL it says so by toms_guard_trail_work(), which ends with the (sub)transaction at the latest.
 *
 * A restored dump brings entries as rows: until toms has written to the trail of a database for
 * the first time, which the table toms.audit_use tells and no dump carries, superusers may do to it
 * what they like.  Nothing that came in so is part of a block that this cluster has signed.
 */
#include "guard/trail.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/relcache.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "context/context.h"
#include "guard/admin.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "policy/policy.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define WRITES (ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE)

static int	at_work = 0;			/* depth */

/* toms.audit_use, when a row of it was found that is committed; until that table changes */
static Oid	known_used = InvalidOid;

/* Tables that are known to hold no entries, by the last bits of their OIDs. */
static Oid	ordinary[256];

static void
relcache_callback(Oid relid)
{
	if (!OidIsValid(relid))
		memset(ordinary, 0, sizeof(ordinary));
	else if (ordinary[relid % lengthof(ordinary)] == relid)
		ordinary[relid % lengthof(ordinary)] = InvalidOid;
	if (!OidIsValid(relid) || relid == known_used)
		known_used = InvalidOid;
}

static void
transaction_callback(XactEvent event, void *arg)
{
	at_work = 0;
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		at_work = 0;
}

void
toms_guard_trail_init(void)
{
	toms_on_relation_change(relcache_callback);
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}

void
toms_guard_trail_work(bool on)
{
	if (on)
		at_work++;
	else if (at_work > 0)
		at_work--;
}

/* first use --------------------------------------------------------------------------- */

static Oid
use_table(void)
{
	Oid			schema = get_namespace_oid("toms", true);

	return OidIsValid(schema) ? get_relname_relid("audit_use", schema) : InvalidOid;
}

/* "committed": not by this transaction, which may be rolled back. */
static bool
has_row(Oid table, bool *committed)
{
	Relation	rel = table_open(table, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	bool		found = HeapTupleIsValid(tuple);

	*committed = found && !TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

bool
toms_guard_trail_is_used(void)
{
	Oid			table;
	bool		committed;

	if (OidIsValid(known_used))
		return true;
	table = use_table();
	if (!OidIsValid(table))
		return false;
	if (!has_row(table, &committed))
		return false;
	if (committed)
		known_used = table;
	return true;
}

/* Two sessions that are first may both tell. */
void
toms_guard_trail_used(void)
{
	Oid			table;
	Relation	rel;
	Datum		value;
	bool		isnull = false;

	if (toms_guard_trail_is_used())
		return;
	table = use_table();
	if (!OidIsValid(table))
		return;
	rel = table_open(table, RowExclusiveLock);
	value = TimestampTzGetDatum(GetCurrentTimestamp());
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), &value, &isnull));
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* which tables ------------------------------------------------------------------------ */

/* What belongs to it besides the entries, which lie in partitions; what is declared is not of the trail. */
static const char *const tables[] = {
	"audit_entry", "audit_segment", "audit_block", "audit_pruned", "audit_pruning", "audit_period", "audit_acknowledgement", "audit_use", "dataset",
	"actor_release", "audit_setting", "break_glass_review"
};

bool
toms_guard_is_trail(Oid relid)
{
	Oid			schema = get_rel_namespace(relid);
	char	   *name;

	if (!OidIsValid(schema) || schema < FirstNormalObjectId || schema != get_namespace_oid("toms", true))
		return false;
	name = get_rel_name(relid);
	for (int i = 0; name && i < lengthof(tables); i++)
	{
		if (strcmp(name, tables[i]) == 0)
			return true;
	}
	return name && strncmp(name, "audit_", 6) == 0 && get_rel_relispartition(relid);
}

static bool
may_write(void)
{
	return at_work > 0 || IsBinaryUpgrade || IsLogicalWorker() ||
		(creating_extension && CurrentExtensionObject == get_extension_oid("toms", true)) ||
		(superuser() && !toms_guard_trail_is_used());
}

/* With the glass broken storage can be mended: what alters no entry, and lets none be refused. */
static bool
may_maintain(void)
{
	return may_write() || (superuser() && toms_admin_glass_is_broken());
}

static void
refuse_write(Oid relid)
{
	TomsRefusal refusal = {.reason = TOMS_TRAIL_APPEND_ONLY,.relid = relid,.who = toms_context_who(),
		.detail = "It is written by toms itself; owners and superusers can read it.",
	.hint = "SELECT toms.prune_audit(); deletes what is past its period, toms.archive_audit() takes it out before."};

	toms_refuse(&refusal);
}

bool
toms_guard_check_trail(Oid relid, AclMode verbs, bool refuse)
{
	if ((verbs & WRITES) == 0 || !toms_guard_is_trail(relid) || may_write())
		return true;
	if (refuse)
		refuse_write(relid);
	return false;
}

/* reading ------------------------------------------------------------------------------ */

/* Functions of toms run as the owner of the trail, and tell of their reading themselves. */
static bool
is_ours(Oid relid)
{
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	return at_work > 0 || creating_extension || IsBinaryUpgrade ||
		((security & SECURITY_LOCAL_USERID_CHANGE) != 0 && toms_owns_relation(relid, user));
}

static bool
holds_entries(Oid relid)
{
	return toms_guard_is_trail(relid) && (get_rel_relispartition(relid) || strcmp(get_rel_name(relid), "audit_entry") == 0);
}

bool
toms_guard_reads_trail(Oid relid)
{
	if (relid < FirstNormalObjectId || ordinary[relid % lengthof(ordinary)] == relid)
		return false;
	if (holds_entries(relid))
		return !is_ours(relid) && toms_guard_trail_is_used();
	ordinary[relid % lengthof(ordinary)] = relid;
	return false;
}

/* utility statements ------------------------------------------------------------------ */

static void
check_relation(Oid relid, bool maintains)
{
	if (OidIsValid(relid) && (get_rel_relkind(relid) == RELKIND_INDEX || get_rel_relkind(relid) == RELKIND_PARTITIONED_INDEX))
		relid = IndexGetRelation(relid, true);
	if (OidIsValid(relid) && toms_guard_is_trail(relid) && !(maintains ? may_maintain() : may_write()))
		refuse_write(relid);
}

static void
check_named(RangeVar *name)
{
	if (name)
		check_relation(RangeVarGetRelid(name, NoLock, true), false);
}

static void
check_maintained(RangeVar *name, bool maintains)
{
	if (name)
		check_relation(RangeVarGetRelid(name, NoLock, true), maintains);
}

static void
check_names(List *names)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (IsA(lfirst(cell), RangeVar))
			check_named(lfirst(cell));
	}
}

/* Where rows lie and how, not what they are. */
static bool
alters_storage(AlterTableStmt *alter)
{
	ListCell   *cell;

	foreach(cell, alter->cmds)
	{
		AlterTableType type = lfirst_node(AlterTableCmd, cell)->subtype;

		if (type != AT_SetTableSpace && type != AT_SetRelOptions && type != AT_ResetRelOptions && type != AT_SetStatistics)
			return false;
	}
	return true;
}

/* One that is unique, or computes something, could refuse entries. */
static bool
is_plain_index(IndexStmt *index)
{
	return !index->unique && !index->primary && index->excludeOpNames == NIL && !toms_ddl_indexes_expression(index);
}

static void
check_alter(AlterTableStmt *alter)
{
	ListCell   *cell;

	check_maintained(alter->relation, alters_storage(alter));
	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->def && IsA(command->def, PartitionCmd))
			check_named(castNode(PartitionCmd, command->def)->name);
		else if (command->def && IsA(command->def, RangeVar))
			check_named(castNode(RangeVar, command->def));
	}
}

/* What is dropped by its own name, or as something of a table. */
static void
check_drop(DropStmt *drop)
{
	bool		of_table = drop->removeType == OBJECT_TRIGGER || drop->removeType == OBJECT_RULE || drop->removeType == OBJECT_POLICY;
	ListCell   *cell;

	if (!of_table && drop->removeType != OBJECT_TABLE && drop->removeType != OBJECT_INDEX && drop->removeType != OBJECT_SEQUENCE)
		return;
	foreach(cell, drop->objects)
	{
		List	   *name = list_copy(lfirst_node(List, cell));

		if (of_table)
			name = list_truncate(name, list_length(name) - 1);
		if (name != NIL)
			check_maintained(makeRangeVarFromNameList(name), drop->removeType == OBJECT_INDEX);
	}
}

static void
check_grant(GrantStmt *grant)
{
	ListCell   *cell;

	if (!grant->is_grant || (grant->objtype != OBJECT_TABLE && grant->objtype != OBJECT_SEQUENCE))
		return;
	if (grant->targtype == ACL_TARGET_OBJECT)
		check_names(grant->objects);
	foreach(cell, grant->targtype == ACL_TARGET_ALL_IN_SCHEMA ? grant->objects : NIL)
	{
		if (strcmp(strVal(lfirst(cell)), "toms") == 0)
			check_relation(get_relname_relid("audit_entry", get_namespace_oid("toms", true)), false);
	}
}

static void
check_contents(AlterExtensionContentsStmt *contents)
{
	if ((contents->objtype == OBJECT_TABLE || contents->objtype == OBJECT_SEQUENCE) && IsA(contents->object, List))
		check_named(makeRangeVarFromNameList(castNode(List, contents->object)));
}

/*
 * A dump brings the partitions of its months: those that CREATE EXTENSION has just made for the
 * same ones, and that nothing has been written to, make way.
 */
static void
check_create(CreateStmt *create)
{
	Oid			relid;
	char	   *leaf;

	check_names(create->inhRelations);
	if (create->relation->schemaname == NULL || strcmp(create->relation->schemaname, "toms") != 0 || create->if_not_exists ||
		strncmp(create->relation->relname, "audit_", 6) != 0)
		return;
	relid = RangeVarGetRelid(create->relation, NoLock, true);
	if (!OidIsValid(relid) || !get_rel_relispartition(relid) || at_work > 0 || IsBinaryUpgrade || !superuser() || toms_guard_trail_is_used())
		return;
	leaf = toms_relation_name(relid);
	toms_guard_trail_work(true);
	toms_policy_run_as_superuser(psprintf("DO $$BEGIN IF NOT EXISTS (SELECT FROM %s) THEN DROP TABLE %s; END IF; END$$", leaf, leaf));
	toms_guard_trail_work(false);
}

void
toms_guard_trail_utility(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateStmt:
			check_create((CreateStmt *) statement);
			break;
		case T_AlterTableStmt:
			check_alter((AlterTableStmt *) statement);
			break;
		case T_DropStmt:
			check_drop((DropStmt *) statement);
			break;
		case T_IndexStmt:
			check_maintained(((IndexStmt *) statement)->relation, is_plain_index((IndexStmt *) statement));
			break;
		case TOMS_T_CLUSTER:
			check_maintained(toms_clustered(statement), true);
			break;
		case T_CreateTrigStmt:
			check_named(((CreateTrigStmt *) statement)->relation);
			break;
		case T_RuleStmt:
			check_named(((RuleStmt *) statement)->relation);
			break;
		case T_CreatePolicyStmt:
			check_named(((CreatePolicyStmt *) statement)->table);
			break;
		case T_AlterPolicyStmt:
			check_named(((AlterPolicyStmt *) statement)->table);
			break;
		case T_CreateStatsStmt:
			check_names(((CreateStatsStmt *) statement)->relations);
			break;
		case T_RenameStmt:
			check_named(((RenameStmt *) statement)->relation);
			break;
		case T_AlterObjectSchemaStmt:
			check_named(((AlterObjectSchemaStmt *) statement)->relation);
			break;
		case T_AlterSeqStmt:
			check_named(((AlterSeqStmt *) statement)->sequence);
			break;
		case T_GrantStmt:
			check_grant((GrantStmt *) statement);
			break;
		case T_AlterExtensionContentsStmt:
			check_contents((AlterExtensionContentsStmt *) statement);
			break;
		default:
			break;
	}
}
