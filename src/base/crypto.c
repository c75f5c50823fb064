/*
 * crypto.c - the only file, with secret.c, that calls libsodium.
 *
 * Called by context (tokens), keyring and seal.  Nothing here allocates but the encoder, and
 * passwords for the time of the call.
 */
#include "base/crypto.h"
#include "base/secret.h"

#include <sodium.h>

StaticAssertDecl(TOMS_PASSWORD_HASH_SIZE == crypto_pwhash_argon2id_STRBYTES, "size of a password's hash");

void
toms_crypto_init(void)
{
	if (sodium_init() < 0)
		ereport(FATAL,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("libsodium could not be initialized")));
}

bool
toms_crypto_verify(const uint8 signature[TOMS_SIGNATURE_BYTES],
				   const void *message, size_t length,
				   const uint8 key[TOMS_PUBLIC_KEY_BYTES])
{
	return crypto_sign_verify_detached(signature, message, length, key) == 0;
}

void
toms_crypto_sign(uint8 signature[TOMS_SIGNATURE_BYTES],
				 const void *message, size_t length,
				 const uint8 seed[TOMS_SEED_BYTES])
{
	uint8		public_key[crypto_sign_PUBLICKEYBYTES];
	uint8	   *secret_key = toms_secret_alloc(CurrentMemoryContext, crypto_sign_SECRETKEYBYTES);

	crypto_sign_seed_keypair(public_key, secret_key, seed);
	crypto_sign_detached(signature, NULL, message, length, secret_key);
	sodium_memzero(secret_key, crypto_sign_SECRETKEYBYTES);
}

void
toms_crypto_public_key(uint8 key[TOMS_PUBLIC_KEY_BYTES], const uint8 seed[TOMS_SEED_BYTES])
{
	uint8	   *secret_key = toms_secret_alloc(CurrentMemoryContext, crypto_sign_SECRETKEYBYTES);

	crypto_sign_seed_keypair(key, secret_key, seed);
	sodium_memzero(secret_key, crypto_sign_SECRETKEYBYTES);
}

void
toms_crypto_digest(uint8 digest[TOMS_DIGEST_BYTES], const void *message, size_t length,
				   const uint8 *key, size_t key_length)
{
	crypto_generichash(digest, TOMS_DIGEST_BYTES, message, length, key, key_length);
}

void
toms_crypto_sha256(uint8 digest[32], const void *message, size_t length)
{
	crypto_hash_sha256(digest, message, length);
}

void
toms_crypto_short_hash(uint8 hash[16], const void *message, size_t length, const uint8 key[16])
{
	crypto_shorthash_siphashx24(hash, message, length, key);
}

void
toms_crypto_random(void *bytes, size_t length)
{
	randombytes_buf(bytes, length);
}

void
toms_crypto_random_many(void *bytes, size_t length)
{
	uint8		seed[randombytes_SEEDBYTES];

	randombytes_buf(seed, sizeof(seed));
	randombytes_buf_deterministic(bytes, length, seed);
	sodium_memzero(seed, sizeof(seed));
}

void
toms_crypto_seal(uint8 *sealed, TomsBytes plain, TomsBytes data,
				 const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, plain.bytes, plain.length,
											   data.bytes, data.length, NULL, nonce, key);
}

bool
toms_crypto_open(void *plain, TomsBytes sealed, TomsBytes data,
				 const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES])
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed.bytes, sealed.length,
													  data.bytes, data.length, nonce, key) == 0;
}

/* NULL: the processor cannot.  Expanding the key takes longer than using it. */
static const crypto_aead_aes256gcm_state *
expanded_key(const uint8 *key)
{
	static crypto_aead_aes256gcm_state expanded;
	static bool is_expanded = false;

	if (!crypto_aead_aes256gcm_is_available())
		return NULL;
	if (!is_expanded)
		crypto_aead_aes256gcm_beforenm(&expanded, key);
	is_expanded = true;
	return &expanded;
}

void
toms_crypto_seal_briefly(uint8 *sealed, TomsBytes plain, TomsBytes data,
						 const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES])
{
	const crypto_aead_aes256gcm_state *expanded = expanded_key(key);

	if (expanded)
		crypto_aead_aes256gcm_encrypt_afternm(sealed, NULL, plain.bytes, plain.length,
											  data.bytes, data.length, NULL, nonce, expanded);
	else
		toms_crypto_seal(sealed, plain, data, nonce, key);
}

bool
toms_crypto_open_brief(void *plain, TomsBytes sealed, TomsBytes data,
					   const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES])
{
	const crypto_aead_aes256gcm_state *expanded = expanded_key(key);

	if (expanded == NULL)
		return toms_crypto_open(plain, sealed, data, nonce, key);
	return crypto_aead_aes256gcm_decrypt_afternm(plain, NULL, NULL, sealed.bytes, sealed.length,
												 data.bytes, data.length, nonce, expanded) == 0;
}

bool
toms_crypto_password_hash(char hash[TOMS_PASSWORD_HASH_SIZE], TomsBytes password, TomsPasswordCost cost)
{
	return crypto_pwhash_argon2id_str(hash, password.bytes, password.length,
									  cost.iterations, (size_t) cost.memory * 1024) == 0;
}

/* libsodium answers "wrong" as well if it got no memory: then we do not get it either. */
static bool
memory_is_there(TomsPasswordCost cost)
{
	void	   *probe = malloc((size_t) cost.memory * 1024);

	free(probe);
	return probe != NULL;
}

TomsPasswordVerdict
toms_crypto_password_verify(const char *hash, TomsBytes password, TomsPasswordCost demanded)
{
	char		whole[TOMS_PASSWORD_HASH_SIZE] = {0};

	strlcpy(whole, hash, sizeof(whole));
	errno = 0;
	if (crypto_pwhash_argon2id_str_verify(whole, password.bytes, password.length) == 0)
		return TOMS_PASSWORD_RIGHT;
	if (errno != EINVAL)		/* what libsodium sets for a wrong password alone */
		return TOMS_PASSWORD_NO_HASH;
	return memory_is_there(demanded) ? TOMS_PASSWORD_WRONG : TOMS_PASSWORD_NO_MEMORY;
}

bool
toms_base64url_decode(const char *text, size_t length, uint8 *bytes, size_t size, size_t *written)
{
	const char *end = NULL;

	/* libsodium 1.0.18 takes bytes above 127 for underscores */
	for (size_t i = 0; i < length; i++)
	{
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	}
	return sodium_base642bin(bytes, size, text, length, NULL, written, &end,
							 sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
		end == text + length;
}

char *
toms_base64url_encode(const uint8 *bytes, size_t length)
{
	size_t		size = sodium_base64_ENCODED_LEN(length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	char	   *text = palloc(size);

	return sodium_bin2base64(text, size, bytes, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
