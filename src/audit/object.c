/*
 * object.c - the entry that describes a table, to which the entries of its rows refer.
 *
 * Called by row.c for every row.  Names of columns stand there once, so that an entry of a change
 * needs their numbers only, and tells what they were called then.  An entry of this month that
 * says the same is used again, whoever wrote it; what a backend knows it remembers until the
 * table changes.
 */
#include "audit/audit_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/name.h"
#include "base/relcache.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct Remembered
{
	Oid			relid;
	Oid			root;
	int32		month;			/* of the entry */
	TomsObject	object;
} Remembered;

/* What entries say, and which one says it. */
typedef struct SaidKey
{
	uint8		digest[TOMS_DIGEST_BYTES];
	Oid			relid;
	int32		month;
} SaidKey;

typedef struct Said
{
	SaidKey		key;
	int64		entry;
} Said;

#define MOST_SAID 20000

static HTAB *said = NULL;
static uint64 said_losses = 0;

static HTAB *remembered = NULL;
static MemoryContext memory = NULL;
static uint64 known_losses = 0;
static bool to_forget = false;

/* A change of any table: those who change rows do not often change tables. */
static void
relcache_callback(Oid relid)
{
	if (remembered == NULL || to_forget)
		return;
	to_forget = !OidIsValid(relid) || hash_search(remembered, &relid, HASH_FIND, NULL) != NULL;
}

void
toms_object_init(void)
{
	toms_on_relation_change(relcache_callback);
}

static void
start_remembering(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(Remembered)};

	if (memory)
		MemoryContextDelete(memory);
	memory = AllocSetContextCreate(TopMemoryContext, "toms audit objects", ALLOCSET_SMALL_SIZES);
	control.hcxt = memory;
	remembered = hash_create("toms audit objects", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	known_losses = toms_record_losses();
	to_forget = false;
}

/* description ------------------------------------------------------------------------- */

/* The columns that tell a row from all others, in the order of their index. */
static int
find_keys(Relation rel, AttrNumber **keys)
{
	List	   *indexes = RelationGetIndexList(rel);	/* finds the key, too */
	Oid			key = OidIsValid(rel->rd_pkindex) ? rel->rd_pkindex : rel->rd_replidindex;
	Relation	index;
	int			n;

	list_free(indexes);
	if (!OidIsValid(key))
		return 0;
	index = index_open(key, AccessShareLock);
	n = index->rd_index->indnkeyatts;
	*keys = palloc(n * sizeof(AttrNumber));
	for (int i = 0; i < n; i++)
		(*keys)[i] = index->rd_index->indkey.values[i];
	index_close(index, AccessShareLock);
	return n;
}

static void
say_name(StringInfo text, Relation rel, AttrNumber column)
{
	const FormData_pg_attribute *attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);

	if (attribute->attisdropped)
		appendStringInfoString(text, "null");
	else
		escape_json(text, NameStr(attribute->attname));
}

static StringInfoData
describe(Relation rel, Oid root, int nkeys, const AttrNumber *keys)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "{\"oid\":%u,\"relation\":", root);
	escape_json(&text, toms_relation_name(root));
	if (RelationGetRelid(rel) != root)
	{
		appendStringInfoString(&text, ",\"partition\":");
		escape_json(&text, toms_relation_name(RelationGetRelid(rel)));
	}
	appendStringInfoString(&text, ",\"columns\":[");
	for (int i = 1; i <= RelationGetNumberOfAttributes(rel); i++)
	{
		appendStringInfoString(&text, i > 1 ? "," : "");
		say_name(&text, rel, i);
	}
	appendStringInfoString(&text, "],\"key\":[");
	for (int i = 0; i < nkeys; i++)
	{
		appendStringInfoString(&text, i > 0 ? "," : "");
		say_name(&text, rel, keys[i]);
	}
	appendStringInfoString(&text, "]}");
	toms_payload_to_utf8(&text);
	return text;
}

