/*
 * log.c - the log outside of the database, in which the digest of each block stands.
 *
 * Called line by line, by the command "log" and for the option --log; the blocks are kept in
 * memory for the questions of the other parts, sorted once the log has ended.
 */
#include "verify.h"

#include <inttypes.h>

typedef struct Said
{
	uint64_t	block;
	uint64_t	line;
	uint8_t		digest[HASH_BYTES];
} Said;

typedef struct Rewound
{
	uint64_t	from;
	uint64_t	to;
	uint64_t	line;			/* that went on from before */
	bool		acknowledged;
} Rewound;

static bool given = false;
static uint64_t lines;
static uint64_t pieces;			/* that crashes left */
static uint64_t broken;			/* the line before, if it is no record: its number */
static const char *broken_problem;
static uint64_t expected;		/* number of the next line */
static uint64_t last_block;
static uint8_t dataset[DATASET_BYTES];
static bool known_dataset;
static uint8_t line_hash[HASH_BYTES];

static Said *said;
static size_t said_count;
static Rewound *rewound;
static size_t rewound_count;

void
log_start(void)
{
	free(said);
	free(rewound);
	said = NULL;
	rewound = NULL;
	said_count = rewound_count = 0;
	lines = pieces = broken = last_block = 0;
	expected = 1;
	known_dataset = false;
	memset(line_hash, 0, sizeof(line_hash));
	given = true;
}

bool
log_given(void)
{
	return given;
}

uint64_t
log_last_block(void)
{
	return said_count > 0 ? said[said_count - 1].block : 0;
}

static void
note_block(uint64_t block, const uint8_t digest[HASH_BYTES])
{
	const Said *before = said_count > 0 ? &said[said_count - 1] : NULL;

	if (before && before->block == block && memcmp(before->digest, digest, HASH_BYTES) == 0)
		return;					/* said twice */
	if (last_block > 0 && block == last_block + 2)
		fault("block %" PRIu64 " is missing before this line", last_block + 1);
	else if (last_block > 0 && block > last_block + 2)
		fault("blocks %" PRIu64 " to %" PRIu64 " are missing before this line", last_block + 1, block - 1);
	else if (last_block == 0 && block > 1)
		say("the log begins with block %" PRIu64, block);
	else if (block <= last_block)
	{
		rewound = grow(rewound, rewound_count, sizeof(Rewound));
		rewound[rewound_count++] = (Rewound) {block, last_block, lines, false};
	}
	said = grow(said, said_count, sizeof(Said));
	said[said_count] = (Said) {block, lines, {0}};
	memcpy(said[said_count++].digest, digest, HASH_BYTES);
	last_block = block;
}

static void
read_block_line(Text line)
{
	Member		members[] = {NEEDED("block"), NEEDED("segment"), NEEDED("system"), NEEDED("timeline"), NEEDED("size"), NEEDED("digest"), NEEDED("at")};
	const char *problem = json_members(line, members, lengthof(members), true);
	uint64_t	block;
	uint64_t	number;
	uint8_t		digest[HASH_BYTES];
	char		at[32];
	Text		system;

	if (problem || !json_number(members[0].value, &block) || block == 0 || !json_number(members[1].value, &number) ||
		!json_string(members[2].value, &system) || !json_number(members[3].value, &number) || !json_number(members[4].value, &number) ||
		!json_bytes(members[5].value, digest, HASH_BYTES) || !json_time(members[6].value, at))
		fault("not a line about a block: %s", problem ? problem : "a value of another form");
	else
		note_block(block, digest);
}

static void
read_rewind_line(Text line)
{
	Member		members[] = {NEEDED("from"), NEEDED("to"), NEEDED("reason")};
	const char *problem = json_members(line, members, lengthof(members), true);
	uint64_t	from;
	uint64_t	to;

	if (problem || !json_number(members[0].value, &from) || !json_number(members[1].value, &to))
	{
		fault("not a line about what was rewound: %s", problem ? problem : "a value of another form");
		return;
	}
	for (size_t i = 0; i < rewound_count; i++)
	{
		if (from <= rewound[i].from && to >= rewound[i].to)
			rewound[i].acknowledged = true;
	}
}

/* What is no record, and is not followed by one that was chained to it. */
static void
refuse_broken(void)
{
	if (broken > 0)
		fault("line %" PRIu64 " is not one of an outside log: %s", broken, broken_problem);
	broken = 0;
}

/*
 * Number and hash of the line before.  A piece of a line that a crash left stays in the log:
 * the next record is chained to it, and numbered as if it were not there.
 */
