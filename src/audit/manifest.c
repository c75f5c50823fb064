/*
 * manifest.c - which entries a block has: written when it is closed, read to name a fault.
 */
#include "audit/block.h"

#include "base/compat.h"

#define ITEM_LIMIT 32

static uint8 *
put_varint(uint8 *at, uint64 number)
{
	for (; number >= 0x80; number >>= 7)
		*at++ = (uint8) (number | 0x80);
	*at++ = (uint8) number;
	return at;
}

static void
make_room(TomsManifest *manifest)
{
	Size		length = manifest->bytes ? VARSIZE(manifest->bytes) : VARHDRSZ;

	if (length + ITEM_LIMIT <= manifest->room)
		return;
	manifest->room = Max((Size) 1024, manifest->room * 2);
	if (manifest->bytes)
		manifest->bytes = repalloc_huge(manifest->bytes, manifest->room);
	else
		manifest->bytes = palloc(manifest->room);
	SET_VARSIZE(manifest->bytes, length);
}

void
toms_manifest_add(TomsManifest *manifest, char kind, int64 id, const uint8 leaf[TOMS_HASH_BYTES])
{
	uint8	   *at;
	int64		difference;

	make_room(manifest);
	if (VARSIZE(manifest->bytes) - VARHDRSZ > TOMS_MANIFEST_LIMIT)
		return;
	at = (uint8 *) manifest->bytes + VARSIZE(manifest->bytes);
	if (VARSIZE(manifest->bytes) == VARHDRSZ || kind != manifest->kind)
	{
		*at++ = 0;
		*at++ = (uint8) kind;
		manifest->kind = kind;
		manifest->id = 0;
	}
	difference = id - manifest->id;
	at = put_varint(at, ((uint64) difference << 1) ^ (uint64) (difference >> 63));
	memcpy(at, leaf, TOMS_MANIFEST_PREFIX);
	at += TOMS_MANIFEST_PREFIX;
	manifest->id = id;
	SET_VARSIZE(manifest->bytes, at - (uint8 *) manifest->bytes);
}

static bool
get_varint(TomsManifestItem *item, uint64 *number)
{
	*number = 0;
	for (int shift = 0; shift < 64 && item->next < item->end; shift += 7)
	{
		uint8		byte = *item->next++;

		*number |= (uint64) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

TomsManifestItem
toms_manifest_start(TomsBytes bytes)
{
	return (TomsManifestItem) {.next = bytes.bytes,.end = (const uint8 *) bytes.bytes + bytes.length};
}

bool
toms_manifest_next(TomsManifestItem *item)
{
	uint64		number;

	if (!get_varint(item, &number))
		return false;
	if (number == 0)
	{
		if (item->next == item->end)
			return false;
		item->kind = (char) *item->next++;
		item->id = 0;
		if (!get_varint(item, &number))
			return false;
	}
	if (item->end - item->next < TOMS_MANIFEST_PREFIX)
		return false;
	item->id = (int64) ((uint64) item->id + ((number >> 1) ^ -(number & 1)));
	item->prefix = item->next;
	item->next += TOMS_MANIFEST_PREFIX;
	return true;
}
