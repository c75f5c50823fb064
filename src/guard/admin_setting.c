/*
 * admin_setting.c - which settings the protection depends on, and who tries to change them.
 *
 * Called by utility.c before each statement.  What came of it, and what was changed in files, the trail's worker tells
 * when it reads the configuration (audit/setting.c).
 */
#include "guard/admin.h"

#include "base/compat.h"
#include "context/context.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

PG_FUNCTION_INFO_V1(toms_setting_is_watched);

#define LONGEST_VALUE 512

/* Of PostgreSQL; those of toms are watched all. */
static const char *const watched[] = {
	"shared_preload_libraries", "session_preload_libraries", "local_preload_libraries", "session_replication_role", "row_security",
	"password_encryption", "ssl", "ssl_min_protocol_version", "ssl_ciphers", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file",
	"listen_addresses", "hba_file", "ident_file", "krb_server_keyfile", "authentication_timeout",
	"log_statement", "log_min_messages", "log_min_error_statement", "log_parameter_max_length", "log_parameter_max_length_on_error",
	"log_min_duration_statement", "log_connections", "log_disconnections", "log_destination", "logging_collector", "log_directory", "log_line_prefix",
	"wal_level", "archive_mode", "archive_command", "archive_library", "restore_command", "synchronous_commit", "synchronous_standby_names",
	"fsync", "full_page_writes", "data_checksums", "max_worker_processes", "allow_system_table_mods", "dynamic_library_path", "search_path",
	"event_triggers", "zero_damaged_pages", "ignore_system_indexes"
};

/* What a client sets for himself, in each transaction, is no configuration. */
static const char *const clients[] = {"toms.token", "toms.purpose", "toms.reason", "toms.debug_point"};

static bool
is_among(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (pg_strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_watched(const char *name)
{
	return pg_strncasecmp(name, "toms.", 5) == 0 ? !is_among(name, clients, lengthof(clients)) : is_among(name, watched, lengthof(watched));
}

/* Commands may hold passwords. */
bool
toms_guard_setting_is_secret(const char *name)
{
	return strstr(name, "_command") != NULL || strstr(name, "conninfo") != NULL || strstr(name, "passphrase") != NULL;
}

Datum
toms_setting_is_watched(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_watched(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* "of" whom: a role, a database; NULL: the server. */
static void
tell(Node *statement, VariableSetStmt *set, const char *of)
{
	StringInfoData details;
	char	   *value = set->kind == VAR_SET_VALUE ? ExtractSetVariableArgs(set) : NULL;

	if ((set->name == NULL && set->kind != VAR_RESET_ALL) || (set->name && !is_watched(set->name)) || !toms_catalog_is_installed() ||
		!toms_admin_is_recorded())
		return;
	initStringInfo(&details);
	toms_event_say(&details, "command", CreateCommandName(statement));
	toms_event_say(&details, "setting", set->name ? set->name : "ALL");
	toms_event_say(&details, "of", of);
	if (value)
		toms_event_say(&details, "new", set->name && toms_guard_setting_is_secret(set->name) ? "changed" : pnstrdup(value, pg_mbcliplen(value, strlen(value), LONGEST_VALUE)));
	(void) toms_admin_event(TOMS_VERB_SETTING, InvalidOid, details.data, false);
}

static const char *
whose(AlterRoleSetStmt *alter)
{
	const char *role = alter->role ? (alter->role->roletype == ROLESPEC_CSTRING ? alter->role->rolename : GetUserNameFromId(get_rolespec_oid(alter->role, false), false)) : "ALL";

	return alter->database ? psprintf("role %s in database %s", role, alter->database) : psprintf("role %s", role);
}

/*
 * Foreign keys and the application's triggers would be off.  Those who may not set it are
 * PostgreSQL's to refuse.  Policies and sealing do not depend on it.
 */
static void
check_replication_role(VariableSetStmt *set)
{
	TomsRefusal refusal = {.reason = TOMS_REASON_MISSING,
		.detail = "Foreign keys and triggers would not see what is written.",
	.hint = "As a role with BYPASSRLS: SET toms.reason = '…'; it is recorded."};

	/* nothing is asked of the context: it may be what the statement sets */
	if (set->kind != VAR_SET_VALUE || set->name == NULL || pg_strcasecmp(set->name, "session_replication_role") != 0 ||
		pg_parameter_aclcheck(set->name, GetUserId(), ACL_SET) != ACLCHECK_OK || !toms_catalog_is_installed())
		return;
	if (!toms_guard_administrator_at_work())
		toms_refuse(&refusal);
	toms_guard_record_administrator(InvalidOid, "set session_replication_role");
	tell((Node *) set, set, "session");
}

void
toms_admin_check_setting(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_VariableSetStmt:
			check_replication_role((VariableSetStmt *) statement);
			break;
		case T_AlterSystemStmt:
			tell(statement, ((AlterSystemStmt *) statement)->setstmt, NULL);
			break;
		case T_AlterRoleSetStmt:
			tell(statement, ((AlterRoleSetStmt *) statement)->setstmt, whose((AlterRoleSetStmt *) statement));
			break;
		case T_AlterDatabaseSetStmt:
			tell(statement, ((AlterDatabaseSetStmt *) statement)->setstmt, psprintf("database %s", ((AlterDatabaseSetStmt *) statement)->dbname));
			break;
		default:
			break;
	}
}
