/*
 * sample.c - one stored value of each key epoch, as it is stored, and whether it opens.
 *
 * Called by toms.restore_drill().  A table is read up to where each epoch asked for has been met, and no further than a
 * limit.  Only ciphertext gets out, never a plain value.
 */
#include "seal/seal_int.h"

#include "funcapi.h"
#include "nodes/bitmapset.h"
#include "seal/stored.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/tuplestore.h"

typedef struct KeyEpoch
{
	int64		key;
	int			epoch;			/* a number that the caller knows it by */
} KeyEpoch;

typedef struct Sample
{
	HTAB	   *keys;
	Bitmapset  *missing;		/* epochs of which no value was met */
	int64		rows_left;
	ItemPointerData row;		/* the last one that was counted */
	ReturnSetInfo *result;
} Sample;

PG_FUNCTION_INFO_V1(toms_sample_sealed);
PG_FUNCTION_INFO_V1(toms_sealed_opens);

static void
add_keys(Sample *sample, ArrayType *keys, ArrayType *epochs)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(KeyEpoch),.hcxt = CurrentMemoryContext};
	int			count = ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys));
	const int64 *key = (const int64 *) ARR_DATA_PTR(keys);
	const int32 *epoch = (const int32 *) ARR_DATA_PTR(epochs);

	if (ARR_HASNULL(keys) || ARR_HASNULL(epochs) || count != ArrayGetNItems(ARR_NDIM(epochs), ARR_DIMS(epochs)))
		elog(ERROR, "each key is of one epoch");
	sample->keys = hash_create("toms sampled keys", Max(count, 16), &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < count; i++)
	{
		KeyEpoch   *entry = hash_search(sample->keys, &key[i], HASH_ENTER, NULL);

		entry->epoch = epoch[i];
		sample->missing = bms_add_member(sample->missing, epoch[i]);
	}
}

static bool
counts_row(Sample *sample, const TomsStored *stored)
{
	if (ItemPointerEquals(&sample->row, &stored->row->tts_tid))
		return true;
	sample->row = stored->row->tts_tid;
	return sample->rows_left-- > 0;
}

static bool
take_first(const TomsStored *stored, void *arg)
{
	Sample	   *sample = arg;
	int64		id = toms_data_key_of_value(stored->value);
	KeyEpoch   *entry = hash_search(sample->keys, &id, HASH_FIND, NULL);
	Datum		values[2];
	bool		nulls[2] = {false};

	if (!counts_row(sample, stored))
		return false;
	if (entry == NULL || !bms_is_member(entry->epoch, sample->missing))
		return true;
	values[0] = Int32GetDatum(entry->epoch);
	values[1] = PointerGetDatum(PG_DETOAST_DATUM(stored->value));
	tuplestore_putvalues(sample->result->setResult, sample->result->setDesc, values, nulls);
	sample->missing = bms_del_member(sample->missing, entry->epoch);
	return !bms_is_empty(sample->missing);
}

/* toms.sample_sealed(part, keys, epochs, row_limit): the first value of each epoch, as it is stored. */
Datum
toms_sample_sealed(PG_FUNCTION_ARGS)
{
	Sample		sample = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.rows_left = PG_GETARG_INT64(3)};

	InitMaterializedSRF(fcinfo, 0);
	ItemPointerSetInvalid(&sample.row);
	add_keys(&sample, PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_ARRAYTYPE_P(2));
	if (!bms_is_empty(sample.missing))
		toms_stored_scan(PG_GETARG_OID(0), take_first, &sample);
	return (Datum) 0;
}

/* toms.sealed_opens(value): an error if the key of its epoch is not at hand. */
Datum
toms_sealed_opens(PG_FUNCTION_ARGS)
{
	TomsEnvelope envelope;
	const TomsDataKey *key;

	if (!toms_envelope_read(PG_GETARG_BYTEA_PP(0), &envelope))
		PG_RETURN_BOOL(false);
	key = toms_data_key_find(envelope.key_id);
	PG_RETURN_BOOL(key != NULL && key->bytes != NULL && toms_envelope_opens(&envelope, key->bytes));
}
