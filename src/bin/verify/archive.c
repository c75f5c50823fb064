/*
 * archive.c - archives of entries (toms.archive_audit()).
 *
 * Called line by line, for one archive after the other.  Memory is needed for one line, a hash
 * for each level of a tree, and the digest of each block, which has to be the same in all archives.
 */
#include "verify.h"

#include <inttypes.h>

typedef struct Digest
{
	uint64_t	block;
	uint8_t		digest[HASH_BYTES];
} Digest;

/* The archive that is being read. */
static struct
{
	bool		begun;
	bool		ended;
	uint8_t		dataset[DATASET_BYTES];
	char		kind;			/* '\0': all */
	char		since[32];		/* "": from the beginning */
	char		until[32];
	uint8_t		sum[HASH_BYTES];
	uint64_t	blocks;
	uint64_t	entries;
	bool		in_block;		/* whose entries follow */
	Block		block;
	Tree		tree;
	char		last_kind;		/* of the entry before in this block */
	int64_t		last_id;
	bool		skip;			/* the rest of a block in which a fault was found already */
} archive;

static Digest *digests = NULL;
static size_t digest_count = 0;
static uint64_t all_entries = 0;

void
archive_start(void)
{
	memset(&archive, 0, sizeof(archive));
}

static void
read_start(Text line)
{
	Member		members[] = {NEEDED("type"), NEEDED("version"), NEEDED("dataset"), NEEDED("kind"), NEEDED("since"), NEEDED("until"), NEEDED("at")};
	const char *problem = json_members(line, members, lengthof(members), false);
	uint64_t	version;
	char		at[32];
	Text		kind = {0};

	if (problem || !json_is(members[0].value, "archive") || !json_number(members[1].value, &version) || version != 1 ||
		!json_uuid(members[2].value, archive.dataset) || !json_time(members[6].value, at) ||
		!(json_is_null(members[3].value) || (json_string(members[3].value, &kind) && kind.size == 1)) ||
		!(json_is_null(members[4].value) || json_time(members[4].value, archive.since)) ||
		!(json_is_null(members[5].value) || json_time(members[5].value, archive.until)))
		fault("not the first line of an archive: %s", problem ? problem : "a value of another form");
	else
	{
		archive.kind = kind.size > 0 ? kind.at[0] : '\0';
		log_check_dataset(archive.dataset);
	}
}

static void
end_block(void)
{
	uint8_t		root[HASH_BYTES];

	if (!archive.in_block)
		return;
	archive.in_block = false;
	if (archive.skip)
		return;
	if (!tree_root(&archive.tree, root))
		fault("block %" PRIu64 " ends before this line with %" PRIu64 " of its %" PRIu64 " leaves", archive.block.number,
			  archive.tree.leaves, archive.block.size);
	else if (memcmp(root, archive.block.root, HASH_BYTES) != 0)
		fault("the entries of block %" PRIu64 ", which ends before this line, do not lead to the root in its header: an entry, salt or hash was changed",
			  archive.block.number);
}

static void
read_block_line(Text line)
{
	Member		members[] = {NEEDED("type"), NEEDED("header"), NEEDED("signature"), NEEDED("key")};
	const char *problem = json_members(line, members, lengthof(members), false);
	uint64_t	before = archive.block.number;

	end_block();
	archive.blocks++;
	archive.in_block = archive.skip = true;
	if (problem)
		fault("not a line about a block: %s", problem);
	else if (read_block(members[1].value, members[2].value, members[3].value, &archive.block))
	{
		if (archive.block.number <= before)
			fault("block %" PRIu64 " stands after block %" PRIu64, archive.block.number, before);
		if (memcmp(archive.block.dataset, archive.dataset, DATASET_BYTES) != 0)
			fault("block %" PRIu64 " is of another data set", archive.block.number);
		log_check_block(&archive.block);
		digests = grow(digests, digest_count, sizeof(Digest));
		digests[digest_count].block = archive.block.number;
		memcpy(digests[digest_count++].digest, archive.block.digest, HASH_BYTES);
		archive.skip = false;
	}
	memset(&archive.tree, 0, sizeof(archive.tree));
	archive.tree.total = archive.block.size;
	archive.last_kind = '\0';
}

/* The entry is one of those asked for, and in its place. */
static void
check_entry(const Entry *entry)
{
	char		at[TIME_SIZE];

	print_time(entry->at, at);
	if (archive.kind && entry->kind != archive.kind)
		fault("entry %" PRId64 " is not of the archive's kind", entry->id);
	if (at[0] >= '0' && at[0] <= '9' && ((archive.since[0] && strcmp(at, archive.since) < 0) || (archive.until[0] && strcmp(at, archive.until) >= 0)))
		fault("entry %" PRId64 " is not of the archive's period", entry->id);
	if (archive.last_kind && (entry->kind < archive.last_kind || (entry->kind == archive.last_kind && entry->id <= archive.last_id)))
		fault("entry %" PRId64 " is out of order", entry->id);
	archive.last_kind = entry->kind;
	archive.last_id = entry->id;
}

