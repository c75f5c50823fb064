/*
 * drill.c - what a restore drill needs beside SQL: keys that open, and a signature.
 *
 * Called by drill.sql.  Neither makes a key: a drill leaves the keyring as it is.
 */
#include "rights/rights.h"

#include "base/compat.h"
#include "base/crypto.h"
#include "fmgr.h"
#include "keyring/keyring.h"
#include "mb/pg_wchar.h"
#include "seal/seal.h"
#include "utils/builtins.h"

#define HEAD "toms drill 1\n"

PG_FUNCTION_INFO_V1(toms_open_key);
PG_FUNCTION_INFO_V1(toms_sign_text);
PG_FUNCTION_INFO_V1(toms_is_signed);

Datum
toms_open_key(PG_FUNCTION_ARGS)
{
	const TomsDataKey *key = toms_data_key_find(PG_GETARG_INT64(0));

	PG_RETURN_BOOL(key != NULL && key->bytes != NULL);
}

/* What is signed begins so: nothing else that the key signs does. */
static char *
headed(text *words)
{
	char	   *with_head = psprintf("%s%s", HEAD, text_to_cstring(words));

	return pg_server_to_any(with_head, strlen(with_head), PG_UTF8);
}

Datum
toms_sign_text(PG_FUNCTION_ARGS)
{
	char	   *words = headed(PG_GETARG_TEXT_PP(0));
	bytea	   *signature = palloc(VARHDRSZ + TOMS_SIGNATURE_BYTES);
	const uint8 *seed = toms_keyring_seed("audit");

	if (seed == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the keyring has no key \"audit\" to sign with"),
						errhint("A drill needs the keyring that belongs to the backup.")));
	SET_VARSIZE(signature, VARHDRSZ + TOMS_SIGNATURE_BYTES);
	toms_crypto_sign((uint8 *) VARDATA(signature), words, strlen(words), seed);
	PG_RETURN_BYTEA_P(signature);
}

Datum
toms_is_signed(PG_FUNCTION_ARGS)
{
	char	   *words = headed(PG_GETARG_TEXT_PP(0));
	bytea	   *signature = PG_GETARG_BYTEA_PP(1);
	bytea	   *key = PG_GETARG_BYTEA_PP(2);

	PG_RETURN_BOOL(VARSIZE_ANY_EXHDR(signature) == TOMS_SIGNATURE_BYTES && VARSIZE_ANY_EXHDR(key) == TOMS_PUBLIC_KEY_BYTES &&
				   toms_crypto_verify((uint8 *) VARDATA_ANY(signature), words, strlen(words), (uint8 *) VARDATA_ANY(key)));
}
