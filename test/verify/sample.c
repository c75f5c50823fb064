/*
 * sample.c - makes what toms-verify reads; see sample.h.
 */
#include "sample.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define B64 sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define DATASET "0b5f3c52-7f7a-4a51-9c41-0123456789ab"
#define SYSTEM "7300000000000000001"
#define ERASED "{\"hr.note\": {\"deleted\": 3}, \"hr.bill\": {\"restricted\": 1}}"

typedef struct Made
{
	uint8_t		bytes[512];
	int			size;
	uint8_t		digest[32];
	uint8_t		signature[64];
} Made;

static uint8_t public_key[32];
static uint8_t secret_key[64];
static Made blocks[SAMPLE_BLOCKS + 1];

static void __attribute__((format(printf, 2, 3)))
add(Sample *sample, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	sample->size += vsnprintf(sample->text + sample->size, sizeof(sample->text) - sample->size, format, args);
	va_end(args);
	if (sample->size >= (int) sizeof(sample->text))
		abort();
}

static const char *
b64(const void *bytes, size_t size)
{
	static char texts[8][2048];
	static int	next = 0;

	next = (next + 1) % 8;
	return sodium_bin2base64(texts[next], sizeof(texts[next]), bytes, size, B64);
}

static void
put(uint8_t *into, int *size, uint64_t number, int bytes)
{
	while (bytes-- > 0)
		into[(*size)++] = (uint8_t) (number >> 8 * bytes);
}

static void
put_bytes(uint8_t *into, int *size, const void *bytes, int count)
{
	memcpy(into + *size, bytes, count);
	*size += count;
}

static void
put_text(uint8_t *into, int *size, const char *text, int prefix)
{
	put(into, size, text ? strlen(text) : UINT64_MAX, prefix);
	if (text)
		put_bytes(into, size, text, (int) strlen(text));
}

static int
leaves_of(int block)
{
	return block - 1;
}

static char
kind_of(int block, int index)
{
	int			size = leaves_of(block);

	if (block == SAMPLE_BLOCKS && index == SAMPLE_DELETION)
		return 'd';
	return size >= 3 && index == size - 1 ? 'w' : size >= 2 && index == size - (size >= 3 ? 2 : 1) ? 'o' : 'c';
}

static int
id_of(int block, int index)
{
	return 1024 * block + index;
}

static int
make_entry(uint8_t into[1024], int block, int index)
{
	char		kind = kind_of(block, index);
	int			leaves = leaves_of(block);
	int			size = 0;

	put(into, &size, 1, 1);
	put(into, &size, kind, 1);
	put(into, &size, kind == 'c' ? "iudt"[index % 4] : kind == 'd' ? 'd' : '-', 1);
	put(into, &size, id_of(block, index), 8);
	put(into, &size, UINT64_C(848000000000000) + block * UINT64_C(1000000) + index, 8);
	put(into, &size, 1000 + 10 * block, 8);
	put(into, &size, kind == 'c' && leaves >= 3 ? id_of(block, leaves - 1) : 0, 8);
	put(into, &size, kind == 'o' ? 16400 : kind == 'c' && leaves >= 2 ? id_of(block, leaves - (leaves >= 3 ? 2 : 1)) : 0, 8);
	put(into, &size, kind == 'c' ? 7 : 0, 8);
	put_text(into, &size, kind == 'c' || kind == 'd' ? "acme" : NULL, 2);
	put_text(into, &size, kind == 'c' && index % 4 == 1 ? "\x15" : NULL, 2);
	put_text(into, &size, kind == 'c' ? "sealed bytes" : kind == 'd' ? "{\"erasure\" : 17, \"kind\" : \"subject\", \"instruction\" : 9, \"tables\" : " ERASED ", \"keys\" : 4}" : kind == 'o' ?
			 "{\"relation\":\"hr.sick_note\",\"oid\":16400,\"columns\":[\"id\",null,\"kr\\u00e4nk\\\\lich\",\"employee\",\"sick\"],\"key\":[\"id\"]}" :
			 "{\"actor\":\"17\",\"role\":\"hr\",\"login\":\"app\",\"address\":null}", 4);
	return size;
}

