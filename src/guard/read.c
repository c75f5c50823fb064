/*
 * read.c - tells the audit trail which protected tables a statement reads.
 *
 * Called by check.c and pin.c: the tables are known when the statement is checked, the events are added
 * when it is run for the first time, and how many rows came of it is told when its memory goes, which
 * is also how half-read cursors, errors and terminated sessions end.  COPY of a table, which has no
 * plan, is told of by utility hooks instead.
 *
 * A reading lies in its statement's memory context, is freed with it, and is in no list.
 */
#include "guard/guard_int.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "commands/progress.h"
#include "context/context.h"
#include "executor/executor.h"
#include "guard/trail.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "trail/trail.h"
#include "utils/backend_status.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

typedef struct ReadTable
{
	Oid			relid;
	TomsMark	mark;			/* of its event */
} ReadTable;

struct TomsReading
{
	EState	   *estate;			/* NULL: of COPY of a table */
	bool		is_running;
	int64		rows;			/* of runs that are over; -1: not known */
	char	   *tenant;
	int			ntables;
	ReadTable	tables[FLEXIBLE_ARRAY_MEMBER];
};

/* details ----------------------------------------------------------------------------- */

static const char *
verb_of(const Plan *plan)
{
	if (plan == NULL || !IsA(plan, ModifyTable))
		return NULL;
	switch (((const ModifyTable *) plan)->operation)
	{
		case CMD_INSERT:
			return "insert";
		case CMD_UPDATE:
			return "update";
		case CMD_DELETE:
			return "delete";
		default:
			return "merge";
	}
}

/* What a statement that reads writes too. */
static void
say_verbs(StringInfo details, const PlannedStmt *stmt)
{
	const char *verbs = verb_of(stmt->planTree);
	ListCell   *cell;

	foreach(cell, stmt->hasModifyingCTE ? stmt->subplans : NIL)
	{
		const char *verb = verb_of(lfirst(cell));

		if (verb && (verbs == NULL || strstr(verbs, verb) == NULL))
			verbs = verbs ? psprintf("%s, %s", verbs, verb) : verb;
	}
	toms_event_say(details, "verbs", verbs);
}

/* By hand: for a look-up of one row, formats take longer than all the rest of this. */
static void
say_fingerprint(StringInfo details, uint64 id)
{
	static const char name[] = "\"fingerprint\":\"";
	char		text[sizeof(name) - 1 + 17];

	memcpy(text, name, sizeof(name) - 1);
	for (int i = 0; i < 16; i++)
		text[sizeof(name) - 1 + i] = "0123456789abcdef"[(id >> (60 - 4 * i)) & 15];
	text[sizeof(text) - 1] = '"';
	appendBinaryStringInfo(details, text, sizeof(text));
}

static void
say_statement(StringInfo details, const QueryDesc *query)
{
	const PlannedStmt *stmt = query->plannedstmt;
	CommandDest dest = query->dest ? query->dest->mydest : DestNone;

	if (stmt->queryId != 0)
		say_fingerprint(details, stmt->queryId);
	if (stmt->commandType != CMD_SELECT || stmt->hasModifyingCTE)
		say_verbs(details, stmt);
	if (dest == DestIntoRel)
		toms_event_say(details, "into", "table");
	else if (dest == DestTransientRel)
		toms_event_say(details, "into", "materialized view");
}

/* In a buffer that is used again. */
static const char *
describe(const QueryDesc *query, const TomsCopy *copy)
{
	static StringInfoData details = {0};

	if (details.data == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		initStringInfo(&details);
		MemoryContextSwitchTo(old);
	}
	resetStringInfo(&details);
	if (query)
		say_statement(&details, query);
	if (copy)
		toms_event_say(&details, copy->is_from ? "from" : "to", copy->other_end);
	return details.data;
}

/* readings ---------------------------------------------------------------------------- */

static TomsReading *
make_reading(MemoryContext memory, List *tables)
{
	TomsReading *reading = MemoryContextAllocZero(memory, offsetof(TomsReading, tables) + list_length(tables) * sizeof(ReadTable));
	ListCell   *cell;

	foreach(cell, tables)
		reading->tables[reading->ntables++].relid = lfirst_oid(cell);
	return reading;
}

