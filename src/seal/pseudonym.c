/*
 * pseudonym.c - toms.pseudonym(): another name for a data subject in each domain.
 *
 * Called by applications, and by toms.resolve_pseudonym(), which tries the subjects of a table:
 * no list of pseudonyms is kept.  The first half of a keyed BLAKE2b-256 under the tenant's own key,
 * which survives the rotation of epochs and is gone with the last of them.  What is hashed
 * begins with a length that no domain of a blind index can have, so neither is ever the other.
 */
#include "seal/seal_int.h"

#include "base/compat.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(toms_pseudonym);
PG_FUNCTION_INFO_V1(toms_pseudonym_in);

#define NO_LENGTH 0xFFFFFFFF
#define PSEUDONYM_BYTES 16

static void
check_named(const text *part, const char *what)
{
	if (VARSIZE_ANY_EXHDR(part) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a %s must be named", what),
				 errhint("toms.pseudonym('17', domain => 'payroll_export')")));
}

static Datum
pseudonym_of(const char *tenant, const text *value, const text *domain)
{
	StringInfoData message;
	uint8		digest[TOMS_DIGEST_BYTES];
	char	   *hex = palloc(2 * PSEUDONYM_BYTES + 1);
	const TomsDataKey *key;

	check_named(value, "value");
	check_named(domain, "domain");
	initStringInfo(&message);
	pq_sendint32(&message, NO_LENGTH);
	pq_sendint32(&message, VARSIZE_ANY_EXHDR(domain));
	appendBinaryStringInfo(&message, VARDATA_ANY(domain), VARSIZE_ANY_EXHDR(domain));
	appendBinaryStringInfo(&message, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	key = toms_data_key_of_tenant(tenant);
	toms_crypto_digest(digest, message.data, message.len, key->bytes, TOMS_KEY_BYTES);
	hex_encode((const char *) digest, PSEUDONYM_BYTES, hex);
	hex[2 * PSEUDONYM_BYTES] = '\0';
	return CStringGetTextDatum(hex);
}

/* toms.pseudonym(value, domain) */
Datum
toms_pseudonym(PG_FUNCTION_ARGS)
{
	return pseudonym_of(toms_seal_tenant_in_force(), PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1));
}

/* toms.pseudonym_in(tenant, value, domain) */
Datum
toms_pseudonym_in(PG_FUNCTION_ARGS)
{
	return pseudonym_of(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_TEXT_PP(1), PG_GETARG_TEXT_PP(2));
}
