/*
 * event.c - events of this session on their way into the queue of its database.
 *
 * Called by every slice that has something to tell.  A message is put together in a buffer of this
 * session's and copied into the queue; nothing else is kept here.
 */
#include "trail/trail.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/clock.h"
#include "base/name.h"
#include "base/reason.h"
#include "base/relcache.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

const TomsWho *(*toms_event_who) (void) = NULL;
bool		(*toms_event_is_wanted) (void) = NULL;
bool		(*toms_event_may_be_late) (void) = NULL;

typedef enum StandbyReads
{
	STANDBY_REFUSE,
	STANDBY_LOG
} StandbyReads;

static const struct config_enum_entry standby_reads_options[] = {
	{"refuse", STANDBY_REFUSE, false},
	{"log", STANDBY_LOG, false},
	{NULL, 0, false}
};

static int	standby_reads = STANDBY_REFUSE;
static int	audit_timeout = 5000;
static int	audit_delay = 200;
static bool is_off = false;

/* The message that is put together. */
static union
{
	TomsMessage message;
	char		bytes[TOMS_MESSAGE_BYTES];
}			buffer;

int
toms_audit_timeout(void)
{
	return audit_timeout;
}

int
toms_audit_delay(void)
{
	return audit_delay;
}

void
toms_event_off(void)
{
	is_off = true;
}

/* words ------------------------------------------------------------------------------- */

void
toms_event_say(StringInfo details, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(details, "%s\"%s\":", details->len > 0 ? "," : "", name);
	escape_json(details, value);
}

static bool
append_text(TomsMessageText which, const char *text, size_t length)
{
	TomsMessage *message = &buffer.message;

	if (text == NULL)
		return true;
	if (message->size + length > TOMS_MESSAGE_BYTES || length > UINT16_MAX)
		return false;
	memcpy(buffer.bytes + message->size, text, length);
	message->size += length;
	message->lengths[which] = length;
	return true;
}

static bool
append_string(TomsMessageText which, const char *text)
{
	return append_text(which, text, text ? strlen(text) : 0);
}

/* JSON is in UTF-8, whatever the database is in. */
static char *
to_utf8(const char *text)
{
	return text ? pg_server_to_any(text, strlen(text), PG_UTF8) : NULL;
}

/* Words for tables that were told of, by the last bits of their OIDs; looking up names takes longer than all the rest. */
static struct
{
	Oid			relid;			/* InvalidOid: none, or its name may have changed */
	char	   *text;
}			objects[64];

static void
relcache_callback(Oid relid)
{
	for (int i = 0; i < lengthof(objects) && !OidIsValid(relid); i++)
		objects[i].relid = InvalidOid;
	if (objects[relid % lengthof(objects)].relid == relid)
		objects[relid % lengthof(objects)].relid = InvalidOid;
}

/* Of a schema. */
static void
name_callback(Datum arg, int cache, uint32 hash)
{
	relcache_callback(InvalidOid);
}

static char *
make_object(Oid relid)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "{\"oid\":%u,\"relation\":", relid);
	escape_json(&text, toms_relation_name(relid));
	appendStringInfoChar(&text, '}');
	return pg_server_to_any(text.data, text.len, PG_UTF8);
}

/* In UTF-8.  A name that changes while it is looked up is not kept. */
static const char *
describe_object(Oid relid)
{
	int			place = relid % lengthof(objects);
	char	   *text;

	if (!OidIsValid(relid))
		return NULL;
	if (objects[place].relid == relid)
		return objects[place].text;
	objects[place].relid = relid;
	text = make_object(relid);
	if (objects[place].relid != relid)
		return text;
	objects[place].relid = InvalidOid;
	if (objects[place].text)
		pfree(objects[place].text);
	objects[place].text = NULL;
	objects[place].text = MemoryContextStrdup(TopMemoryContext, text);
	objects[place].relid = relid;
	return objects[place].text;
}

