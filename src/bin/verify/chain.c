/*
 * chain.c - the chain of blocks (toms.export_blocks()), by itself and against the outside log.
 *
 * Called line by line by the command "chain".  One block is kept, so that any number can be
 * checked.
 */
#include "verify.h"

#include <inttypes.h>

static uint64_t blocks;
static uint64_t first;
static Block last;

void
chain_start(void)
{
	blocks = 0;
	first = 0;
	memset(&last, 0, sizeof(last));
}

static void
check_link(const Block *block)
{
	if (memcmp(block->dataset, last.dataset, DATASET_BYTES) != 0)
		fault("block %" PRIu64 " is of another data set than block %" PRIu64, block->number, last.number);
	if (block->number == last.number + 2)
		fault("missing: block %" PRIu64, last.number + 1);
	else if (block->number > last.number + 2)
		fault("missing: blocks %" PRIu64 " to %" PRIu64, last.number + 1, block->number - 1);
	else if (block->number <= last.number)
	{
		fault("block %" PRIu64 " does not follow block %" PRIu64, block->number, last.number);
		return;
	}
	else if (memcmp(block->previous, last.digest, HASH_BYTES) != 0)
		fault("rewritten: block %" PRIu64 " follows another block %" PRIu64 " than this one", block->number, last.number);
	if (block->segment < last.segment)
		fault("block %" PRIu64 " is of segment %" PRIu32 ", after segment %" PRIu32, block->number, block->segment, last.segment);
	else if (block->segment == last.segment && block->system != last.system)
		fault("block %" PRIu64 " is of another cluster, but of the same segment", block->number);
	else if (block->segment == last.segment && (block->xmin < last.xmin || block->xmax < last.xmax))
		fault("the snapshot of block %" PRIu64 " is older than that of block %" PRIu64, block->number, last.number);
}

static void
compare_with_log(const Block *block)
{
	const uint8_t *digest;
	uint64_t	line = log_says(block->number, &digest);

	if (line == 0)
		fault_of_block("not in the outside log", block->number);
	else if (memcmp(digest, block->digest, HASH_BYTES) == 0)
		end_range();
	else if (log_ever_said(block->number, block->digest))
		fault_of_block("rewound, and sealed again as another one since", block->number);
	else
		fault_of_block("rewritten: the outside log has another digest", block->number);
}

void
chain_line(Text line)
{
	Member		members[] = {NEEDED("block"), NEEDED("header"), NEEDED("signature"), NEEDED("key")};
	const char *problem = json_members(line, members, lengthof(members), false);
	uint64_t	number;
	Block		block;

	if (problem || !json_number(members[0].value, &number))
	{
		fault("not a line about a block: %s", problem ? problem : "no number");
		return;
	}
	if (!read_block(members[1].value, members[2].value, members[3].value, &block))
		return;
	if (block.number != number)
		fault("block %" PRIu64 " has a header of block %" PRIu64, number, block.number);
	if (blocks++ == 0)
	{
		first = block.number;
		log_check_dataset(block.dataset);
		if (block.number == 1 && !sodium_is_zero(block.previous, HASH_BYTES))
			fault("block 1 follows another block");
	}
	else
		check_link(&block);
	if (log_given())
		compare_with_log(&block);
	last = block;
}

void
chain_end(void)
{
	const uint8_t *digest;

	end_range();
	if (log_given() && log_last_block() == last.number + 1)
		fault("missing: block %" PRIu64 ", which the outside log has", last.number + 1);
	else if (log_given() && log_last_block() > last.number)
		fault("missing: blocks %" PRIu64 " to %" PRIu64 ", which the outside log has", last.number + 1, log_last_block());
	if (log_given() && first > 1 && log_says(first - 1, &digest) == 0)
		say("the outside log does not tell what came before block %" PRIu64, first);
	if (blocks == 0)
		say("chain: no blocks");
	else
		say("chain: %" PRIu64 " blocks, %" PRIu64 " to %" PRIu64, blocks, first, last.number);
}
