/*
 * admin.c - the administrative session of this backend: from when to when, for whom, and what it touches.
 *
 * Called by examine.c (is one open), init.c (each pass), utility.c and the SQL functions.  The state is this process's and knows no
 * transactions: ROLLBACK neither undoes nor hides it.  A session that was opened within a transaction block
 * ends with it, so that a pooler does not hand it on; others end when they are closed, after
 * toms.admin_session_timeout, with DISCARD ALL, or with the connection.  One that toms.reason has opened ends
 * when that changes.
 *
 * The end is told where no catalogue can be looked up, so the words for it are kept ready.
 */
#include "guard/admin.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/change.h"
#include "base/compat.h"
#include "base/name.h"
#include "commands/extension.h"
#include "context/context.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MOST_TOUCHED 128
#define TABLES_BYTES 2048
#define WHAT_BYTES 48

static bool admin_approval = false;
static int	approval_timeout = 15 * 60 * 1000;
static int	session_timeout = 8 * 60 * 60 * 1000;

/* What has been told of, so that it is counted only the next time. */
typedef struct Touched
{
	Oid			relid;
	char		what[WHAT_BYTES];
} Touched;

static struct
{
	TomsAdminSlot now;			/* pid 0: there is none */
	bool		is_told;		/* its begin is in the trail, or in the queue */
	bool		ends_with_transaction;
	uint64		passes;
	int			ntouched;
	Touched		touched[MOST_TOUCHED];
	TomsWho		who;
	char		tables[TABLES_BYTES];	/* names as JSON, in UTF-8, with commas between them */
	bool		lists_all;
	char	   *opening;		/* of broken glass, as JSON; and in UTF-8 */
	char	   *opening_utf8;
}			session;

static bool is_insisting = false;
static MemoryContext words = NULL;	/* of "who" and "opening" */

bool
toms_admin_needs_approval(void)
{
	return admin_approval;
}

int
toms_admin_approval_timeout(void)
{
	return approval_timeout;
}

int
toms_admin_session_timeout(void)
{
	return session_timeout;
}

/* the end ------------------------------------------------------------------------------- */

static void
tell_end(const char *how)
{
	static char buffer[TABLES_BYTES + 512];
	TomsEvent	event = {.kind = TOMS_ENTRY_ADMIN,.verb = TOMS_VERB_CLOSE,.details = buffer};

	snprintf(buffer, sizeof(buffer), "\"session\":" INT64_FORMAT ",\"ended\":\"%s\",\"seconds\":" INT64_FORMAT ",\"passes\":" UINT64_FORMAT ",\"tables\":[%s]%s",
			 session.now.id, how, (GetCurrentTimestamp() - session.now.since) / USECS_PER_SEC, session.passes, session.tables,
			 session.lists_all ? "" : ",\"more\":true");
	if (!toms_event_leave(&event, &session.who))
		ereport(LOG_SERVER_ONLY,
				(errmsg("toms administrative session %lld ended: %s", (long long) session.now.id, buffer),
				 errdetail_log("It is not in the audit trail: the queue is full."),
				 errhidestmt(true), errhidecontext(true)));
}

/* The trail could not take it in as long as the session lasted. */
static void
tell_glass_late(void)
{
	TomsEvent	event = {.kind = TOMS_ENTRY_ADMIN,.verb = TOMS_VERB_BREAK_GLASS,.details = session.opening_utf8};

	session.is_told = toms_event_leave(&event, &session.who);
}

bool
toms_admin_end(const char *how)
{
	if (session.now.pid != MyProcPid)
		return false;
	if (session.opening_utf8 && !session.is_told)
		tell_glass_late();
	if (session.is_told)
		tell_end(how);
	session.now.pid = 0;
	toms_admin_unpublish();
	toms_note_change();
	return true;
}

static void
end_with_process(int code, Datum arg)
{
	(void) toms_admin_end("connection");
}

static void
transaction_callback(XactEvent event, void *arg)
{
	if (session.now.pid != 0 && session.ends_with_transaction && !IsParallelWorker() &&
		(event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE))
		(void) toms_admin_end("transaction");
}

/* May come at any time, in a transaction that is being aborted too. */
static void
reason_changes(const char *reason)
{
	if (session.now.pid != 0 && session.now.kind == TOMS_ADMIN_BY_REASON &&
		strncmp(reason, session.now.reason, TOMS_SESSION_REASON_BYTES - 1) != 0)
		(void) toms_admin_end("reason");
}

/* the begin ----------------------------------------------------------------------------- */

static void
keep_opening(void)
{
	StringInfoData details;

	initStringInfo(&details);
	toms_event_say(&details, "login", session.now.login_name);
	toms_event_say(&details, "reason", session.now.reason);
	session.opening = details.data;
	session.opening_utf8 = pg_server_to_any(details.data, details.len, PG_UTF8);
}

