/*
 * utility.c - DDL and other utility statements that concern protected tables.
 *
 * Called by hooks.c before and after each.  Before: what would take the policies of toms
 * away is refused, whoever asks, since toms.unprotect() is there for it.  After: what the
 * application added, a partition or a policy, is brought under protection in the same
 * transaction.
 */
#include "guard/admin.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "context/context.h"
#include "guard/child.h"
#include "guard/probe.h"
#include "guard/trail.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "parser/parse_type.h"
#include "policy/policy.h"
#include "seal/seal.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const char policies_managed[] = "Policies named toms_… and the switches of row security belong to toms.";
static const char trigger_managed[] = "Triggers of toms bind sealed values to their rows and take changes into the audit trail: without them the table would be closed.";

static void
refuse_managed(Oid relid, const char *detail)
{
	TomsRefusal refusal = {.reason = TOMS_POLICY_MANAGED,.relid = relid,.who = toms_context_who(),.detail = detail,
	.hint = psprintf("SELECT toms.unprotect(%s, reason => '…');", quote_literal_cstr(toms_relation_name(relid)))};

	toms_refuse(&refusal);
}

/* pg_upgrade makes the tables anew as they were, and has no rows. */
static bool
is_enforced(Oid relid)
{
	TomsRelation *relation = OidIsValid(relid) && !IsBinaryUpgrade ? toms_catalog_relation(relid) : NULL;

	return relation && relation->mode == TOMS_MODE_ENFORCE && !relation->is_undeclared;
}

static bool
is_protected(Oid relid)
{
	TomsRelation *relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;

	return relation && !relation->is_undeclared;
}

/*
 * Without a lock: the name may come to mean another table before the statement takes its
 * own.  What slips through closes the table, whose row security is then not intact.
 */
static Oid
relation_named(RangeVar *name)
{
	return RangeVarGetRelid(name, NoLock, true);
}

/*
 * With the lock that the statement is going to take, and its test of ownership: where
 * nothing may slip through, the name must mean the same table until then.
 */
static Oid
relation_locked(RangeVar *name, LOCKMODE mode)
{
	return RangeVarGetRelidExtended(name, mode, RVR_MISSING_OK, RangeVarCallbackOwnsRelation, NULL);
}

/* Names that begin like those of toms are not to be given; those it gave not to be touched. */
static void
check_new_name(RangeVar *table, const char *policy)
{
	Oid			relid = strncmp(policy, "toms_", 5) == 0 ? relation_named(table) : InvalidOid;

	if (is_protected(relid))
		refuse_managed(relid, policies_managed);
}

static void
check_policy_name(RangeVar *table, const char *policy)
{
	Oid			relid = toms_policy_is_reserved(policy) ? relation_named(table) : InvalidOid;

	if (is_protected(relid))
		refuse_managed(relid, policies_managed);
}

bool
toms_guard_keeps_policies(Oid relid)
{
	return is_protected(relid) && !toms_guard_administrator_at_work();
}

/*
 * An administrator may take policies and the trigger of toms down, as pg_restore --clean does:
 * the table is closed then, not open, since it is not as toms made it.
 */
static void
check_taking_down(Oid relid, const char *detail)
{
	if (toms_guard_keeps_policies(relid))
		refuse_managed(relid, detail);
	toms_guard_record_administrator(relid, "ddl");
}

/* The table of DROP POLICY or TRIGGER, and the other name; false for other kinds of DROP. */
static bool
dropped_of_table(DropStmt *drop, ObjectType kind, RangeVar **table, const char **dropped)
{
	List	   *name;

	if (drop->removeType != kind)
		return false;
	name = list_copy(linitial_node(List, drop->objects));
	*dropped = strVal(llast(name));
	*table = makeRangeVarFromNameList(list_truncate(name, list_length(name) - 1));
	return true;
}

static bool
dropped_policy(DropStmt *drop, RangeVar **table, const char **policy)
{
	return dropped_of_table(drop, OBJECT_POLICY, table, policy);
}

