/*
 * keyring_int.h - between keyring.c, the providers that keep keys, and epoch.c.
 */
#ifndef TOMS_KEYRING_INT_H
#define TOMS_KEYRING_INT_H

#include "keyring/keyring.h"

/* A key is kept as one line, "<kind> <32 bytes in base64url>\n"; room for it and a NUL. */
#define TOMS_KEY_LINE_BYTES 128

typedef enum TomsKeyKind
{
	TOMS_KEY_SIGNING,			/* an Ed25519 seed */
	TOMS_KEY_EPOCH
} TomsKeyKind;

/*
 * Who keeps keys, at a location: the value of the provider's setting.  What goes wrong is
 * returned as text, NULL if nothing does; nothing is repaired.
 */
typedef struct TomsKeyProvider
{
	/* What hinders reading keys or, with "writing", making them. */
	char	   *(*problem) (const char *location, bool writing);

	/* The key's line in locked memory of the current context; NULL without a problem: there is none. */
	char	   *(*read) (const char *location, const char *name, char **problem);

	/* Make the key so that a crash leaves all of it or nothing; a key that is there stays. */
	char	   *(*create) (const char *location, const char *name, const char *line);

	/* No crash takes away what has been made before; a key is not used until then. */
	char	   *(*keep) (const char *location);

	/* No failure if there is none. */
	char	   *(*destroy) (const char *location, const char *name);

	/* Where the key is, for messages: a path, a command. */
	char	   *(*place) (const char *location, const char *name);

	const char *hint;			/* of errors */
} TomsKeyProvider;

extern const TomsKeyProvider toms_key_directory;
extern const TomsKeyProvider toms_key_program;
extern void toms_key_program_init(void);

/*
 * Run toms.keyring_sync_command, if there is one, for a new key; path is NULL if the key is no
 * file.  Returns what went wrong.
 */
extern char *toms_keyring_sync(const char *path, const char *name);
extern void toms_keyring_sync_init(void);

/*
 * Whether a key that is used by its name alone has yet to be kept, and brought elsewhere by the
 * command; marked before the key is made.  mark_unsynced() returns what went wrong.
 */
extern char *toms_keyring_mark_unsynced(const char *name);
extern bool toms_keyring_is_marked_unsynced(const char *name);
extern void toms_keyring_mark_synced(const char *name);

/* What hinders the keyring from reading or, with "writing", making keys; NULL: nothing. */
extern char *toms_keyring_problem(bool writing);

/*
 * The key, in locked memory of the current context; NULL without a problem: the keyring
 * holds none of that name.  The problem of a key that cannot be trusted is in words.
 */
extern const uint8 *toms_key_read(const char *name, TomsKeyKind kind, char **problem);

/* Both raise errors (55000). */
extern void toms_key_create_epoch(const char *name);
extern void toms_key_destroy(const char *name);

/* Refuse with reason toms_keyring and the problem as its detail. */
extern void toms_keyring_refuse(const char *problem) __attribute__((noreturn));

/* The name of an epoch's key, palloc'd. */
extern char *toms_epoch_key_name(const pg_uuid_t *epoch);

#define TOMS_FINGERPRINT_BYTES 16

/* Tells keys apart and nothing else about them. */
extern void toms_epoch_fingerprint(uint8 fingerprint[TOMS_FINGERPRINT_BYTES], const uint8 key[TOMS_KEY_BYTES]);

/* As its row says; false if there is none. */
extern bool toms_epoch_is_destroyed(const pg_uuid_t *epoch);

/* Destroy the epoch's key when this transaction commits, if its row says so then. */
extern void toms_epoch_destroy_at_commit(const pg_uuid_t *epoch);

extern void toms_epoch_init(void);
extern void toms_epoch_destroy_init(void);

/* Wipe every key and answer that is cached in this backend. */
extern void toms_epoch_forget(void);

#endif							/* TOMS_KEYRING_INT_H */
