/*
 * acknowledge.c - an officer signs off that the server went back to an older state.
 *
 * Called by toms.acknowledge_rewind(), and when the trail is verified.  It counts for the records
 * that the log outside had by then: whoever goes back once more has to answer for it anew.
 */
#include "audit/verify.h"

#include "audit/dataset.h"
#include "audit/outside.h"
#include "base/system_settings.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "guard/guard.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#define ACKNOWLEDGEMENT_LIMIT 10000
#define REASON_LIMIT 4000

typedef struct Acknowledgement
{
	TomsAcknowledgement range;
	TimestampTz at;
	const char *by;
	const char *reason;
} Acknowledgement;

PG_FUNCTION_INFO_V1(toms_acknowledge_rewind);

/* What is signed. */
static TomsBytes
encode(const uint8 dataset[16], const Acknowledgement *acknowledgement)
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	appendStringInfoString(&bytes, "toms rewind 1\n");
	appendBinaryStringInfo(&bytes, (const char *) dataset, 16);
	pq_sendint64(&bytes, acknowledgement->range.from_block);
	pq_sendint64(&bytes, acknowledgement->range.to_block);
	pq_sendint64(&bytes, acknowledgement->range.line);
	pq_sendint64(&bytes, acknowledgement->at);
	pq_sendint32(&bytes, strlen(acknowledgement->by));
	appendStringInfoString(&bytes, acknowledgement->by);
	appendStringInfoString(&bytes, acknowledgement->reason);
	return (TomsBytes) {bytes.data, bytes.len};
}

static Datum
bytea_of(const uint8 *bytes, size_t length)
{
	bytea	   *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	return PointerGetDatum(result);
}

static char *
json_text(const char *text)
{
	StringInfoData json;

	initStringInfo(&json);
	escape_json(&json, pg_server_to_any(text, strlen(text), PG_UTF8));
	return json.data;
}

/* When all else is done: if the transaction is rolled back after that, it counts for the log's readers alone. */
static void
tell_outside(TomsOutside *log, const Acknowledgement *acknowledgement)
{
	toms_outside_add(log, "rewind",
					 psprintf("\"from\":" INT64_FORMAT ",\"to\":" INT64_FORMAT ",\"by\":%s,\"reason\":%s,\"at\":\"%s\"",
							  acknowledgement->range.from_block, acknowledgement->range.to_block, json_text(acknowledgement->by),
							  json_text(acknowledgement->reason), toms_iso_time(acknowledgement->at)));
	toms_outside_close(log);
}

static void
store(const uint8 dataset[16], const Acknowledgement *acknowledgement)
{
	TomsBytes	bytes = encode(dataset, acknowledgement);
	const uint8 *seed;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		signature[TOMS_SIGNATURE_BYTES];
	Oid			types[] = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, BYTEAOID, BYTEAOID};
	Datum		values[lengthof(types)];

	toms_keyring_create("audit");
	seed = toms_keyring_seed("audit");
	toms_crypto_public_key(key, seed);
	toms_crypto_sign(signature, bytes.bytes, bytes.length, seed);
	values[0] = Int64GetDatum(acknowledgement->range.from_block);
	values[1] = Int64GetDatum(acknowledgement->range.to_block);
	values[2] = Int64GetDatum(acknowledgement->range.line);
	values[3] = TimestampTzGetDatum(acknowledgement->at);
	values[4] = CStringGetTextDatum(acknowledgement->by);
	values[5] = CStringGetTextDatum(acknowledgement->reason);
	values[6] = bytea_of(key, sizeof(key));
	values[7] = bytea_of(signature, sizeof(signature));
	if (SPI_execute_with_args("INSERT INTO toms.audit_acknowledgement (from_block, to_block, line, at, by, reason, key, signature) "
							  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not store an acknowledgement");
}

/* toms.acknowledge_rewind(from_block, to_block, reason) */
Datum
toms_acknowledge_rewind(PG_FUNCTION_ARGS)
{
	Acknowledgement acknowledgement = {.range = {PG_GETARG_INT64(0), PG_GETARG_INT64(1)},.at = GetCurrentTimestamp(),
	.by = GetUserNameFromId(GetSessionUserId(), false),.reason = text_to_cstring(PG_GETARG_TEXT_PP(2))};
	int			level = toms_use_system_settings();
	uint8		dataset[16];
	TomsOutside *log;

	if (acknowledgement.range.from_block < 1 || acknowledgement.range.to_block < acknowledgement.range.from_block)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("blocks are numbered from 1, and the first comes before the last")));
	if (strspn(acknowledgement.reason, " \t\r\n") == strlen(acknowledgement.reason))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a reason is needed"),
						errhint("It says what happened and who decided, for whoever verifies the trail later.")));
	if (strlen(acknowledgement.reason) > REASON_LIMIT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a reason has at most %d bytes", REASON_LIMIT)));
	SPI_connect();
	if (!toms_dataset_get(dataset))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("no block has been sealed yet")));
	log = toms_outside_open(dataset);
	acknowledgement.range.line = toms_outside_last(log);
	toms_guard_trail_work(true);
	store(dataset, &acknowledgement);
	toms_guard_trail_work(false);
	tell_outside(log, &acknowledgement);
	SPI_finish();
	AtEOXact_GUC(true, level);
	PG_RETURN_VOID();
}

