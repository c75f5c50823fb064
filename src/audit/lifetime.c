/*
 * lifetime.c - the trail tells when it began to take in events, and whether all were written before.
 *
 * Called by writer.c and writing.c.  An entry is written with the first batch after the server was
 * started, or after the extension was created, and one when a shutdown has left nothing in the queue.  A
 * writer that only takes the place of another has lost nothing, and says nothing.
 */
#include "audit/worker.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "guard/guard.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Older ones are not looked for. */
#define MOST_MONTHS 24

/* The last word of the writers before. */
typedef struct LastWord
{
	int64		id;				/* 0: there is none */
	char		verb;
} LastWord;

typedef void (*TakeEntry) (void *arg, const TomsEntry *entry);

/* Entries of a table that this transaction sees, from a page on. */
static void
scan(Oid table, bool last_page_alone, TakeEntry take, void *arg)
{
	Relation	rel = table_open(table, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);
	TableScanDesc scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
	HeapTuple	tuple;

	if (last_page_alone && pages > 0)
		heap_setscanlimits(scan, pages - 1, 1);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[TOMS_ENTRY_NATTS];
		bool		nulls[TOMS_ENTRY_NATTS];
		TomsEntry	entry;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		/* what is long is not looked at */
		nulls[TOMS_ENTRY_PAYLOAD - 1] = nulls[TOMS_ENTRY_COLUMNS - 1] = nulls[TOMS_ENTRY_TENANT - 1] = true;
		entry = toms_entry_of_row(values, nulls);
		take(arg, &entry);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
take_word(void *arg, const TomsEntry *entry)
{
	LastWord   *word = arg;

	if ((entry->verb == TOMS_VERB_WRITER_STARTED || entry->verb == TOMS_VERB_WRITER_STOPPED) && entry->id > word->id)
		*word = (LastWord) {entry->id, entry->verb};
}

static void
take_newest(void *arg, const TomsEntry *entry)
{
	TimestampTz *newest = arg;

	*newest = Max(*newest, entry->at);
}

/* Month by month backwards; what has no table of its own lies in the default one. */
static LastWord
last_word(TimestampTz now)
{
	LastWord	word = {0};
	Oid			scanned = InvalidOid;

	for (int i = 0; i < MOST_MONTHS && word.id == 0; i++)
	{
		Oid			table = toms_record_table(TOMS_ENTRY_ADMIN, now - i * 30 * USECS_PER_DAY);

		if (OidIsValid(table) && table != scanned)
			scan(table, false, take_word, &word);
		scanned = table;
	}
	return word;
}

/* When the last event happened that is there: tables grow at their end. */
static TimestampTz
newest_event(TimestampTz now)
{
	static const char kinds[] = {TOMS_ENTRY_READ, TOMS_ENTRY_REFUSAL, TOMS_ENTRY_SESSION, TOMS_ENTRY_ADMIN};
	TimestampTz newest = 0;

	for (int i = 0; i < lengthof(kinds); i++)
	{
		Oid			table = toms_record_table(kinds[i], now);

		if (OidIsValid(table))
			scan(table, true, take_newest, &newest);
	}
	return newest;
}

static void
write_entry(char verb, const char *text)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_ADMIN,.verb = verb};

	toms_record_begin(&entry);
	entry.payload = (TomsBytes) {text, strlen(text)};
	toms_record_add(&entry);
}

/* What may be missing is what happened between the last event that is there and this start, or less: toms.audit_delay. */
static char *
describe_start(void)
{
	TimestampTz now = GetCurrentTimestamp();
	LastWord	word = last_word(now);
	TimestampTz newest;

	if (word.id == 0)
		return "{\"first\":true}";
	if (word.verb == TOMS_VERB_WRITER_STOPPED)
		return "{\"clean\":true}";
	newest = newest_event(now);
	return psprintf("{\"clean\":false,\"newest\":\"%s\",\"delay\":%d}", newest != 0 ? timestamptz_to_str(newest) : "-", toms_audit_delay());
}

/* A trail becomes in use with its first entry: until then a dump may be being restored into it. */
bool
toms_lifetime_is_due(void)
{
	bool		used;

	if (toms_queue_is_told())
		return false;
	StartTransactionCommand();
	used = toms_guard_trail_is_used();
	CommitTransactionCommand();
	return used;
}

void
toms_lifetime_begin(void)
{
	if (toms_queue_is_told())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	write_entry(TOMS_VERB_WRITER_STARTED, describe_start());
	PopActiveSnapshot();
}

void
toms_lifetime_end(void)
{
	if (!toms_queue_is_told())
		return;
	toms_commit_choose(true);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	write_entry(TOMS_VERB_WRITER_STOPPED, "{}");
	CommitTransactionCommand();
}
