/*
 * verify.h - what the parts of toms-verify share.
 *
 * One run of one thread.  What comes from a file, as doc/trail-format.md tells, is untrusted: faults are named, nothing ends the program.
 */
#ifndef TOMS_VERIFY_H
#define TOMS_VERIFY_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "text.h"

#define HASH_BYTES		32
#define SALT_BYTES		16
#define DATASET_BYTES	16
#define KEY_BYTES		crypto_sign_PUBLICKEYBYTES
#define SIGNATURE_BYTES	crypto_sign_BYTES
#define LEVELS			64		/* of a tree, and hashes in a path */

/* tree.c: RFC 6962, section 2.1 */
extern void leaf_hash(uint8_t leaf[HASH_BYTES], const uint8_t salt[SALT_BYTES], Bytes entry);

/* The root to which the path leads from the leaf, in "hash"; false if it has not the length for the index. */
extern bool follow_path(uint8_t hash[HASH_BYTES], uint64_t index, uint64_t size, Bytes path);

/* Subtrees of a tree from left to right; those that are complete are joined. */
typedef struct Tree
{
	uint64_t	leaves;			/* so far */
	uint64_t	total;
	int			depth;
	uint64_t	size[LEVELS];
	uint8_t		hash[LEVELS][HASH_BYTES];
} Tree;

/* False if no subtree of the tree is there. */
extern bool add_subtree(Tree *tree, uint64_t start, uint64_t size, const uint8_t hash[HASH_BYTES]);
extern bool tree_root(const Tree *tree, uint8_t root[HASH_BYTES]);

/* entry.c: canonical bytes of an entry */
typedef struct Entry
{
	char		kind;
	char		verb;
	int64_t		id;
	int64_t		at;
	int64_t		xid;
	int64_t		who;
	int64_t		object;
	int64_t		key;
	Text		tenant;			/* at: NULL if there is none; so the next two */
	Bytes		columns;
	Bytes		payload;
} Entry;

/* What is wrong with the bytes, or NULL. */
extern const char *read_entry(Bytes bytes, Entry *entry);

/* An entry and those to which it refers (NULL: not known), in readable lines. */
extern void print_entry(const Entry *entry, const Entry *who, const Entry *object);

/* block.c: headers of blocks */
typedef struct Block
{
	uint8_t		dataset[DATASET_BYTES];
	uint64_t	number;
	uint32_t	segment;
	uint64_t	system;
	uint32_t	timeline;
	uint64_t	size;
	int64_t		sealed_at;
	uint8_t		previous[HASH_BYTES];
	uint8_t		root[HASH_BYTES];
	uint64_t	xmin;			/* of the snapshot */
	uint64_t	xmax;
	uint8_t		digest[HASH_BYTES];
} Block;

/* Reads the members of JSON that hold a signed header; false, and the fault is named, if that is none. */
extern bool read_block(Text header, Text signature, Text key, Block *block);

/* Keys that may have signed; if none is given all may, and are named at the end. */
extern void trust_key(const uint8_t key[KEY_BYTES]);
extern void print_keys(void);

/* Names the fault unless the signature is that of the bytes under a key that is trusted. */
extern bool check_signature(Bytes bytes, Text signature, Text key);

/* Of a line that ends with its signature, the bytes that are signed. */
extern bool check_signed_line(Text line, Text signature, Text key);

/* log.c: the outside log */
extern void log_start(void);
extern void log_line(Text line);
extern void log_end(void);

/* True if a log was read. What it says of a block in its last line about it: 0, or the number of the line. */
extern bool log_given(void);
extern uint64_t log_says(uint64_t block, const uint8_t **digest);
extern bool log_ever_said(uint64_t block, const uint8_t digest[HASH_BYTES]);
extern uint64_t log_last_block(void);
extern void log_check_dataset(const uint8_t dataset[DATASET_BYTES]);
extern void log_check_block(const Block *block);

/* proof.c, certificate.c, signed.c, chain.c, archive.c */
extern void check_proof(Text text);
extern bool prove_entry(Text text, const uint8_t dataset[DATASET_BYTES], Entry *entry);
extern void check_certificate(Text text);
extern void check_report(Text text);
extern void chain_start(void);
extern void chain_line(Text line);
extern void chain_end(void);
extern void archive_start(void);
extern void archive_line(Text line);
extern void archive_end(void);
extern void archives_end(void);

#endif							/* TOMS_VERIFY_H */
