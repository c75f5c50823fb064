/*
 * writer.c - makes entries of the events that sessions have queued.
 *
 * Called by writing.c.  What is waiting is written in one transaction; what was not committed is
 * in the queue still, for the next attempt or the next process.  A message that cannot be written does
 * not keep others from it: then each is written by itself, and in place of that one what can be said of it.
 */
#include "audit/audit_int.h"
#include "audit/worker.h"

#include "access/xact.h"
#include "base/debug_point.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* messages ---------------------------------------------------------------------------- */

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
	return text;
}

/*
 * "lacking": an error code, if all that is said of somebody could not be sealed.  Then the entry tells what needs no key:
 * when, what, which table, of which tenant, and that the rest is missing.
 */
static void
write_message(const TomsMessage *message, const char *lacking)
{
	TomsEntry	entry = {.kind = message->kind,.verb = message->verb,.tenant = text_of(message, TOMS_TEXT_TENANT)};
	const char *subject = lacking ? NULL : text_of(message, TOMS_TEXT_SUBJECT);
	StringInfoData details = details_of(message);

	toms_record_begin_as(&entry, message->id, message->at);
	entry.who = lacking ? 0 : who_of(message);
	entry.object = object_of(message);
	if (lacking)
		appendStringInfo(&details, "%s\"lacking\":\"%s\"", details.len > 1 ? "," : "", lacking);
	appendStringInfoChar(&details, '}');
	if (subject)
		toms_payload_seal(&entry, subject, &details);
	else if (details.len > 2)
		entry.payload = (TomsBytes) {details.data, details.len};
	toms_record_add(&entry);
	if (entry.kind == TOMS_ENTRY_ADMIN && entry.verb == TOMS_VERB_BREAK_GLASS)
		Async_Notify("toms_break_glass", psprintf(INT64_FORMAT, entry.id));
	toms_finding_tell(&entry, details.data);
}

static int64
write_messages(const char *messages, uint64 length, const char *lacking)
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
		write_message(message, lacking);
		MemoryContextReset(each);
		entries++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(each);
	return entries;
}

/* transactions ------------------------------------------------------------------------ */

/* Messages that begin at "offset" in the batch, in one transaction. */
static void
write_part(const TomsBatch *batch, uint64 offset, uint64 length, const char *lacking)
{
	int64		entries;
	bool		far_enough;

	toms_commit_choose(batch->urgent);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	toms_lifetime_begin();
	entries = write_messages(batch->messages + offset, length, lacking);
	/* what waits for locks can be interrupted, what follows cannot: once it is committed nothing may come between */
	toms_record_write();
	TOMS_DEBUG_POINT("writer-before-commit");
	HOLD_INTERRUPTS();
	CommitTransactionCommand();
	TOMS_DEBUG_POINT("writer-before-answer");
	far_enough = toms_commit_wait();
	toms_queue_written(batch->start + offset + length, entries, lacking != NULL, far_enough);
	RESUME_INTERRUPTS();
}

/* A disk without room that PostgreSQL does not know as one. */
static bool
concerns_disk(int error)
{
#ifdef EDQUOT
	if (error == EDQUOT)
		return true;
#endif
	return error == EFBIG || error == EROFS;
}

/*
 * Faults that are no single message's: of the server, its disks and settings, of an administrator or a lock.  Messages wait
 * until they are over.
 */
static bool
concerns_all(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INVALID_TRANSACTION_STATE:
			return true;
		default:
			return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
				((error->sqlerrcode == ERRCODE_INTERNAL_ERROR || error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE) && concerns_disk(error->saved_errno));
	}
}

/* Returns 0, or why it could not be written; the server log tells more. */
static int
try_part(const TomsBatch *batch, uint64 offset, uint64 length, const char *lacking)
{
	volatile int sqlstate = 0;

	PG_TRY();
	{
		write_part(batch, offset, length, lacking);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(toms_process_context);
		error = CopyErrorData();
		sqlstate = error->sqlerrcode;
		if (concerns_all(error))
			PG_RE_THROW();
		toms_process_clean_up_error();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(toms_process_context);
	return sqlstate;
}

static void
write_each(const TomsBatch *batch)
{
	for (uint64 offset = 0; offset < batch->length;)
	{
		uint64		size = ((const TomsMessage *) (batch->messages + offset))->size;
		int			sqlstate = try_part(batch, offset, size, NULL);

		if (sqlstate != 0 && try_part(batch, offset, size, unpack_sql_state(sqlstate)) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("the audit trail cannot be written to"),
					 errdetail("What is to be recorded stays in its queue.")));
		offset += size;
	}
}

/* What keeps it from writing may be that there is no trail any more. */
static void
require_extension(void)
{
	StartTransactionCommand();
	toms_process_require_extension();
	CommitTransactionCommand();
	MemoryContextSwitchTo(toms_process_context);
}

bool
toms_writer_drain(void)
{
	TomsBatch	batch = {0};

	if (!toms_queue_take(&batch) && !toms_lifetime_is_due())
		return false;
	if (try_part(&batch, 0, batch.length, NULL) != 0)
	{
		require_extension();
		write_each(&batch);
	}
	return true;
}
