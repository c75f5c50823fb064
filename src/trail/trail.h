/*
 * trail.h - the shape of the audit trail: what an entry is, and which bytes stand for it.
 *
 * Slice audit writes entries and closes them into blocks.  Nothing here reads or writes a table.
 * doc/trail-format.md tells the same to those who verify without the database.
 */
#ifndef TOMS_TRAIL_H
#define TOMS_TRAIL_H

#include "postgres.h"

#include "base/crypto.h"
#include "datatype/timestamp.h"
#include "trail/event.h"
#include "trail/kind.h"
#include "trail/queue.h"

/* A row of toms.audit_entry; its columns are read by position. */
enum
{
	TOMS_ENTRY_ID = 1,
	TOMS_ENTRY_AT,
	TOMS_ENTRY_XID,
	TOMS_ENTRY_WHO_ID,
	TOMS_ENTRY_OBJECT_ID,
	TOMS_ENTRY_KEY_ID,
	TOMS_ENTRY_KIND,
	TOMS_ENTRY_VERB,
	TOMS_ENTRY_TENANT,
	TOMS_ENTRY_COLUMNS,
	TOMS_ENTRY_PAYLOAD,
	TOMS_ENTRY_NATTS = TOMS_ENTRY_PAYLOAD
};

typedef struct TomsEntry
{
	int64		id;
	TimestampTz at;				/* when it was made, by the clock */
	int64		xid;			/* of the top transaction, with its epoch */
	int64		who;			/* id of an entry of kind who; 0: none */
	int64		object;			/* id of an entry of kind object; of such an entry itself, the table's OID; 0: none */
	int64		key;			/* of toms.data_key: opens the payload, and says whose it is; 0: the payload is plain */
	char		kind;
	char		verb;
	const char *tenant;			/* NULL: nobody's */
	TomsBytes	columns;		/* bit n - 1 (of byte (n - 1) / 8, lowest first) is column n; bytes NULL: not told */
	TomsBytes	payload;		/* sealed with key under a nonce of id, xid and at; bytes NULL: none */
} TomsEntry;

/*
 * The bytes that stand for an entry, palloc'd.  Numbers are big-endian: version (1), kind, verb,
 * id, at, xid, who, object, key (8 each); then tenant (length in 2 bytes), columns (2) and payload
 * (4), a length of all ones being null.
 */
extern TomsBytes toms_entry_encode(const TomsEntry *entry);
extern Size toms_entry_encoded_size(const TomsEntry *entry);
extern void toms_entry_encode_to(const TomsEntry *entry, uint8 *bytes);

/* A row of toms.audit_entry, deformed; refers to its memory. */
extern TomsEntry toms_entry_of_row(const Datum *values, const bool *nulls);

/* The nonce of an entry's payload: id, xid and at, 8 bytes each. */
extern void toms_entry_nonce(const TomsEntry *entry, uint8 nonce[TOMS_NONCE_BYTES]);

/*
 * number.c: the next number of an entry; and one that is below all that will be given from now on,
 * and above all that were given, but for those of the last moments.
 */
extern Size toms_number_shmem_size(void);
extern void toms_number_shmem_init(bool found, void *area);
extern int64 toms_number_next(TimestampTz now);
extern int64 toms_number_floor(TimestampTz now);

/* RFC 6962, section 2.1, with SHA-256; a leaf's data is its salt and the entry's bytes. */
#define TOMS_HASH_BYTES 32
#define TOMS_SALT_BYTES 16
#define TOMS_BLOCK_SECRET_BYTES 16

/* The salt of an entry in a block: SipHash-2-4 with 128 bits of the id (8 bytes, big-endian) under the block's secret. */
extern void toms_entry_salt(uint8 salt[TOMS_SALT_BYTES], const uint8 secret[TOMS_BLOCK_SECRET_BYTES], int64 id);
extern void toms_entry_leaf(uint8 leaf[TOMS_HASH_BYTES], const uint8 salt[TOMS_SALT_BYTES], const TomsEntry *entry);
extern void toms_tree_node(uint8 node[TOMS_HASH_BYTES], const uint8 left[TOMS_HASH_BYTES], const uint8 right[TOMS_HASH_BYTES]);

#endif							/* TOMS_TRAIL_H */