static void
begin_message(char kind, char verb)
{
	TimestampTz now = GetCurrentTimestamp();

	memset(&buffer.message, 0, offsetof(TomsMessage, texts));
	buffer.message.size = offsetof(TomsMessage, texts);
	buffer.message.kind = kind;
	buffer.message.verb = verb;
	buffer.message.id = toms_number_next(now);
	buffer.message.at = buffer.message.until = now;
	buffer.message.times = 1;
	buffer.message.rows = -1;
}

/* What follows the texts is compared when messages are merged. */
static void
finish_message(void)
{
	uint32		size = MAXALIGN(buffer.message.size);

	memset(buffer.bytes + buffer.message.size, 0, size - buffer.message.size);
	buffer.message.size = size;
}

/* "object" and "details" are in UTF-8. */
static bool
compose_as(const TomsEvent *event, const TomsWho *who, const char *object, const char *details)
{
	bool		fits;

	begin_message(event->kind, event->verb);
	buffer.message.object = event->relid;
	buffer.message.is_open = event->is_open;
	memcpy(buffer.message.who, who->digest, TOMS_DIGEST_BYTES);
	fits = append_string(TOMS_TEXT_TENANT, who->tenant) && append_string(TOMS_TEXT_ACTOR, who->actor) &&
		append_string(TOMS_TEXT_SUBJECT, event->subject) && append_text(TOMS_TEXT_WHO, who->text, who->length) &&
		append_string(TOMS_TEXT_OBJECT, object) && append_string(TOMS_TEXT_DETAILS, details);
	finish_message();
	return fits && buffer.message.size <= TOMS_MESSAGE_BYTES;
}

static bool
compose(const TomsEvent *event)
{
	const TomsWho *who = toms_event_who();

	return compose_as(event, who, describe_object(event->relid), to_utf8(event->details));
}

/* events ------------------------------------------------------------------------------ */

static void
write_to_log(const TomsEvent *event, const char *why)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("toms event: kind=%c verb=%c table=%s login=%s %s", event->kind, event->verb,
					OidIsValid(event->relid) ? toms_relation_name(event->relid) : "-",
					GetUserNameFromId(GetSessionUserId(), true), event->details ? event->details : "-"),
			 errdetail_log("It is not in the audit trail: %s.", why),
			 errhidestmt(true), errhidecontext(true)));
}

/* Whether events are told of at all here. */
static bool
is_wanted(void)
{
	return !is_off && OidIsValid(MyDatabaseId) && IsTransactionState() && toms_event_is_wanted && toms_event_is_wanted();
}

/* Why there is no writer that could make an entry; NULL: there is one. */
static const char *
reason_for_log(void)
{
	if (!IsUnderPostmaster)
		return "no writer runs in single-user mode";
	if (IsBinaryUpgrade)
		return "pg_upgrade is at work";
	return RecoveryInProgress() ? "this is a standby" : NULL;
}

#define ASK_THE_QUEUE "SELECT * FROM toms.audit_queue; the server log tells what keeps the writer from writing."

static void
refuse_unavailable(const char *detail, const char *hint)
{
	TomsRefusal refusal = {.reason = TOMS_AUDIT_UNAVAILABLE,.detail = detail,.hint = hint};

	toms_refuse(&refusal);
}

/* In an emergency a session that has waited in vain does not wait for each of its events. */
#define SPARED_MS 60000
/* Of steady time, which may have begun just now: long ago at first. */
static TimestampTz in_vain_at = -SPARED_MS * INT64CONST(1000);

static bool
may_be_late(void)
{
	return toms_event_may_be_late && toms_event_may_be_late();
}

static int
patience(void)
{
	return may_be_late() && !TimestampDifferenceExceeds(in_vain_at, toms_clock_steady(), SPARED_MS) ? 0 : audit_timeout;
}

/* What cannot be recorded must not happen; in an emergency it goes on, on record in the server log. */
static void
note_unavailable(const TomsEvent *event, const char *detail, const char *hint, const char *why)
{
	if (!may_be_late())
		refuse_unavailable(detail, hint);
	in_vain_at = toms_clock_steady();
	write_to_log(event, why);
}

