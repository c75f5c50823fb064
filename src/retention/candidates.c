/*
 * candidates.c - which pairs of rule and tenant a run can leave out, since nothing of theirs is due.
 *
 * Called by round.c once partitions have been taken out: a thousand tenants with twenty rules are to cost a few queries, not one for each
 * pair.  Each table is asked once for each column that rules count from, with the latest of their horizons,
 * which tenants have rows before it.  That is more than are due, perhaps; never fewer.
 *
 * The query runs none of the owner's code: it compares a date with PostgreSQL's operators, and what the planner would
 * evaluate of his is refused.  So it runs as the bootstrap superuser.
 */
#include "retention/worker.h"

#include "access/xact.h"
#include "base/system_settings.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* A column of a table that rules count from. */
typedef struct Source
{
	Oid			root;
	AttrNumber	column;
	Oid			type;
	TomsHorizon horizon;		/* the latest of its rules' */
	int			ntenants;
	char	  **sorted;			/* by their bytes */
	bool		unknown;		/* which they are */
} Source;

struct TomsCandidates
{
	HTAB	   *sources;		/* of rules, by their ids */
};

typedef struct RuleEntry
{
	int64		rule;			/* key */
	Source	   *source;			/* NULL: the start event is elsewhere, or the rows' tenant */
} RuleEntry;

const TomsRule *
toms_retention_rule(const TomsRelation *relation, int64 id)
{
	for (int i = 0; relation && i < relation->nrules; i++)
	{
		if (relation->rules[i].id == id)
			return &relation->rules[i];
	}
	return NULL;
}

static void
widen(TomsHorizon *horizon, const TomsHorizon *other)
{
	horizon->instant = Max(horizon->instant, other->instant);
	horizon->local = Max(horizon->local, other->local);
	horizon->date = Max(horizon->date, other->date);
}

/* In the list that is being built; NULL: there is nothing to ask. */
static Source *
source_of(List **sources, const TomsRelation *relation, const TomsRule *rule, TimestampTz as_of)
{
	TomsHorizon horizon;
	ListCell   *cell;
	Source	   *source;

	if (OidIsValid(rule->elsewhere) || rule->column <= 0 || !OidIsValid(rule->type) || rule->zone == NULL || relation->tenant == 0)
		return NULL;
	horizon = toms_horizon(&rule->keep, rule->starts, rule->zone, as_of);
	foreach(cell, *sources)
	{
		source = lfirst(cell);
		if (source->root != relation->relid || source->column != rule->column)
			continue;
		widen(&source->horizon, &horizon);
		return source;
	}
	source = palloc0(sizeof(Source));
	source->root = relation->relid;
	source->column = rule->column;
	source->type = rule->type;
	source->horizon = horizon;
	*sources = lappend(*sources, source);
	return source;
}

/* The query ----------------------------------------------------------------------------- */

static Datum
limit_of(const Source *source)
{
	switch (source->type)
	{
		case DATEOID:
			return DateADTGetDatum(source->horizon.date);
		case TIMESTAMPOID:
			return TimestampGetDatum(source->horizon.local);
		default:
			return TimestampTzGetDatum(source->horizon.instant);
	}
}

static void
read_tenants(Source *source, MemoryContext context)
{
	const TomsRelation *relation = toms_catalog_relation(source->root);
	char	   *query = psprintf("SELECT DISTINCT %s::pg_catalog.text COLLATE \"C\" FROM %s WHERE %s <= $1 ORDER BY 1",
								 quote_identifier(get_attname(source->root, relation->tenant, false)),
								 quote_qualified_identifier(get_namespace_name(get_rel_namespace(source->root)), get_rel_name(source->root)),
								 quote_identifier(get_attname(source->root, source->column, false)));

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute_with_args(query, 1, &source->type, (Datum[]) {limit_of(source)}, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read which tenants have rows that are due");
	source->sorted = MemoryContextAllocHuge(context, Max(SPI_processed, 1) * sizeof(char *));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *tenant = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

		if (tenant)
			source->sorted[source->ntenants++] = MemoryContextStrdup(context, tenant);
	}
	SPI_finish();
}

/* A table that cannot be asked, locked as it may be, does not stop the others: then each tenant may have rows that are due. */
static void
ask(Source *source, MemoryContext context)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *problem;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		TomsSystemQuery asking = toms_system_query_begin();

		(void) set_config_option("lock_timeout", "200ms", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		read_tenants(source, context);
		toms_system_query_end(asking);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(memory);
		problem = toms_retention_describe(CopyErrorData());
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		source->unknown = true;
		ereport(LOG,
				(errmsg("toms retention could not ask table %u which tenants have rows that are due", source->root),
				 errdetail("%s; all tenants are looked at.", problem)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
}

/* Candidates ---------------------------------------------------------------------------- */

static void
add_rule(TomsCandidates *candidates, List **sources, const TomsRuleTurn *turn, TimestampTz as_of)
{
	bool		found;
	RuleEntry  *entry = hash_search(candidates->sources, &turn->rule, HASH_ENTER, &found);
	const TomsRelation *relation;
	const TomsRule *rule;

	if (found)
		return;
	entry->source = NULL;
	relation = toms_catalog_relation(turn->root);
	rule = toms_retention_rule(relation, turn->rule);
	if (rule)
		entry->source = source_of(sources, relation, rule, as_of);
}

/* In the current memory context. */
TomsCandidates *
toms_candidates(List *turns, TimestampTz as_of)
{
	TomsCandidates *candidates = palloc(sizeof(TomsCandidates));
	List	   *sources = NIL;
	ListCell   *cell;

	candidates->sources = hash_create("toms retention rules", 64,
									  &(HASHCTL) {.keysize = sizeof(int64),.entrysize = sizeof(RuleEntry),.hcxt = CurrentMemoryContext},
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	foreach(cell, turns)
		add_rule(candidates, &sources, lfirst(cell), as_of);
	foreach(cell, sources)
		ask(lfirst(cell), CurrentMemoryContext);
	return candidates;
}

static int
compare_tenants(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

bool
toms_is_candidate(const TomsCandidates *candidates, const TomsRuleTurn *turn)
{
	const RuleEntry *entry = hash_search(candidates->sources, &turn->rule, HASH_FIND, NULL);
	const Source *source = entry ? entry->source : NULL;

	return source == NULL || source->unknown || bsearch(&turn->tenant, source->sorted, source->ntenants, sizeof(char *), compare_tenants) != NULL;
}
