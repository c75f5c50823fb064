/*
 * keyring.h - the door to keys that must not lie in the data directory.
 *
 * Keys are kept by one of two providers: toms.keyring names a directory on the server,
 * outside the data directory, owned by the server's user and closed to everybody else, one
 * file per key; toms.keyring_command names a program that asks a key management system.
 *
 * There are two kinds of keys: Ed25519 seeds, which sign, and key epochs, which wrap the
 * data keys of a tenant.  Epochs are numbered per tenant and stand in toms.key_epoch.
 */
#ifndef TOMS_KEYRING_H
#define TOMS_KEYRING_H

#include "postgres.h"

#include "base/crypto.h"
#include "utils/uuid.h"

extern void toms_keyring_init(void);

/*
 * The seed of the named Ed25519 key, in locked memory of the current context, or NULL if
 * the keyring holds no such key.  A keyring or key file that cannot be trusted is an
 * error (55000) that names the file and what is wrong with it.
 */
extern const uint8 *toms_keyring_seed(const char *name);

/* Make the named key if there is none yet; safe against others doing the same. */
extern void toms_keyring_create(const char *name);

/* Set by slice guard: whether this node must leave keys as they are, since they are another one's. */
extern bool (*toms_keyring_is_foreign) (void);

/* True if toms.keyring or toms.keyring_command is set. */
extern bool toms_keyring_configured(void);

typedef struct TomsEpoch
{
	pg_uuid_t	id;
	int32		number;
} TomsEpoch;

/* What wrapping adds to a secret: the nonce before it, the tag behind it. */
#define TOMS_WRAP_BYTES (TOMS_NONCE_BYTES + TOMS_TAG_BYTES)

/* The epoch under which new keys of the tenant are wrapped; an error (55000) if there is none. */
extern TomsEpoch toms_keyring_current_epoch(const char *tenant);

/*
 * Wrap the secret under an epoch into secret.length + TOMS_WRAP_BYTES; "data" is not kept,
 * but has to be the same when it is unwrapped.  unwrap() is false if it was not wrapped so.
 * A key that is missing, another one or destroyed is an error (55000) that names tenant and
 * number.
 */
extern void toms_keyring_wrap(const pg_uuid_t *epoch, TomsBytes data, TomsBytes secret, uint8 *wrapped);
extern bool toms_keyring_unwrap(const pg_uuid_t *epoch, TomsBytes data, TomsBytes wrapped, uint8 *secret);

#endif							/* TOMS_KEYRING_H */