/* It is in the trail, but that is not enough. */
static void
note_flaw(const TomsEvent *event, TomsQueueFlaw flaw)
{
	if (flaw == TOMS_QUEUE_NO_ACTOR)
		note_unavailable(event, "Who acts could not be recorded, for want of a key.", "SELECT * FROM toms.check_keyring();", "it does not say who acted");
	if (flaw == TOMS_QUEUE_HERE_ALONE)
		note_unavailable(event, "It is on this server's disk, and not on a synchronous standby, as toms.audit_synchronous_commit asks.",
						 "SELECT * FROM pg_stat_replication;", "no synchronous standby has it");
}

static void
refuse_without_writer(const char *why)
{
	TomsRefusal refusal = {.reason = TOMS_AUDIT_UNAVAILABLE,.detail = psprintf("It must be recorded before it goes on, and %s.", why),
	.hint = IsUnderPostmaster ? "Ask the primary, or have it recorded in the server log instead: toms.standby_reads = 'log'." : "Start the server."};

	toms_refuse(&refusal);
}

/*
 * pg_upgrade connects to servers that nobody else can reach, and reads the definitions alone; on a standby the administrator has
 * decided.
 */
static void
log_instead(const TomsEvent *event, const char *why)
{
	if (event->strict && !IsBinaryUpgrade && (!IsUnderPostmaster || standby_reads == STANDBY_REFUSE))
		refuse_without_writer(why);
	write_to_log(event, why);
}

/* False if the extension has been dropped meanwhile, or it goes on without. */
static bool
add_to_queue(const TomsEvent *event, TomsMark *mark)
{
	for (;;)
	{
		Size		size;

		if (!toms_queue_attach())
		{
			note_unavailable(event, "More databases have the extension than there are queues (toms.audit_queues).",
							 ASK_THE_QUEUE, "there are too few queues");
			return false;
		}
		/* each time: what is under way elsewhere in this session may use the buffer meanwhile */
		if (!compose(event))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("an event of kind %c is longer than the audit trail takes", event->kind)));
		size = buffer.message.size;
		if (toms_queue_add(&buffer.message, event->strict, mark))
			return true;
		if (!toms_queue_wait_for_room(size, patience()) && is_wanted())
		{
			note_unavailable(event, psprintf("Its queue has had no room for %d ms.", audit_timeout), ASK_THE_QUEUE, "the queue is full");
			return false;
		}
		if (!is_wanted())
			return false;
	}
}

/* One for each event: words of a context may be looked up for one while another is put together. */
static MemoryContext
work_context(void)
{
	return AllocSetContextCreate(TopTransactionContext, "toms event", ALLOCSET_SMALL_SIZES);
}

TomsMark
toms_event_add(const TomsEvent *event)
{
	TomsMark	mark = {0};
	MemoryContext work;
	MemoryContext old;
	const char *why;

	if (!is_wanted())
		return mark;
	if ((why = reason_for_log()) != NULL)
	{
		log_instead(event, why);
		return mark;
	}
	work = work_context();
	old = MemoryContextSwitchTo(work);
	(void) add_to_queue(event, &mark);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	if (event->strict && mark.id != 0 && !toms_queue_wait_until_durable(&mark, patience()))
		note_unavailable(event, psprintf("Its writer has not made it durable within %d ms.", audit_timeout), ASK_THE_QUEUE,
						 "the writer has not written it yet");
	else if (event->strict && mark.id != 0)
		note_flaw(event, toms_queue_flaw(&mark));
	return mark;
}

bool
toms_event_try(const TomsEvent *event)
{
	TomsMark	mark;
	MemoryContext work;
	MemoryContext old;
	const char *why;

	if (!is_wanted())
		return false;
	if ((why = reason_for_log()) != NULL)
	{
		write_to_log(event, why);
		return false;
	}
	work = work_context();
	old = MemoryContextSwitchTo(work);
	if (!toms_queue_attach())
		why = "more databases have the extension than there are queues";
	else if (!compose(event))
		why = "it is too long";
	else if (!toms_queue_add(&buffer.message, false, &mark))
		why = "the queue is full";
	if (why)
		write_to_log(event, why);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return why == NULL;
}

