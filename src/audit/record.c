/*
 * record.c - entries of the trail on their way into its tables.
 *
 * Called by row.c, who.c and object.c.  Entries are gathered and written by the hundred, at the
 * latest before the transaction commits or is prepared: they live and die with what they tell of.
 * One that was added in a subtransaction is lost with it, so it is written either within, or
 * after it has become part of its parent.
 *
 * All state is this backend's; no lock is held but those on the tables that are written.
 */
#include "audit/audit_int.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "audit/block.h"
#include "base/index.h"
#include "base/relcache.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "executor/tuptable.h"
#include "guard/guard.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MOST_GATHERED 500

typedef struct Gathered
{
	TomsEntry	entry;
	SubTransactionId level;
	Oid			table;			/* found when it is written */
} Gathered;

static MemoryContext gathering = NULL;
static Gathered *gathered;
static int	ngathered = 0;
static int	room = 0;
static const char *last_tenant; /* a copy in "gathering" that the next entry may share */

static bool is_ending = false;	/* nobody will call again: write at once */
static uint64 losses = 0;
static bool has_references = false;	/* this transaction has added what others refer to */
static SubTransactionId written_references = InvalidSubTransactionId;	/* the last level in which it wrote some */

static Oid	trail = InvalidOid; /* toms.audit_entry: another one after DROP and CREATE EXTENSION */
static bool knows_segment = false;	/* that of this cluster is there */
static bool segment_is_new = false;	/* this transaction has opened it */
static int64 first_of_segment = 0;	/* the first number in it; 0: there is none before it */

uint64
toms_record_losses(void)
{
	return losses;
}

/* tables ------------------------------------------------------------------------------ */

static const struct
{
	char		kind;
	const char *table;
}			kinds[] = {
	{TOMS_ENTRY_WHO, "audit_who"},
	{TOMS_ENTRY_OBJECT, "audit_object"},
	{TOMS_ENTRY_CHANGE, "audit_change"},
	{TOMS_ENTRY_READ, "audit_read"},
	{TOMS_ENTRY_REFUSAL, "audit_refusal"},
	{TOMS_ENTRY_SESSION, "audit_session"},
	{TOMS_ENTRY_ADMIN, "audit_admin"},
	{TOMS_ENTRY_DELETION, "audit_deletion"},
};

/* The last one that was found of each. */
static struct
{
	Oid			table;
	int32		month;
}			known_tables[lengthof(kinds)];

static int
number_of_kind(char kind)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i].kind == kind)
			return i;
	}
	elog(ERROR, "entries of kind %d have no table", kind);
}

int32
toms_record_month(TimestampTz at)
{
	static TimestampTz known_day = -1;
	static int32 known_month;
	TimestampTz day = at / USECS_PER_DAY;

	if (day != known_day)
	{
		int			year,
					month,
					day_of_month;

		j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &day_of_month);
		known_month = year * 12 + month - 1;
		known_day = day;
	}
	return known_month;
}

static Oid
find_table(int kind, int32 month)
{
	Oid			schema = get_namespace_oid("toms", false);
	char		name[NAMEDATALEN];
	Oid			table;

	snprintf(name, sizeof(name), "%s_%04d_%02d", kinds[kind].table, month / 12, month % 12 + 1);
	table = get_relname_relid(name, schema);
	if (OidIsValid(table))
		return table;
	snprintf(name, sizeof(name), "%s_default", kinds[kind].table);
	return get_relname_relid(name, schema);
}

Oid
toms_record_table(char kind, TimestampTz at)
{
	int32		month = toms_record_month(at);
	int			i = number_of_kind(kind);

	if (!OidIsValid(known_tables[i].table) || known_tables[i].month != month)
	{
		known_tables[i].table = find_table(i, month);
		known_tables[i].month = month;
	}
	return known_tables[i].table;
}

/* A month's table that is made makes its default table be looked at anew, too. */
static void
relcache_callback(Oid relid)
{
	for (int i = 0; i < lengthof(known_tables); i++)
	{
		if (!OidIsValid(relid) || known_tables[i].table == relid)
			known_tables[i].table = InvalidOid;
	}
}

/* writing ----------------------------------------------------------------------------- */

static Datum
bytea_datum(TomsBytes bytes)
{
	bytea	   *value = palloc(VARHDRSZ + bytes.length);

	SET_VARSIZE(value, VARHDRSZ + bytes.length);
	memcpy(VARDATA(value), bytes.bytes, bytes.length);
	return PointerGetDatum(value);
}

