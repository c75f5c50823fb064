/*
 * token.c - verifies a compact JWS (RFC 7515) signed with Ed25519 (RFC 8037).
 *
 * Called by the check hook of toms.token only.  Order: form, header, key, signature, then
 * the payload: nothing a forger wrote is parsed as claims.  Needs no catalog.  A token
 * that any backend of this server has verified is neither verified nor read again while its
 * key is the same; but one of toms.enter() is, which is made and set once.
 */
#include "context/context_int.h"

#include "keyring/keyring.h"

typedef struct Segment
{
	const char *text;
	size_t		length;
} Segment;

static bool
split_token(const char *token, Segment segments[3])
{
	for (int i = 0; i < 3; i++)
	{
		const char *end = i < 2 ? strchr(token, '.') : token + strlen(token);

		if (end == NULL || end == token)
			return false;
		segments[i].text = token;
		segments[i].length = end - token;
		token = end + 1;
	}
	return memchr(segments[2].text, '.', segments[2].length) == NULL;
}

static TomsVerdict
find_key(const char *kid, uint8 key[TOMS_PUBLIC_KEY_BYTES])
{
	if (kid && strcmp(kid, TOMS_ENTER_KID) == 0)
	{
		const uint8 *seed = toms_keyring_configured() ? toms_keyring_seed(TOMS_ENTER_KEY) : NULL;

		if (seed == NULL)
			return TOMS_VERDICT(TOMS_TOKEN_UNKNOWN_KEY, "The keyring holds no key for toms.enter().",
								"SELECT toms.allow_enter(…) makes it.");
		toms_crypto_public_key(key, seed);
		return TOMS_VERDICT_OK;
	}
	switch (toms_jwks_find(kid, key))
	{
		case TOMS_KEY_FOUND:
			return TOMS_VERDICT_OK;
		case TOMS_KEY_NOT_FOUND:
			return TOMS_VERDICT(TOMS_TOKEN_UNKNOWN_KEY, "No key of toms.jwks_file has the token's \"kid\".", NULL);
		case TOMS_KEY_AMBIGUOUS:
			return TOMS_VERDICT(TOMS_TOKEN_UNKNOWN_KEY, "The token has no \"kid\" and toms.jwks_file holds several keys.", NULL);
		default:
			return TOMS_VERDICT(TOMS_NO_KEYS, "toms.jwks_file gives no key.",
								"Make one with \"toms-keys new --jwks FILE --private KEY\", then ALTER SYSTEM SET toms.jwks_file = 'FILE'; SELECT pg_reload_conf();");
	}
}

static TomsVerdict
verify(const char *token, const Segment segments[3], const uint8 key[TOMS_PUBLIC_KEY_BYTES])
{
	size_t		signed_length = segments[2].text - token - 1;
	uint8		signature[TOMS_SIGNATURE_BYTES];
	size_t		written;

	if (!toms_base64url_decode(segments[2].text, segments[2].length, signature, sizeof(signature), &written) ||
		written != sizeof(signature))
		return TOMS_VERDICT(TOMS_TOKEN_MALFORMED, "Its signature is not 64 bytes of base64url.", NULL);
	if (!toms_crypto_verify(signature, token, signed_length, key))
		return TOMS_VERDICT(TOMS_TOKEN_FORGED, NULL, NULL);
	return TOMS_VERDICT_OK;
}

static TomsVerdict
check_header(const char *token, const Segment segments[3], TomsHeader *header, uint8 key[TOMS_PUBLIC_KEY_BYTES])
{
	uint8	   *json = palloc(TOMS_TOKEN_BYTES);
	TomsVerdict verdict;
	size_t		length;

	if (!toms_base64url_decode(segments[0].text, segments[0].length, json, TOMS_TOKEN_BYTES, &length))
		return TOMS_VERDICT(TOMS_TOKEN_MALFORMED, "Its header is not base64url.", NULL);
	verdict = toms_header_read((char *) json, length, header);
	if (verdict.reason == TOMS_OK)
		verdict = find_key(header->has_kid ? header->kid : NULL, key);
	if (verdict.reason == TOMS_OK)
		verdict = verify(token, segments, key);
	return verdict;
}

static TomsVerdict
read_payload(const Segment *payload, TomsClaims *claims)
{
	uint8	   *json = palloc(TOMS_TOKEN_BYTES);
	size_t		length;

	if (!toms_base64url_decode(payload->text, payload->length, json, TOMS_TOKEN_BYTES, &length))
		return TOMS_VERDICT(TOMS_TOKEN_MALFORMED, "Its payload is not base64url.", NULL);
	return toms_claims_read((char *) json, length, claims);
}

static TomsVerdict
check_form(const char *token, Segment segments[3])
{
	if (strlen(token) > TOMS_TOKEN_BYTES)
		return TOMS_VERDICT(TOMS_TOKEN_TOO_LARGE, psprintf("At most %d bytes are accepted.", TOMS_TOKEN_BYTES), NULL);
	if (!split_token(token, segments))
		return TOMS_VERDICT(TOMS_TOKEN_MALFORMED, "It does not consist of three parts.",
							"A token is a JWS in compact form: header.payload.signature.");
	return TOMS_VERDICT_OK;
}

/* Its claims were read before, and its key still is the one that verified it. */
static bool
is_known(const uint8 digest[TOMS_DIGEST_BYTES], TomsClaims *claims)
{
	const char *kid;
	uint8		then[TOMS_PUBLIC_KEY_BYTES];
	uint8		now[TOMS_PUBLIC_KEY_BYTES];

	return toms_verified_find(digest, &kid, then, claims) && find_key(kid, now).reason == TOMS_OK &&
		memcmp(then, now, TOMS_PUBLIC_KEY_BYTES) == 0;
}

static TomsVerdict
read_anew(const char *token, const Segment segments[3], const uint8 digest[TOMS_DIGEST_BYTES], TomsClaims *claims)
{
	TomsHeader	header;
	uint8		key[TOMS_PUBLIC_KEY_BYTES];
	TomsVerdict verdict = check_header(token, segments, &header, key);

	if (verdict.reason == TOMS_OK)
		verdict = read_payload(&segments[1], claims);
	if (verdict.reason == TOMS_OK && strcmp(header.kid, TOMS_ENTER_KID) != 0)
		toms_verified_add(digest, header.has_kid ? header.kid : NULL, key, claims);
	return verdict;
}

/* A token of a leader is trusted: it has been verified there. */
TomsVerdict
toms_token_read(const char *token, bool trusted, TomsClaims *claims)
{
	Segment		segments[3];
	uint8		digest[TOMS_DIGEST_BYTES];
	TomsVerdict verdict = check_form(token, segments);

	if (verdict.reason != TOMS_OK)
		return verdict;
	if (trusted)
		return read_payload(&segments[1], claims);
	toms_crypto_digest(digest, token, strlen(token), NULL, 0);
	if (!is_known(digest, claims))
		verdict = read_anew(token, segments, digest, claims);
	if (verdict.reason == TOMS_OK)
		verdict = toms_settings_check_claims(claims);
	return verdict;
}
