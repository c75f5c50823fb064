/*
 * partition.c - whole partitions of which all rows are due are detached and dropped.
 *
 * Called by round.c before it asks for rows of any table.  The steps are transactions of their own: it is noted
 * in toms.retention_partition what is to go, then it is detached, concurrently if there is no default partition, then
 * dropped.  Who breaks off in between leaves the note, and the next run goes on from what it finds.
 *
 * A hold or a rule that came meanwhile wins: whether everything is due still is asked again when holds are kept out,
 * in the transaction that drops the table; if not, it is attached again.
 */
#include "retention/partition.h"

#include "access/htup_details.h"
#include "audit/audit.h"
#include "base/debug_point.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "guard/guard.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "trail/trail.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

typedef enum Link
{
	LINK_NONE,					/* it is detached */
	LINK_PENDING,				/* half of the way */
	LINK_ATTACHED
} Link;

/* One that is to go. */
typedef struct Part
{
	Oid			root;
	Oid			partition;
	TimestampTz as_of;
	Link		link;
	bool		noted;
	bool		defaults;		/* the root has a default partition */
	const char *problem;
	char	   *name;			/* qualified, as the next */
	char	   *root_name;
	char	   *bound;
	int64		upper;
} Part;

typedef struct Search
{
	Oid			root;
	TimestampTz as_of;
	MemoryContext context;
	List	   *parts;
} Search;