static HeapTuple
row_of(const TomsEntry *entry, TupleDesc desc)
{
	Datum		values[TOMS_ENTRY_NATTS] = {
		[TOMS_ENTRY_ID - 1] = Int64GetDatum(entry->id),
		[TOMS_ENTRY_AT - 1] = TimestampTzGetDatum(entry->at),
		[TOMS_ENTRY_XID - 1] = Int64GetDatum(entry->xid),
		[TOMS_ENTRY_WHO_ID - 1] = Int64GetDatum(entry->who),
		[TOMS_ENTRY_OBJECT_ID - 1] = Int64GetDatum(entry->object),
		[TOMS_ENTRY_KEY_ID - 1] = Int64GetDatum(entry->key),
		[TOMS_ENTRY_KIND - 1] = CharGetDatum(entry->kind),
		[TOMS_ENTRY_VERB - 1] = CharGetDatum(entry->verb),
	};
	bool		nulls[TOMS_ENTRY_NATTS] = {
		[TOMS_ENTRY_WHO_ID - 1] = entry->who == 0,
		[TOMS_ENTRY_OBJECT_ID - 1] = entry->object == 0,
		[TOMS_ENTRY_KEY_ID - 1] = entry->key == 0,
		[TOMS_ENTRY_TENANT - 1] = entry->tenant == NULL,
		[TOMS_ENTRY_COLUMNS - 1] = entry->columns.bytes == NULL,
		[TOMS_ENTRY_PAYLOAD - 1] = entry->payload.bytes == NULL,
	};

	if (entry->tenant)
		values[TOMS_ENTRY_TENANT - 1] = CStringGetTextDatum(entry->tenant);
	if (entry->columns.bytes)
		values[TOMS_ENTRY_COLUMNS - 1] = bytea_datum(entry->columns);
	if (entry->payload.bytes)
		values[TOMS_ENTRY_PAYLOAD - 1] = bytea_datum(entry->payload);
	return heap_form_tuple(desc, values, nulls);
}

/*
 * BRIN keeps the least and the greatest of each column.  Rows of one page were added one after another by one transaction:
 * the first and the last of them are these, unless the clock was set back meanwhile.
 */
static bool
is_between(TupleTableSlot **slots, int n, int i, const Gathered *const *entries)
{
	return i > 0 && i < n - 1 &&
		ItemPointerGetBlockNumber(&slots[i - 1]->tts_tid) == ItemPointerGetBlockNumber(&slots[i + 1]->tts_tid) &&
		entries[i - 1]->entry.at <= entries[i]->entry.at && entries[i]->entry.at <= entries[i + 1]->entry.at &&
		entries[i - 1]->entry.id < entries[i]->entry.id && entries[i]->entry.id < entries[i + 1]->entry.id;
}

static bool
has_only_brin(const ResultRelInfo *indexes)
{
	for (int i = 0; i < indexes->ri_NumIndices; i++)
	{
		if (indexes->ri_IndexRelationDescs[i]->rd_rel->relam != BRIN_AM_OID)
			return false;
	}
	return true;
}

/* Those of one table; the others are left. */
static void
write_table(Oid table, const Gathered *first, int n)
{
	Relation	rel = table_open(table, RowExclusiveLock);
	/* a copy is not counted for each slot */
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(rel));
	ResultRelInfo *indexes = CatalogOpenIndexes(rel);
	TupleTableSlot **slots = palloc(n * sizeof(TupleTableSlot *));
	const Gathered **entries = palloc(n * sizeof(Gathered *));
	bool		only_brin = has_only_brin(indexes);
	int			nslots = 0;

	for (int i = 0; i < n; i++)
	{
		if (first[i].table != table)
			continue;
		entries[nslots] = &first[i];
		slots[nslots] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
		ExecStoreHeapTuple(row_of(&first[i].entry, desc), slots[nslots++], false);
	}
	heap_multi_insert(rel, slots, nslots, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < nslots; i++)
	{
		if (!only_brin || !is_between(slots, nslots, i, entries))
			toms_index_row(indexes, slots[i]);
	}
	for (int i = 0; i < nslots; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	CatalogCloseIndexes(indexes);
	table_close(rel, RowExclusiveLock);
}

/* While it waits for the default table a partition of the month may be made. */
static Oid
locked_table(char kind, TimestampTz at)
{
	Oid			found = InvalidOid;
	Oid			table;

	while (OidIsValid(table = toms_record_table(kind, at)) && table != found)
	{
		LockRelationOid(table, RowExclusiveLock);
		found = table;
	}
	return table;
}

static void
find_tables(Gathered *first, int n)
{
	for (int i = 0; i < n; i++)
	{
		const TomsEntry *entry = &first[i].entry;

		/* most are of the kind and moment of the one before */
		if (i > 0 && first[i - 1].entry.kind == entry->kind && first[i - 1].entry.at / USECS_PER_DAY == entry->at / USECS_PER_DAY)
			first[i].table = first[i - 1].table;
		else
			first[i].table = locked_table(entry->kind, entry->at);
		if (!OidIsValid(first[i].table))
			elog(ERROR, "the audit trail has no table for entries of kind %c", entry->kind);
	}
}

/* At the end of a transaction no snapshot is active any more; values that are stored out of line need one. */
static void
write_all(Gathered *first, int n)
{
	find_tables(first, n);
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < n; i++)
	{
		bool		written = false;

		for (int j = 0; j < i && !written; j++)
			written = first[j].table == first[i].table;
		if (!written)
			write_table(first[i].table, first + i, n - i);
	}
	PopActiveSnapshot();
}

static bool
is_reference(const TomsEntry *entry)
{
	return entry->kind == TOMS_ENTRY_WHO || entry->kind == TOMS_ENTRY_OBJECT;
}

