/*
 * entry.c - the bytes that stand for an entry of the audit trail, and their hashes.
 *
 * Called by slice audit for every entry that is sealed, verified or proved.  Pure functions:
 * nothing is kept, no table is read.
 */
#include "trail/trail.h"

#include "base/compat.h"
#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"

#define ENTRY_VERSION 1
#define LENGTH_OF_NULL_16 0xFFFF
#define LENGTH_OF_NULL_32 0xFFFFFFFF

static uint8 *
put_number(uint8 *at, uint64 number)
{
	number = pg_hton64(number);
	memcpy(at, &number, sizeof(number));
	return at + sizeof(number);
}

static uint8 *
put_short(uint8 *at, const void *bytes, size_t length)
{
	uint16		prefix = pg_hton16(bytes ? (uint16) length : LENGTH_OF_NULL_16);

	memcpy(at, &prefix, sizeof(prefix));
	if (bytes)
		memcpy(at + sizeof(prefix), bytes, length);
	return at + sizeof(prefix) + (bytes ? length : 0);
}

Size
toms_entry_encoded_size(const TomsEntry *entry)
{
	return 3 + 6 * sizeof(uint64) + 2 * sizeof(uint16) + sizeof(uint32) + (entry->tenant ? strlen(entry->tenant) : 0) +
		(entry->columns.bytes ? entry->columns.length : 0) + (entry->payload.bytes ? entry->payload.length : 0);
}

void
toms_entry_encode_to(const TomsEntry *entry, uint8 *bytes)
{
	uint32		payload_length = pg_hton32(entry->payload.bytes ? (uint32) entry->payload.length : LENGTH_OF_NULL_32);

	*bytes++ = ENTRY_VERSION;
	*bytes++ = entry->kind;
	*bytes++ = entry->verb;
	bytes = put_number(bytes, entry->id);
	bytes = put_number(bytes, entry->at);
	bytes = put_number(bytes, entry->xid);
	bytes = put_number(bytes, entry->who);
	bytes = put_number(bytes, entry->object);
	bytes = put_number(bytes, entry->key);
	bytes = put_short(bytes, entry->tenant, entry->tenant ? strlen(entry->tenant) : 0);
	bytes = put_short(bytes, entry->columns.bytes, entry->columns.length);
	memcpy(bytes, &payload_length, sizeof(payload_length));
	if (entry->payload.bytes)
		memcpy(bytes + sizeof(payload_length), entry->payload.bytes, entry->payload.length);
}

TomsBytes
toms_entry_encode(const TomsEntry *entry)
{
	Size		size = toms_entry_encoded_size(entry);
	uint8	   *bytes = palloc(size);

	toms_entry_encode_to(entry, bytes);
	return (TomsBytes) {bytes, size};
}

static TomsBytes
bytes_of(Datum value, bool isnull)
{
	struct varlena *bytes;

	if (isnull)
		return (TomsBytes) {NULL, 0};
	bytes = PG_DETOAST_DATUM_PACKED(value);
	return (TomsBytes) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

static int64
number_of(const Datum *values, const bool *nulls, int column)
{
	return nulls[column - 1] ? 0 : DatumGetInt64(values[column - 1]);
}

TomsEntry
toms_entry_of_row(const Datum *values, const bool *nulls)
{
	return (TomsEntry)
	{
		.id = number_of(values, nulls, TOMS_ENTRY_ID),
			.at = number_of(values, nulls, TOMS_ENTRY_AT),
			.xid = number_of(values, nulls, TOMS_ENTRY_XID),
			.who = number_of(values, nulls, TOMS_ENTRY_WHO_ID),
			.object = number_of(values, nulls, TOMS_ENTRY_OBJECT_ID),
			.key = number_of(values, nulls, TOMS_ENTRY_KEY_ID),
			.kind = DatumGetChar(values[TOMS_ENTRY_KIND - 1]),
			.verb = DatumGetChar(values[TOMS_ENTRY_VERB - 1]),
			.tenant = nulls[TOMS_ENTRY_TENANT - 1] ? NULL : TextDatumGetCString(values[TOMS_ENTRY_TENANT - 1]),
			.columns = bytes_of(values[TOMS_ENTRY_COLUMNS - 1], nulls[TOMS_ENTRY_COLUMNS - 1]),
			.payload = bytes_of(values[TOMS_ENTRY_PAYLOAD - 1], nulls[TOMS_ENTRY_PAYLOAD - 1])
	};
}

void
toms_entry_nonce(const TomsEntry *entry, uint8 nonce[TOMS_NONCE_BYTES])
{
	(void) put_number(put_number(put_number(nonce, entry->id), entry->xid), entry->at);
}

void
toms_entry_salt(uint8 salt[TOMS_SALT_BYTES], const uint8 secret[TOMS_BLOCK_SECRET_BYTES], int64 id)
{
	uint8		number[sizeof(uint64)];

	(void) put_number(number, id);
	toms_crypto_short_hash(salt, number, sizeof(number), secret);
}

void
toms_entry_leaf(uint8 leaf[TOMS_HASH_BYTES], const uint8 salt[TOMS_SALT_BYTES], const TomsEntry *entry)
{
	Size		size = 1 + TOMS_SALT_BYTES + toms_entry_encoded_size(entry);
	uint8		near[512];
	uint8	   *bytes = size <= sizeof(near) ? near : palloc(size);

	bytes[0] = 0;
	memcpy(bytes + 1, salt, TOMS_SALT_BYTES);
	toms_entry_encode_to(entry, bytes + 1 + TOMS_SALT_BYTES);
	toms_crypto_sha256(leaf, bytes, size);
	if (bytes != near)
		pfree(bytes);
}

void
toms_tree_node(uint8 node[TOMS_HASH_BYTES], const uint8 left[TOMS_HASH_BYTES], const uint8 right[TOMS_HASH_BYTES])
{
	uint8		bytes[1 + 2 * TOMS_HASH_BYTES];

	bytes[0] = 1;
	memcpy(bytes + 1, left, TOMS_HASH_BYTES);
	memcpy(bytes + 1 + TOMS_HASH_BYTES, right, TOMS_HASH_BYTES);
	toms_crypto_sha256(node, bytes, sizeof(bytes));
}