static bool
is_our_trigger(const char *name)
{
	return strncmp(name, TOMS_TRIGGERS, strlen(TOMS_TRIGGERS)) == 0;
}

static void
check_triggers(Oid relid)
{
	if (is_enforced(relid))
		check_taking_down(relid, trigger_managed);
}

/* Under a name of ours: in the place of one of ours, perhaps. */
static void
check_new_trigger(CreateTrigStmt *create)
{
	if (is_our_trigger(create->trigname) && !superuser())
		check_triggers(relation_named(create->relation));
}

/* ENABLE makes an ordinary trigger of one that fires always. */
static bool
stops_trigger(const AlterTableCmd *command)
{
	switch (command->subtype)
	{
		case AT_EnableTrig:
		case AT_EnableReplicaTrig:
		case AT_DisableTrig:
			return is_our_trigger(command->name);
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
			return true;
		default:
			return false;
	}
}

/* What a rule adds to statements, or puts in their place, is not the application's to see. */
static void
check_rule(RuleStmt *rule)
{
	Oid			relid = relation_locked(rule->relation, AccessExclusiveLock);
	TomsRefusal refusal = {.reason = TOMS_RULE,.relid = relid,.who = toms_context_who(),
		.detail = "It would run with every statement on the table.",
	.hint = "Use a trigger; or an administrator with toms.reason set makes the rule."};

	if (!is_enforced(relid))
		return;
	if (!toms_guard_administrator_at_work())
		toms_refuse(&refusal);
	toms_guard_record_administrator(relid, "ddl");
}

/* What asks all rows meets no policy.  It is an administrator's, on record. */
static void
require_administrator(Oid relid)
{
	TomsRefusal refusal = {.reason = TOMS_DDL,.relid = relid,.who = toms_context_who(),
		.detail = "No policy applies where an index, a constraint, a generated column, a new type or a foreign key to an unprotected table looks at rows.",
	.hint = "Run the migration as a role with BYPASSRLS and toms.reason set."};

	if (!toms_guard_administrator_at_work())
		toms_refuse(&refusal);
	toms_guard_record_administrator(relid, "ddl");
}

static void
check_alter_table(AlterTableStmt *alter)
{
	Oid			relid = toms_ddl_can_ask(alter) ? relation_locked(alter->relation, AlterTableGetLockLevel(alter->cmds)) :
		relation_named(alter->relation);
	ListCell   *cell;

	if (is_enforced(relid) && toms_ddl_asks(alter))
		require_administrator(relid);
	toms_policy_before_alter(relid, alter);
	toms_seal_before_alter(relid, alter);
	toms_minimise_before_alter(relid, alter);
	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if ((command->subtype == AT_DisableRowSecurity || command->subtype == AT_NoForceRowSecurity) &&
			is_enforced(relid))
			check_taking_down(relid, policies_managed);
		if (stops_trigger(command))
			check_triggers(relid);
		if (command->subtype == AT_AddInherit)
			toms_guard_check_new_parent(relid, relation_named(castNode(RangeVar, command->def)));
		if (command->subtype == AT_AlterColumnType && castNode(ColumnDef, command->def)->raw_default)
			toms_policy_keep_held_table(relid);
		if (command->subtype == AT_DetachPartition)
			toms_policy_keep_held_table(relation_named(castNode(PartitionCmd, command->def)->name));
		if (command->subtype == AT_DropInherit)
			toms_policy_keep_held_table(relid);
		if (command->subtype == AT_SetUnLogged)
			toms_guard_check_unlogged(relid);
		if (command->subtype == AT_AttachPartition)
		{
			toms_guard_check_new_parent(relation_named(castNode(PartitionCmd, command->def)->name), relid);
			toms_guard_hand_triggers_over(relation_named(castNode(PartitionCmd, command->def)->name), relid);
		}
	}
}

/*
 * SET, not SET LOCAL, outside of a transaction block: the context would be gone with the
 * statement that sets it.
 */