/* Write what this subtransaction, or the transaction where there is none, has gathered from "first" on. */
static void
write_from(int first)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "toms audit rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	int			n = ngathered - first;

	for (int i = first; i < ngathered; i++)
	{
		if (is_reference(&gathered[i].entry))
			written_references = GetCurrentSubTransactionId();
	}
	toms_worker_announce();
	/* an error ends the transaction, and with it what is gathered */
	toms_guard_trail_used();
	write_all(gathered + first, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	for (int i = first; i < ngathered && first > 0; i++)
	{
		if (gathered[i].entry.columns.bytes)
			pfree(unconstify(void *, gathered[i].entry.columns.bytes));
		if (gathered[i].entry.payload.bytes)
			pfree(unconstify(void *, gathered[i].entry.payload.bytes));
	}
	ngathered = first;
	if (ngathered > 0)
		return;
	MemoryContextReset(gathering);
	gathered = NULL;
	last_tenant = NULL;
	room = 0;
}

void
toms_record_write(void)
{
	if (ngathered > 0)
		write_from(0);
}

/* Where the entries of the current subtransaction begin: they are the last ones. */
static int
first_of(SubTransactionId level)
{
	int			first = ngathered;

	while (first > 0 && gathered[first - 1].level == level)
		first--;
	return first;
}

/* Whether what a subtransaction leaves behind includes some; those within it have higher numbers. */
static bool
loses_references(SubTransactionId level)
{
	bool		lost = written_references >= level;

	for (int i = first_of(level); i < ngathered; i++)
		lost |= is_reference(&gathered[i].entry);
	return lost;
}

/* gathering --------------------------------------------------------------------------- */

static void
make_room(void)
{
	if (gathering == NULL)
		gathering = AllocSetContextCreate(TopMemoryContext, "toms audit entries", ALLOCSET_DEFAULT_SIZES);
	if (ngathered < room)
		return;
	room = Max(32, 2 * room);
	if (gathered)
		gathered = repalloc_huge(gathered, room * sizeof(Gathered));
	else
		gathered = MemoryContextAllocHuge(gathering, room * sizeof(Gathered));
}

void
toms_record_begin(TomsEntry *entry)
{
	if (toms_payload_relation() != trail)
	{
		trail = toms_payload_relation();
		knows_segment = false;
		losses++;
	}
	if (!knows_segment)
	{
		segment_is_new = toms_segment_begin(&first_of_segment);
		knows_segment = true;
	}
	entry->at = GetCurrentTimestamp();
	entry->id = toms_number_next(entry->at);
	entry->xid = (int64) U64FromFullTransactionId(GetTopFullTransactionId());
}

void
toms_record_begin_as(TomsEntry *entry, int64 id, TimestampTz at)
{
	toms_record_begin(entry);
	entry->at = at;
	if (id >= first_of_segment)
		entry->id = id;
}

static const void *
copy_bytes(TomsBytes bytes)
{
	return bytes.bytes ? memcpy(MemoryContextAlloc(gathering, Max(bytes.length, 1)), bytes.bytes, bytes.length) : NULL;
}

void
toms_record_add(const TomsEntry *entry)
{
	SubTransactionId level = GetCurrentSubTransactionId();
	TomsEntry  *copy;

	make_room();
	copy = &gathered[ngathered].entry;
	*copy = *entry;
	copy->columns.bytes = copy_bytes(entry->columns);
	copy->payload.bytes = copy_bytes(entry->payload);
	if (entry->tenant && (last_tenant == NULL || strcmp(entry->tenant, last_tenant) != 0))
		last_tenant = MemoryContextStrdup(gathering, entry->tenant);
	copy->tenant = entry->tenant ? last_tenant : NULL;
	gathered[ngathered++].level = level;
	has_references |= is_reference(entry);
	if (is_ending || (ngathered >= MOST_GATHERED && ngathered - first_of(level) >= MOST_GATHERED))
		write_from(first_of(level));
}

/* transactions ------------------------------------------------------------------------ */

static void
forget_all(void)
{
	ngathered = 0;
	is_ending = false;
	has_references = false;
	segment_is_new = false;
	written_references = InvalidSubTransactionId;
	room = 0;
	gathered = NULL;
	last_tenant = NULL;
	if (gathering)
		MemoryContextReset(gathering);
}

static void
transaction_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (ngathered > 0)
				write_from(0);
			is_ending = true;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:	/* another session may roll it back */
			losses += has_references;
			knows_segment &= !segment_is_new;
			forget_all();
			break;
		case XACT_EVENT_COMMIT:
			forget_all();
			break;
		default:
			break;
	}
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	switch (event)
	{
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			/* what a parent has cannot be written while a child runs: let it not grow by its children's */
			if (ngathered > MOST_GATHERED)
				write_from(first_of(mine));
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			for (int i = ngathered - 1; i >= 0 && gathered[i].level == mine; i--)
				gathered[i].level = parent;
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			losses += loses_references(mine);
			knows_segment &= !segment_is_new;
			ngathered = first_of(mine);
			break;
		default:
			break;
	}
}

void
toms_record_init(void)
{
	toms_on_relation_change(relcache_callback);
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}
