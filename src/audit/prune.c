/*
 * prune.c - takes a partition out of the trail when its period is over, or it has been archived.
 *
 * Called by toms.prune_audit() and archive.c.  The largest subtrees of its entries' leaves stay as
 * hashes in toms.audit_pruned, so that roots and proofs hold; a signed record in toms.audit_pruning
 * says what went, when and by whose hand.  All of it is one transaction.
 *
 * Locks: the partition, so that nothing comes, and toms_block_lock(), until the transaction ends.
 */
#include "audit/retire.h"

#include "audit/audit_int.h"
#include "audit/dataset.h"
#include "base/debug_point.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "keyring/keyring.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(toms_prune_audit_partition);
PG_FUNCTION_INFO_V1(toms_put_audit_period);

typedef struct Pruning
{
	MemoryContext memory;
	int64		first;			/* block */
	int64		last;
	int			count;
	int			room;
	TomsSubtree *subtrees;
	uint8		sum[TOMS_HASH_BYTES];	/* of what stays: each is SHA-256 of the sum before, block, start, size and hash */
} Pruning;

/* record --------------------------------------------------------------------------------- */

static void
add_to_sum(uint8 sum[TOMS_HASH_BYTES], const TomsSubtree *subtree)
{
	uint8		bytes[TOMS_HASH_BYTES + 3 * sizeof(uint64) + TOMS_HASH_BYTES];
	uint64		numbers[3] = {pg_hton64(subtree->block), pg_hton64(subtree->start), pg_hton64(subtree->size)};

	memcpy(bytes, sum, TOMS_HASH_BYTES);
	memcpy(bytes + TOMS_HASH_BYTES, numbers, sizeof(numbers));
	memcpy(bytes + TOMS_HASH_BYTES + sizeof(numbers), subtree->hash, TOMS_HASH_BYTES);
	toms_crypto_sha256(sum, bytes, sizeof(bytes));
}

static char *
dataset_text(void)
{
	pg_uuid_t	dataset;

	if (!toms_dataset_get(dataset.data))
		return "";
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&dataset)));
}

static void
say(StringInfo text, const char *name, const char *value)
{
	appendStringInfo(text, ",\"%s\":", name);
	if (value)
		escape_json(text, value);
	else
		appendStringInfoString(text, "null");
}

