/*
 * block.c - headers of blocks, signatures, and the keys that are trusted for them.
 *
 * Called for all that is signed.  Keys that were not given on the command line are listed at the
 * end, so that they can be compared with the database's.
 */
#include "verify.h"

#define START		"toms block 1\n"
#define KEYS_MAX	64

static uint8_t trusted[KEYS_MAX][KEY_BYTES];
static int	trusted_count = 0;
static uint8_t seen[KEYS_MAX][KEY_BYTES];
static int	seen_count = 0;

static bool
is_among(uint8_t keys[][KEY_BYTES], int count, const uint8_t key[KEY_BYTES])
{
	for (int i = 0; i < count; i++)
	{
		if (memcmp(keys[i], key, KEY_BYTES) == 0)
			return true;
	}
	return false;
}

void
trust_key(const uint8_t key[KEY_BYTES])
{
	if (trusted_count == KEYS_MAX)
		fail("--key", "more than %d keys", KEYS_MAX);
	memcpy(trusted[trusted_count++], key, KEY_BYTES);
}

static bool
is_trusted(const uint8_t key[KEY_BYTES])
{
	if (trusted_count > 0)
		return is_among(trusted, trusted_count, key);
	if (is_among(seen, seen_count, key))
		return true;
	if (seen_count == KEYS_MAX)
		return false;
	memcpy(seen[seen_count++], key, KEY_BYTES);
	return true;
}

void
print_keys(void)
{
	for (int i = 0; i < seen_count; i++)
		say("signed by: %s (no --key given: compare it with the key that you know)", shown_bytes(seen[i], KEY_BYTES));
}

bool
check_signature(Bytes bytes, Text signature, Text key)
{
	uint8_t		signature_bytes[SIGNATURE_BYTES];
	uint8_t		key_bytes[KEY_BYTES];

	if (!json_bytes(key, key_bytes, KEY_BYTES) || !json_bytes(signature, signature_bytes, SIGNATURE_BYTES))
		fault("key or signature of another form");
	else if (crypto_sign_verify_detached(signature_bytes, bytes.at, bytes.size, key_bytes) != 0)
		fault("the signature does not fit");
	else if (!is_trusted(key_bytes))
		fault("signed by another key than those given: %s", shown_bytes(key_bytes, KEY_BYTES));
	else
		return true;
	return false;
}

bool
check_signed_line(Text line, Text signature, Text key)
{
	static const char before[] = ",\"signature\":";
	size_t		length = sizeof(before) - 1 + signature.size + 1;
	size_t		signed_length = line.size - length;

	if (line.size < length || line.at[line.size - 1] != '}' || memcmp(line.at + signed_length, before, sizeof(before) - 1) != 0 ||
		signature.at != line.at + signed_length + sizeof(before) - 1)
	{
		fault("does not end with its signature");
		return false;
	}
	return check_signature((Bytes) {(const uint8_t *) line.at, signed_length}, signature, key);
}

static uint64_t
take_number(const uint8_t **at, int bytes)
{
	uint64_t	number = 0;

	while (bytes-- > 0)
		number = number << 8 | *(*at)++;
	return number;
}

static void
take_bytes(const uint8_t **at, void *into, size_t size)
{
	memcpy(into, *at, size);
	*at += size;
}

static bool
take_decimal(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
	const uint8_t *from = *at;

	for (*number = 0; *at < end && **at >= '0' && **at <= '9' && *at - from < 19; ++*at)
		*number = *number * 10 + (**at - '0');
	return *at > from;
}

/* xmin:xmax:xip,... */
static bool
read_snapshot(const uint8_t *at, const uint8_t *end, Block *block)
{
	uint64_t	last = 0;
	uint64_t	xid;

	if (!take_decimal(&at, end, &block->xmin) || at == end || *at++ != ':' ||
		!take_decimal(&at, end, &block->xmax) || at == end || *at++ != ':' || block->xmin > block->xmax)
		return false;
	while (at < end)
	{
		if (!take_decimal(&at, end, &xid) || xid < block->xmin || xid >= block->xmax || xid <= last)
			return false;
		last = xid;
		if (at < end && (*at++ != ',' || at == end))
			return false;
	}
	return true;
}

static bool
read_header(Bytes header, Block *block)
{
	const uint8_t *at = header.at + sizeof(START) - 1;
	const uint8_t *end = header.at + header.size;
	size_t		fixed = sizeof(START) - 1 + DATASET_BYTES + 8 + 4 + 8 + 4 + 8 + 8 + 3 * HASH_BYTES + 2;

	if (header.size < fixed || memcmp(header.at, START, sizeof(START) - 1) != 0)
		return false;
	take_bytes(&at, block->dataset, DATASET_BYTES);
	block->number = take_number(&at, 8);
	block->segment = (uint32_t) take_number(&at, 4);
	block->system = take_number(&at, 8);
	block->timeline = (uint32_t) take_number(&at, 4);
	block->size = take_number(&at, 8);
	block->sealed_at = (int64_t) take_number(&at, 8);
	take_bytes(&at, block->previous, HASH_BYTES);
	take_bytes(&at, block->root, HASH_BYTES);
	at += HASH_BYTES;			/* of the manifest, which stays in the database */
	return take_number(&at, 2) == (uint64_t) (end - at) && block->number > 0 && block->number <= INT64_MAX &&
		block->size <= INT64_MAX && read_snapshot(at, end, block);
}

bool
read_block(Text header, Text signature, Text key, Block *block)
{
	Bytes		bytes;

	if (!json_blob(header, &bytes) || !read_header(bytes, block))
	{
		fault("not the header of a block");
		return false;
	}
	crypto_hash_sha256(block->digest, bytes.at, bytes.size);
	return check_signature(bytes, signature, key);
}
