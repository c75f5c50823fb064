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
#include "base/name.h"
#include "base/reason.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

const TomsWho *(*toms_event_who) (void) = NULL;
bool		(*toms_event_is_wanted) (void) = NULL;
bool		(*toms_event_may_be_late) (void) = NULL;

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

static char *
describe_object(Oid relid)
{
	StringInfoData text;

	if (!OidIsValid(relid))
		return NULL;
	initStringInfo(&text);
	appendStringInfo(&text, "{\"oid\":%u,\"relation\":", relid);
	escape_json(&text, toms_relation_name(relid));
	appendStringInfoChar(&text, '}');
	return text.data;
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
	char	   *object = to_utf8(describe_object(event->relid));
	char	   *details = to_utf8(event->details);

	return compose_as(event, toms_event_who(), object, details);
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

/* Whether there is a queue to add to, or how it is instead. */
static bool
can_add(const TomsEvent *event)
{
	if (is_off || IsParallelWorker() || !IsTransactionState() || toms_event_is_wanted == NULL || !toms_event_is_wanted())
		return false;
	if (IsUnderPostmaster && !RecoveryInProgress())
		return true;
	write_to_log(event, IsUnderPostmaster ? "this is a standby" : "no writer runs in single-user mode");
	return false;
}

static void
refuse_unavailable(const char *detail)
{
	TomsRefusal refusal = {.reason = TOMS_AUDIT_UNAVAILABLE,.detail = detail,
	.hint = "SELECT * FROM toms.audit_queue; the server log tells what keeps the writer from writing."};

	toms_refuse(&refusal);
}

/* In an emergency a session that has waited in vain does not wait for each of its events. */
#define SPARED_MS 60000
static TimestampTz in_vain_at = 0;

static bool
may_be_late(void)
{
	return toms_event_may_be_late && toms_event_may_be_late();
}

static int
patience(void)
{
	return may_be_late() && !TimestampDifferenceExceeds(in_vain_at, GetCurrentTimestamp(), SPARED_MS) ? 0 : audit_timeout;
}

/* What cannot be recorded must not happen; in an emergency it goes on, on record in the server log. */
static void
note_unavailable(const TomsEvent *event, const char *detail, const char *why)
{
	if (!may_be_late())
		refuse_unavailable(detail);
	in_vain_at = GetCurrentTimestamp();
	write_to_log(event, why);
}

/* False: there is no room. */
static bool
add_to_queue(const TomsEvent *event, TomsMark *mark)
{
	if (!compose(event))
		elog(ERROR, "an event of kind %c is too long", event->kind);
	while (!toms_queue_add(&buffer.message, event->strict, mark))
	{
		/* what is under way elsewhere in this session may use the buffer meanwhile */
		if (!toms_queue_wait_for_room(buffer.message.size, patience()))
			return false;
		if (!toms_queue_attach())
			return true;
		(void) compose(event);
	}
	return true;
}

static MemoryContext
work_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "toms event", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	return context;
}

TomsMark
toms_event_add(const TomsEvent *event)
{
	TomsMark	mark = {0};
	MemoryContext old;

	if (!can_add(event))
		return mark;
	if (!toms_queue_attach())
	{
		note_unavailable(event, "More databases have the extension than there are queues (toms.audit_queues).", "there are too few queues");
		return mark;
	}
	old = MemoryContextSwitchTo(work_context());
	if (!add_to_queue(event, &mark))
		note_unavailable(event, psprintf("Its queue has been full for %d ms.", audit_timeout), "the queue is full");
	MemoryContextSwitchTo(old);
	if (event->strict && mark.id != 0 && !toms_queue_wait_until_durable(&mark, patience()))
		note_unavailable(event, psprintf("Its writer has not made it durable within %d ms.", audit_timeout), "the writer has not written it yet");
	return mark;
}

bool
toms_event_try(const TomsEvent *event)
{
	TomsMark	mark;
	MemoryContext old;
	bool		added;

	if (!can_add(event))
		return false;
	old = MemoryContextSwitchTo(work_context());
	added = toms_queue_attach() && compose(event) && toms_queue_add(&buffer.message, false, &mark);
	MemoryContextSwitchTo(old);
	if (!added)
		write_to_log(event, "the queue is full");
	return added;
}

bool
toms_event_leave(const TomsEvent *event, const TomsWho *who)
{
	TomsMark	mark;

	return !is_off && !IsParallelWorker() && IsUnderPostmaster && !RecoveryInProgress() && toms_queue_attach() &&
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
	TomsMark	ours;

	if (mark->id == 0 || !toms_queue_attach() || toms_queue_end(mark, rows))
		return;
	begin_message(TOMS_ENTRY_READ, TOMS_VERB_ROWS);
	buffer.message.of = mark->id;
	buffer.message.rows = rows;
	(void) append_string(TOMS_TEXT_TENANT, tenant);
	finish_message();
	(void) toms_queue_add(&buffer.message, false, &ours);
}

/* refusals ---------------------------------------------------------------------------- */

/* Nothing may keep the refusal itself from being raised. */
static void
note_refusal(const TomsRefusal *refusal, const char *action)
{
	static bool is_noting = false;
	StringInfoData details;
	TomsEvent	event = {.kind = TOMS_ENTRY_REFUSAL,.verb = strcmp(action, "refused") == 0 ? TOMS_VERB_REFUSE : TOMS_VERB_WOULD_REFUSE,
	.relid = refusal->relid};

	if (is_noting || refusal->reason == TOMS_AUDIT_UNAVAILABLE)
		return;
	is_noting = true;
	PG_TRY();
	{
		initStringInfo(&details);
		toms_event_say(&details, "refused", toms_reason_code(refusal->reason));
		event.details = details.data;
		(void) toms_event_try(&event);
	}
	PG_FINALLY();
	{
		is_noting = false;
	}
	PG_END_TRY();
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
	toms_refusal_listener = note_refusal;
}