static void
warn_of_lost_context(VariableSetStmt *set)
{
	if (set->kind == VAR_SET_VALUE && !set->is_local && set->name &&
		pg_strcasecmp(set->name, "toms.token") == 0 && !IsTransactionBlock() &&
		!toms_context_outlives_transaction())
		ereport(WARNING,
				(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
				 errmsg("the context ends with this statement"),
				 errhint("BEGIN; SELECT set_config('toms.token', $1, true); … COMMIT;"),
				 errhidestmt(true)));
}

static void
check_rename(RenameStmt *rename)
{
	if (rename->renameType == OBJECT_COLUMN)
		toms_seal_before_rename(relation_named(rename->relation), rename->subname);
	if (rename->renameType == OBJECT_TRIGGER && is_our_trigger(rename->subname))
		check_triggers(relation_named(rename->relation));
	if (rename->renameType != OBJECT_POLICY)
		return;
	check_policy_name(rename->relation, rename->subname);
	check_new_name(rename->relation, rename->newname);
}

static void
check_index(IndexStmt *index)
{
	if (toms_ddl_indexes_expression(index))
	{
		Oid			relid = relation_locked(index->relation, index->concurrent ? ShareUpdateExclusiveLock : ShareLock);

		if (is_enforced(relid))
			require_administrator(relid);
		toms_seal_before_index(relid, index);
	}
}

/* A new CHECK of a domain is tested on the rows of every table that has a column of it. */
static void
check_domain(AlterDomainStmt *alter)
{
	Oid			domain = alter->subtype == 'C' || alter->subtype == 'V' ?
		LookupTypeNameOid(NULL, makeTypeNameFromNameList(alter->typeName), true) : InvalidOid;
	ListCell   *cell;

	if (!OidIsValid(domain))
		return;
	foreach(cell, toms_ddl_tables_of_type(domain))
	{
		if (is_enforced(lfirst_oid(cell)))
			require_administrator(lfirst_oid(cell));
	}
}

static void
check_statistics(CreateStatsStmt *statistics)
{
	ListCell   *cell;

	foreach(cell, statistics->relations)
	{
		if (IsA(lfirst(cell), RangeVar) && toms_ddl_measures_expression(statistics))
		{
			Oid			relid = relation_locked(lfirst(cell), ShareUpdateExclusiveLock);

			if (is_enforced(relid))
				require_administrator(relid);
		}
	}
}

/*
 * Protected tables that a DROP names, NIL if there are none.  Without a lock: PostgreSQL's own
 * test of who may drop comes later, so only what the caller owns is touched before it.
 */
static List *
protected_tables_named(DropStmt *drop)
{
	List	   *relids = NIL;
	bool		concerns = false;
	ListCell   *cell;

	foreach(cell, drop->objects)
	{
		Oid			relid = relation_named(makeRangeVarFromNameList(lfirst_node(List, cell)));

		if (!OidIsValid(relid))
			continue;
		if (!toms_owns_relation(relid, GetUserId()) && !toms_owns_schema(get_rel_namespace(relid), GetUserId()))
			return NIL;
		concerns |= is_protected(relid);
		relids = lappend_oid(relids, relid);
	}
	return concerns ? relids : NIL;
}

