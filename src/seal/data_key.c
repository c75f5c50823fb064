/*
 * data_key.c - the keys of values: for each tenant, subject, table and calendar month of sealing.
 *
 * Called by row.c and reveal.c for every value.  Keys lie in toms.data_key, wrapped under their
 * tenant's key epoch, and once used in locked memory of this backend.  All are forgotten when the
 * table sends an invalidation (a key was destroyed), when a transaction that made one does not
 * commit, and when there are too many.  Rows are read as they are now, whatever snapshot the
 * transaction uses: what is destroyed is so for everybody.
 *
 * Whoever seals holds a lock on the tenant's keys in share mode until the transaction ends; who
 * destroys keys takes it exclusively, and so waits for rows that are on their way.
 */
#include "seal/seal_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/index.h"
#include "base/relcache.h"
#include "base/secret.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "keyring/keyring.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define MOST_KEYS 65536
#define CHUNK_KEYS 512

/* Columns of toms.data_key, by position. */
enum
{
	KEY_ID = 1,
	KEY_TENANT,
	KEY_SUBJECT,
	KEY_RELATION,
	KEY_MONTH,
	KEY_EPOCH,
	KEY_WRAPPED,
	KEY_CREATED_AT,
	KEY_DESTROYED_AT,
	KEY_COLUMNS = KEY_DESTROYED_AT
};

/* A row of toms.data_key. */
typedef struct KeyRow
{
	TomsDataKey key;			/* without its bytes */
	pg_uuid_t	epoch;
	uint8		wrapped[TOMS_KEY_BYTES + TOMS_WRAP_BYTES];
	bool		destroyed;
	bool		is_ours;		/* made by this transaction, which may not commit */
} KeyRow;

/* Keys by their ids, and by the hash of relation, month, tenant and subject: numbers that spread as they are. */
typedef struct KeptKey
{
	uint64		number;
	const TomsDataKey *key;
	char		status;
} KeptKey;

#define SH_PREFIX key_map
#define SH_ELEMENT_TYPE KeptKey
#define SH_KEY_TYPE uint64
#define SH_KEY number
#define SH_HASH_KEY(map, number) ((uint32) ((number) ^ (number) >> 32))
#define SH_EQUAL(map, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* All that is kept hangs on this context; NULL: nothing is. */
static MemoryContext kept = NULL;
static key_map_hash *by_id;
static key_map_hash *by_owner;
static uint8 *chunk;
static int	left_in_chunk;

static Oid	table = InvalidOid;
static bool to_forget = false;
static bool made_some = false;	/* in this transaction */
static uint32 locked_tenant = 0;	/* hash of the one that this transaction locked last; 0: none */
static bool waits = true;		/* for whoever destroys keys of a tenant */

static void
forget_keys(void)
{
	if (kept)
		MemoryContextDelete(kept);
	kept = NULL;
	to_forget = false;
}

static void
relcache_callback(Oid relid)
{
	if (OidIsValid(relid) && relid != table)
		return;
	to_forget = true;
	table = InvalidOid;
}

/* What was prepared may be rolled back by another session. */
static void
transaction_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		to_forget |= made_some;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_COMMIT)
	{
		made_some = false;
		locked_tenant = 0;
	}
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	to_forget |= made_some;
	locked_tenant = 0;
}

void
toms_data_key_init(void)
{
	toms_on_relation_change(relcache_callback);
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}

static Oid
key_table(void)
{
	if (!OidIsValid(table))
		table = get_relname_relid("data_key", get_namespace_oid("toms", false));
	if (!OidIsValid(table))
		elog(ERROR, "table toms.data_key is missing");
	return table;
}

static void
start_keeping(void)
{
	if (kept && by_id->members >= MOST_KEYS)
		forget_keys();
	if (kept)
		return;
	kept = AllocSetContextCreate(TopMemoryContext, "toms data keys", ALLOCSET_DEFAULT_SIZES);
	by_id = key_map_create(kept, 256, NULL);
	by_owner = key_map_create(kept, 256, NULL);
	left_in_chunk = 0;
}

static uint8 *
room_for_key(void)
{
	if (left_in_chunk == 0)
	{
		chunk = toms_secret_alloc(kept, CHUNK_KEYS * TOMS_KEY_BYTES);
		left_in_chunk = CHUNK_KEYS;
	}
	return chunk + --left_in_chunk * TOMS_KEY_BYTES;
}

