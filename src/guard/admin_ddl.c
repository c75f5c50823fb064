/*
 * admin_ddl.c - DDL on protected tables and roles, on its way into the audit trail.
 *
 * Called by utility.c before each statement, and by hooks.c for each table that is dropped and each function of toms that is
 * replaced or altered, in whichever way.  Who tries is told of, also if PostgreSQL or the guard then refuses.  Of the
 * statement its kind alone is told: its text may hold values.
 */
#include "guard/admin.h"

#include "access/xlog.h"
#include "base/compat.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "guard/trail.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "policy/policy.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"

/* Of longer lists of roles the beginning is told, in bytes. */
#define LONGEST_NAMES 1000

/* Tables in which toms keeps what is declared to it; those of the trail are nobody's to alter. */
static bool
is_own(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_RELATION && get_rel_namespace(relid) == get_namespace_oid("toms", true) && !toms_guard_is_trail(relid);
}

static void
tell_event(Oid relid, const char *command, const char *key, const char *value)
{
	StringInfoData details;

	initStringInfo(&details);
	toms_event_say(&details, "command", command);
	toms_event_say(&details, key, value);
	(void) toms_admin_event(TOMS_VERB_DDL, relid, details.data, false);
}

void
toms_admin_tell(Oid relid, const char *command, const char *key, const char *value)
{
	TomsRelation *relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;

	if (relation && !relation->is_undeclared)
		tell_event(relid, command, key, value);
}

void
toms_admin_tell_of_none(const char *command, const char *key, const char *value)
{
	tell_event(InvalidOid, command, key, value);
}

/* Views are told of for the tables that they read. */
void
toms_admin_tell_of_relation(Oid relid, const char *command, const char *key, const char *value)
{
	if (OidIsValid(relid) && is_own(relid))
		tell_event(relid, command, key, value);
	else if (!toms_admin_tell_of_view(relid, command))
		toms_admin_tell(relid, command, key, value);
}

static Oid
table_of(Oid relid)
{
	char		kind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	return kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX ? IndexGetRelation(relid, true) : relid;
}

/* Without a lock: who changes meanwhile what the name means is told of by what he does for it. */
static void
add_name(List **relids, RangeVar *name)
{
	if (name)
		*relids = list_append_unique_oid(*relids, table_of(RangeVarGetRelid(name, NoLock, true)));
}

static void
add_names(List **relids, List *names)
{
	ListCell   *cell;

	foreach(cell, names)
	{
		if (IsA(lfirst(cell), RangeVar))
			add_name(relids, lfirst(cell));
	}
}

static void
add_altered(List **relids, AlterTableStmt *alter)
{
	ListCell   *cell;

	add_name(relids, alter->relation);
	foreach(cell, alter->cmds)
	{
		Node	   *def = lfirst_node(AlterTableCmd, cell)->def;

		if (def && IsA(def, PartitionCmd))
			add_name(relids, castNode(PartitionCmd, def)->name);
	}
}

/* Tables themselves are told of when they go. */
static void
add_dropped(List **relids, DropStmt *drop)
{
	bool		of_table = drop->removeType == OBJECT_TRIGGER || drop->removeType == OBJECT_RULE || drop->removeType == OBJECT_POLICY;
	ListCell   *cell;

	foreach(cell, of_table || drop->removeType == OBJECT_INDEX ? drop->objects : NIL)
	{
		List	   *name = list_copy(lfirst_node(List, cell));

		if (of_table)
			name = list_truncate(name, list_length(name) - 1);
		if (name != NIL)
			add_name(relids, makeRangeVarFromNameList(name));
	}
}

static void
add_granted(List **relids, GrantStmt *grant)
{
	if (grant->targtype == ACL_TARGET_OBJECT && grant->objtype == OBJECT_TABLE)
		add_names(relids, grant->objects);
}

/* A column's name has the table's before it. */
static void
add_labelled(List **relids, SecLabelStmt *label)
{
	List	   *name;

	if ((label->objtype != OBJECT_TABLE && label->objtype != OBJECT_COLUMN) || label->provider == NULL || strncmp(label->provider, "toms", 4) != 0)
		return;
	name = list_copy(castNode(List, label->object));
	if (label->objtype == OBJECT_COLUMN)
		name = list_truncate(name, list_length(name) - 1);
	if (name != NIL)
		add_name(relids, makeRangeVarFromNameList(name));
}

