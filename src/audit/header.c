/*
 * header.c - the bytes of a block that are signed, and the snapshot in them.
 *
 * Called when a block is closed and verified.  What is read may be anything.
 */
#include "audit/block.h"

#include "port/pg_bswap.h"

#define MAGIC "toms block 1\n"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define FIXED_BYTES (MAGIC_BYTES + 16 + 8 + 4 + 8 + 4 + 8 + 8 + 3 * TOMS_HASH_BYTES + 2)

static uint8 *
put(uint8 *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

static uint8 *
put_64(uint8 *at, uint64 number)
{
	number = pg_hton64(number);
	return put(at, &number, sizeof(number));
}

static uint8 *
put_32(uint8 *at, uint32 number)
{
	number = pg_hton32(number);
	return put(at, &number, sizeof(number));
}

TomsBytes
toms_block_header_write(const TomsBlockHeader *header)
{
	size_t		length = strlen(header->snapshot);
	uint8	   *bytes = palloc(FIXED_BYTES + length);
	uint8	   *at = put(bytes, MAGIC, MAGIC_BYTES);
	uint16		prefix = pg_hton16((uint16) length);

	/* a few thousand transactions at most are in progress at once, prepared ones among them */
	if (length > PG_UINT16_MAX)
		elog(ERROR, "snapshot of %zu bytes", length);
	at = put(at, header->dataset, sizeof(header->dataset));
	at = put_64(at, (uint64) header->number);
	at = put_32(at, (uint32) header->segment);
	at = put_64(at, header->system);
	at = put_32(at, (uint32) header->timeline);
	at = put_64(at, (uint64) header->size);
	at = put_64(at, (uint64) header->sealed_at);
	at = put(at, header->previous, TOMS_HASH_BYTES);
	at = put(at, header->root, TOMS_HASH_BYTES);
	at = put(at, header->manifest, TOMS_HASH_BYTES);
	at = put(at, &prefix, sizeof(prefix));
	(void) put(at, header->snapshot, length);
	return (TomsBytes) {bytes, FIXED_BYTES + length};
}

static const uint8 *
get(const uint8 *at, void *bytes, size_t length)
{
	memcpy(bytes, at, length);
	return at + length;
}

static uint64
get_64(const uint8 **at)
{
	uint64		number;

	*at = get(*at, &number, sizeof(number));
	return pg_ntoh64(number);
}

static uint32
get_32(const uint8 **at)
{
	uint32		number;

	*at = get(*at, &number, sizeof(number));
	return pg_ntoh32(number);
}

bool
toms_block_header_read(TomsBytes bytes, TomsBlockHeader *header)
{
	const uint8 *at = bytes.bytes;
	uint16		length;

	if (bytes.length < FIXED_BYTES || memcmp(at, MAGIC, MAGIC_BYTES) != 0)
		return false;
	at = get(at + MAGIC_BYTES, header->dataset, sizeof(header->dataset));
	header->number = (int64) get_64(&at);
	header->segment = (int32) get_32(&at);
	header->system = get_64(&at);
	header->timeline = (int32) get_32(&at);
	header->size = (int64) get_64(&at);
	header->sealed_at = (TimestampTz) get_64(&at);
	at = get(at, header->previous, TOMS_HASH_BYTES);
	at = get(at, header->root, TOMS_HASH_BYTES);
	at = get(at, header->manifest, TOMS_HASH_BYTES);
	at = get(at, &length, sizeof(length));
	length = pg_ntoh16(length);
	if (bytes.length != FIXED_BYTES + length)
		return false;
	header->snapshot = pnstrdup((const char *) at, length);
	return strlen(header->snapshot) == length;
}

/* A number and the character behind it. */
static bool
read_number(const char **text, char end, uint64 *number)
{
	char	   *stop;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtou64(*text, &stop, 10);
	*text = stop + (end != '\0');
	return errno == 0 && *stop == end;
}

bool
toms_snapshot_read(const char *text, TomsSnapshot *snapshot)
{
	int			commas = 0;

	snapshot->xip = NULL;
	snapshot->count = 0;
	if (!read_number(&text, ':', &snapshot->xmin) || !read_number(&text, ':', &snapshot->xmax) || snapshot->xmin > snapshot->xmax)
		return false;
	if (*text == '\0')
		return true;
	for (const char *at = text; *at; at++)
		commas += *at == ',';
	snapshot->xip = palloc(sizeof(uint64) * (commas + 1));
	for (; snapshot->count <= commas; snapshot->count++)
	{
		uint64	   *xid = &snapshot->xip[snapshot->count];

		if (!read_number(&text, snapshot->count < commas ? ',' : '\0', xid) || *xid >= snapshot->xmax ||
			*xid < (snapshot->count > 0 ? xid[-1] + 1 : snapshot->xmin))
			return false;
	}
	return true;
}