static void
keep_words(void)
{
	const TomsWho *who = toms_context_words();
	MemoryContext old;

	if (words == NULL)
	{
		words = AllocSetContextCreate(TopMemoryContext, "toms administrative session", ALLOCSET_SMALL_SIZES);
		before_shmem_exit(end_with_process, (Datum) 0);
	}
	MemoryContextReset(words);
	old = MemoryContextSwitchTo(words);
	session.who = *who;
	session.who.tenant = who->tenant ? pstrdup(who->tenant) : NULL;
	session.who.actor = who->actor ? pstrdup(who->actor) : NULL;
	session.who.text = pnstrdup(who->text, who->length);
	if (session.now.kind == TOMS_ADMIN_BROKEN_GLASS)
		keep_opening();
	MemoryContextSwitchTo(old);
}

/* "slot" says kind, state, until and for whom; "entry" is 0 where it is not recorded. */
void
toms_admin_begin(TomsAdminSlot *slot, int64 entry)
{
	slot->pid = MyProcPid;
	slot->database = MyDatabaseId;
	slot->login = GetAuthenticatedUserId();
	slot->id = entry;
	slot->since = GetCurrentTimestamp();
	strlcpy(slot->login_name, GetUserNameFromId(slot->login, false), NAMEDATALEN);
	(void) toms_admin_end("another");
	memset(&session, 0, sizeof(session));
	session.now = *slot;
	session.is_told = entry != 0;
	session.lists_all = true;
	session.ends_with_transaction = slot->kind == TOMS_ADMIN_OPENED && IsTransactionBlock();
	toms_admin_publish(slot);
	toms_note_change();
	keep_words();
}

int64
toms_admin_tell_glass(bool strict)
{
	session.now.id = toms_admin_event(TOMS_VERB_BREAK_GLASS, InvalidOid, session.opening, strict).id;
	session.is_told = session.now.id != 0;
	toms_admin_publish(&session.now);
	return session.now.id;
}

static void
say_reason(StringInfo details, const char *reason)
{
	toms_event_say(details, "reason", pnstrdup(reason, pg_mbcliplen(reason, strlen(reason), TOMS_SESSION_REASON_BYTES - 1)));
}

/* For a stated reason one is opened with the first pass. */
static void
begin_by_reason(void)
{
	const char *reason = toms_context_stated_reason();
	TomsAdminSlot slot = {.kind = TOMS_ADMIN_BY_REASON,.state = TOMS_ADMIN_OPEN,.until = DT_NOEND};
	StringInfoData details;

	if (reason == NULL || (session.now.pid != 0 && session.is_told))
		return;
	if (session.now.pid == 0)
	{
		strlcpy(slot.reason, reason, sizeof(slot.reason));
		toms_admin_begin(&slot, 0);
	}
	if (!toms_admin_is_recorded())
		return;
	initStringInfo(&details);
	toms_event_say(&details, "by", "toms.reason");
	say_reason(&details, reason);
	session.now.id = toms_admin_event(TOMS_VERB_OPEN, InvalidOid, details.data, false).id;
	session.is_told = session.now.id != 0;
	toms_admin_publish(&session.now);
	pfree(details.data);
}

/* questions ----------------------------------------------------------------------------- */

static bool
say_session(StringInfo text)
{
	if (session.now.pid == 0 || session.now.kind == TOMS_ADMIN_BY_REASON || session.now.state != TOMS_ADMIN_OPEN)
		return false;
	if (session.now.kind == TOMS_ADMIN_BROKEN_GLASS)
		toms_event_say(text, "session", "broken glass");
	if (session.now.person[0])
		toms_event_say(text, "person", session.now.person);
	if (session.now.ticket[0])
		toms_event_say(text, "ticket", session.now.ticket);
	if (session.now.approved_by[0])
		toms_event_say(text, "approved_by", session.now.approved_by);
	toms_event_say(text, "reason", session.now.reason);
	return true;
}

/* Somebody may have answered. */
static void
take_answer(void)
{
	TomsAdminSlot answered = toms_admin_published();

	if (answered.pid != MyProcPid || answered.state == TOMS_ADMIN_ASKED)
		return;
	session.now = answered;
	toms_note_change();
	if (answered.state == TOMS_ADMIN_REFUSED)
		(void) toms_admin_end("refused");
	else if (IsTransactionState())
		keep_words();
}

TomsAdminSlot *
toms_admin_session(void)
{
	if (session.now.pid != 0 && session.now.state == TOMS_ADMIN_ASKED)
		take_answer();
	if (session.now.pid != 0 && session.now.until != DT_NOEND && GetCurrentTimestamp() >= session.now.until)
		(void) toms_admin_end(session.now.state == TOMS_ADMIN_ASKED ? "expired" : "time");
	return session.now.pid != 0 ? &session.now : NULL;
}

bool
toms_admin_is_open(void)
{
	const TomsAdminSlot *open = toms_admin_session();

	if (toms_context_stated_reason() && !admin_approval)
		return true;
	if (IsParallelWorker())
		return toms_admin_is_open_in(MyProc->lockGroupLeader->pid);
	return open && open->kind != TOMS_ADMIN_BY_REASON && open->state == TOMS_ADMIN_OPEN;
}

bool
toms_admin_glass_is_broken(void)
{
	const TomsAdminSlot *open = toms_admin_session();

	return open && open->kind == TOMS_ADMIN_BROKEN_GLASS;
}