static List *
tables_of(Node *statement)
{
	List	   *relids = NIL;

	switch (nodeTag(statement))
	{
		case T_CreateStmt:
			add_names(&relids, ((CreateStmt *) statement)->inhRelations);
			break;
		case T_AlterTableStmt:
			add_altered(&relids, (AlterTableStmt *) statement);
			break;
		case T_IndexStmt:
			add_name(&relids, ((IndexStmt *) statement)->relation);
			break;
		case T_RuleStmt:
			add_name(&relids, ((RuleStmt *) statement)->relation);
			break;
		case T_CreateTrigStmt:
			add_name(&relids, ((CreateTrigStmt *) statement)->relation);
			break;
		case T_CreatePolicyStmt:
			add_name(&relids, ((CreatePolicyStmt *) statement)->table);
			break;
		case T_AlterPolicyStmt:
			add_name(&relids, ((AlterPolicyStmt *) statement)->table);
			break;
		case T_RenameStmt:
			add_name(&relids, ((RenameStmt *) statement)->relation);
			break;
		case T_AlterObjectSchemaStmt:
			add_name(&relids, ((AlterObjectSchemaStmt *) statement)->relation);
			break;
		case T_CreateStatsStmt:
			add_names(&relids, ((CreateStatsStmt *) statement)->relations);
			break;
		case TOMS_T_CLUSTER:
			add_name(&relids, toms_clustered(statement));
			break;
		case T_DropStmt:
			add_dropped(&relids, (DropStmt *) statement);
			break;
		case T_GrantStmt:
			add_granted(&relids, (GrantStmt *) statement);
			break;
		case T_SecLabelStmt:
			add_labelled(&relids, (SecLabelStmt *) statement);
			break;
		default:
			break;
	}
	return relids;
}

/* Policies and triggers of toms that it puts up itself are not anybody's DDL. */
bool
toms_admin_is_told(void)
{
	return !RecoveryInProgress() && !toms_policy_in_maintenance() && toms_catalog_is_installed() && toms_admin_is_recorded();
}

/* roles ------------------------------------------------------------------------------------ */

static void
append_name(StringInfo names, const char *name)
{
	appendStringInfo(names, "%s%s", names->len > 0 ? ", " : "", name ? name : "current user");
}

/* Of RoleSpec, or of AccessPriv as GRANT has them. */
static char *
names_of(List *roles)
{
	StringInfoData names;
	ListCell   *cell;

	initStringInfo(&names);
	foreach(cell, roles)
		append_name(&names, IsA(lfirst(cell), RoleSpec) ? lfirst_node(RoleSpec, cell)->rolename : lfirst_node(AccessPriv, cell)->priv_name);
	return names.data;
}

/* Who can become an officer or an administrator by it, and by whom; a password is not told. */
static char *
roles_of(Node *statement, char **members)
{
	switch (nodeTag(statement))
	{
		case T_GrantRoleStmt:
			*members = names_of(((GrantRoleStmt *) statement)->grantee_roles);
			return names_of(((GrantRoleStmt *) statement)->granted_roles);
		case T_CreateRoleStmt:
			return ((CreateRoleStmt *) statement)->role;
		case T_AlterRoleStmt:
			return names_of(list_make1(((AlterRoleStmt *) statement)->role));
		case T_DropRoleStmt:
			return names_of(((DropRoleStmt *) statement)->roles);
		default:
			return NULL;
	}
}

static void
tell_of_roles(Node *statement)
{
	char	   *members = NULL;
	char	   *roles = roles_of(statement, &members);
	StringInfoData details;

	if (roles == NULL || !toms_admin_is_told())
		return;
	initStringInfo(&details);
	toms_event_say(&details, "command", CreateCommandName(statement));
	toms_event_say(&details, "roles", pnstrdup(roles, pg_mbcliplen(roles, strlen(roles), LONGEST_NAMES)));
	if (members)
		toms_event_say(&details, "members", pnstrdup(members, pg_mbcliplen(members, strlen(members), LONGEST_NAMES)));
	(void) toms_admin_event(TOMS_VERB_DDL, InvalidOid, details.data, false);
}

/* While it runs, what it replaces is not told of. */
static void
tell_of_update(Node *statement)
{
	if (IsA(statement, AlterExtensionStmt) && strcmp(((AlterExtensionStmt *) statement)->extname, "toms") == 0 && toms_admin_is_told())
		toms_admin_tell_of_none(CreateCommandName(statement), "library", TOMS_VERSION);
}

void
toms_admin_tell_of_ddl(Node *statement)
{
	List	   *relids = tables_of(statement);
	const char *label = IsA(statement, SecLabelStmt) ? ((SecLabelStmt *) statement)->label : NULL;
	ListCell   *cell;

	tell_of_roles(statement);
	tell_of_update(statement);
	if ((relids == NIL && !toms_admin_reaches(statement)) || !toms_admin_is_told())
		return;
	foreach(cell, relids)
		toms_admin_tell_of_relation(lfirst_oid(cell), CreateCommandName(statement), "label", label);
	if (toms_admin_reaches(statement))
		toms_admin_tell_of_reach(statement);
}

void
toms_guard_table_dropped(Oid relid)
{
	if (toms_admin_is_told())
		toms_admin_tell_of_relation(relid, "DROP TABLE", NULL, NULL);
}

/* One that is new is not in the catalogue yet: toms.found_code() names it. */
void
toms_guard_function_changed(Oid function)
{
	Oid			schema = get_func_namespace(function);

	if (OidIsValid(schema) && schema == get_namespace_oid("toms", true) && toms_admin_is_told())
		toms_admin_tell_of_none("ALTER FUNCTION", "function", toms_function_name(function));
}
