/*
 * block.c - closes a block of the trail and makes its digest known.
 *
 * Called by the worker, and by toms.seal_audit() through task.c.  Only one process closes at a
 * time: it locks before it takes the block's snapshot, and until the block is committed.  The
 * digest goes out after that, so that nobody is told of a block that a crash can undo.
 */
#include "audit/block.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "audit/dataset.h"
#include "audit/outside.h"
#include "base/debug_point.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "guard/guard.h"
#include "keyring/keyring.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A block on its way. */
typedef struct Closing
{
	TomsBlockHeader header;
	uint8		secret[TOMS_BLOCK_SECRET_BYTES];
	TomsTree	tree;
	TomsManifest manifest;
	int			index;			/* in the map */
	char		kind;			/* of the last entry */
	int64		id;
} Closing;

/* The block before. */
typedef struct Last
{
	bool		exists;
	int64		number;
	int32		segment;
	TomsSnapshot snapshot;
	uint8		digest[TOMS_HASH_BYTES];
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
} Last;

/* Closed by this process, and not told yet. */
static int64 closed_number = 0;

void
toms_block_lock(void)
{
	LockDatabaseObject(RelationRelationId, get_relname_relid("audit_block", get_namespace_oid("toms", false)), 0, ExclusiveLock);
}

static char *
current_snapshot(void)
{
	if (SPI_execute("SELECT pg_catalog.pg_current_snapshot()::text", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "no snapshot");
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* What is not as it was written cannot be built on: toms.verify_audit() tells more. */
static void
refuse_last(int64 number)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("block " INT64_FORMAT " of the audit trail has been changed", number),
			 errhint("SELECT * FROM toms.verify_audit(); tells what is wrong.")));
}

/* From its header, which is what the next block is chained to. */
static Last
read_last(void)
{
	Last		last = {false};
	TomsBlockHeader header;
	TomsBytes	bytes;
	bool		isnull;
	Datum		value;

	if (SPI_execute("SELECT number, header, key FROM toms.audit_block ORDER BY number DESC LIMIT 1", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_block");
	if (SPI_processed == 0)
		return last;
	last.exists = true;
	last.number = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	if (isnull)
		refuse_last(last.number);
	value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	bytes = (TomsBytes) {VARDATA_ANY(DatumGetPointer(value)), VARSIZE_ANY_EXHDR(DatumGetPointer(value))};
	if (!toms_block_header_read(bytes, &header) || header.number != last.number || header.number == PG_INT64_MAX ||
		!toms_snapshot_read(header.snapshot, &last.snapshot))
		refuse_last(last.number);
	last.segment = header.segment;
	toms_crypto_sha256(last.digest, bytes.bytes, bytes.length);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull);
	if (isnull || VARSIZE_ANY_EXHDR(DatumGetPointer(value)) != TOMS_PUBLIC_KEY_BYTES)
		refuse_last(last.number);
	memcpy(last.key, VARDATA_ANY(DatumGetPointer(value)), TOMS_PUBLIC_KEY_BYTES);
	return last;
}

static void
take_entry(void *arg, const TomsPlaced *placed)
{
	Closing    *closing = arg;

	/* a number that was given out once stands for one entry: the second is somebody's copy */
	if (placed->block != closing->index || (closing->tree.size > 0 && placed->kind == closing->kind && placed->id == closing->id))
		return;
	closing->kind = placed->kind;
	closing->id = placed->id;
	(void) toms_tree_add(&closing->tree, placed->leaf, 1);
	toms_manifest_add(&closing->manifest, placed->kind, placed->id, placed->leaf);
}

/* Rows that may be in the next block; which of them are, toms.audit_leaf() says. */
static char *
candidates(const Last *last, const Closing *closing, const TomsSegment *segments, int count)
{
	StringInfoData condition;

	initStringInfo(&condition);
	if (!last->exists)
		return "true";
	appendStringInfo(&condition, "(xid >= " UINT64_FORMAT, last->snapshot.xmax);
	for (int i = 0; i < last->snapshot.count; i++)
		appendStringInfo(&condition, i == 0 ? " OR xid IN (" UINT64_FORMAT : ", " UINT64_FORMAT, last->snapshot.xip[i]);
	appendStringInfoString(&condition, last->snapshot.count > 0 ? ")" : "");
	for (int i = 0; i < count; i++)
		if (segments[i].number > last->segment)
		{
			appendStringInfo(&condition, " OR id >= " INT64_FORMAT, segments[i].first_id);
			break;
		}
	appendStringInfoChar(&condition, ')');
	return condition.data;
}

static void
gather(Closing *closing, const Last *last)
{
	TomsSegment *segments;
	int			count = toms_segments_read(&segments);
	TomsSnapshot snapshot;
	TomsMapBlock blocks[2] = {{last->segment, &last->snapshot, closing->secret}, {closing->header.segment, &snapshot, closing->secret}};
	TomsMapParts parts = {.segments = segments,.segment_count = count,.open = -1};

	if (!toms_snapshot_read(closing->header.snapshot, &snapshot))
		elog(ERROR, "snapshot \"%s\"", closing->header.snapshot);
	parts.blocks = last->exists ? blocks : blocks + 1;
	parts.before = last->exists ? 1 : 0;
	parts.count = parts.before + 1;
	closing->index = parts.before;
	toms_entries_walk(&parts, candidates(last, closing, segments, count), take_entry, closing);
}

static void
refuse_key(int64 number)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the keyring does not have the key \"audit\" that signed block " INT64_FORMAT " of the audit trail", number),
			 errdetail("A block that another key signs proves nothing."),
			 errhint("Bring the keyring back as it was last: is its file system mounted? What is recorded meanwhile is sealed then.")));
}

