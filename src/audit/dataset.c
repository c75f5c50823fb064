/*
 * dataset.c - which data this is, and the digests of its blocks.
 *
 * Called when blocks are closed, told of and verified.
 */
#include "audit/dataset.h"

#include "audit/outside.h"
#include "audit/outside_int.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "keyring/keyring.h"
#include "utils/fmgroids.h"
#include "utils/uuid.h"

bool
toms_dataset_get(uint8 dataset[16])
{
	bool		isnull;
	Datum		value;

	if (SPI_execute("SELECT id FROM toms.dataset", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.dataset");
	if (SPI_processed == 0)
		return false;
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		return false;
	memcpy(dataset, DatumGetUUIDP(value)->data, 16);
	return true;
}

static void
store(const uint8 dataset[16])
{
	pg_uuid_t	id;
	Datum		value;

	memcpy(id.data, dataset, sizeof(id.data));
	value = UUIDPGetDatum(&id);
	if (SPI_execute_with_args("INSERT INTO toms.dataset (id) VALUES ($1)", 1, (Oid[]) {UUIDOID}, &value, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not store toms.dataset");
}

/* A state of before the name was given has that of the log that tells of it, whose erasures would not be found again otherwise. */
static bool
find_told(uint8 dataset[16])
{
	char	   *problem;

	if (!toms_outside_configured())
		return false;
	problem = toms_outside_problem(false);
	if (problem)
		toms_outside_refuse(problem);
	return toms_outside_find(NULL, dataset);
}

void
toms_dataset_make(uint8 dataset[16])
{
	if (toms_dataset_get(dataset))
		return;
	if (!find_told(dataset))
		memcpy(dataset, DatumGetUUIDP(OidFunctionCall0(F_GEN_RANDOM_UUID))->data, 16);
	store(dataset);
}

bool
toms_block_digest(int64 number, uint8 digest[TOMS_HASH_BYTES])
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(number)};
	bool		found;

	if (SPI_execute_with_args("SELECT header FROM toms.audit_block WHERE number = $1 AND header IS NOT NULL", 1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read toms.audit_block");
	found = SPI_processed > 0;
	if (found)
	{
		bool		isnull;
		struct varlena *header = PG_DETOAST_DATUM_PACKED(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));

		toms_crypto_sha256(digest, VARDATA_ANY(header), VARSIZE_ANY_EXHDR(header));
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

bool
toms_audit_key(uint8 key[TOMS_PUBLIC_KEY_BYTES])
{
	const uint8 *seed = toms_keyring_configured() ? toms_keyring_seed("audit") : NULL;

	if (seed)
		toms_crypto_public_key(key, seed);
	return seed != NULL;
}
