/*
 * setting.c - the trail tells which settings have changed, whoever has changed them and wherever.
 *
 * Called by the trail's worker when it starts and whenever it has read the configuration again.  Who
 * has used ALTER SYSTEM or ALTER ROLE … SET an event tells (guard/admin_setting.c); files that
 * somebody has edited are seen here alone.
 */
#include "audit/audit_int.h"

#include "access/xact.h"
#include "base/system_settings.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(toms_tell_setting);

#define LONGEST_VALUE 512

static bool is_due = true;

void
toms_settings_look_again(void)
{
	is_due = true;
}

/*
 * As long as nothing is recorded the trail may be being restored: then later.  What this process has set for itself, by
 * worker.c, is read from the files.
 */
bool
toms_settings_compare(void)
{
	if (!is_due)
		return false;
	is_due = false;				/* after an error it is tried again with the next change */
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (toms_guard_trail_is_used())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		toms_trail_run("SELECT toms.compare_settings('{synchronous_commit,session_replication_role}')");
		PopActiveSnapshot();
	}
	else
		is_due = true;
	CommitTransactionCommand();
	return !is_due;
}

static void
say_value(StringInfo words, const char *name, FunctionCallInfo fcinfo, int i, bool secret)
{
	char	   *value;

	if (PG_ARGISNULL(i))
		return;
	value = text_to_cstring(PG_GETARG_TEXT_PP(i));
	toms_event_say(words, name, secret ? "changed" : pnstrdup(value, pg_mbcliplen(value, strlen(value), LONGEST_VALUE)));
}

/* tell_setting(setting, old, new) */
Datum
toms_tell_setting(PG_FUNCTION_ARGS)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_ADMIN,.verb = TOMS_VERB_SETTING};
	char	   *name;
	bool		secret;
	StringInfoData words;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("setting must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	secret = toms_guard_setting_is_secret(name);
	toms_record_begin(&entry);
	entry.who = toms_who(entry.at);
	initStringInfo(&words);
	toms_event_say(&words, "setting", name);
	/* a value that is empty and one that is not there are told apart */
	say_value(&words, "old", fcinfo, 1, secret);
	say_value(&words, "new", fcinfo, 2, secret);
	words.data = psprintf("{%s}", words.data);
	words.len = strlen(words.data);
	words.maxlen = words.len + 1;
	toms_payload_to_utf8(&words);
	entry.payload = (TomsBytes) {words.data, words.len};
	toms_record_add(&entry);
	PG_RETURN_VOID();
}