static void
make_salt(uint8_t salt[16], int block, int index)
{
	crypto_generichash(salt, 16, (uint8_t *) &(int[2]) {block, index}, 2 * sizeof(int), NULL, 0);
}

static void
make_leaf(uint8_t leaf[32], int block, int index)
{
	uint8_t		bytes[1 + 16 + 1024] = {0};

	make_salt(bytes + 1, block, index);
	crypto_hash_sha256(leaf, bytes, 17 + make_entry(bytes + 17, block, index));
}

static int
largest_power_below(int count)
{
	int			power = 1;

	while (2 * power < count)
		power *= 2;
	return power;
}

void
reference_root(uint8_t root[32], uint8_t leaves[][32], int count)
{
	uint8_t		bytes[65] = {1};
	int			left = largest_power_below(count);

	if (count == 0)
		crypto_hash_sha256(root, bytes, 0);
	else if (count == 1)
		memcpy(root, leaves[0], 32);
	else
	{
		reference_root(bytes + 1, leaves, left);
		reference_root(bytes + 33, leaves + left, count - left);
		crypto_hash_sha256(root, bytes, 65);
	}
}

int
reference_path(uint8_t path[][32], int index, uint8_t leaves[][32], int count)
{
	int			left = largest_power_below(count);
	int			length;

	if (count == 1)
		return 0;
	if (index < left)
	{
		length = reference_path(path, index, leaves, left);
		reference_root(path[length], leaves + left, count - left);
	}
	else
	{
		length = reference_path(path, index - left, leaves + left, count - left);
		reference_root(path[length], leaves, left);
	}
	return length + 1;
}

static void
make_leaves(uint8_t leaves[SAMPLE_BLOCKS][32], int block)
{
	for (int i = 0; i < leaves_of(block); i++)
		make_leaf(leaves[i], block, i);
}

static void
make_block(int number)
{
	Made	   *block = &blocks[number];
	uint8_t		leaves[SAMPLE_BLOCKS][32];
	uint8_t		root[32];
	uint8_t		dataset[16];
	size_t		length;
	char		snapshot[64];

	make_leaves(leaves, number);
	reference_root(root, leaves, leaves_of(number));
	sodium_hex2bin(dataset, 16, DATASET, strlen(DATASET), "-", &length, NULL);
	put_bytes(block->bytes, &block->size, "toms block 1\n", 13);
	put_bytes(block->bytes, &block->size, dataset, 16);
	put(block->bytes, &block->size, number, 8);
	put(block->bytes, &block->size, 1, 4);
	put(block->bytes, &block->size, strtoull(SYSTEM, NULL, 10), 8);
	put(block->bytes, &block->size, 1, 4);
	put(block->bytes, &block->size, leaves_of(number), 8);
	put(block->bytes, &block->size, UINT64_C(848000000500000) + number * UINT64_C(1000000), 8);
	put_bytes(block->bytes, &block->size, blocks[number - 1].digest, 32);
	put_bytes(block->bytes, &block->size, root, 32);
	put_bytes(block->bytes, &block->size, root, 32);	/* some manifest */
	snprintf(snapshot, sizeof(snapshot), "%d:%d:%d,%d", 995 + 10 * number, 1005 + 10 * number, 996 + 10 * number, 1004 + 10 * number);
	put_text(block->bytes, &block->size, snapshot, 2);
	crypto_hash_sha256(block->digest, block->bytes, block->size);
	crypto_sign_detached(block->signature, NULL, block->bytes, block->size, secret_key);
}

void
sample_start(void)
{
	uint8_t		seed[32] = "the seed of the samples";

	crypto_sign_seed_keypair(public_key, secret_key, seed);
	for (int i = 1; i <= SAMPLE_BLOCKS; i++)
		make_block(i);
}

const char *
sample_key(void)
{
	return b64(public_key, 32);
}

static void
add_header(Sample *sample, int block)
{
	add(sample, "\"header\":\"%s\",\"signature\":\"%s\",\"key\":\"%s\"", b64(blocks[block].bytes, blocks[block].size),
		b64(blocks[block].signature, 64), sample_key());
}