/* Refuse what would open a table; false if the statement concerns no row security. */
static bool
check_ddl(Node *statement)
{
	RangeVar   *table;
	const char *policy;

	switch (nodeTag(statement))
	{
		case T_CreateStmt:
			return true;
		case T_AlterTableStmt:
			check_alter_table((AlterTableStmt *) statement);
			return true;
		case T_IndexStmt:
			check_index((IndexStmt *) statement);
			return false;
		case T_RuleStmt:
			check_rule((RuleStmt *) statement);
			return false;
		case T_CreateTrigStmt:
			check_new_trigger((CreateTrigStmt *) statement);
			return false;
		case T_AlterDomainStmt:
			check_domain((AlterDomainStmt *) statement);
			return false;
		case T_CreateStatsStmt:
			check_statistics((CreateStatsStmt *) statement);
			return false;
		case T_CreatePolicyStmt:
			/* a dump's own policies: one that is not what toms makes leaves the table closed */
			if (!toms_guard_administrator_at_work() && !IsBinaryUpgrade)
				check_new_name(((CreatePolicyStmt *) statement)->table, ((CreatePolicyStmt *) statement)->policy_name);
			return true;
		case T_AlterPolicyStmt:
			check_policy_name(((AlterPolicyStmt *) statement)->table, ((AlterPolicyStmt *) statement)->policy_name);
			return true;
		case T_RenameStmt:
			check_rename((RenameStmt *) statement);
			return true;
		case T_DropOwnedStmt:
			toms_seal_before_drop_owned((DropOwnedStmt *) statement);
			return true;
		case T_DropStmt:
			toms_seal_before_drop((DropStmt *) statement);
			if (((DropStmt *) statement)->removeType == OBJECT_SCHEMA)
				return true;
			if (((DropStmt *) statement)->removeType == OBJECT_TABLE)
				return toms_policy_before_drop(protected_tables_named((DropStmt *) statement));
			if (dropped_of_table((DropStmt *) statement, OBJECT_TRIGGER, &table, &policy) && is_our_trigger(policy))
				check_triggers(relation_named(table));
			if (!dropped_policy((DropStmt *) statement, &table, &policy))
				return false;
			if (toms_policy_is_reserved(policy) && is_protected(relation_named(table)))
				check_taking_down(relation_named(table), policies_managed);
			return true;
		default:
			return false;
	}
}

static bool
is_analyze(ExplainStmt *explain)
{
	ListCell   *cell;

	foreach(cell, explain->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "analyze") == 0 && defGetBoolean(option))
			return true;
	}
	return false;
}

/* EXPLAIN ANALYZE carries out CREATE MATERIALIZED VIEW without another utility statement. */
static void
tell_of_explained(ExplainStmt *explain)
{
	Query	   *query = IsA(explain->query, Query) ? (Query *) explain->query : NULL;

	if (query && query->utilityStmt)
		toms_admin_tell_of_ddl(query->utilityStmt);
}

/* ALTER TABLE and COPY FROM evaluate defaults for rows of a table, which may be an open one. */
static bool
fills_open_table(Node *statement)
{
	RangeVar   *table = IsA(statement, AlterTableStmt) ? ((AlterTableStmt *) statement)->relation :
		IsA(statement, CopyStmt) && ((CopyStmt *) statement)->is_from ? ((CopyStmt *) statement)->relation : NULL;
	Oid			relid = table ? relation_named(table) : InvalidOid;

	return OidIsValid(relid) && get_rel_relkind(relid) != RELKIND_VIEW && toms_catalog_relation(relid) == NULL;
}

TomsUtility
toms_guard_before_utility(Node *statement)
{
	TomsUtility before = {.statement = NULL};

	before.fills_table = fills_open_table(statement);
	before.copy = toms_guard_copy_of(statement);
	toms_guard_trail_utility(statement);
	before.restores = IsA(statement, CopyStmt) && ((CopyStmt *) statement)->is_from && superuser() && toms_catalog_is_installed() && !toms_guard_trail_is_used();
	toms_admin_before_utility(statement);
	toms_admin_check_setting(statement);
	toms_admin_tell_of_ddl(statement);
	if (IsA(statement, VariableSetStmt))
		warn_of_lost_context((VariableSetStmt *) statement);
	else if (IsA(statement, DeclareCursorStmt))
		before.holds_cursor = (((DeclareCursorStmt *) statement)->options & CURSOR_OPT_HOLD) != 0;
	else if (IsA(statement, ExplainStmt) && is_analyze((ExplainStmt *) statement))
	{
		before.counts_rows = true;
		tell_of_explained((ExplainStmt *) statement);
	}
	else if (!toms_policy_in_maintenance() && !RecoveryInProgress() && !XactReadOnly && check_ddl(statement))
		before.statement = copyObject(statement);
	return before;
}

