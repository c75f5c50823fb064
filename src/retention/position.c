/*
 * position.c - where runs of this session have come to that have not come to their end.
 *
 * Called by run.c, so that the next call of toms.run_retention() does not pass over the index entries of rows
 * that are gone.  An error forgets all of it: what was deleted may be there again.
 */
#include "retention/retention_int.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

typedef struct Kept
{
	struct
	{
		int64		rule;
		char		tenant[256];
	}			key;
	TomsBatchPosition position;
} Kept;

static HTAB *kept = NULL;
static bool is_running = false; /* subtransactions of a run roll back what single rows are to blame for */

static void
forget_kept(void)
{
	HASH_SEQ_STATUS scan;
	Kept	   *entry;

	hash_seq_init(&scan, kept);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->position.context)
			MemoryContextDelete(entry->position.context);
	}
	hash_destroy(kept);
	kept = NULL;
}

static void
transaction_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT && kept)
		forget_kept();
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && kept && !is_running)
		forget_kept();
}

void
toms_position_running(bool running)
{
	is_running = running;
}

void
toms_position_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}

/* Takes it out. */
TomsBatchPosition
toms_position_take(const TomsRuleTurn *turn)
{
	TomsBatchPosition position = {0};
	Kept		wanted = {0};
	Kept	   *entry;

	wanted.key.rule = turn->rule;
	strlcpy(wanted.key.tenant, turn->tenant, sizeof(wanted.key.tenant));
	entry = kept ? hash_search(kept, &wanted.key, HASH_FIND, NULL) : NULL;
	if (entry)
	{
		position = entry->position;
		(void) hash_search(kept, &wanted.key, HASH_REMOVE, NULL);
	}
	return position;
}

void
toms_position_keep(const TomsRuleTurn *turn, const TomsBatchPosition *position)
{
	HASHCTL		control = {.keysize = sizeof(((Kept *) NULL)->key),.entrysize = sizeof(Kept),.hcxt = TopMemoryContext};
	Kept		wanted = {0};
	bool		found;

	if (kept == NULL)
		kept = hash_create("toms retention positions", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	wanted.key.rule = turn->rule;
	strlcpy(wanted.key.tenant, turn->tenant, sizeof(wanted.key.tenant));
	((Kept *) hash_search(kept, &wanted.key, HASH_ENTER, &found))->position = *position;
}
