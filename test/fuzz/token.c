/*
 * token.c - libFuzzer's harness of what comes as JSON: tokens, the key set, lines of the log outside.
 *
 * Built and run by "make fuzz".  Of an input the first byte chooses what is tried, the digits
 * '0' to '5', so that the corpus is readable.  The keys of src/context/jwks.c are set by hand,
 * which is why it is part of this file.
 */
#include "server.h"

#include "../../src/context/jwks.c"

#include "audit/outside.h"
#include "audit/outside_int.h"

static const uint8 seed[TOMS_SEED_BYTES] = "a seed of thirty-two bytes......";
static KeySet keys;

/* What token.c asks of others */

TomsVerdict
toms_settings_check_claims(const TomsClaims *claims)
{
	return TOMS_VERDICT_OK;
}

const char *
toms_settings_audience(void)
{
	return "toms";
}

const char *
toms_settings_jwks_file(void)
{
	return "";
}

bool
toms_keyring_configured(void)
{
	return true;
}

const uint8 *
toms_keyring_seed(const char *name)
{
	return seed;
}

bool
toms_verified_find(const uint8 digest[TOMS_DIGEST_BYTES], const char **kid, uint8 key[TOMS_PUBLIC_KEY_BYTES], TomsClaims *claims)
{
	return false;
}

void
toms_verified_add(const uint8 digest[TOMS_DIGEST_BYTES], const char *kid, const uint8 key[TOMS_PUBLIC_KEY_BYTES], const TomsClaims *claims)
{
}

/* Nobody else is there. */
LWLockPadded *
GetNamedLWLockTranche(const char *name)
{
	static LWLockPadded locks[TOMS_LOCK_COUNT];

	return locks;
}

bool
LWLockAcquire(LWLock *lock, LWLockMode mode)
{
	return true;
}

void
LWLockRelease(LWLock *lock)
{
}

/* Inputs */

static char *
text_of(const uint8 *bytes, size_t length)
{
	char	   *text = palloc(length + 1);

	memcpy(text, bytes, length);
	text[length] = '\0';
	return text;
}

/* An accepted token says who asks, within bounds, and the same to a parallel worker. */
static bool
accepts(const char *token)
{
	TomsClaims	claims;
	TomsClaims	again;

	if (toms_token_read(token, false, &claims).reason != TOMS_OK)
		return false;
	REQUIRE(claims.tenant[0] && claims.subject[0] && claims.actor[0] && claims.role[0] && claims.has_exp);
	REQUIRE(claims.npurposes > 0 && claims.npurposes <= TOMS_MAX_PURPOSES && claims.exp >= 0);
	REQUIRE(strlen(claims.role) < NAMEDATALEN && strlen(claims.tenant) <= 200 && strlen(claims.subject) <= 200);
	REQUIRE(toms_token_read(token, true, &again).reason == TOMS_OK);
	REQUIRE(memcmp(claims.principal, again.principal, TOMS_PRINCIPAL_BYTES) == 0);
	return true;
}

/* As the application's back end would sign it: header, a line feed, payload. */
static char *
sign(const uint8 *bytes, size_t length)
{
	const uint8 *feed = memchr(bytes, '\n', length);
	const uint8 *payload = feed ? feed + 1 : bytes + length;
	char	   *signed_part = psprintf("%s.%s", toms_base64url_encode(bytes, (feed ? feed : payload) - bytes),
									   toms_base64url_encode(payload, bytes + length - payload));
	uint8		signature[TOMS_SIGNATURE_BYTES];

	toms_crypto_sign(signature, signed_part, strlen(signed_part), seed);
	return psprintf("%s.%s", signed_part, toms_base64url_encode(signature, sizeof(signature)));
}

/* Of an accepted token no character can be another one. */
static void
try_changed(const uint8 *bytes, size_t length)
{
	char	   *token = sign(bytes + 3, length - 3);
	char	   *at = token + (bytes[0] | bytes[1] << 8) % strlen(token);

	if (!accepts(token) || bytes[2] == (uint8) *at)
		return;
	*at = (char) bytes[2];
	REQUIRE(!accepts(token));
}

/* What is taken are keys of 32 bytes with different names. */
static void
try_key_set(const uint8 *bytes, size_t length)
{
	SetWalk    *walk = palloc0(sizeof(SetWalk));

	walk->set = palloc0(sizeof(KeySet));
	if (toms_json_walk(text_of(bytes, length), length, visit_set, walk) != NULL || walk->problem)
		return;
	REQUIRE(walk->set->nkeys >= 0 && walk->set->nkeys <= MAX_KEYS);
	for (int i = 0; i < walk->set->nkeys; i++)
	{
		REQUIRE(walk->set->keys[i].kid[0] && strlen(walk->set->keys[i].kid) < sizeof(walk->set->keys[i].kid));
		for (int j = 0; j < i; j++)
			REQUIRE(strcmp(walk->set->keys[i].kid, walk->set->keys[j].kid) != 0);
	}
}

static void
try_line(const uint8 *bytes, size_t length)
{
	TomsOutsideLine line;

	toms_outside_parse(text_of(bytes, length), length, &line);
	if (line.whole)
		REQUIRE(line.n > 0 && line.type && line.dataset && line.signed_length < length);
	(void) toms_outside_signed(&line);
}

/* There is one text of some bytes. */
static void
try_base64url(const uint8 *bytes, size_t length)
{
	uint8	   *decoded = palloc(length + 1);
	size_t		written;

	if (toms_base64url_decode((const char *) bytes, length, decoded, length, &written))
	{
		const char *again = toms_base64url_encode(decoded, written);

		REQUIRE(strlen(again) == length && memcmp(again, bytes, length) == 0);
	}
}

static void
attempt(const uint8 *input, size_t length)
{
	const uint8 *rest = input + 1;

	looked_at = time(NULL);
	switch (input[0] % 8)
	{
		case 0:
			(void) accepts(text_of(rest, length - 1));
			break;
		case 1:
			(void) accepts(sign(rest, length - 1));
			break;
		case 2:
			try_key_set(rest, length - 1);
			break;
		case 3:
			try_line(rest, length - 1);
			break;
		case 4:
			try_base64url(rest, length - 1);
			break;
		default:
			if (length > 4)
				try_changed(rest, length - 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *input, size_t length)
{
	static bool started = false;

	if (!started)
	{
		toms_crypto_init();
		strcpy(keys.keys[0].kid, "app");
		toms_crypto_public_key(keys.keys[0].bytes, seed);
		keys.nkeys = 1;
		take_stamp("", &keys.stamp, NULL);
		shared = &keys;
	}
	started = true;
	if (length > 0)
		run(attempt, input, length);
	return 0;
}
