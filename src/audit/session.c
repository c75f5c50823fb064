/*
 * session.c - makes entries of log-ins, log-outs and attempts.
 *
 * Called by writing.c, beside writer.c.  Nobody has a context yet who logs in: what is told of him is
 * plain, as of administrators, but in the entry itself, not in one of kind who: so it goes with it.
 */
#include "audit/audit_int.h"
#include "audit/worker.h"

#include "access/xact.h"
#include "base/clock.h"
#include "login/login.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* After an error: sessions wait for the writer, not for this. */
#define RETRY_MS 2000

/* Clients send names in bytes of their own choice. */
static void
say_name(StringInfo text, const char *name, const char *value)
{
	char	   *copy = pstrdup(value);

	for (char *c = copy; *c && !pg_verify_mbstr(PG_UTF8, value, strlen(value), true); c++)
	{
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
	}
	toms_event_say(text, name, copy);
}

static void
say_who(StringInfo members, const TomsLoginRecord *record)
{
	char		hash[2 * TOMS_LOGIN_HASH_BYTES + 1];

	hash[hex_encode((const char *) record->hash, TOMS_LOGIN_HASH_BYTES, hash)] = '\0';
	if (OidIsValid(record->role))
		say_name(members, "login", record->login);
	else
		toms_event_say(members, "login_hash", hash);
	toms_event_say(members, "address", record->address);
	if (record->database[0] != '\0')
		say_name(members, "database", record->database);
	toms_event_say(members, "method", record->method);
	toms_event_say(members, "tls", record->tls);
}

static void
say_number(StringInfo members, const char *name, int64 number)
{
	appendStringInfo(members, "%s\"%s\":" INT64_FORMAT, members->len > 0 ? "," : "", name, number);
}

static const char *
words_of(const TomsLoginRecord *record)
{
	StringInfoData members;

	initStringInfo(&members);
	say_who(&members, record);
	if (record->verb == TOMS_VERB_LOGOUT)
		say_number(&members, "microseconds", record->at - record->since);
	else
		toms_event_say(&members, "outcome", toms_login_outcome(record->outcome));
	if (record->retry)
		appendStringInfoString(&members, ",\"retry\":\"without TLS\"");
	if (record->failures > 0)
		say_number(&members, "failures", record->failures);
	if (record->locked_until != 0)
		say_number(&members, "locked_seconds", (record->locked_until - record->at + USECS_PER_SEC - 1) / USECS_PER_SEC);
	if (record->elsewhere[0] != '\0')
		toms_event_say(&members, "elsewhere", record->elsewhere);
	if (record->elsewhere[0] != '\0' && toms_login_is_personal(record->role))
		toms_event_say(&members, "finding", "shared_login");
	return psprintf("{%s}", members.data);
}

static void
add_entry(TomsEntry *entry, const TomsLoginRecord *record)
{
	const char *words = words_of(record);

	toms_record_begin_as(entry, record->id, record->at);
	entry->payload = (TomsBytes) {words, strlen(words)};
	toms_record_add(entry);
	toms_finding_tell(entry, words);
}

static void
add_lost(int64 lost)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_SESSION,.verb = TOMS_VERB_EVENTS_LOST};
	const char *details = psprintf("{\"lost\":" INT64_FORMAT "}", lost);

	toms_record_begin(&entry);
	entry.payload = (TomsBytes) {details, strlen(details)};
	toms_record_add(&entry);
}

static void
add_entries(const TomsLogins *logins)
{
	MemoryContext each = AllocSetContextCreate(CurrentMemoryContext, "toms log-in", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(each);

	for (int i = 0; i < logins->count; i++)
	{
		TomsEntry	entry = {.kind = TOMS_ENTRY_SESSION,.verb = logins->records[i].verb};

		add_entry(&entry, &logins->records[i]);
		MemoryContextReset(each);
	}
	if (logins->lost > 0)
		add_lost(logins->lost);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(each);
}

static bool
write_logins(void)
{
	TomsLogins	logins;
	bool		taken;

	toms_commit_choose(false);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	taken = toms_login_take(&logins);
	if (taken)
		add_entries(&logins);
	toms_record_write();
	/* once it is committed nothing may come between */
	HOLD_INTERRUPTS();
	CommitTransactionCommand();
	(void) toms_commit_wait();
	if (taken)
		toms_login_written();
	RESUME_INTERRUPTS();
	return taken;
}

bool
toms_session_drain(void)
{
	static TimestampTz next = 0;
	volatile bool wrote = false;

	if (!toms_login_is_waiting() || toms_clock_steady() < next)
		return false;
	next = 0;
	PG_TRY();
	{
		wrote = write_logins();
	}
	PG_CATCH();
	{
		toms_process_clean_up_error();
		next = TimestampTzPlusMilliseconds(toms_clock_steady(), RETRY_MS);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(toms_process_context);
	return wrote;
}
