/*
 * plan.c - the plans of retention's statements, kept in this backend.
 *
 * Called by batch.c for each statement: a run that finds nothing due asks thousands of times.  Plans are kept by
 * their text; PostgreSQL makes them anew when tables change.
 */
#include "retention/due.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#define MOST_PLANS 2000

typedef struct Kept
{
	uint64		hash;			/* of text and types */
	char	   *text;
	SPIPlanPtr	plan;
} Kept;

static HTAB *kept = NULL;

static void
forget_all(void)
{
	HASH_SEQ_STATUS status;
	Kept	   *entry;

	hash_seq_init(&status, kept);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		SPI_freeplan(entry->plan);
		pfree(entry->text);
	}
	hash_destroy(kept);
	kept = NULL;
}

static void
start_keeping(void)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(Kept),.hcxt = TopMemoryContext};

	if (kept && hash_get_num_entries(kept) >= MOST_PLANS)
		forget_all();
	if (kept == NULL)
		kept = hash_create("toms retention plans", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* What differs from call to call are parameters: one plan for all of them is as good as many, and costs nothing. */
static SPIPlanPtr
make_plan(const TomsDue *due, const char *statement)
{
	Oid		   *types = (Oid *) due->types;
	SPIPlanPtr	plan = SPI_prepare_cursor(statement, due->nparameters, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare a statement of retention");
	return plan;
}

static SPIPlanPtr
plan_of(const TomsDue *due, const char *statement)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) due->types, due->nparameters * sizeof(Oid), 0);
	Kept	   *entry;
	SPIPlanPtr	plan;
	bool		found;

	hash = hash_bytes_extended((const unsigned char *) statement, strlen(statement), hash);
	start_keeping();
	entry = hash_search(kept, &hash, HASH_FIND, NULL);
	if (entry && strcmp(entry->text, statement) == 0)
		return entry->plan;
	plan = make_plan(due, statement);
	entry = hash_search(kept, &hash, HASH_ENTER, &found);
	entry->text = MemoryContextStrdup(TopMemoryContext, statement);
	entry->plan = plan;
	return plan;
}

uint64
toms_due_run(const TomsDue *due, const char *statement, long most)
{
	Datum	   *values = (Datum *) due->values;

	if (SPI_execute_plan(plan_of(due, statement), values, NULL, false, most) < 0)
		elog(ERROR, "could not carry out a statement of retention");
	return SPI_processed;
}