static void
add_signature(Sample *sample, int from)
{
	uint8_t		signature[64];

	add(sample, ",\"key\":\"%s\"", sample_key());
	crypto_sign_detached(signature, NULL, (uint8_t *) sample->text + from, sample->size - from, secret_key);
	add(sample, ",\"signature\":\"%s\"}\n", b64(signature, 64));
}

/* "index":3,"salt":... as proofs and archives have them */
static void
add_proof(Sample *sample, int block, int index, bool nested)
{
	uint8_t		leaves[SAMPLE_BLOCKS][32];
	uint8_t		path[16][32];
	uint8_t		entry[1024];
	uint8_t		salt[16];
	int			size = make_entry(entry, block, index);
	int			leaf_count = leaves_of(block);
	int			length;

	make_salt(salt, block, index);
	make_leaves(leaves, block);
	length = reference_path(path, index, leaves, leaf_count);
	add(sample, "{\"version\":1,\"entry\":\"%s\",\"salt\":\"%s\",\"index\":%d,\"size\":%d,\"path\":[", b64(entry, size), b64(salt, 16), index, leaf_count);
	for (int i = 0; i < length; i++)
		add(sample, "%s\"%s\"", i > 0 ? "," : "", b64(path[i], 32));
	add(sample, "],");
	add_header(sample, block);
	if (!nested && kind_of(block, index) == 'c' && leaf_count >= 3)
	{
		add(sample, ",\"who\":");
		add_proof(sample, block, leaf_count - 1, true);
	}
	if (!nested && kind_of(block, index) == 'c' && leaf_count >= 2)
	{
		add(sample, ",\"object\":");
		add_proof(sample, block, leaf_count - (leaf_count >= 3 ? 2 : 1), true);
	}
	add(sample, "}");
}

void
sample_proof(Sample *sample, int block, int index)
{
	sample->size = 0;
	add_proof(sample, block, index, false);
}

void
sample_certificate(Sample *sample, const SampleLie *lie)
{
	sample->size = 0;
	add(sample, "{\"type\" : \"certificate\", \"version\" : 1, \"dataset\" : \"%s\", \"erasure\" : 17, \"kind\" : \"subject\", \"tenant\" : \"%s\", "
		"\"category\" : null, \"state\" : \"done\", \"by\" : {\"instruction\" : 9}, \"requested_at\" : \"2026-11-15T00:00:00.000000Z\", "
		"\"erased_at\" : \"2026-11-15T00:00:01.000000Z\", \"tables\" : %s, \"keys\" : 4, \"epochs\" : [], \"rest\" : [], \"backups\" : {\"clear_until\" : \"2033-11-15\"}, ",
		lie->dataset ? lie->dataset : DATASET, lie->tenant ? lie->tenant : "acme", lie->tables ? lie->tables : ERASED);
	add(sample, "\"entry\" : %d, \"proof\" : ", id_of(SAMPLE_BLOCKS, lie->index ? lie->index : SAMPLE_DELETION));
	if (lie->unproved)
		add(sample, "null");
	else
		add_proof(sample, SAMPLE_BLOCKS, lie->index ? lie->index : SAMPLE_DELETION, true);
	add(sample, ",\"issued_at\":\"2026-11-16T00:00:00.000000Z\"");
	add_signature(sample, 0);
	sample->size--;				/* of a certificate that is given out as exact bytes */
}

void
sample_report(Sample *sample, bool is_text)
{
	static const char head[] = "\"type\": \"report\", \"version\": 1";
	static const char rest[] = "\"tenant\": \"acme\", \"dataset\": \"" DATASET "\", \"made_at\": \"2026-11-16T00:00:00.000000Z\"";

	sample->size = 0;
	if (is_text)
		add(sample, "<!DOCTYPE html>\n<p>12 measures: holds\n<!-- {%s, \"format\": \"html\", %s", head, rest);
	else
		add(sample, "{%s, %s, \"measures\": [{\"measure\": \"A-1.1\", \"status\": \"pass\"}]", head, rest);
	add_signature(sample, 0);
	sample->size--;				/* exact bytes */
	if (is_text)
		add(sample, " -->");
}

