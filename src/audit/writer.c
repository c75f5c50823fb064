/*
 * writer.c - makes entries of the events that sessions have queued.
 *
 * Called by worker.c.  All that is waiting is written in one transaction; what was not committed is
 * in the queue still, for the next attempt or the next process.
 */
#include "audit/audit_int.h"

#include "access/xact.h"
#include "commands/async.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* One of the message's texts, terminated; NULL: it has none. */
static char *
text_of(const TomsMessage *message, TomsMessageText which)
{
	const char *text = message->texts;

	for (int i = 0; i < which; i++)
		text += message->lengths[i];
	return message->lengths[which] > 0 ? pnstrdup(text, message->lengths[which]) : NULL;
}

static int64
who_of(const TomsMessage *message)
{
	TomsWho		who = {.tenant = text_of(message, TOMS_TEXT_TENANT),.actor = text_of(message, TOMS_TEXT_ACTOR),.text = text_of(message, TOMS_TEXT_WHO),
	.length = message->lengths[TOMS_TEXT_WHO]};

	if (who.text == NULL)
		return 0;
	memcpy(who.digest, message->who, TOMS_DIGEST_BYTES);
	return toms_who_entry(&who, message->at);
}

static int64
object_of(const TomsMessage *message)
{
	char	   *words = text_of(message, TOMS_TEXT_OBJECT);
	StringInfoData text = {.data = words,.len = message->lengths[TOMS_TEXT_OBJECT]};

	return words ? toms_object_entry(message->object, &text, message->at) : 0;
}

static void
say_number(StringInfo text, const char *name, int64 number)
{
	appendStringInfo(text, "%s\"%s\":" INT64_FORMAT, text->len > 1 ? "," : "", name, number);
}

/* What happened, as JSON. */
static StringInfoData
details_of(const TomsMessage *message)
{
	const char *details = text_of(message, TOMS_TEXT_DETAILS);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "{%s", details ? details : "");
	if (message->of != 0)
		say_number(&text, "of", message->of);
	if (message->rows >= 0)
		say_number(&text, "rows", message->rows);
	if (message->times > 1)
	{
		say_number(&text, "times", message->times);
		say_number(&text, "microseconds", message->until - message->at);
	}
	appendStringInfoChar(&text, '}');
	return text;
}

static void
write_message(const TomsMessage *message)
{
	TomsEntry	entry = {.kind = message->kind,.verb = message->verb,.tenant = text_of(message, TOMS_TEXT_TENANT)};
	const char *subject = text_of(message, TOMS_TEXT_SUBJECT);
	StringInfoData details = details_of(message);

	toms_record_begin(&entry);
	entry.id = message->id;
	entry.at = message->at;
	entry.who = who_of(message);
	entry.object = object_of(message);
	if (subject)
		toms_payload_seal(&entry, subject, &details);
	else if (details.len > 2)
		entry.payload = (TomsBytes) {details.data, details.len};
	toms_record_add(&entry);
	if (entry.kind == TOMS_ENTRY_ADMIN && entry.verb == TOMS_VERB_BREAK_GLASS)
		Async_Notify("toms_break_glass", psprintf(INT64_FORMAT, entry.id));
}

static int64
write_messages(const char *messages, uint64 length)
{
	MemoryContext each = AllocSetContextCreate(CurrentMemoryContext, "toms event", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(each);
	int64		entries = 0;

	for (uint64 position = 0; position < length;)
	{
		const TomsMessage *message = (const TomsMessage *) (messages + position);

		position += message->size;
		if (toms_message_is_filler(message))
			continue;
		write_message(message);
		MemoryContextReset(each);
		entries++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(each);
	return entries;
}

bool
toms_writer_drain(void)
{
	uint64		start;
	uint64		end;
	char	   *messages = toms_queue_take(&start, &end);
	int64		entries;

	if (messages == NULL)
		return false;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	entries = write_messages(messages, end - start);
	/* once it is committed nothing may come between */
	HOLD_INTERRUPTS();
	CommitTransactionCommand();
	toms_queue_written(end, entries);
	RESUME_INTERRUPTS();
	return true;
}