static void
add_line(const Member *members, uint64_t start, uint64_t size, const uint8_t hash[HASH_BYTES])
{
	uint64_t	number;

	if (archive.skip)
		return;
	if (!json_number(members[1].value, &number) || number != archive.block.number)
		fault("not of block %" PRIu64 ", in which it stands", archive.block.number);
	else if (!add_subtree(&archive.tree, start, size, hash))
		fault("not what follows %" PRIu64 " of %" PRIu64 " leaves of block %" PRIu64, archive.tree.leaves, archive.tree.total, number);
	else
		return;
	archive.skip = true;
}

static void
read_entry_line(Text line)
{
	Member		members[] = {NEEDED("type"), NEEDED("block"), NEEDED("index"), NEEDED("salt"), NEEDED("entry")};
	const char *problem = json_members(line, members, lengthof(members), false);
	uint8_t		salt[SALT_BYTES];
	uint8_t		hash[HASH_BYTES];
	uint64_t	index;
	Bytes		bytes;
	Entry		entry;

	archive.entries++;
	if (!problem && (!json_number(members[2].value, &index) || !json_bytes(members[3].value, salt, SALT_BYTES) || !json_blob(members[4].value, &bytes)))
		problem = "a value of another form";
	if (!problem)
		problem = read_entry(bytes, &entry);
	if (problem)
	{
		fault("not a line about an entry: %s", problem);
		archive.skip = true;
		return;
	}
	check_entry(&entry);
	leaf_hash(hash, salt, bytes);
	add_line(members, index, 1, hash);
}

static void
read_hash_line(Text line)
{
	Member		members[] = {NEEDED("type"), NEEDED("block"), NEEDED("start"), NEEDED("size"), NEEDED("hash")};
	const char *problem = json_members(line, members, lengthof(members), false);
	uint8_t		hash[HASH_BYTES];
	uint64_t	start;
	uint64_t	size;

	if (problem || !json_number(members[2].value, &start) || !json_number(members[3].value, &size) || !json_bytes(members[4].value, hash, HASH_BYTES))
	{
		fault("not a line about a hash: %s", problem ? problem : "a value of another form");
		archive.skip = true;
	}
	else
		add_line(members, start, size, hash);
}

static void
read_end(Text line)
{
	Member		members[] = {NEEDED("type"), NEEDED("blocks"), NEEDED("entries"), NEEDED("sum"), NEEDED("key"), NEEDED("signature")};
	const char *problem = json_members(line, members, lengthof(members), false);
	static const char start[] = "{\"type\":\"end\"";
	uint64_t	blocks;
	uint64_t	entries;
	uint8_t		sum[HASH_BYTES];

	end_block();
	archive.ended = true;
	if (problem || !json_number(members[1].value, &blocks) || !json_number(members[2].value, &entries) ||
		!json_bytes(members[3].value, sum, HASH_BYTES) || line.size < sizeof(start) - 1 || memcmp(line.at, start, sizeof(start) - 1) != 0)
	{
		fault("not the last line of an archive: %s", problem ? problem : "a value of another form");
		return;
	}
	if (blocks != archive.blocks || entries != archive.entries)
		fault("the archive was made with %" PRIu64 " blocks and %" PRIu64 " entries, and has %" PRIu64 " and %" PRIu64,
			  blocks, entries, archive.blocks, archive.entries);
	if (memcmp(sum, archive.sum, HASH_BYTES) != 0)
		fault("a line above was changed, added, moved or taken away");
	(void) check_signed_line(line, members[5].value, members[4].value);
}

static void
read_line(Text line)
{
	Member		type = NEEDED("type");
	const char *problem = json_members(line, &type, 1, true);

	if (problem)
		fault("not a line of an archive: %s", problem);
	else if (archive.ended)
		fault("stands behind the archive's end");
	else if (json_is(type.value, "block"))
		read_block_line(line);
	else if (json_is(type.value, "end"))
		read_end(line);
	else if (!archive.in_block)
		fault("stands in no block");
	else if (json_is(type.value, "entry"))
		read_entry_line(line);
	else if (json_is(type.value, "hash"))
		read_hash_line(line);
	else
		fault("of a type that is not known");
}

void
archive_line(Text line)
{
	crypto_hash_sha256_state state;

	if (!archive.begun)
		read_start(line);
	else
		read_line(line);
	archive.begun = true;
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, archive.sum, HASH_BYTES);
	crypto_hash_sha256_update(&state, (const uint8_t *) line.at, line.size);
	crypto_hash_sha256_final(&state, archive.sum);
}

void
archive_end(void)
{
	if (!archive.begun)
		fault("empty");
	else if (!archive.ended)
		fault("cut off: its last line is not that of an archive");
	all_entries += archive.entries;
}

static int
compare(const void *left, const void *right)
{
	const Digest *a = left;
	const Digest *b = right;

	return a->block < b->block ? -1 : a->block > b->block;
}

void
archives_end(void)
{
	uint64_t	blocks = digest_count > 0;

	if (digest_count > 0)
		qsort(digests, digest_count, sizeof(Digest), compare);
	for (size_t i = 1; i < digest_count; i++)
	{
		if (digests[i].block != digests[i - 1].block)
			blocks++;
		else if (memcmp(digests[i].digest, digests[i - 1].digest, HASH_BYTES) != 0)
			fault("the archives have different blocks %" PRIu64, digests[i].block);
	}
	say("archive: %" PRIu64 " entries of %" PRIu64 " blocks", all_entries, blocks);
	free(digests);
	digests = NULL;
	digest_count = 0;
	all_entries = 0;
}