/* entries ----------------------------------------------------------------------------- */

/* The index of a month's table that begins with the column object; InvalidOid: there is none. */
static Oid
index_by_object(Relation table)
{
	Oid			found = InvalidOid;
	List	   *indexes = RelationGetIndexList(table);
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indkey.values[0] == TOMS_ENTRY_OBJECT_ID && index->rd_index->indisvalid)
			found = RelationGetRelid(index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}

static int64
find_entry(Oid table, Oid relid, const StringInfoData *text)
{
	Relation	rel = table_open(table, AccessShareLock);
	Oid			index = index_by_object(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		found = 0;

	ScanKeyInit(&key, TOMS_ENTRY_OBJECT_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) relid));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	while (found == 0 && (tuple = systable_getnext(scan)) != NULL)
	{
		Datum		values[TOMS_ENTRY_NATTS];
		bool		nulls[TOMS_ENTRY_NATTS];
		TomsEntry	entry;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		entry = toms_entry_of_row(values, nulls);
		if (entry.payload.length == text->len && memcmp(entry.payload.bytes, text->data, text->len) == 0)
			found = entry.id;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

static int64
write_entry(Oid relid, const StringInfoData *text)
{
	TomsEntry	entry = {.kind = TOMS_ENTRY_OBJECT,.verb = TOMS_VERB_NONE,.object = relid,.payload = {text->data, text->len}};

	toms_record_begin(&entry);
	toms_record_add(&entry);
	return entry.id;
}

static void
remember_anew(void)
{
	HASHCTL		control = {.keysize = sizeof(SaidKey),.entrysize = sizeof(Said),.hcxt = TopMemoryContext};

	if (said)
		hash_destroy(said);
	said = NULL;
	said = hash_create("toms audit object entries", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	said_losses = toms_record_losses();
}

int64
toms_object_entry(Oid relid, const StringInfoData *text, TimestampTz at)
{
	SaidKey		key = {.relid = relid,.month = toms_record_month(at)};
	Said	   *known;
	int64		entry;

	toms_crypto_digest(key.digest, text->data, text->len, NULL, 0);
	if (said == NULL || said_losses != toms_record_losses() || hash_get_num_entries(said) >= MOST_SAID)
		remember_anew();
	known = hash_search(said, &key, HASH_FIND, NULL);
	if (known)
		return known->entry;
	entry = find_entry(toms_record_table(TOMS_ENTRY_OBJECT, at), relid, text);
	if (entry == 0)
		entry = write_entry(relid, text);
	((Said *) hash_search(said, &key, HASH_ENTER, NULL))->entry = entry;
	return entry;
}

static TomsObject
make_object(Relation rel, Oid root, TimestampTz at)
{
	TomsObject	object = {0};
	AttrNumber *keys = NULL;
	StringInfoData text;

	object.nkeys = find_keys(rel, &keys);
	text = describe(rel, root, object.nkeys, keys);
	object.entry = toms_object_entry(RelationGetRelid(rel), &text, at);
	object.keys = keys;
	return object;
}

const TomsObject *
toms_object(Relation rel, Oid root, TimestampTz at)
{
	Oid			relid = RelationGetRelid(rel);
	int32		month = toms_record_month(at);
	Remembered *entry;
	TomsObject	object;
	bool		found;

	if (remembered == NULL || to_forget || known_losses != toms_record_losses())
		start_remembering();
	entry = hash_search(remembered, &relid, HASH_FIND, NULL);
	if (entry && entry->root == root && entry->month == month)
		return &entry->object;
	object = make_object(rel, root, at);
	if (object.nkeys > 0)
		object.keys = memcpy(MemoryContextAlloc(memory, object.nkeys * sizeof(AttrNumber)), object.keys, object.nkeys * sizeof(AttrNumber));
	entry = hash_search(remembered, &relid, HASH_ENTER, &found);
	entry->root = root;
	entry->month = month;
	entry->object = object;
	return &entry->object;
}
