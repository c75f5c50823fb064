/*
 * blind.c - toms.blind_index(): a key to find a value by that does not tell what it is.
 *
 * Keyed BLAKE2b-256 of domain and value, under the tenant's own key, which is random, lies wrapped
 * in toms.data_key and is never derived from an epoch: it survives the rotation of epochs, and
 * with it the last of the tenant's, it is gone.  Whoever may call this for a value learns
 * whether a row has it: of few possible values, all of them.
 */
#include "seal/seal_int.h"

#include "base/compat.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(toms_blind_index);
PG_FUNCTION_INFO_V1(toms_refuse_blind_index);

const char *
toms_seal_tenant_in_force(void)
{
	TomsReason	reason = toms_context_check();

	if (reason != TOMS_OK)
	{
		TomsRefusal refusal = {.reason = reason,.detail = toms_context_detail(reason),.hint = toms_context_hint(reason)};

		toms_refuse(&refusal);
	}
	return pstrdup(toms_context_get()->tenant);
}

/* toms.blind_index(value, domain) */
Datum
toms_blind_index(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	text	   *domain = PG_GETARG_TEXT_PP(1);
	uint32		domain_length = VARSIZE_ANY_EXHDR(domain);
	uint32		value_length = VARSIZE_ANY_EXHDR(value);
	uint32		prefix = pg_hton32(domain_length);
	const TomsDataKey *key = toms_data_key_of_tenant(toms_seal_tenant_in_force());
	uint8	   *message = palloc(sizeof(prefix) + domain_length + value_length);
	bytea	   *index = palloc(VARHDRSZ + TOMS_DIGEST_BYTES);

	if (domain_length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a domain must be named"),
				 errhint("Values of two columns are found by each other only if their domain is the same.")));
	memcpy(message, &prefix, sizeof(prefix));
	memcpy(message + sizeof(prefix), VARDATA_ANY(domain), domain_length);
	memcpy(message + sizeof(prefix) + domain_length, VARDATA_ANY(value), value_length);
	SET_VARSIZE(index, VARHDRSZ + TOMS_DIGEST_BYTES);
	toms_crypto_digest((uint8 *) VARDATA(index), message, sizeof(prefix) + domain_length + value_length, key->bytes, TOMS_KEY_BYTES);
	PG_RETURN_BYTEA_P(index);
}

/* For types that have few values. */
Datum
toms_refuse_blind_index(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a value of this type cannot be indexed blindly"),
			 errdetail("It has so few values that whoever may search for one can try them all."),
			 errhint("Search by the columns in clear text, and toms.reveal() what is found.")));
}