static char *
record_text(const Pruning *pruning, const char *partition, int64 entries, const char *archive)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "{\"type\":\"pruning\"");
	say(&text, "dataset", dataset_text());
	say(&text, "partition", partition);
	appendStringInfo(&text, ",\"entries\":" INT64_FORMAT ",\"from\":" INT64_FORMAT ",\"to\":" INT64_FORMAT, entries, pruning->first, pruning->last);
	say(&text, "subtrees", toms_base64url_encode(pruning->sum, TOMS_HASH_BYTES));
	say(&text, "archive", archive);
	say(&text, "at", toms_iso_time(GetCurrentTimestamp()));
	say(&text, "by", GetUserNameFromId(GetSessionUserId(), false));
	appendStringInfoChar(&text, '}');
	return text.data;
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
store_record(const char *partition, int64 entries, const char *record)
{
	const uint8 *seed;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		signature[TOMS_SIGNATURE_BYTES];
	Datum		values[5];

	toms_keyring_create("audit");
	seed = toms_keyring_seed("audit");
	toms_crypto_public_key(key, seed);
	toms_crypto_sign(signature, record, strlen(record), seed);
	values[0] = CStringGetTextDatum(partition);
	values[1] = Int64GetDatum(entries);
	values[2] = CStringGetTextDatum(record);
	values[3] = bytea_of(key, sizeof(key));
	values[4] = bytea_of(signature, sizeof(signature));
	if (SPI_execute_with_args("INSERT INTO toms.audit_pruning (partition, entries, record, key, signature) VALUES ($1, $2, $3, $4, $5)",
							  5, (Oid[]) {TEXTOID, INT8OID, TEXTOID, BYTEAOID, BYTEAOID}, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not record a pruning");
	ereport(LOG, (errmsg("toms pruned the audit trail: %s", record), errhidestmt(true), errhidecontext(true)));
}

/* subtrees ------------------------------------------------------------------------------- */

static void
take_block(void *arg, const TomsRetiredBlock *block)
{
	Pruning    *pruning = arg;
	MemoryContext before = MemoryContextSwitchTo(pruning->memory);

	if (pruning->first == 0)
		pruning->first = block->number;
	pruning->last = block->number;
	for (int i = 0; i < block->cover.count; i++)
	{
		if (pruning->count == pruning->room)
		{
			pruning->room = Max(64, 2 * pruning->room);
			pruning->subtrees = pruning->subtrees ? repalloc_huge(pruning->subtrees, pruning->room * sizeof(TomsSubtree)) :
				palloc(pruning->room * sizeof(TomsSubtree));
		}
		pruning->subtrees[pruning->count] = block->cover.found[i];
		pruning->subtrees[pruning->count].block = block->number;
		add_to_sum(pruning->sum, &pruning->subtrees[pruning->count++]);
	}
	MemoryContextSwitchTo(before);
}

static SPIPlanPtr
prepare(const char *query, int count, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare(query, count, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare a change of toms.audit_pruned");
	return plan;
}

static void
store_subtrees(const Pruning *pruning)
{
	SPIPlanPtr	forget = prepare("DELETE FROM toms.audit_pruned WHERE block = $1", 1, (Oid[]) {INT8OID});
	SPIPlanPtr	keep = prepare("INSERT INTO toms.audit_pruned (block, start, size, hash) VALUES ($1, $2, $3, $4)",
							   4, (Oid[]) {INT8OID, INT8OID, INT8OID, BYTEAOID});

	for (int i = 0; i < pruning->count; i++)
	{
		const TomsSubtree *subtree = &pruning->subtrees[i];
		Datum		values[] = {Int64GetDatum(subtree->block), Int64GetDatum((int64) subtree->start), Int64GetDatum((int64) subtree->size),
		bytea_of(subtree->hash, TOMS_HASH_BYTES)};

		if (i == 0 || subtree->block != pruning->subtrees[i - 1].block)
			(void) SPI_execute_plan(forget, values, NULL, false, 0);
		if (SPI_execute_plan(keep, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not write to toms.audit_pruned");
		pfree(DatumGetPointer(values[3]));
	}
}

/* the partition --------------------------------------------------------------------------- */

int64
toms_prune_partition(Oid partition, const char *archive)
{
	char	   *name = get_rel_name(partition);
	Pruning		pruning = {.memory = CurrentMemoryContext};
	int64		entries;

	toms_guard_trail_used();
	PushActiveSnapshot(GetLatestSnapshot());
	SPI_connect();
	entries = toms_retire_walk(partition, false, take_block, &pruning);
	toms_guard_trail_work(true);
	store_subtrees(&pruning);
	store_record(name, entries, record_text(&pruning, name, entries, archive));
	if (SPI_execute(psprintf("DROP TABLE %s", quote_qualified_identifier("toms", name)), false, 0) < 0)
		elog(ERROR, "could not drop table \"%s\"", name);
	toms_guard_trail_work(false);
	SPI_finish();
	PopActiveSnapshot();
	TOMS_DEBUG_POINT("pruning-before-commit");
	return entries;
}

/* Whether a statement about a partition has a row. */
static bool
holds(const char *query, Oid partition)
{
	Datum		name = CStringGetTextDatum(get_rel_name(partition));
	bool		found;

	SPI_connect();
	if (SPI_execute_with_args(query, 1, (Oid[]) {TEXTOID}, &name, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the partitions of the audit trail");
	found = SPI_processed > 0;
	SPI_finish();
	return found;
}

void
toms_retire_lock(Oid partition)
{
	if (!holds("SELECT FROM toms.audit_partitions p WHERE p.partition = $1", partition))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a month of the audit trail", get_rel_name(partition))));
	LockRelationOid(partition, AccessExclusiveLock);
	toms_block_lock();
}

/* toms.prune_audit_partition(partition): how many entries it had. */
Datum
toms_prune_audit_partition(PG_FUNCTION_ARGS)
{
	Oid			partition = PG_GETARG_OID(0);

	toms_retire_lock(partition);
	if (!holds("SELECT FROM toms.audit_partitions p JOIN toms.audit_periods k ON k.kind = p.kind "
			   "WHERE p.partition = $1 AND p.until + k.keep <= pg_catalog.now()", partition))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the period of table \"%s\" is not over", get_rel_name(partition)),
				 errhint("SELECT * FROM toms.audit_periods; toms.archive_audit() takes entries out before.")));
	PG_RETURN_INT64(toms_prune_partition(partition, NULL));
}

/* toms.put_audit_period(kind, keep, reason, by) */
Datum
toms_put_audit_period(PG_FUNCTION_ARGS)
{
	Datum		values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};

	toms_guard_trail_work(true);
	SPI_connect();
	if (SPI_execute_with_args("INSERT INTO toms.audit_period (kind, keep, reason, set_by) VALUES ($1, $2, $3, $4)",
							  4, (Oid[]) {TEXTOID, INTERVALOID, TEXTOID, TEXTOID}, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not record a period");
	SPI_finish();
	toms_guard_trail_work(false);
	PG_RETURN_VOID();
}