/* Within a segment all blocks have one key: where that is gone no other one takes its place. */
static void
sign(TomsBytes header, const Last *before, uint8 key[TOMS_PUBLIC_KEY_BYTES], uint8 signature[TOMS_SIGNATURE_BYTES])
{
	const uint8 *seed;

	if (before && toms_keyring_seed("audit") == NULL)
		refuse_key(before->number);
	toms_keyring_create("audit");
	seed = toms_keyring_seed("audit");
	toms_crypto_public_key(key, seed);
	if (before && memcmp(key, before->key, TOMS_PUBLIC_KEY_BYTES) != 0)
		refuse_key(before->number);
	toms_crypto_sign(signature, header.bytes, header.length, seed);
}

static Datum
bytea_of(const void *bytes, size_t length)
{
	bytea	   *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	return PointerGetDatum(result);
}

static void
notify(int64 number, const uint8 digest[TOMS_HASH_BYTES])
{
	Async_Notify("toms_audit", psprintf(INT64_FORMAT " %s", number, toms_base64url_encode(digest, TOMS_HASH_BYTES)));
}

static void
store(Closing *closing, const Last *last)
{
	const TomsBlockHeader *block = &closing->header;
	TomsBytes	header;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		signature[TOMS_SIGNATURE_BYTES];
	uint8		digest[TOMS_HASH_BYTES];
	Oid			types[] = {INT8OID, INT4OID, INT4OID, TEXTOID, INT8OID, BYTEAOID, BYTEAOID, BYTEAOID, BYTEAOID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID, BYTEAOID, BYTEAOID};
	Datum		values[lengthof(types)];

	header = toms_block_header_write(block);
	sign(header, last->exists && last->segment == block->segment ? last : NULL, key, signature);
	toms_crypto_sha256(digest, header.bytes, header.length);
	values[0] = Int64GetDatum(block->number);
	values[1] = Int32GetDatum(block->segment);
	values[2] = Int32GetDatum(block->timeline);
	values[3] = CStringGetTextDatum(block->snapshot);
	values[4] = Int64GetDatum(block->size);
	values[5] = bytea_of(block->root, sizeof(block->root));
	values[6] = bytea_of(block->previous, sizeof(block->previous));
	values[7] = PointerGetDatum(closing->manifest.bytes);
	values[8] = bytea_of(closing->secret, sizeof(closing->secret));
	values[9] = TimestampTzGetDatum(block->sealed_at);
	values[10] = bytea_of(key, sizeof(key));
	values[11] = bytea_of(header.bytes, header.length);
	values[12] = bytea_of(signature, sizeof(signature));
	values[13] = bytea_of(digest, sizeof(digest));
	if (SPI_execute_with_args("INSERT INTO toms.audit_block (number, segment, timeline, snapshot, size, root, previous, manifest, secret, sealed_at, key, header, signature, digest) "
							  "VALUES ($1, $2, $3, $4::pg_catalog.pg_snapshot, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not store a block");
	notify(block->number, digest);
}

static int64
close_block(int32 segment)
{
	Closing    *closing = palloc0(sizeof(Closing));
	TomsBlockHeader *header = &closing->header;
	Last		last = read_last();

	header->snapshot = current_snapshot();
	header->number = last.number + 1;
	header->segment = segment;
	header->system = GetSystemIdentifier();
	header->timeline = (int32) GetWALInsertionTimeLine();
	header->sealed_at = GetCurrentTimestamp();
	memcpy(header->previous, last.digest, sizeof(header->previous));
	toms_crypto_random(closing->secret, sizeof(closing->secret));
	gather(closing, &last);
	if (closing->tree.size == 0)
		return 0;
	header->size = (int64) closing->tree.size;
	toms_tree_root(&closing->tree, header->root);
	toms_crypto_sha256(header->manifest, VARDATA(closing->manifest.bytes), VARSIZE(closing->manifest.bytes) - VARHDRSZ);
	toms_dataset_make(header->dataset);
	store(closing, &last);
	return header->number;
}

int64
toms_block_close(void)
{
	int			level = toms_use_system_settings();
	int32		segment;
	int64		number;

	/* a dump may be coming in: it brings the segments and blocks that there were */
	if (!toms_guard_trail_is_used() || toms_gate_is_foreign())
		return 0;
	toms_block_lock();
	toms_guard_trail_work(true);
	/* who is opening a segment may be waiting for us: nothing of his is committed yet */
	segment = toms_segment_open(false);
	if (segment == 0)
		return 0;				/* flag and settings end with the transaction */
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	number = close_block(segment);
	SPI_finish();
	PopActiveSnapshot();
	toms_guard_trail_work(false);
	AtEOXact_GUC(true, level);
	closed_number = number;
	TOMS_DEBUG_POINT("block-before-commit");
	return number;
}

/* the digest ------------------------------------------------------------------------------ */

/* A block of which the log outside has no record, or only that one. */
static void
tell_log(int64 number, const TomsBlockHeader *header, const uint8 digest[TOMS_HASH_BYTES])
{
	ereport(LOG,
			(errmsg("toms sealed block " INT64_FORMAT " of database \"%s\": " INT64_FORMAT " entries, digest %s",
					number, get_database_name(MyDatabaseId), header->size, toms_base64url_encode(digest, TOMS_HASH_BYTES))));
}

char *
toms_iso_time(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		return pstrdup("");
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
}

static void
tell_outside(TomsOutside *log, const TomsBlockHeader *header, const uint8 digest[TOMS_HASH_BYTES])
{
	toms_outside_add(log, "block",
					 psprintf("\"block\":" INT64_FORMAT ",\"segment\":%d,\"system\":\"" UINT64_FORMAT "\",\"database\":%u,\"timeline\":%d,\"size\":" INT64_FORMAT
							  ",\"digest\":\"%s\",\"at\":\"%s\"", header->number, header->segment, header->system, MyDatabaseId, header->timeline, header->size,
							  toms_base64url_encode(digest, TOMS_HASH_BYTES), toms_iso_time(header->sealed_at)));
}

/* Tell of blocks from a number on; those that cannot be read are left to toms.verify_audit(). */
static void
tell_from(TomsOutside *log, int64 number)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "toms told block", ALLOCSET_DEFAULT_SIZES);
	Portal		portal = SPI_cursor_open_with_args(NULL, "SELECT header FROM toms.audit_block WHERE number >= $1 AND header IS NOT NULL ORDER BY number",
												   1, (Oid[]) {INT8OID}, (Datum[]) {Int64GetDatum(number)}, NULL, true, 0);

	for (SPI_cursor_fetch(portal, true, 100); SPI_processed > 0; SPI_cursor_fetch(portal, true, 100))
	{
		SPITupleTable *rows = SPI_tuptable;

		for (uint64 i = 0; i < rows->numvals; i++)
		{
			MemoryContext before = MemoryContextSwitchTo(context);
			bool		isnull;
			bytea	   *bytes = DatumGetByteaPP(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
			TomsBlockHeader header;
			uint8		digest[TOMS_HASH_BYTES];

			if (toms_block_header_read((TomsBytes) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)}, &header))
			{
				toms_crypto_sha256(digest, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
				tell_log(header.number, &header, digest);
				if (log)
					tell_outside(log, &header, digest);
			}
			MemoryContextSwitchTo(before);
			MemoryContextReset(context);
		}
		SPI_freetuptable(rows);
	}
	SPI_cursor_close(portal);
}

/* The first block that the log outside has no record of, as it is now. */
static int64
first_untold(TomsOutside *log)
{
	TomsOutsideLine line;

	while (toms_outside_step_back(log, &line))
	{
		uint8		digest[TOMS_HASH_BYTES];

		if (line.whole && strcmp(line.type, "block") == 0 && toms_block_digest(line.block, digest) &&
			memcmp(digest, line.digest, sizeof(digest)) == 0)
			return line.block + 1;
	}
	return 0;
}

static void
publish(void)
{
	uint8		dataset[16];
	TomsOutside *log;

	if (!toms_dataset_get(dataset))
		return;
	if (!toms_outside_configured())
	{
		if (closed_number > 0)
			tell_from(NULL, closed_number);
	}
	else
	{
		log = toms_outside_open(dataset);
		tell_from(log, first_untold(log));
		toms_outside_close(log);
	}
	closed_number = 0;
}

void
toms_block_publish(void)
{
	TOMS_DEBUG_POINT("block-before-publish");
	StartTransactionCommand();
	(void) toms_use_system_settings();
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	publish();
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}
