/*
 * escrow.h - what the parts of escrow share: key files, and the file that they are sealed in.
 *
 * All of it lives until the program ends; what is secret is in memory of allocate_secret().
 */
#ifndef TOMS_ESCROW_H
#define TOMS_ESCROW_H

#include "shamir.h"
#include "toms-keys.h"

#define NAME_SIZE			65	/* this and the next three with the final NUL */
#define FINGERPRINT_SIZE	65
#define LINE_SIZE			64
#define DATE_SIZE			21
#define KEYS_MAX			16384
#define ESCROW_START		"toms-escrow 1\n"
#define PUBLIC_BYTES		crypto_box_PUBLICKEYBYTES
#define SEALED_SHARE_BYTES	(crypto_box_SEALBYTES + SECRET_BYTES)

/* One file NAME.key of a keyring. */
typedef struct KeyFile
{
	char		name[NAME_SIZE];
	char		fingerprint[FINGERPRINT_SIZE];	/* of what the file holds */
	char		line[LINE_SIZE];	/* what it holds; "" while it is sealed */
} KeyFile;

/* In the order of their names, each once. */
typedef struct KeySet
{
	int			count;
	KeyFile    *keys;
} KeySet;

/* The number x of a recipient's share is its place in the list, counted from 1. */
typedef struct Recipient
{
	unsigned char public[PUBLIC_BYTES];
	unsigned char sealed[SEALED_SHARE_BYTES];
} Recipient;

typedef struct Escrow
{
	char		made[DATE_SIZE];
	int			threshold;
	int			count;			/* of recipients */
	Recipient	recipients[SHARES_MAX];
	KeySet		keys;
	const char *text;			/* the file; its head is sealed along with the keys */
	size_t		head;
	unsigned char *payload;
	size_t		payload_size;
	char		digest[FINGERPRINT_SIZE];	/* of all above it */
} Escrow;

/* key_file.c: the files of a keyring */

/* Refuses a folder that others could read or change. */
extern void check_keyring(const char *folder);

/* The keys of the folder, or those that "only" names; one that is not there is a failure. */
extern KeySet read_keyring(const char *folder, const Given *only);

/* Puts a key into the folder where there is none of its name. */
extern void restore_key(const char *folder, const KeyFile *key);

/* True if the folder holds this key; another one of its name is a failure. */
extern bool has_key(const char *folder, const KeyFile *key);

extern bool is_key_name(const char *name);
extern const KeyFile *find_key(const KeySet *set, const char *name);

/* True if "only" names it, or nothing; check_only() refuses names that are not in the set. */
extern bool wanted(const Given *only, const char *name);
extern void check_only(const Given *only, const KeySet *set, const char *where);

/* Steps over one key file's contents and copies them. */
extern bool take_line(const char **at, char line[LINE_SIZE]);

/* BLAKE2b-256 in hexadecimal digits, as "b2sum -l 256" prints it. */
extern void fingerprint(char print[FINGERPRINT_SIZE], const char *text, size_t size);

/* escrow_key.c: the keys of recipients */
extern void read_public(const char *file, unsigned char public[PUBLIC_BYTES]);
extern void read_secret(const char *file, unsigned char public[PUBLIC_BYTES],
						unsigned char secret[crypto_box_SECRETKEYBYTES]);

/* escrow_file.c: the file of an escrow */

/* Seals the keys for the recipients that are in the escrow; fills all the rest of it. */
extern void seal_escrow(Escrow *escrow, KeySet keys, int threshold);

/* Reads a file and refuses one that is damaged or of another origin; the keys stay sealed. */
extern Escrow *read_escrow(const char *file);

/* Opens the keys with as many shares as the threshold demands. */
extern void open_escrow(Escrow *escrow, const char *file, const Share *shares);

/* Now, in UTC, as ISO 8601 has it. */
extern void print_date(char date[DATE_SIZE]);

#endif							/* TOMS_ESCROW_H */