TomsReading *
toms_reading_make(const QueryDesc *query, List *tables)
{
	TomsReading *reading;

	if (tables == NIL)
		return NULL;
	reading = make_reading(query->estate->es_query_cxt, tables);
	reading->estate = query->estate;
	return reading;
}

static bool
is_strict(Oid relid)
{
	TomsRelation *relation = toms_catalog_relation(relid);

	return relation && relation->reads_strictly && relation->mode == TOMS_MODE_ENFORCE;
}

static char
verb_for(Oid relid, const TomsCopy *copy)
{
	if (toms_catalog_relation(relid) == NULL)
		return TOMS_VERB_TRAIL;
	if (copy == NULL)
		return TOMS_VERB_SELECT;
	return copy->is_from ? TOMS_VERB_IMPORT : TOMS_VERB_EXPORT;
}

/*
 * Before a trail is in use a dump may be being restored, by a superuser: what he brings in, and what looks whether the
 * trail is empty, must not be what it begins with.
 */
static bool
may_restore(Oid relid, const TomsCopy *copy)
{
	return verb_for(relid, copy) != TOMS_VERB_SELECT && verb_for(relid, copy) != TOMS_VERB_EXPORT && superuser() && !toms_guard_trail_is_used();
}

/* Events are made durable in their order: it is the last one that is waited for. */
void
toms_reading_start(TomsReading *reading, const QueryDesc *query, const TomsCopy *copy)
{
	const char *tenant = toms_event_who()->tenant;
	bool		strict = false;
	int			last = -1;

	reading->tenant = tenant ? MemoryContextStrdup(GetMemoryChunkContext(reading), tenant) : NULL;
	for (int i = 0; i < reading->ntables; i++)
	{
		if (may_restore(reading->tables[i].relid, copy))
			continue;
		strict |= is_strict(reading->tables[i].relid);
		last = i;
	}
	for (int i = 0; i < reading->ntables; i++)
	{
		ReadTable  *table = &reading->tables[i];
		TomsEvent	event = {.kind = TOMS_ENTRY_READ,.verb = verb_for(table->relid, copy),.relid = table->relid,
			.details = describe(query, copy),.is_open = true,
		.strict = strict && i == last};

		if (may_restore(table->relid, copy))
			continue;
		table->mark = toms_event_add(&event);
	}
}

/* The executor counts the rows of each run anew. */
void
toms_reading_run(TomsReading *reading, bool begins)
{
	if (begins)
		reading->estate->es_processed = 0;
	else
		reading->rows += reading->estate->es_processed;
	reading->is_running = begins;
}

/* What COPY reports to pg_stat_progress_copy stays there until the next command. */
static int64
rows_copied(void)
{
	return pgstat_track_activities && MyBEEntry ? MyBEEntry->st_progress_param[PROGRESS_COPY_TUPLES_PROCESSED] : -1;
}

void
toms_reading_end(TomsReading *reading)
{
	int64		rows = reading->rows;

	if (reading->is_running)
		rows += reading->estate ? (int64) reading->estate->es_processed : rows_copied();
	for (int i = 0; i < reading->ntables && rows >= 0; i++)
	{
		if (reading->tables[i].mark.id != 0)
			toms_event_end(&reading->tables[i].mark, reading->tenant, rows);
		reading->tables[i].mark.id = 0;
	}
}

/* COPY -------------------------------------------------------------------------------- */

bool
toms_guard_exports(const QueryDesc *query)
{
	return query->dest && query->dest->mydest == DestCopyOut;
}

TomsCopy *
toms_guard_copy_of(const Node *statement)
{
	const CopyStmt *stmt = (const CopyStmt *) statement;
	TomsCopy   *copy;

	if (!IsA(statement, CopyStmt))
		return NULL;
	copy = palloc0(sizeof(TomsCopy));
	copy->is_from = stmt->is_from;
	copy->other_end = stmt->filename == NULL ? "client" : stmt->is_program ? "program" : "file";
	return copy;
}

static void
end_reading(void *reading)
{
	toms_reading_end(reading);
}