static uint64
hash_owner(Oid relid, int32 month, const char *tenant, const char *subject)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) tenant, strlen(tenant), (uint64) relid << 32 | (uint32) month);

	return hash_bytes_extended((const unsigned char *) subject, strlen(subject), hash);
}

static void
put(key_map_hash *map, uint64 number, const TomsDataKey *key)
{
	bool		found;

	key_map_insert(map, number, &found)->key = key;
}

static const TomsDataKey *
look_up(key_map_hash *map, uint64 number)
{
	const KeptKey *entry = kept ? key_map_lookup(map, number) : NULL;

	return entry ? entry->key : NULL;
}

/* The bytes of "key" are copied; a destroyed key has none. */
static const TomsDataKey *
keep_key(const TomsDataKey *key, const uint8 *bytes)
{
	TomsDataKey *copy;

	start_keeping();
	copy = MemoryContextAlloc(kept, sizeof(TomsDataKey));
	*copy = *key;
	copy->tenant = MemoryContextStrdup(kept, key->tenant);
	copy->subject = MemoryContextStrdup(kept, key->subject);
	copy->bytes = bytes ? memcpy(room_for_key(), bytes, TOMS_KEY_BYTES) : NULL;
	put(by_id, (uint64) copy->id, copy);
	if (bytes)
		put(by_owner, hash_owner(copy->relid, copy->month, copy->tenant, copy->subject), copy);
	return copy;
}

TomsBytes
toms_data_key_binding(const TomsDataKey *key)
{
	size_t		tenant_length = strlen(key->tenant) + 1;
	size_t		subject_length = strlen(key->subject);
	uint8	   *bytes = palloc(12 + tenant_length + subject_length);
	uint64		id = pg_hton64((uint64) key->id);
	uint32		month = pg_hton32((uint32) key->month);

	memcpy(bytes, &id, 8);
	memcpy(bytes + 8, &month, 4);
	memcpy(bytes + 12, key->tenant, tenant_length);
	memcpy(bytes + 12 + tenant_length, key->subject, subject_length);
	return (TomsBytes) {bytes, 12 + tenant_length + subject_length};
}

/* Errors where the epoch is not at hand. */
static const TomsDataKey *
unwrap_key(const KeyRow *row)
{
	uint8		bytes[TOMS_KEY_BYTES];
	const TomsDataKey *key;

	if (row->destroyed)
		return keep_key(&row->key, NULL);
	if (!toms_keyring_unwrap(&row->epoch, toms_data_key_binding(&row->key), (TomsBytes) {row->wrapped, sizeof(row->wrapped)}, bytes))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("data key " INT64_FORMAT " is damaged", row->key.id)));
	made_some |= row->is_ours;
	key = keep_key(&row->key, bytes);
	toms_secret_wipe(bytes, sizeof(bytes));
	return key;
}

static void
read_row(HeapTuple tuple, TupleDesc desc, KeyRow *row)
{
	Datum		values[KEY_COLUMNS];
	bool		nulls[KEY_COLUMNS];
	struct varlena *wrapped;

	heap_deform_tuple(tuple, desc, values, nulls);
	row->key.id = DatumGetInt64(values[KEY_ID - 1]);
	row->key.tenant = TextDatumGetCString(values[KEY_TENANT - 1]);
	row->key.subject = nulls[KEY_SUBJECT - 1] ? "" : TextDatumGetCString(values[KEY_SUBJECT - 1]);
	row->key.relid = DatumGetObjectId(values[KEY_RELATION - 1]);
	row->key.month = DatumGetDateADT(values[KEY_MONTH - 1]);
	row->epoch = *DatumGetUUIDP(values[KEY_EPOCH - 1]);
	row->is_ours = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	row->destroyed = nulls[KEY_WRAPPED - 1];
	if (row->destroyed)
		return;
	wrapped = PG_DETOAST_DATUM_PACKED(values[KEY_WRAPPED - 1]);
	memset(row->wrapped, 0, sizeof(row->wrapped));
	memcpy(row->wrapped, VARDATA_ANY(wrapped), Min(VARSIZE_ANY_EXHDR(wrapped), sizeof(row->wrapped)));
}

