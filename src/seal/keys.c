/*
 * keys.c - what rotation, destruction and adoption of data keys cannot do in SQL.
 *
 * Called by the functions of rotate.sql, destroy.sql and adopt.sql, which read and write
 * toms.data_key.  A key is never returned but wrapped.
 */
#include "seal/seal_int.h"

#include "access/xact.h"
#include "base/change.h"
#include "base/compat.h"
#include "base/debug_point.h"
#include "base/secret.h"
#include "keyring/keyring.h"
#include "policy/policy.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/uuid.h"

#define WRAPPED_BYTES (TOMS_KEY_BYTES + TOMS_WRAP_BYTES)

PG_FUNCTION_INFO_V1(toms_take_key_lock);
PG_FUNCTION_INFO_V1(toms_rewrap_key);
PG_FUNCTION_INFO_V1(toms_key_unwraps);
PG_FUNCTION_INFO_V1(toms_authenticate_export);
PG_FUNCTION_INFO_V1(toms_export_is_genuine);
PG_FUNCTION_INFO_V1(toms_subject_in);

/*
 * toms.take_key_lock(tenant, exclusive): until the transaction ends nobody destroys keys of the tenant
 * or, exclusive, makes any.  What is read afterwards must be what stands there by then.
 */
Datum
toms_take_key_lock(PG_FUNCTION_ARGS)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("keys cannot be changed in a transaction that reads an older state"),
				 errhint("BEGIN ISOLATION LEVEL READ COMMITTED;")));
	toms_data_key_lock(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_BOOL(1) ? ExclusiveLock : ShareLock);
	PG_RETURN_VOID();
}

static bytea *
to_bytea(const void *bytes, size_t length)
{
	bytea	   *value = palloc(VARHDRSZ + length);

	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
	return value;
}

static TomsBytes
bytes_of(const struct varlena *value)
{
	return (TomsBytes) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* The first six arguments are columns of a key: id, tenant, subject, month, epoch, wrapped. */
static bool
unwrap_arguments(FunctionCallInfo fcinfo, TomsDataKey *key, uint8 secret[TOMS_KEY_BYTES])
{
	TomsBytes	wrapped = bytes_of(PG_GETARG_BYTEA_PP(5));

	*key = (TomsDataKey) {.id = PG_GETARG_INT64(0),.tenant = text_to_cstring(PG_GETARG_TEXT_PP(1)),
		.subject = text_to_cstring(PG_GETARG_TEXT_PP(2)),.month = PG_GETARG_DATEADT(3)};
	return wrapped.length == WRAPPED_BYTES &&
		toms_keyring_unwrap(PG_GETARG_UUID_P(4), toms_data_key_binding(key), wrapped, secret);
}

/* toms.rewrap_key(id, tenant, subject, month, epoch, wrapped, new_epoch): wrapped under the new epoch */
Datum
toms_rewrap_key(PG_FUNCTION_ARGS)
{
	uint8		secret[TOMS_KEY_BYTES];
	uint8		rewrapped[WRAPPED_BYTES];
	TomsDataKey key;

	if (!unwrap_arguments(fcinfo, &key, secret))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("data key " INT64_FORMAT " is damaged", key.id)));
	toms_keyring_wrap(PG_GETARG_UUID_P(6), toms_data_key_binding(&key), (TomsBytes) {secret, sizeof(secret)}, rewrapped);
	toms_secret_wipe(secret, sizeof(secret));
	TOMS_DEBUG_POINT("rotation-before-commit");
	PG_RETURN_BYTEA_P(to_bytea(rewrapped, sizeof(rewrapped)));
}

/* toms.key_unwraps(id, tenant, subject, month, epoch, wrapped) */
Datum
toms_key_unwraps(PG_FUNCTION_ARGS)
{
	uint8		secret[TOMS_KEY_BYTES];
	TomsDataKey key;
	bool		unwraps = unwrap_arguments(fcinfo, &key, secret);

	toms_secret_wipe(secret, sizeof(secret));
	PG_RETURN_BOOL(unwraps);
}

/* The text that is authenticated, apart from all else that is wrapped under the epoch. */
static TomsBytes
export_data(const text *export)
{
	char	   *data = psprintf("toms export %s", text_to_cstring(export));

	return (TomsBytes) {data, strlen(data)};
}

/* toms.authenticate_export(epoch, export): what only a holder of the epoch's key can make of the text */
Datum
toms_authenticate_export(PG_FUNCTION_ARGS)
{
	uint8		proof[TOMS_WRAP_BYTES];

	toms_keyring_wrap(PG_GETARG_UUID_P(0), export_data(PG_GETARG_TEXT_PP(1)), (TomsBytes) {"", 0}, proof);
	PG_RETURN_BYTEA_P(to_bytea(proof, sizeof(proof)));
}

/* toms.export_is_genuine(epoch, export, proof) */
Datum
toms_export_is_genuine(PG_FUNCTION_ARGS)
{
	TomsBytes	proof = bytes_of(PG_GETARG_BYTEA_PP(2));
	uint8		nothing[1];

	PG_RETURN_BOOL(proof.length == TOMS_WRAP_BYTES &&
				   toms_keyring_unwrap(PG_GETARG_UUID_P(0), export_data(PG_GETARG_TEXT_PP(1)), proof, nothing));
}

/*
 * toms.subject_in(relation, tenant, subject): the data subject as the table's subject column writes
 * it, through its alias if it has one.  NULL: there is no such person.  What policy keeps of the
 * context's own subject must not be taken for another's, so it is dropped before and after.
 */
Datum
toms_subject_in(PG_FUNCTION_ARGS)
{
	TomsContext person = {.tenant = text_to_cstring(PG_GETARG_TEXT_PP(1)),.subject = text_to_cstring(PG_GETARG_TEXT_PP(2))};
	TomsRelation *relation = toms_catalog_relation(PG_GETARG_OID(0));
	Oid			type = relation ? relation->subject_type : InvalidOid;
	bool		has_alias = relation && relation->alias.id != 0;
	char		text[TOMS_IDENTIFIER_BYTES];
	Datum		subject;
	bool		found = false;

	toms_note_change();
	if (OidIsValid(type))
		found = toms_alias_subject(relation, &person, type, &subject) && toms_identifier_text(type, subject, text);
	toms_note_change();
	if (found)
		PG_RETURN_TEXT_P(cstring_to_text(text));
	if (has_alias)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(2));
}
