/*
 * crypto.h - the cryptographic primitives toms uses, all of them libsodium's.
 *
 * Signatures are Ed25519 (RFC 8032), digests are BLAKE2b (RFC 7693), what is sealed is so with
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha; RFC 8439 with 24 bytes of nonce), text encoding
 * is base64url without padding (RFC 4648, section 5).
 */
#ifndef TOMS_CRYPTO_H
#define TOMS_CRYPTO_H

#include "postgres.h"

#define TOMS_PUBLIC_KEY_BYTES 32
#define TOMS_SEED_BYTES 32
#define TOMS_SIGNATURE_BYTES 64
#define TOMS_DIGEST_BYTES 32
#define TOMS_KEY_BYTES 32
#define TOMS_NONCE_BYTES 24
#define TOMS_TAG_BYTES 16

/* To be called once, in the postmaster; raises FATAL when libsodium cannot start. */
extern void toms_crypto_init(void);

/* True if "signature" is a canonical Ed25519 signature of the message under "key". */
extern bool toms_crypto_verify(const uint8 signature[TOMS_SIGNATURE_BYTES],
							   const void *message, size_t length,
							   const uint8 key[TOMS_PUBLIC_KEY_BYTES]);
extern void toms_crypto_sign(uint8 signature[TOMS_SIGNATURE_BYTES],
							 const void *message, size_t length,
							 const uint8 seed[TOMS_SEED_BYTES]);
extern void toms_crypto_public_key(uint8 key[TOMS_PUBLIC_KEY_BYTES],
								   const uint8 seed[TOMS_SEED_BYTES]);

/* BLAKE2b-256, keyed where key_length is not 0 (at most 64 bytes). */
extern void toms_crypto_digest(uint8 digest[TOMS_DIGEST_BYTES],
							   const void *message, size_t length,
							   const uint8 *key, size_t key_length);

/* SHA-256 (FIPS 180-4), of trees of hashes. */
extern void toms_crypto_sha256(uint8 digest[32], const void *message, size_t length);

/* SipHash-2-4 with 128 bits, and a key of as many: a pseudo-random function of short input. */
extern void toms_crypto_short_hash(uint8 hash[16], const void *message, size_t length, const uint8 key[16]);

extern void toms_crypto_random(void *bytes, size_t length);

/* Many bytes at once: drawn from the system once, and stretched with ChaCha20. */
extern void toms_crypto_random_many(void *bytes, size_t length);

typedef struct TomsBytes
{
	const void *bytes;
	size_t		length;
} TomsBytes;

/*
 * Seal the plain bytes into as many and TOMS_TAG_BYTES; "data" is not sealed, but has to be the
 * same when it is opened.  A nonce is random and used once.
 */
extern void toms_crypto_seal(uint8 *sealed, TomsBytes plain, TomsBytes data,
							 const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES]);

/* False if it was not sealed so; "sealed" ends with the tag. */
extern bool toms_crypto_open(void *plain, TomsBytes sealed, TomsBytes data,
							 const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES]);

/*
 * The same for what is opened a moment later by a process of this server: AES-256-GCM (NIST
 * SP 800-38D) where the processor has it, which takes a third of the time.  Its nonce is a
 * number that is never used twice under the key; "key" is kept by each process from its first
 * use on.
 */
extern void toms_crypto_seal_briefly(uint8 *sealed, TomsBytes plain, TomsBytes data,
									 const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES]);
extern bool toms_crypto_open_brief(void *plain, TomsBytes sealed, TomsBytes data,
								   const uint8 nonce[TOMS_NONCE_BYTES], const uint8 key[TOMS_KEY_BYTES]);

/*
 * Passwords: Argon2id (RFC 9106) in one lane, as a PHC string.  "memory" is in kB.  Both calls
 * hold that memory, outside of PostgreSQL's contexts, until they return.
 */
#define TOMS_PASSWORD_HASH_SIZE 128	/* with the final NUL */

typedef struct TomsPasswordCost
{
	uint32		memory;
	uint32		iterations;
} TomsPasswordCost;

typedef enum TomsPasswordVerdict
{
	TOMS_PASSWORD_RIGHT,
	TOMS_PASSWORD_WRONG,
	TOMS_PASSWORD_NO_HASH,		/* libsodium cannot read it */
	TOMS_PASSWORD_NO_MEMORY
} TomsPasswordVerdict;

/* False if there is no memory for it. */
extern bool toms_crypto_password_hash(char hash[TOMS_PASSWORD_HASH_SIZE], TomsBytes password,
									  TomsPasswordCost cost);

/* "demanded" is what the hash says; the caller has seen that it is within bounds. */
extern TomsPasswordVerdict toms_crypto_password_verify(const char *hash, TomsBytes password,
													   TomsPasswordCost demanded);

/*
 * Strict base64url: no padding, no white space, no bits left over.  Returns false for
 * anything else and for a result that does not fit into "size" bytes.
 */
extern bool toms_base64url_decode(const char *text, size_t length,
								  uint8 *bytes, size_t size, size_t *written);

/* In palloc'd memory, terminated. */
extern char *toms_base64url_encode(const uint8 *bytes, size_t length);

#endif							/* TOMS_CRYPTO_H */