/* records ------------------------------------------------------------------------------- */

/*
 * Set into toms_event_is_wanted.  As long as the trail is not in use a superuser may be restoring a dump: an entry that comes
 * before those of the dump would shut them out.  What he does is in the server log alone, unless he does by
 * name what no restore does.
 */
static bool
takes_events(void)
{
	return toms_catalog_is_installed() && (is_insisting || toms_guard_trail_is_used() || !superuser_arg(GetSessionUserId()));
}

bool
toms_admin_is_recorded(void)
{
	return !IsBinaryUpgrade && !creating_extension && !IsParallelWorker() && takes_events();
}

TomsMark
toms_admin_event(TomsEntryVerb verb, Oid relid, const char *details, bool strict)
{
	TomsEvent	event = {.kind = TOMS_ENTRY_ADMIN,.verb = verb,.relid = relid,.details = details};
	TomsMark	mark;

	/* where there is no writer it is in the server log; reads that must be recorded first are refused by themselves */
	event.strict = strict && IsUnderPostmaster && !RecoveryInProgress();
	is_insisting = strict && verb != TOMS_VERB_ACCESS;
	PG_TRY();
	{
		mark = toms_event_add(&event);
	}
	PG_FINALLY();
	{
		is_insisting = false;
	}
	PG_END_TRY();
	return mark;
}

/* A name that was touched, unless it is there: one table is touched in several ways. */
static void
list_table(Oid relid)
{
	StringInfoData name;
	char	   *text;

	for (int i = 0; i < session.ntouched; i++)
	{
		if (session.touched[i].relid == relid)
			return;
	}
	initStringInfo(&name);
	escape_json(&name, toms_relation_name(relid));
	text = pg_server_to_any(name.data, name.len, PG_UTF8);
	if (strlen(session.tables) + strlen(text) + 2 > TABLES_BYTES)
	{
		session.lists_all = false;
		return;
	}
	if (session.tables[0])
		strlcat(session.tables, ",", TABLES_BYTES);
	strlcat(session.tables, text, TABLES_BYTES);
}

static bool
is_touched(Oid relid, const char *what)
{
	for (int i = 0; i < session.ntouched; i++)
	{
		if (session.touched[i].relid == relid && strncmp(session.touched[i].what, what, WHAT_BYTES - 1) == 0)
			return true;
	}
	return false;
}

static void
remember(Oid relid, const char *what)
{
	list_table(relid);
	if (session.ntouched == MOST_TOUCHED)
		return;					/* told of each time */
	session.touched[session.ntouched].relid = relid;
	strlcpy(session.touched[session.ntouched++].what, what, WHAT_BYTES);
}

void
toms_admin_touch(Oid relid, const char *what)
{
	StringInfoData details;

	if (IsParallelWorker())
		return;
	if (toms_admin_session() == NULL || session.now.kind == TOMS_ADMIN_BY_REASON)
		begin_by_reason();
	if (session.now.pid == 0)
		return;					/* rows of a publisher: nobody is there */
	if (session.opening && !session.is_told)
		(void) toms_admin_tell_glass(false);
	session.passes++;
	if (!OidIsValid(relid) || is_touched(relid, what) || !toms_admin_is_recorded())
		return;
	if (strcmp(what, "ddl") != 0)
	{
		initStringInfo(&details);
		toms_event_say(&details, "verbs", what);
		(void) toms_admin_event(TOMS_VERB_ACCESS, relid, details.data, true);
		pfree(details.data);
	}
	remember(relid, what);
}

/* what ends it from outside ------------------------------------------------------------- */

void
toms_admin_before_utility(Node *statement)
{
	const VariableSetStmt *set = (const VariableSetStmt *) statement;

	if (session.now.pid == 0)
		return;
	if (IsA(statement, DiscardStmt) && ((DiscardStmt *) statement)->target == DISCARD_ALL)
		(void) toms_admin_end("discard");
	else if (IsA(statement, VariableSetStmt) &&
			 (set->kind == VAR_RESET_ALL || ((set->kind == VAR_RESET || set->kind == VAR_SET_DEFAULT) && pg_strcasecmp(set->name, "toms.reason") == 0)))
		(void) toms_admin_end("reset");
}

void
toms_admin_init(void)
{
	DefineCustomBoolVariable("toms.admin_approval",
							 "Whether an administrative session must be approved by another officer.",
							 "A stated reason alone is not enough then.",
							 &admin_approval, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.admin_approval_timeout",
							"How long an administrative session waits for its approval.",
							NULL, &approval_timeout, 15 * 60 * 1000, 1000, 24 * 60 * 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.admin_session_timeout",
							"How long an administrative session that was opened stays open.",
							"One for a stated reason lasts as long as that is set.",
							&session_timeout, 8 * 60 * 60 * 1000, 1000, 7 * 24 * 60 * 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	toms_context_say_session = say_session;
	toms_context_reason_listener = reason_changes;
	toms_event_may_be_late = toms_admin_glass_is_broken;
	toms_event_is_wanted = takes_events;
	RegisterXactCallback(transaction_callback, NULL);
}
