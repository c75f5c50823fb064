/*
 * keyring.h - the door to keys that must not lie in the data directory.
 *
 * toms.keyring names a directory on the server, outside the data directory, owned by the
 * server's user and closed to everybody else, one file per key.
 */
#ifndef TOMS_KEYRING_H
#define TOMS_KEYRING_H

#include "postgres.h"

#include "base/crypto.h"

extern void toms_keyring_init(void);

/*
 * The seed of the named Ed25519 key, in locked memory of the current context, or NULL if
 * the keyring holds no such key.  A keyring or key file that cannot be trusted is an
 * error (55000) that names the file and what is wrong with it.
 */
extern const uint8 *toms_keyring_seed(const char *name);

/* Make the named key if there is none yet; safe against others doing the same. */
extern void toms_keyring_create(const char *name);

/* True if toms.keyring is set. */
extern bool toms_keyring_configured(void);

#endif							/* TOMS_KEYRING_H */
