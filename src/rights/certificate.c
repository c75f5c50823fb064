/*
 * certificate.c - what a certificate of an erasure rests on: the entry of the trail that tells of it, and its signature.
 *
 * Called by SQL of this slice.  A certificate is signed as exact bytes, in UTF-8, with the key that signs the trail; it
 * ends with that key and the signature, each of a fixed length, so that no byte of it can be another.
 */
#include "rights/rights.h"

#include "audit/audit.h"
#include "base/compat.h"
#include "base/crypto.h"
#include "fmgr.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(toms_record_erasure);
PG_FUNCTION_INFO_V1(toms_sign_certificate);
PG_FUNCTION_INFO_V1(toms_certificate_key);

#define KEY_CHARS 43			/* in base64url */
#define SIGNATURE_CHARS 86

static const char before_key[] = ",\"key\":\"";
static const char before_signature[] = "\",\"signature\":\"";
static const char end[] = "\"}";

/* toms.record_erasure(tenant, details): the number of the entry */
Datum
toms_record_erasure(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(toms_audit_erasure(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

static char *
to_utf8(const char *text)
{
	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

/* toms.sign_certificate(body): JSON whose last brace is left out, and gets a key, a signature and that brace. */
Datum
toms_sign_certificate(PG_FUNCTION_ARGS)
{
	char	   *body = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const uint8 *seed;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	uint8		signature[TOMS_SIGNATURE_BYTES];
	char	   *bytes;

	toms_keyring_create("audit");
	seed = toms_keyring_seed("audit");
	toms_crypto_public_key(key, seed);
	body = psprintf("%s%s%s\"", body, before_key, toms_base64url_encode(key, sizeof(key)));
	bytes = to_utf8(body);
	toms_crypto_sign(signature, bytes, strlen(bytes), seed);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s%s%s%s", body, before_signature + 1, toms_base64url_encode(signature, sizeof(signature)), end)));
}

static bool
take(const char **at, const char *expected)
{
	size_t		length = strlen(expected);

	if (strncmp(*at, expected, length) != 0)
		return false;
	*at += length;
	return true;
}

static bool
decode(const char **at, size_t chars, uint8 *bytes, size_t size)
{
	size_t		written;
	const char *from = *at;

	*at += chars;
	return toms_base64url_decode(from, chars, bytes, size, &written) && written == size;
}

/* toms.certificate_key(certificate): the key under which the signature is that of what is before it; NULL: none. */
Datum
toms_certificate_key(PG_FUNCTION_ARGS)
{
	const size_t tail = strlen(before_key) + KEY_CHARS + strlen(before_signature) + SIGNATURE_CHARS + strlen(end);
	const size_t unsigned_tail = strlen(before_signature) - 1 + SIGNATURE_CHARS + strlen(end);
	char	   *bytes = to_utf8(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	size_t		length = strlen(bytes);
	const char *at = bytes + length - tail;
	uint8		signature[TOMS_SIGNATURE_BYTES];
	bytea	   *key = palloc(VARHDRSZ + TOMS_PUBLIC_KEY_BYTES);

	SET_VARSIZE(key, VARHDRSZ + TOMS_PUBLIC_KEY_BYTES);
	if (length < tail || !take(&at, before_key) || !decode(&at, KEY_CHARS, (uint8 *) VARDATA(key), TOMS_PUBLIC_KEY_BYTES) ||
		!take(&at, before_signature) || !decode(&at, SIGNATURE_CHARS, signature, sizeof(signature)) || !take(&at, end) ||
		!toms_crypto_verify(signature, bytes, length - unsigned_tail, (uint8 *) VARDATA(key)))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(key);
}
