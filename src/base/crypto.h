/*
 * crypto.h - the cryptographic primitives toms uses, all of them libsodium's.
 *
 * Signatures are Ed25519 (RFC 8032), digests are BLAKE2b (RFC 7693), text encoding is
 * base64url without padding (RFC 4648, section 5).
 */
#ifndef TOMS_CRYPTO_H
#define TOMS_CRYPTO_H

#include "postgres.h"

#define TOMS_PUBLIC_KEY_BYTES 32
#define TOMS_SEED_BYTES 32
#define TOMS_SIGNATURE_BYTES 64
#define TOMS_DIGEST_BYTES 32

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

extern void toms_crypto_random(void *bytes, size_t length);

/*
 * Strict base64url: no padding, no white space, no bits left over.  Returns false for
 * anything else and for a result that does not fit into "size" bytes.
 */
extern bool toms_base64url_decode(const char *text, size_t length,
								  uint8 *bytes, size_t size, size_t *written);

/* In palloc'd memory, terminated. */
extern char *toms_base64url_encode(const uint8 *bytes, size_t length);

#endif							/* TOMS_CRYPTO_H */