static bool
scan_rows(Snapshot snapshot, const char *index, int nkeys, const ScanKeyData *keys, KeyRow *row)
{
	Relation	rel = table_open(key_table(), AccessShareLock);
	Oid			index_id = get_relname_relid(index, RelationGetNamespace(rel));
	ScanKeyData used[4];		/* the scan changes them */
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	memcpy(used, keys, nkeys * sizeof(ScanKeyData));
	scan = systable_beginscan(rel, index_id, OidIsValid(index_id), snapshot, nkeys, used);
	while (!found && (tuple = systable_getnext(scan)) != NULL)
	{
		read_row(tuple, RelationGetDescr(rel), row);
		found = nkeys == 1 || !row->destroyed;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * First as this command sees it, with what it has written itself; while another session
 * re-wraps a key that can miss both versions, a snapshot of this moment cannot.
 */
static bool
find_row(const char *index, int nkeys, const ScanKeyData *keys, KeyRow *row)
{
	return scan_rows(SnapshotSelf, index, nkeys, keys, row) || scan_rows(NULL, index, nkeys, keys, row);
}

static bool
find_row_of_owner(const TomsDataKey *owner, KeyRow *row)
{
	ScanKeyData keys[4];

	ScanKeyInit(&keys[0], KEY_TENANT, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(owner->tenant));
	ScanKeyInit(&keys[1], KEY_SUBJECT, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(owner->subject));
	ScanKeyInit(&keys[2], KEY_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(owner->relid));
	ScanKeyInit(&keys[3], KEY_MONTH, BTEqualStrategyNumber, F_DATE_EQ, DateADTGetDatum(owner->month));
	return find_row("data_key_owner", lengthof(keys), keys, row);
}

const TomsDataKey *
toms_data_key_find(int64 id)
{
	const TomsDataKey *key;
	ScanKeyData by;
	KeyRow		row;

	AcceptInvalidationMessages();
	if (to_forget)
		forget_keys();
	key = look_up(by_id, (uint64) id);
	if (key)
		return key;
	ScanKeyInit(&by, KEY_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	return find_row("data_key_pkey", 1, &by, &row) ? unwrap_key(&row) : NULL;
}

static uint32
hash_tenant(const char *tenant)
{
	return hash_bytes((const unsigned char *) tenant, strlen(tenant)) | 1;
}

static bool
lock_keys(const char *tenant, LOCKMODE mode, bool waiting)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, key_table(), hash_tenant(tenant), 0);
	return LockAcquire(&tag, mode, false, !waiting) != LOCKACQUIRE_NOT_AVAIL;
}

void
toms_data_key_lock(const char *tenant, LOCKMODE mode)
{
	(void) lock_keys(tenant, mode, true);
}

bool
toms_data_key_try_lock(const char *tenant, LOCKMODE mode)
{
	return lock_keys(tenant, mode, false);
}

int64
toms_data_key_of_value(Datum value)
{
	return toms_envelope_key_id(PG_DETOAST_DATUM_SLICE(value, 0, TOMS_HEADER_BYTES));
}

void
toms_data_key_without_waiting(void)
{
	waits = false;
}

static void
lock_tenant(const char *tenant, bool waiting)
{
	uint32		hash = hash_tenant(tenant);

	if (hash != locked_tenant && lock_keys(tenant, ShareLock, waiting))
		locked_tenant = hash;
	AcceptInvalidationMessages();
	if (to_forget)
		forget_keys();
}

/* The first day of the month in which the transaction began, UTC. */
static DateADT
month_of_sealing(void)
{
	static TimestampTz known_for = 0;
	static DateADT month;
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	int			y,
				m,
				d;

	if (now != known_for)
	{
		j2date(now / USECS_PER_DAY + POSTGRES_EPOCH_JDATE, &y, &m, &d);
		month = date2j(y, m, 1) - POSTGRES_EPOCH_JDATE;
		known_for = now;
	}
	return month;
}

/* Nobody else's snapshot may be active: the writer of the trail makes keys, too. */
static void
insert_row(const KeyRow *row)
{
	Relation	rel = table_open(key_table(), RowExclusiveLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	CatalogIndexState indexes = CatalogOpenIndexes(rel);
	Datum		values[KEY_COLUMNS];
	bool		nulls[KEY_COLUMNS] = {false};
	bytea	   *wrapped = palloc(VARHDRSZ + sizeof(row->wrapped));

	SET_VARSIZE(wrapped, VARHDRSZ + sizeof(row->wrapped));
	memcpy(VARDATA(wrapped), row->wrapped, sizeof(row->wrapped));
	values[KEY_ID - 1] = Int64GetDatum(row->key.id);
	values[KEY_TENANT - 1] = CStringGetTextDatum(row->key.tenant);
	values[KEY_SUBJECT - 1] = CStringGetTextDatum(row->key.subject);
	values[KEY_RELATION - 1] = ObjectIdGetDatum(row->key.relid);
	values[KEY_MONTH - 1] = DateADTGetDatum(row->key.month);
	values[KEY_EPOCH - 1] = UUIDPGetDatum(&row->epoch);
	values[KEY_WRAPPED - 1] = PointerGetDatum(wrapped);
	values[KEY_CREATED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[KEY_DESTROYED_AT - 1] = true;
	ExecStoreHeapTuple(heap_form_tuple(RelationGetDescr(rel), values, nulls), slot, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	toms_index_row(indexes, slot);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	CatalogCloseIndexes(indexes);
	table_close(rel, RowExclusiveLock);
}

static const TomsDataKey *
make_key(const TomsDataKey *owner)
{
	KeyRow		row = {.key = *owner,.epoch = toms_keyring_current_epoch(owner->tenant).id};
	uint8		bytes[TOMS_KEY_BYTES];
	const TomsDataKey *key;

	toms_crypto_random(&row.key.id, sizeof(row.key.id));
	row.key.id &= PG_INT64_MAX;
	toms_crypto_random(bytes, sizeof(bytes));
	toms_keyring_wrap(&row.epoch, toms_data_key_binding(&row.key), (TomsBytes) {bytes, sizeof(bytes)}, row.wrapped);
	insert_row(&row);
	made_some = true;
	key = keep_key(&row.key, bytes);
	toms_secret_wipe(bytes, sizeof(bytes));
	return key;
}

/* One that this backend has kept; NULL: none. */
static const TomsDataKey *
kept_key(const TomsDataKey *owner)
{
	const TomsDataKey *key = look_up(by_owner, hash_owner(owner->relid, owner->month, owner->tenant, owner->subject));

	return key && key->relid == owner->relid && key->month == owner->month && strcmp(key->tenant, owner->tenant) == 0 &&
		strcmp(key->subject, owner->subject) == 0 ? key : NULL;
}

const TomsDataKey *
toms_data_key_for(Oid relid, const char *tenant, const char *subject)
{
	TomsDataKey owner = {.relid = relid,.month = month_of_sealing(),.tenant = tenant,.subject = subject};
	const TomsDataKey *key;
	KeyRow		row;

	lock_tenant(tenant, waits);
	key = kept_key(&owner);
	if (key)
		return key;
	if (find_row_of_owner(&owner, &row))
		return unwrap_key(&row);
	/* nobody makes one while others are destroyed */
	lock_tenant(tenant, true);
	return find_row_of_owner(&owner, &row) ? unwrap_key(&row) : make_key(&owner);
}

/* Two sessions that need it first must not make two: the second waits for the transaction of the first. */
static void
lock_key_of_tenant(const char *tenant)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, key_table(), hash_bytes((const unsigned char *) tenant, strlen(tenant)), 1);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

const TomsDataKey *
toms_data_key_of_tenant(const char *tenant)
{
	TomsDataKey owner = {.relid = InvalidOid,.month = 0,.tenant = tenant,.subject = ""};
	const TomsDataKey *key;
	KeyRow		row;

	AcceptInvalidationMessages();
	if (to_forget)
		forget_keys();
	key = kept_key(&owner);
	if (key)
		return key;
	if (find_row_of_owner(&owner, &row))
		return unwrap_key(&row);
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("the tenant has no secret yet, and a read-only transaction cannot make one"),
				 errhint("Write a value of toms.blind_index() first.")));
	lock_key_of_tenant(tenant);
	lock_tenant(tenant, true);
	return find_row_of_owner(&owner, &row) ? unwrap_key(&row) : make_key(&owner);
}
