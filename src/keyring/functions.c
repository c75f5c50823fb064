/*
 * functions.c - what keyring.sql calls: making and destroying the keys of epochs, and telling
 * what is wrong with a keyring.
 *
 * None of these functions returns a key.
 */
#include "keyring/keyring_int.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/secret.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(toms_keyring_is_configured);
PG_FUNCTION_INFO_V1(toms_create_epoch_key);
PG_FUNCTION_INFO_V1(toms_destroy_epoch_key);
PG_FUNCTION_INFO_V1(toms_keyring_fault);
PG_FUNCTION_INFO_V1(toms_epoch_fault);
PG_FUNCTION_INFO_V1(toms_current_epoch);
PG_FUNCTION_INFO_V1(toms_try_epoch);

Datum
toms_keyring_is_configured(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(toms_keyring_configured());
}

/* toms.create_epoch_key(epoch): the fingerprint of what the keyring gives back afterwards. */
Datum
toms_create_epoch_key(PG_FUNCTION_ARGS)
{
	char	   *name = toms_epoch_key_name(PG_GETARG_UUID_P(0));
	bytea	   *fingerprint = palloc(VARHDRSZ + TOMS_FINGERPRINT_BYTES);
	const uint8 *key;
	char	   *problem;

	toms_key_create_epoch(name);
	key = toms_key_read(name, TOMS_KEY_EPOCH, &problem);
	if (key == NULL)
		toms_keyring_refuse(problem ? problem : psprintf("The keyring does not hold \"%s\", which it has just been given.", name));
	SET_VARSIZE(fingerprint, VARHDRSZ + TOMS_FINGERPRINT_BYTES);
	toms_epoch_fingerprint((uint8 *) VARDATA(fingerprint), key);
	PG_RETURN_BYTEA_P(fingerprint);
}

Datum
toms_destroy_epoch_key(PG_FUNCTION_ARGS)
{
	if (toms_keyring_is_foreign && toms_keyring_is_foreign())
		toms_keyring_refuse("This node is not one of those that work with this data: it destroys no keys.");
	toms_epoch_destroy_at_commit(PG_GETARG_UUID_P(0));
	PG_RETURN_VOID();
}

/* toms.keyring_fault(writing): NULL where there is none. */
Datum
toms_keyring_fault(PG_FUNCTION_ARGS)
{
	char	   *problem = toms_keyring_problem(PG_GETARG_BOOL(0));

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

/*
 * toms.epoch_fault(epoch, fingerprint, OUT held, OUT exchanged, OUT problem): whether this server
 * holds the key, or another one in its place; neither and no problem is "there is none".
 */
Datum
toms_epoch_fault(PG_FUNCTION_ARGS)
{
	bytea	   *fingerprint = PG_GETARG_BYTEA_PP(1);
	uint8		found[TOMS_FINGERPRINT_BYTES];
	Datum		values[3] = {BoolGetDatum(false), BoolGetDatum(false), (Datum) 0};
	bool		nulls[3] = {false, false, true};
	char	   *problem;
	const uint8 *key = toms_key_read(toms_epoch_key_name(PG_GETARG_UUID_P(0)), TOMS_KEY_EPOCH, &problem);
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (key)
	{
		bool		same;

		toms_epoch_fingerprint(found, key);
		same = VARSIZE_ANY_EXHDR(fingerprint) == TOMS_FINGERPRINT_BYTES &&
			memcmp(found, VARDATA_ANY(fingerprint), TOMS_FINGERPRINT_BYTES) == 0;
		values[0] = BoolGetDatum(same);
		values[1] = BoolGetDatum(!same);
		problem = same ? NULL : "the keyring holds another key under its name";
	}
	if (problem)
	{
		values[2] = CStringGetTextDatum(problem);
		nulls[2] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

Datum
toms_current_epoch(PG_FUNCTION_ARGS)
{
	TomsEpoch	epoch = toms_keyring_current_epoch(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	*id = epoch.id;
	PG_RETURN_UUID_P(id);
}

/*
 * toms.try_epoch(epoch): wraps a secret of its own.  True if it comes back, and does not where
 * anything was altered.
 */
Datum
toms_try_epoch(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *epoch = PG_GETARG_UUID_P(0);
	uint8		wrapped[TOMS_KEY_BYTES + TOMS_WRAP_BYTES];
	uint8	   *secret = toms_secret_alloc(CurrentMemoryContext, TOMS_KEY_BYTES);
	uint8	   *opened = toms_secret_alloc(CurrentMemoryContext, TOMS_KEY_BYTES);
	TomsBytes	data = {epoch->data, UUID_LEN};
	TomsBytes	less_data = {epoch->data, UUID_LEN - 1};
	TomsBytes	whole = {wrapped, sizeof(wrapped)};
	TomsBytes	cut = {wrapped, TOMS_WRAP_BYTES - 1};
	bool		good;

	toms_crypto_random(secret, TOMS_KEY_BYTES);
	toms_keyring_wrap(epoch, data, (TomsBytes) {secret, TOMS_KEY_BYTES}, wrapped);
	good = toms_keyring_unwrap(epoch, data, whole, opened) &&
		memcmp(opened, secret, TOMS_KEY_BYTES) == 0 &&
		!toms_keyring_unwrap(epoch, less_data, whole, opened) &&
		!toms_keyring_unwrap(epoch, data, cut, opened);
	for (size_t i = 0; i < sizeof(wrapped) && good; i++)
	{
		wrapped[i] ^= 1;
		good = !toms_keyring_unwrap(epoch, data, whole, opened);
		wrapped[i] ^= 1;
	}
	PG_RETURN_BOOL(good);
}