/* Signed by the keyring's key, or one that signed blocks: a dump may have been restored elsewhere. */
bool
toms_verify_is_our_key(const TomsVerification *run, const bytea *key)
{
	Datum		value = PointerGetDatum(key);
	bool		found;

	if (run->has_key && VARSIZE_ANY_EXHDR(key) == TOMS_PUBLIC_KEY_BYTES && memcmp(VARDATA_ANY(key), run->key, TOMS_PUBLIC_KEY_BYTES) == 0)
		return true;
	SPI_connect();
	found = SPI_execute_with_args("SELECT FROM toms.audit_block WHERE key = $1", 1, (Oid[]) {BYTEAOID}, &value, NULL, true, 1) == SPI_OK_SELECT &&
		SPI_processed > 0;
	SPI_finish();
	return found;
}

/* False: it was not signed so.  No column is null. */
static bool
read_row(const TomsVerification *run, HeapTuple row, TupleDesc columns, TomsAcknowledgement *range)
{
	Datum		values[8];
	bool		nulls[8];
	Acknowledgement acknowledgement;
	bytea	   *key;
	bytea	   *signature;
	TomsBytes	bytes;

	heap_deform_tuple(row, columns, values, nulls);
	acknowledgement = (Acknowledgement) {{DatumGetInt64(values[0]), DatumGetInt64(values[1]), DatumGetInt64(values[2])},
		DatumGetTimestampTz(values[3]), TextDatumGetCString(values[4]), TextDatumGetCString(values[5])};
	key = DatumGetByteaPP(values[6]);
	signature = DatumGetByteaPP(values[7]);
	*range = acknowledgement.range;
	bytes = encode(run->dataset, &acknowledgement);
	return VARSIZE_ANY_EXHDR(key) == TOMS_PUBLIC_KEY_BYTES && VARSIZE_ANY_EXHDR(signature) == TOMS_SIGNATURE_BYTES &&
		toms_verify_is_our_key(run, key) &&
		toms_crypto_verify((uint8 *) VARDATA_ANY(signature), bytes.bytes, bytes.length, (uint8 *) VARDATA_ANY(key));
}

int
toms_acknowledgements(TomsVerification *run, TomsAcknowledgement **acknowledgements)
{
	SPITupleTable *rows;
	uint64		read;
	int			count = 0;

	if (SPI_execute("SELECT from_block, to_block, line, at, by, reason, key, signature FROM toms.audit_acknowledgement "
					"WHERE (from_block, to_block, line, at, by, reason, key, signature) IS NOT NULL", true, ACKNOWLEDGEMENT_LIMIT) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_acknowledgement");
	rows = SPI_tuptable;
	read = SPI_processed;
	*acknowledgements = palloc(sizeof(TomsAcknowledgement) * (read + 1));
	for (uint64 i = 0; i < read; i++)
	{
		TomsAcknowledgement range;

		if (read_row(run, rows->vals[i], rows->tupdesc, &range))
			(*acknowledgements)[count++] = range;
		else
			toms_verify_report(run, (TomsFault) {.fault = "acknowledgement_changed",.block = range.from_block,.to_block = range.to_block,
				.detail = "it is not what was signed"});
	}
	return count;
}
