/*
 * proof.c - a proof that an entry is in a sealed block (toms.audit_proof()).
 *
 * Called by the commands "proof" and "certificate".  An entry and those to which it refers are proved each by
 * itself; what is told of them is told from the bytes that were proved.
 */
#include "verify.h"

#include <inttypes.h>

enum
{
	VERSION,
	ENTRY,
	SALT,
	INDEX,
	SIZE,
	PATH,
	HEADER,
	SIGNATURE,
	KEY,
	WHO,
	OBJECT,
	MEMBERS
};

/* What a proof has proved. */
typedef struct Proved
{
	Entry		entry;
	Block		block;
	uint64_t	index;
	Text		who;			/* nested proofs, or at: NULL */
	Text		object;
} Proved;

static bool
read_path(Text array, Bytes *path)
{
	uint8_t    *into = scratch(LEVELS * HASH_BYTES);
	size_t		offset = 0;
	Text		value;

	*path = (Bytes) {into, 0};
	if (array.size == 0 || array.at[0] != '[')
		return false;
	while (json_element(array, &offset, &value))
	{
		if (path->size == LEVELS * HASH_BYTES || !json_bytes(value, into + path->size, HASH_BYTES))
			return false;
		path->size += HASH_BYTES;
	}
	return true;
}

/* The leaf is in the tree whose root the header has. */
static bool
check_path(const Member *members, Bytes entry, Proved *proved)
{
	uint8_t		salt[SALT_BYTES];
	uint8_t		hash[HASH_BYTES];
	uint64_t	size;
	Bytes		path;

	if (!json_bytes(members[SALT].value, salt, SALT_BYTES) || !json_number(members[INDEX].value, &proved->index) ||
		!json_number(members[SIZE].value, &size) || !read_path(members[PATH].value, &path))
	{
		fault("salt, index, size or path of another form");
		return false;
	}
	leaf_hash(hash, salt, entry);
	if (size != proved->block.size)
		fault("the block has %" PRIu64 " entries, not %" PRIu64, proved->block.size, size);
	else if (!follow_path(hash, proved->index, size, path))
		fault("the path has not the length for this index and size");
	else if (memcmp(hash, proved->block.root, HASH_BYTES) != 0)
		fault("entry, salt and path do not lead to the root in the header");
	else
		return true;
	return false;
}

static bool
check_one(Text text, bool nested, Proved *proved)
{
	Member		members[MEMBERS] = {
		[VERSION] = NEEDED("version"), [ENTRY] = NEEDED("entry"), [SALT] = NEEDED("salt"), [INDEX] = NEEDED("index"),
		[SIZE] = NEEDED("size"), [PATH] = NEEDED("path"), [HEADER] = NEEDED("header"), [SIGNATURE] = NEEDED("signature"),
		[KEY] = NEEDED("key"), [WHO] = OPTIONAL("who"), [OBJECT] = OPTIONAL("object")
	};
	const char *problem = json_members(text, members, nested ? WHO : MEMBERS, false);
	uint64_t	version;
	Bytes		bytes;

	if (!problem && (!json_number(members[VERSION].value, &version) || version != 1))
		problem = "a proof of another version";
	if (!problem)
		problem = json_blob(members[ENTRY].value, &bytes) ? read_entry(bytes, &proved->entry) : "not base64url";
	if (problem)
	{
		fault("not a proof: %s", problem);
		return false;
	}
	proved->who = members[WHO].value;
	proved->object = members[OBJECT].value;
	if (!read_block(members[HEADER].value, members[SIGNATURE].value, members[KEY].value, &proved->block))
		return false;
	if (!check_path(members, bytes, proved))
		return false;
	log_check_block(&proved->block);
	return true;
}

/* The proof of an entry to which another one refers; NULL if there is none, or a fault. */
static const Entry *
check_nested(Text text, const Proved *outer, int64_t id, char kind)
{
	Proved	   *proved;

	if (!text.at)
		return NULL;
	proved = scratch(sizeof(Proved));
	if (!check_one(text, true, proved))
		return NULL;
	if (proved->entry.id != id || proved->entry.kind != kind || id == 0)
		fault("the nested proof is of entry %" PRId64 ", to which entry %" PRId64 " does not refer so", proved->entry.id, outer->entry.id);
	else if (memcmp(proved->block.dataset, outer->block.dataset, DATASET_BYTES) != 0)
		fault("the nested proof of entry %" PRId64 " is of another data set", id);
	else
		return &proved->entry;
	return NULL;
}

static void
print_block(const Proved *proved)
{
	const Block *block = &proved->block;
	char		time[TIME_SIZE];

	print_time(block->sealed_at, time);
	say("block: %" PRIu64 ", entry %" PRIu64 " of %" PRIu64, block->number, proved->index + 1, block->size);
	say("sealed: %s", time);
	say("data set: %s (cluster %" PRIu64 ", timeline %" PRIu32 ")", shown_uuid(block->dataset), block->system, block->timeline);
	say("digest: %s", shown_bytes(block->digest, HASH_BYTES));
	if (!log_given())
		say("outside log: not compared");
}

void
check_proof(Text text)
{
	Proved		proved;
	const Entry *who;
	const Entry *object;
	uint64_t	before = faults();

	if (!check_one(text, false, &proved))
		return;
	who = check_nested(proved.who, &proved, proved.entry.who, 'w');
	object = check_nested(proved.object, &proved, proved.entry.kind == 'o' ? 0 : proved.entry.object, 'o');
	if (faults() > before)
		return;
	print_entry(&proved.entry, who, object);
	print_block(&proved);
}

bool
prove_entry(Text text, const uint8_t dataset[DATASET_BYTES], Entry *entry)
{
	Proved		proved;

	if (!check_one(text, false, &proved))
		return false;
	if (memcmp(proved.block.dataset, dataset, DATASET_BYTES) != 0)
	{
		fault("the proof is of another data set");
		return false;
	}
	*entry = proved.entry;
	print_block(&proved);
	return true;
}