static void
check_sequence(Text n, Text previous)
{
	uint64_t	number;
	uint8_t		hash[HASH_BYTES];
	bool		numbered = json_number(n, &number);
	bool		chained = json_bytes(previous, hash, HASH_BYTES) && memcmp(hash, line_hash, HASH_BYTES) == 0;

	if (broken > 0 && chained && numbered && number == expected)
	{
		broken = 0;
		pieces++;
	}
	else if (broken > 0 && numbered)
		expected = number;
	refuse_broken();
	if (!numbered)
		fault("has no number");
	else if (number != expected)
		fault("numbered %" PRIu64 ", not %" PRIu64 ": a line is missing, added or moved", number, expected);
	expected = (numbered ? number : expected) + 1;
	if (!chained)
		fault("does not follow the line before: that one was changed, or this one moved");
}

static void
check_line(Text line, const Member *members)
{
	uint8_t		uuid[DATASET_BYTES];

	check_sequence(members[0].value, members[3].value);
	if (!json_uuid(members[1].value, uuid) || (known_dataset && memcmp(uuid, dataset, DATASET_BYTES) != 0))
		fault("of another data set than the line before");
	else
		memcpy(dataset, uuid, DATASET_BYTES);
	known_dataset = true;
	if (line.size < 5 || memcmp(line.at, "{\"n\":", 5) != 0)
		fault("does not begin as a line of an outside log");
	else if (check_signed_line(line, members[5].value, members[4].value))
	{
		if (json_is(members[2].value, "block"))
			read_block_line(line);
		else if (json_is(members[2].value, "rewind"))
			read_rewind_line(line);
	}
}

void
log_line(Text line)
{
	Member		members[] = {NEEDED("n"), NEEDED("dataset"), NEEDED("type"), NEEDED("previous"), NEEDED("key"), NEEDED("signature")};
	const char *problem = json_members(line, members, lengthof(members), true);

	lines++;
	if (!problem)
		check_line(line, members);
	else
	{
		refuse_broken();
		broken = lines;
		broken_problem = problem;
	}
	crypto_hash_sha256(line_hash, (const uint8_t *) line.at, line.size);
}

static int
compare(const void *left, const void *right)
{
	const Said *a = left;
	const Said *b = right;

	if (a->block != b->block)
		return a->block < b->block ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

void
log_end(void)
{
	refuse_broken();
	for (size_t i = 0; i < rewound_count; i++)
	{
		if (!rewound[i].acknowledged)
			fault("rewound: blocks %" PRIu64 " to %" PRIu64 " were sealed before and again from line %" PRIu64 " on",
				  rewound[i].from, rewound[i].to, rewound[i].line);
	}
	if (said_count > 0)
		qsort(said, said_count, sizeof(Said), compare);
	say("outside log: %" PRIu64 " lines, %zu of blocks", lines, said_count);
	if (pieces > 0)
		say("outside log: %" PRIu64 " pieces of lines that crashes left", pieces);
}

/* The first of the sorted entries that is not of a block below. */
static size_t
find_block(uint64_t block)
{
	size_t		low = 0;
	size_t		high = said_count;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (said[middle].block < block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t
log_says(uint64_t block, const uint8_t **digest)
{
	size_t		behind = find_block(block + 1);

	if (behind == 0 || said[behind - 1].block != block)
		return 0;
	*digest = said[behind - 1].digest;
	return said[behind - 1].line;
}

bool
log_ever_said(uint64_t block, const uint8_t digest[HASH_BYTES])
{
	for (size_t i = find_block(block); i < said_count && said[i].block == block; i++)
	{
		if (memcmp(said[i].digest, digest, HASH_BYTES) == 0)
			return true;
	}
	return false;
}

void
log_check_dataset(const uint8_t other[DATASET_BYTES])
{
	if (given && known_dataset && memcmp(dataset, other, DATASET_BYTES) != 0)
		fault("the outside log is of another data set");
}

void
log_check_block(const Block *block)
{
	const uint8_t *digest;
	uint64_t	line;

	if (!given)
		return;
	log_check_dataset(block->dataset);
	line = log_says(block->number, &digest);
	if (line == 0)
		fault("missing: the outside log has no block %" PRIu64, block->number);
	else if (memcmp(digest, block->digest, HASH_BYTES) == 0)
		say("outside log: block %" PRIu64 " stands in line %" PRIu64, block->number, line);
	else if (log_ever_said(block->number, block->digest))
		fault("rewound: block %" PRIu64 " was sealed so, and again as another one (line %" PRIu64 " of the outside log)", block->number, line);
	else
		fault("rewritten: the outside log has another block %" PRIu64 " (line %" PRIu64 ")", block->number, line);
}