void
sample_log(Sample *sample, int from, int to)
{
	uint8_t		previous[32] = {0};

	sample->size = 0;
	for (int i = from; i <= to; i++)
	{
		int			start = sample->size;

		add(sample, "{\"n\":%d,\"dataset\":\"" DATASET "\",\"type\":\"block\",\"block\":%d,\"segment\":1,\"system\":\"" SYSTEM "\",\"timeline\":1,"
			"\"size\":%d,\"digest\":\"%s\",\"at\":\"2026-11-15T00:00:00.000000Z\",\"previous\":\"%s\"", i - from + 1, i, leaves_of(i),
			b64(blocks[i].digest, 32), b64(previous, 32));
		add_signature(sample, start);
		crypto_hash_sha256(previous, (uint8_t *) sample->text + start, sample->size - start - 1);
	}
}

void
sample_chain(Sample *sample, int from, int to)
{
	sample->size = 0;
	for (int i = from; i <= to; i++)
	{
		add(sample, "{\"block\":%d,", i);
		add_header(sample, i);
		add(sample, "}\n");
	}
}

static void
add_entry(Sample *sample, int block, int index)
{
	uint8_t		entry[1024];
	uint8_t		salt[16];
	int			size = make_entry(entry, block, index);

	make_salt(salt, block, index);
	add(sample, "{\"type\":\"entry\",\"block\":%d,\"index\":%d,\"salt\":\"%s\",\"entry\":\"%s\"}\n", block, index, b64(salt, 16), b64(entry, size));
}

/* The subtree of so many leaves from the one given: its hash if it has none of the interval, else its halves. */
static int
add_subtrees(Sample *sample, int block, uint8_t leaves[][32], int start, int size, const int interval[2])
{
	uint8_t		hash[32];

	if (start + size <= interval[0] || start >= interval[1])
	{
		reference_root(hash, leaves + start, size);
		add(sample, "{\"type\":\"hash\",\"block\":%d,\"start\":%d,\"size\":%d,\"hash\":\"%s\"}\n", block, start, size, b64(hash, 32));
		return 0;
	}
	if (size == 1)
	{
		add_entry(sample, block, start);
		return 1;
	}
	return add_subtrees(sample, block, leaves, start, largest_power_below(size), interval) +
		add_subtrees(sample, block, leaves, start + largest_power_below(size), size - largest_power_below(size), interval);
}

void
sample_archive(Sample *sample, int from, int to, int first, int behind)
{
	uint8_t		leaves[SAMPLE_BLOCKS][32];
	uint8_t		sum[32] = {0};
	int			entries = 0;
	int			start;

	sample->size = 0;
	add(sample, "{\"type\":\"archive\",\"version\":1,\"dataset\":\"" DATASET "\",\"kind\":null,\"since\":\"2026-11-01T00:00:00.000000Z\",\"until\":null,"
		"\"at\":\"2026-11-22T15:00:00.000000Z\"}\n");
	for (int block = from; block <= to; block++)
	{
		add(sample, "{\"type\":\"block\",");
		add_header(sample, block);
		add(sample, "}\n");
		make_leaves(leaves, block);
		if (leaves_of(block) > 0)
			entries += add_subtrees(sample, block, leaves, 0, leaves_of(block), (int[2]) {first, behind});
	}
	for (const char *line = sample->text; line < sample->text + sample->size; line = strchr(line, '\n') + 1)
	{
		crypto_hash_sha256_state state;

		crypto_hash_sha256_init(&state);
		crypto_hash_sha256_update(&state, sum, 32);
		crypto_hash_sha256_update(&state, (const uint8_t *) line, strchr(line, '\n') - line);
		crypto_hash_sha256_final(&state, sum);
	}
	start = sample->size;
	add(sample, "{\"type\":\"end\",\"blocks\":%d,\"entries\":%d,\"sum\":\"%s\"", to - from + 1, entries, b64(sum, 32));
	add_signature(sample, start);
}
