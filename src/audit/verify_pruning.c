/*
 * verify_pruning.c - whether what stands in the place of pruned entries was pruned by toms.
 *
 * Called by verify.c for the whole trail.  The hash of a subtree can be computed by anybody who reads
 * its entries, so it excuses none by itself: as many leaves may be pruned as the signed records
 * of prunings tell of, each of which counts once.
 */
#include "audit/verify.h"

#include "audit/outside_int.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#define RECORD_LIMIT 100000

/* Entries that a record tells of; -1: it is not one of ours, for this dataset. */
static int64
signed_entries(const TomsVerification *run, HeapTuple row, TupleDesc columns)
{
	bool		nulls[3];
	Datum		values[3];
	char	   *record;
	const char *entries;
	bytea	   *key;
	bytea	   *signature;

	heap_deform_tuple(row, columns, values, nulls);
	if (nulls[0] || nulls[1] || nulls[2])
		return -1;
	record = TextDatumGetCString(values[0]);
	key = DatumGetByteaPP(values[1]);
	signature = DatumGetByteaPP(values[2]);
	if (VARSIZE_ANY_EXHDR(signature) != TOMS_SIGNATURE_BYTES || !toms_verify_is_our_key(run, key) ||
		!toms_crypto_verify((uint8 *) VARDATA_ANY(signature), record, strlen(record), (uint8 *) VARDATA_ANY(key)) ||
		strncmp(record, "{\"type\":\"pruning\"", 17) != 0 ||
		strstr(record, psprintf("\"dataset\":\"%s\"", toms_outside_dataset_name(run->dataset))) == NULL)
		return -1;
	entries = strstr(record, "\"entries\":");
	return entries ? strtoll(entries + 10, NULL, 10) : -1;
}

static int64
all_signed(TomsVerification *run)
{
	int64		total = 0;

	if (SPI_execute("SELECT DISTINCT record, key, signature FROM toms.audit_pruning", true, RECORD_LIMIT) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_pruning");
	for (uint64 i = 0, n = SPI_processed; i < n; i++)
	{
		SPITupleTable *table = SPI_tuptable;
		int64		entries = signed_entries(run, table->vals[i], table->tupdesc);

		SPI_tuptable = table;
		if (entries < 0)
			toms_verify_report(run, (TomsFault) {.fault = "pruning_changed",.detail = "a record of a pruning does not bear the signature of this trail"});
		else
			total += entries;
	}
	return total;
}

void
toms_verify_prunings(TomsVerification *run)
{
	int64		told = all_signed(run);
	int64		pruned;
	bool		isnull;

	if (SPI_execute("SELECT coalesce(sum(size), 0)::bigint FROM toms.audit_pruned", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read toms.audit_pruned");
	pruned = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (pruned != told)
		toms_verify_report(run, (TomsFault) {.fault = "missing",
						   .detail = psprintf(INT64_FORMAT " entries stand as pruned, and the signed records of prunings tell of " INT64_FORMAT, pruned, told)});
}