bool
toms_event_leave(const TomsEvent *event, const TomsWho *who)
{
	TomsMark	mark;

	return !is_off && !IsParallelWorker() && reason_for_log() == NULL && toms_queue_attach() &&
		compose_as(event, who, NULL, event->details) && toms_queue_add(&buffer.message, false, &mark);
}

bool
toms_event_flush(void)
{
	return is_off || RecoveryInProgress() || !toms_queue_attach() || toms_queue_flush(audit_timeout);
}

void
toms_event_end(const TomsMark *mark, const char *tenant, int64 rows)
{
	if (mark->id == 0 || !toms_queue_attach() || toms_queue_end(mark, rows))
		return;
	begin_message(TOMS_ENTRY_READ, TOMS_VERB_ROWS);
	buffer.message.of = mark->id;
	buffer.message.rows = rows;
	(void) append_string(TOMS_TEXT_TENANT, tenant);
	finish_message();
	(void) toms_queue_add_last(&buffer.message);
}

/* refusals ---------------------------------------------------------------------------- */

/* What is refused is refused, for its own reason, also where it cannot be noted: its error ends what this one left undone. */
static void
say_unnoted(const TomsRefusal *refusal, MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	ereport(LOG_SERVER_ONLY,
			(errmsg("the refusal %s is not in the audit trail: %s", toms_reason_code(refusal->reason), error->message),
			 errhidestmt(true), errhidecontext(true)));
	FreeErrorData(error);
}

static void
note_refusal(const TomsRefusal *refusal, const char *action)
{
	static bool is_noting = false;
	bool		is_refused = strcmp(action, "refused") == 0;
	bool		is_raised = is_refused && refusal->reason != TOMS_FUNCTION_CHANGED;
	MemoryContext context = CurrentMemoryContext;
	StringInfoData details;
	TomsEvent	event = {.kind = TOMS_ENTRY_REFUSAL,.verb = is_refused ? TOMS_VERB_REFUSE : TOMS_VERB_WOULD_REFUSE,
	.relid = refusal->relid};

	if (is_noting || refusal->reason == TOMS_AUDIT_UNAVAILABLE)
		return;
	is_noting = true;
	PG_TRY();
	{
		initStringInfo(&details);
		toms_event_say(&details, "refused", toms_reason_code(refusal->reason));
		/* one entry for all tables that a check has tried */
		if (toms_is_probing)
		{
			appendStringInfoString(&details, ",\"probe\":true");
			event.relid = InvalidOid;
		}
		/* without a context that holds, what was claimed */
		if (refusal->who && strchr(refusal->who, '=') && toms_event_who()->actor == NULL)
			toms_event_say(&details, "claims", refusal->who);
		toms_event_say(&details, "verbs", refusal->verbs);
		event.details = details.data;
		(void) toms_event_try(&event);
	}
	PG_CATCH();
	{
		is_noting = false;
		if (!is_raised)
			PG_RE_THROW();
		say_unnoted(refusal, context);
	}
	PG_END_TRY();
	is_noting = false;
}

void
toms_event_init(void)
{
	toms_queue_init();
	DefineCustomIntVariable("toms.audit_timeout",
							"How long a session waits for the audit trail to take in what it does.",
							"Then it is refused: what cannot be recorded must not happen.",
							&audit_timeout, 5000, 10, 10 * 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("toms.audit_delay",
							"How long events of which nobody waits are gathered before they are written.",
							"A crash of the server loses as much, at most, of reads that are not strict, and of refusals.",
							&audit_delay, 200, 0, 10000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomEnumVariable("toms.standby_reads",
							 "What becomes of reads that must be recorded before they go on, on a standby.",
							 "refuse, or log: they are recorded in the server log of the standby alone.",
							 &standby_reads, STANDBY_REFUSE, standby_reads_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	toms_refusal_listener = note_refusal;
	toms_on_relation_change(relcache_callback);
	CacheRegisterSyscacheCallback(NAMESPACEOID, name_callback, (Datum) 0);
}