void
toms_guard_copies(TomsCopy *copy, List *tables)
{
	MemoryContext memory = GetMemoryChunkContext(copy);
	MemoryContextCallback *callback;

	if (tables == NIL)
		return;
	copy->reading = make_reading(memory, tables);
	callback = MemoryContextAlloc(memory, sizeof(MemoryContextCallback));
	callback->func = end_reading;
	callback->arg = copy->reading;
	MemoryContextRegisterResetCallback(memory, callback);
	toms_reading_start(copy->reading, NULL, copy);
	copy->reading->is_running = true;
}

void
toms_guard_copy_is_done(TomsCopy *copy, const QueryCompletion *completion)
{
	if (copy == NULL || copy->reading == NULL)
		return;
	if (completion && completion->commandTag == CMDTAG_COPY)
	{
		copy->reading->is_running = false;
		copy->reading->rows = completion->nprocessed;
	}
	toms_reading_end(copy->reading);
	copy->reading = NULL;
}

/* statements -------------------------------------------------------------------------- */

static bool
returns(const Plan *plan, Index index)
{
	const ModifyTable *modify = (const ModifyTable *) plan;

	return plan && IsA(plan, ModifyTable) && modify->returningLists != NIL && modify->nominalRelation == index;
}

bool
toms_guard_returns(const PlannedStmt *stmt, Index index)
{
	ListCell   *cell;

	if (returns(stmt->planTree, index))
		return true;
	foreach(cell, stmt->hasModifyingCTE ? stmt->subplans : NIL)
	{
		if (returns(lfirst(cell), index))
			return true;
	}
	return false;
}

/* The statement has the table locked. */
bool
toms_guard_looks_into(const TomsRelation *relation, const Bitmapset *selected)
{
	Relation	rel = RelationIdGetRelation(relation->relid);
	Bitmapset  *keys = RelationIsValid(rel) ? RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY) : NULL;
	bool		found = false;

	for (int i = -1; (i = bms_next_member(selected, i)) >= 0 && !found;)
	{
		AttrNumber	column = i + FirstLowInvalidHeapAttributeNumber;

		found = column >= 0 && column != relation->tenant &&
			(!bms_is_member(i, keys) || (column == relation->subject && relation->reads_strictly));
	}
	bms_free(keys);
	if (RelationIsValid(rel))
		RelationClose(rel);
	return found;
}

/* Views are not looked into: one may read a protected table. */
static bool
names_protected(const Query *query, bool *has_queries)
{
	ListCell   *cell;

	*has_queries = query->hasSubLinks || query->cteList != NIL;
	foreach(cell, query->rtable)
	{
		const RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		if (rte->rtekind == RTE_RELATION && rte->relid >= FirstNormalObjectId &&
			(rte->relkind == RELKIND_VIEW || toms_catalog_relation(rte->relid)))
			return true;
		*has_queries |= rte->rtekind == RTE_SUBQUERY;
	}
	return false;
}

static bool
find_protected(Node *node, void *unused)
{
	bool		has_queries;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, find_protected, unused);
	return names_protected((Query *) node, &has_queries) ||
		(has_queries && query_tree_walker((Query *) node, find_protected, unused, 0));
}

/* JumbleQuery() wants to know that it was asked for. */
static void
jumble(Query *query, const char *text)
{
	bool		before = query_id_enabled;

	PG_TRY();
	{
		query_id_enabled = true;
		(void) toms_jumble(query, text);
	}
	PG_FINALLY();
	{
		query_id_enabled = before;
	}
	PG_END_TRY();
}

/*
 * The number that pg_stat_statements gives it.  Where somebody asks for these numbers all statements have them
 * that should: what is inside of others is not to be seen there with its literals.  Where they are
 * switched off it stays at that.
 */
void
toms_guard_identify(Query *query, const char *text)
{
	if (query->queryId == 0 && query->commandType != CMD_UTILITY && compute_query_id != COMPUTE_QUERY_ID_OFF && !toms_others_need_query_ids() &&
		IsTransactionState() && toms_catalog_is_installed() && find_protected((Node *) query, NULL))
		jumble(query, text);
}