static void
app_policy_changed(RangeVar *table, const char *policy)
{
	Oid			relid = toms_policy_is_reserved(policy) ? InvalidOid : relation_named(table);

	if (OidIsValid(relid))
		toms_policy_app_changed(relid);
}

/* It is protected with its parent from now on, and has to last like it, with partitions of its own. */
static void
child_added(Oid relid)
{
	ListCell   *cell;

	toms_policy_child_added(relid);
	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
	{
		if (get_rel_persistence(lfirst_oid(cell)) == RELPERSISTENCE_UNLOGGED)
			toms_guard_check_unlogged(lfirst_oid(cell));
	}
}

static void
table_altered(AlterTableStmt *alter)
{
	ListCell   *cell;

	toms_policy_after_alter(relation_named(alter->relation), alter);
	toms_seal_after_alter(relation_named(alter->relation), alter);

	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_AttachPartition)
			child_added(relation_named(castNode(PartitionCmd, command->def)->name));
		else if (command->subtype == AT_AddInherit)
			child_added(relation_named(alter->relation));
		else if (command->subtype == AT_DetachPartition)
			toms_guard_partition_detached(relation_named(alter->relation), relation_named(castNode(PartitionCmd, command->def)->name));
		else if (command->subtype == AT_DropInherit)
			toms_guard_child_let_go(relation_named(castNode(RangeVar, command->def)), relation_named(alter->relation));
	}
}

/* A copy of a protected table's form, to take its place perhaps. */
static void
tell_of_likeness(CreateStmt *create)
{
	ListCell   *cell;

	foreach(cell, create->tableElts)
	{
		TableLikeClause *like = lfirst(cell);
		Oid			relid = IsA(like, TableLikeClause) ? relation_named(like->relation) : InvalidOid;

		if (OidIsValid(relid) && toms_catalog_relation(relid))
			ereport(NOTICE,
					(errmsg("table \"%s\" is like a protected one, but not protected", create->relation->relname),
					 errhint("SELECT toms.protect(%s, …); before it holds any row.",
							 quote_literal_cstr(quote_identifier(create->relation->relname)))));
	}
}

static void
table_created(CreateStmt *create)
{
	Oid			relid;

	tell_of_likeness(create);
	if (create->inhRelations == NIL)
		return;
	relid = get_relname_relid(create->relation->relname, RangeVarGetCreationNamespace(create->relation));
	child_added(relid);
	toms_minimise_after_create(relid);
}

static bool
drops_tables(Node *statement)
{
	ObjectType	kind = IsA(statement, DropStmt) ? ((DropStmt *) statement)->removeType : OBJECT_TABLE;

	return IsA(statement, DropOwnedStmt) || (IsA(statement, DropStmt) && (kind == OBJECT_TABLE || kind == OBJECT_SCHEMA));
}

void
toms_guard_after_utility(Node *statement)
{
	RangeVar   *table;
	const char *policy;

	if (statement == NULL)
		return;
	if (IsA(statement, CreateStmt))
		table_created((CreateStmt *) statement);
	else if (IsA(statement, AlterTableStmt))
		table_altered((AlterTableStmt *) statement);
	else if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_COLUMN)
		toms_policy_after_rename(relation_named(((RenameStmt *) statement)->relation), ((RenameStmt *) statement)->subname,
								 ((RenameStmt *) statement)->newname);
	else if (IsA(statement, CreatePolicyStmt))
		app_policy_changed(((CreatePolicyStmt *) statement)->table, ((CreatePolicyStmt *) statement)->policy_name);
	else if (IsA(statement, AlterPolicyStmt))
		app_policy_changed(((AlterPolicyStmt *) statement)->table, ((AlterPolicyStmt *) statement)->policy_name);
	else if (drops_tables(statement))
		toms_policy_after_drop();
	else if (IsA(statement, DropStmt) && dropped_policy((DropStmt *) statement, &table, &policy))
		app_policy_changed(table, policy);
}