static char *
qualified(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static void
execute(const char *statement, int nparameters, Oid *types, Datum *values)
{
	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute_with_args(statement, nparameters, types, values, NULL, false, 0) < 0 || SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not take out a partition");
}

/* Which ------------------------------------------------------------------------------------ */

/* Children of the root, and what was begun with. */
static const char children[] =
"SELECT c.oid, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false), n.partition IS NOT NULL, coalesce(n.bound, pg_catalog.pg_get_expr(c.relpartbound, c.oid)), n.upper,"
" EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = $1 AND p.partdefid <> 0)"
" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = $1"
" LEFT JOIN toms.retention_partition n ON n.partition = c.oid AND n.root = $1"
" WHERE c.relkind = 'r' AND (i.inhrelid IS NOT NULL OR n.partition IS NOT NULL) ORDER BY n.partition NULLS LAST, c.oid";

static bool
flag(HeapTuple row, TupleDesc columns, int column)
{
	bool		isnull;

	return DatumGetBool(SPI_getbinval(row, columns, column, &isnull));
}

static Part *
part_of(const Search *search, HeapTuple row, TupleDesc columns)
{
	Part	   *part = palloc0(sizeof(Part));
	bool		isnull;
	const char *upper = SPI_getvalue(row, columns, 6);

	part->root = search->root;
	part->as_of = search->as_of;
	part->partition = DatumGetObjectId(SPI_getbinval(row, columns, 1, &isnull));
	part->link = !flag(row, columns, 2) ? LINK_NONE : flag(row, columns, 3) ? LINK_PENDING : LINK_ATTACHED;
	part->noted = flag(row, columns, 4);
	part->defaults = flag(row, columns, 7);
	part->name = qualified(part->partition);
	part->root_name = qualified(part->root);
	part->bound = SPI_getvalue(row, columns, 5);
	if (upper)
		part->upper = pg_strtoint64(upper);
	return part;
}

/* What was noted goes on; of the others, those that may go. */
static bool
belongs(Part *part, const TomsPartitionRule *rule)
{
	if (part->noted)
		return true;
	return rule->rule && part->link == LINK_ATTACHED && toms_partition_upper(part->partition, rule->type, &part->upper) &&
		toms_partition_is_due(rule, part->upper) && toms_partition_is_plain(part->partition);
}

static List *
read_children(const Search *search)
{
	List	   *found = NIL;
	MemoryContext old;

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute_with_args(children, 1, (Oid[]) {OIDOID}, (Datum[]) {ObjectIdGetDatum(search->root)}, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the partitions of a table");
	old = MemoryContextSwitchTo(search->context);
	for (uint64 i = 0; i < SPI_processed; i++)
		found = lappend(found, part_of(search, SPI_tuptable->vals[i], SPI_tuptable->tupdesc));
	MemoryContextSwitchTo(old);
	SPI_finish();
	return found;
}

static void
search_parts(void *arg)
{
	Search	   *search = arg;
	TomsPartitionRule rule;
	ListCell   *cell;
	bool		fresh = false;

	if (!toms_partition_rule(search->root, search->as_of, &rule))
		rule.rule = NULL;
	foreach(cell, read_children(search))
	{
		Part	   *part = lfirst(cell);
		MemoryContext old;

		if (!belongs(part, &rule))
			continue;
		fresh |= !part->noted;
		old = MemoryContextSwitchTo(search->context);
		search->parts = lappend(search->parts, part);
		MemoryContextSwitchTo(old);
	}
	if (!fresh || toms_partitions_are_within_limit(search->root, &rule))
		return;
	foreach(cell, search->parts)
	{
		if (!((Part *) lfirst(cell))->noted)
			search->parts = foreach_delete_current(search->parts, cell);
	}
}

/* Steps ------------------------------------------------------------------------------------ */

static void
note(void *arg)
{
	Part	   *part = arg;

	execute("INSERT INTO toms.retention_partition (partition, root, bound, upper) VALUES ($1, $2, $3, $4)", 4, (Oid[]) {OIDOID, OIDOID, TEXTOID, INT8OID},
			(Datum[]) {ObjectIdGetDatum(part->partition), ObjectIdGetDatum(part->root), CStringGetTextDatum(part->bound), Int64GetDatum(part->upper)});
}

static void
forget(const Part *part)
{
	execute("DELETE FROM toms.retention_partition WHERE partition = $1", 1, (Oid[]) {OIDOID}, (Datum[]) {ObjectIdGetDatum(part->partition)});
}

static bool
is_due_still(const Part *part)
{
	TomsPartitionRule rule;

	return toms_partition_rule(part->root, part->as_of, &rule) && toms_partition_is_due(&rule, part->upper);
}

/* Rows that it has, as far as that is known without counting them. */
static int64
rows_of(Oid partition)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(partition));
	int64		rows = -1;

	if (HeapTupleIsValid(tuple))
	{
		rows = (int64) ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return rows;
}

/* For what is not counted an estimate, or nothing. */
static void
record(const Part *part, int64 rule, int64 rows)
{
	StringInfoData details;

	initStringInfo(&details);
	appendStringInfo(&details, "\"rule\":" INT64_FORMAT, rule);
	toms_event_say(&details, "partition", get_rel_name(part->partition));
	if (rows >= 0)
		appendStringInfo(&details, ",\"rows\":" INT64_FORMAT, rows);
	toms_audit_deletion(part->root, TOMS_VERB_DELETE, NULL, details.data);
}

static void
drop(Part *part)
{
	TomsPartitionRule rule;

	(void) toms_partition_rule(part->root, part->as_of, &rule);
	record(part, rule.rule->id, rows_of(part->partition));
	toms_guard_drops_due(part->partition);
	execute(psprintf("DROP TABLE %s", part->name), 0, NULL, NULL);
}

/* Whoever has set a hold before has set it now; whoever wants to waits until this transaction has ended. */
static void
drop_or_attach(void *arg)
{
	Part	   *part = arg;

	LockRelationOid(part->partition, AccessExclusiveLock);
	toms_hold_keep_out();
	if (is_due_still(part))
		drop(part);
	else
		execute(psprintf("ALTER TABLE %s ATTACH PARTITION %s %s", part->root_name, part->name, part->bound), 0, NULL, NULL);
	forget(part);
	TOMS_DEBUG_POINT("partition-before-commit");
}

static void
forget_step(void *arg)
{
	forget(arg);
}

static void
note_problem(void *arg)
{
	const Part *part = arg;

	execute("UPDATE toms.retention_partition SET problem = $2 WHERE partition = $1", 2, (Oid[]) {OIDOID, TEXTOID},
			(Datum[]) {ObjectIdGetDatum(part->partition), CStringGetTextDatum(part->problem)});
}

/* With a default partition it locks the table as a whole: if that is not free at once, rows are deleted one by one. */
static bool
detach(const Part *part, char problem[TOMS_PROBLEM_BYTES])
{
	const char *how = part->link == LINK_PENDING ? "FINALIZE" : part->defaults ? "" : "CONCURRENTLY";
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	char	   *statement = psprintf("ALTER TABLE %s DETACH PARTITION %s %s", part->root_name, part->name, how);
	bool		done;

	MemoryContextSwitchTo(old);
	SetConfigOption("lock_timeout", part->defaults ? "100ms" : "60s", PGC_SUSET, PGC_S_OVERRIDE);
	done = toms_retention_try_utility(statement, problem);
	SetConfigOption("lock_timeout", TOMS_RETENTION_LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	pfree(statement);
	return done;
}

/* Returns whether it is gone, or back in its place. */
static bool
take_out(Part *part, char problem[TOMS_PROBLEM_BYTES])
{
	char		ignored[TOMS_PROBLEM_BYTES];

	if (!part->noted && !toms_retention_try(note, part, problem))
		return false;
	TOMS_DEBUG_POINT("partition-before-detach");
	if (part->link != LINK_NONE && !detach(part, problem))
	{
		/* one that could not be marked is as it was */
		if (part->link == LINK_ATTACHED && part->defaults)
			(void) toms_retention_try(forget_step, part, ignored);
		return false;
	}
	TOMS_DEBUG_POINT("partition-before-drop");
	return toms_retention_try(drop_or_attach, part, problem);
}

/* Whether it is to be told: with a default partition nothing is lost. */
static bool
tell(Part *part, const char *problem)
{
	char		ignored[TOMS_PROBLEM_BYTES];

	if (part->defaults && part->link == LINK_ATTACHED)
		return false;
	part->problem = problem;
	(void) toms_retention_try(note_problem, part, ignored);
	return true;
}

/* What is noted and attached may not be due any more; a plain table may have come to be under that name by itself. */
static bool
may_begin(const Part *part)
{
	return part->link != LINK_ATTACHED || !part->noted;
}

List *
toms_retention_noted_roots(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *roots = NIL;
	bool		isnull;

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute("SELECT DISTINCT root FROM toms.retention_partition", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read which partitions are being taken out");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		roots = lappend_oid(roots, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return roots;
}

bool
toms_retention_partitions(Oid root, TimestampTz as_of, int *failed)
{
	Search		search = {root, as_of, AllocSetContextCreate(TopMemoryContext, "toms retention partitions", ALLOCSET_SMALL_SIZES), NIL};
	char		problem[TOMS_PROBLEM_BYTES];
	ListCell   *cell;
	bool		goes_on = true;

	if (!toms_retention_try(search_parts, &search, problem))
		(*failed)++;
	foreach(cell, search.parts)
	{
		Part	   *part = lfirst(cell);

		goes_on = goes_on && toms_pace_wait();
		if (!goes_on)
			break;
		toms_pace_begin();
		if (!may_begin(part))
			(void) toms_retention_try(forget_step, part, problem);
		else if (!take_out(part, problem))
		{
			/* a table can have one that is half of the way, and no more */
			*failed += tell(part, problem);
			break;
		}
		toms_pace_end(-1);
	}
	MemoryContextDelete(search.context);
	return goes_on;
}
