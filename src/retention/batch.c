/*
 * batch.c - deletes, or pseudonymises, one batch of rows that are past a rule's period.
 *
 * Called by the worker and by toms.run_retention(), each time in a transaction of theirs.  Rows are chosen in the order of
 * their start events, through the policies, and deleted table by table.  What single rows are to blame for (a
 * foreign key, a trigger, a hold on a row that would go with them, a lock) undoes a subtransaction: the rows of it are
 * tried by halves until the one is found and left out.
 *
 * Locks: toms.hold, so that no hold is set meanwhile; the rule, so that no two sessions carry it out at once; rows.
 */
#include "retention/attempt.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "base/debug_point.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "trail/trail.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Held rows are counted as far as this. */
#define MOST_COUNTED 100000

/* choosing ---------------------------------------------------------------------------- */

static Datum
since_datum(const TomsDue *due, int64 since)
{
	return due->type == DATEOID ? DateADTGetDatum((DateADT) since) : TimestampTzGetDatum(since);
}

static int64
since_value(const TomsDue *due, Datum since)
{
	return due->type == DATEOID ? DatumGetDateADT(since) : DatumGetTimestampTz(since);
}

/* "(table, row) is not among those left out" */
static void
say_left_out(StringInfo text, TomsDue *due, List *rows)
{
	int			n = list_length(rows);
	Datum	   *tables = palloc(n * sizeof(Datum));
	Datum	   *tids = palloc(n * sizeof(Datum));
	int			first;
	int			second;
	ListCell   *cell;

	foreach(cell, rows)
	{
		TomsDueRow *row = lfirst(cell);

		tables[foreach_current_index(cell)] = ObjectIdGetDatum(row->table);
		tids[foreach_current_index(cell)] = PointerGetDatum(&row->tid);
	}
	first = toms_due_parameter(due, OIDARRAYOID, PointerGetDatum(construct_array(tables, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT)));
	second = toms_due_parameter(due, TIDARRAYOID, PointerGetDatum(toms_tid_array(tids, n)));
	appendStringInfo(text, " AND (t.tableoid, t.ctid) NOT IN (SELECT u.o, u.c FROM unnest($%d, $%d) u (o, c))", first, second);
}

static int
take_chosen(const TomsDue *due, TomsDueRow **rows, MemoryContext memory)
{
	int			n = (int) SPI_processed;
	TupleDesc	desc = SPI_tuptable->tupdesc;

	*rows = MemoryContextAllocZero(memory, Max(n, 1) * sizeof(TomsDueRow));
	for (int i = 0; i < n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TomsDueRow *row = &(*rows)[i];
		bool		isnull;

		row->table = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &isnull));
		row->tid = *(ItemPointer) DatumGetPointer(SPI_getbinval(tuple, desc, 2, &isnull));
		if (due->since)
			row->since = since_value(due, SPI_getbinval(tuple, desc, 3, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

static int
choose(const TomsDue *due, int limit, const TomsBatchPosition *position, TomsDueRow **rows)
{
	TomsDue		asked = *due;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT t.tableoid, t.ctid%s%s FROM %s t WHERE %s", due->since ? ", " : "", due->since ? due->since : "",
					 due->table, due->condition);
	if (due->held)
		appendStringInfo(&text, " AND NOT %s", due->held);
	if (due->since && position->started)
		appendStringInfo(&text, " AND %s >= $%d", due->since, toms_due_parameter(&asked, due->type, since_datum(due, position->since)));
	if (position->blocked != NIL)
		say_left_out(&text, &asked, position->blocked);
	if (due->since)
		appendStringInfo(&text, " ORDER BY %s", due->since);
	/* for the planner, to whom it matters how many are wanted; but not a plan for each number */
	appendStringInfo(&text, " LIMIT %u", pg_nextpower2_32(limit));
	(void) toms_due_run(&asked, text.data, limit);
	return take_chosen(due, rows, CurrentMemoryContext);
}

static int64
count_rows(const TomsDue *due, const char *further, int64 most)
{
	bool		isnull;

	(void) toms_due_run(due, psprintf("SELECT count(*) FROM (SELECT FROM %s t WHERE %s%s%s LIMIT " INT64_FORMAT ") c", due->table, due->condition,
									  further[0] ? " AND " : "", further, most), 0);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Those of the run, with its first batch. */
static int64
count_held(const TomsDue *due, const TomsBatchPosition *position)
{
	if (position->started || (due->held == NULL && !due->all_held))
		return 0;
	return count_rows(due, due->held ? due->held : "", MOST_COUNTED);
}

/* left out ------------------------------------------------------------------------------ */

static void
leave_out(TomsBatchPosition *position, List *rows)
{
	MemoryContext old;
	ListCell   *cell;

	if (rows == NIL)
		return;
	if (position->context == NULL)
		position->context = AllocSetContextCreate(TopMemoryContext, "toms retention run", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(position->context);
	foreach(cell, rows)
	{
		TomsDueRow *copy = palloc(sizeof(TomsDueRow));

		*copy = *(TomsDueRow *) lfirst(cell);
		position->blocked = lappend(position->blocked, copy);
	}
	MemoryContextSwitchTo(old);
}

/* Those before the place where the next batch begins need not be asked about again. */
static void
move_on(const TomsDue *due, TomsBatchPosition *position, const TomsDueRow *last)
{
	ListCell   *cell;

	position->started = true;
	if (due->since == NULL || last == NULL)
		return;
	position->since = last->since;
	foreach(cell, position->blocked)
	{
		if (((TomsDueRow *) lfirst(cell))->since < last->since)
			position->blocked = foreach_delete_current(position->blocked, cell);
	}
}

/* the entry --------------------------------------------------------------------------- */

/* The month of a start event is all that is said of it. */
static void
say_month(StringInfo text, const char *name, const TomsDue *due, int64 since)
{
	int			year,
				month,
				day;

	if (due->since == NULL || (due->type == DATEOID ? DATE_NOT_FINITE((DateADT) since) : TIMESTAMP_NOT_FINITE(since)))
		return;
	if (due->type != DATEOID)
		since = since / USECS_PER_DAY - (since % USECS_PER_DAY < 0);
	j2date((int) since + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	appendStringInfo(text, ",\"%s\":\"%04d-%02d\"", name, year, month);
}

/* Rows of its own table are among those of the statement, but for those that referred to them. */
static int64
say_cascaded(StringInfo text, const TomsDue *due, int64 rows)
{
	int64		cascaded = 0;
	ListCell   *cell;

	foreach(cell, toms_tally_tables())
	{
		const TomsTally *tally = lfirst(cell);
		int64		others = tally->rows - (tally->root == due->root ? rows : 0);

		if (others <= 0)
			continue;
		appendStringInfoString(text, cascaded == 0 ? ",\"cascaded\":{" : ",");
		escape_json(text, toms_relation_name(tally->root));
		appendStringInfo(text, ":" INT64_FORMAT, others);
		cascaded += others;
	}
	appendStringInfoString(text, cascaded > 0 ? "}" : "");
	return cascaded;
}

static void
record(const TomsDue *due, const TomsDueRow *rows, int n, TomsBatchResult *result)
{
	StringInfoData text;
	int64	   *keys;
	int			nkeys;

	initStringInfo(&text);
	appendStringInfo(&text, "\"rule\":" INT64_FORMAT ",\"rows\":" INT64_FORMAT, due->rule, result->rows);
	result->cascaded = say_cascaded(&text, due, result->rows);
	if (n > 0)
	{
		say_month(&text, "oldest", due, rows[0].since);
		say_month(&text, "newest", due, rows[n - 1].since);
	}
	if (result->rows > 0)
		toms_audit_deletion(due->root, due->cleared ? TOMS_VERB_PSEUDONYMISE : TOMS_VERB_DELETE, due->tenant, text.data);
	keys = toms_tally_keys(&nkeys);
	if (nkeys > 0 && result->rows > 0)
		toms_loose_keys_note(keys, nkeys);
}

/* batch ------------------------------------------------------------------------------- */

static bool
lock_rule(int64 rule)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, toms_config_table(TOMS_CONFIG_RETENTION_RULE), (uint32) rule, 0);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Each statement must see what is there now: keys are destroyed that no row carries any more. */
static void
check_isolation(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("retention runs in transactions of isolation level read committed"),
				 errhint("BEGIN ISOLATION LEVEL READ COMMITTED;")));
}

/* What a foreign key refuses at the end of the transaction would undo all of it. */
static void
check_constraints_at_once(void)
{
	if (SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0) < 0)
		elog(ERROR, "could not have constraints checked at once");
}

static void
run_batch(const TomsDue *due, int limit, TomsBatchPosition *position, TomsBatchResult *result)
{
	TomsOwnerWork work = toms_owner_begin(due->root, due->root, due->tenant, TOMS_RETENTION_PURPOSE);
	List	   *left_out = NIL;
	TomsDueRow *rows;
	int			n;

	result->held = count_held(due, position);
	n = due->all_held ? 0 : choose(due, limit, position, &rows);
	toms_owner_end(work);
	if (n == 0)
	{
		move_on(due, position, NULL);
		return;
	}
	check_constraints_at_once();
	toms_tally_begin();
	result->more = n == limit;
	left_out = toms_attempt_rows(due, rows, n, result);
	leave_out(position, left_out);
	if (!result->more || result->rows > 0 || left_out != NIL)
		move_on(due, position, result->unfinished ? &rows[0] : &rows[n - 1]);
	record(due, rows, n, result);
	toms_tally_end();
}

TomsBatchResult
toms_retention_batch(const TomsRelation *relation, const TomsRule *rule, const char *tenant, TimestampTz as_of, int limit,
					 TomsBatchPosition *position)
{
	TomsBatchResult result = {0};
	MemoryContext memory = CurrentMemoryContext;
	TomsDue    *due;

	check_isolation();
	if (!lock_rule(rule->id))
	{
		result.more = true;
		result.problem = pstrdup("another session carries out this rule");
		return result;
	}
	toms_hold_keep_out();
	SPI_connect();
	due = toms_due_make(relation, rule, tenant, as_of);
	run_batch(due, limit, position, &result);
	if (!result.more && result.rows > 0)
		toms_loose_keys_destroy(tenant);
	if (result.problem)
		result.problem = MemoryContextStrdup(memory, result.problem);
	SPI_finish();
	TOMS_DEBUG_POINT("retention-before-commit");
	return result;
}

int64
toms_retention_count_due(const TomsRelation *relation, const TomsRule *rule, const char *tenant, TimestampTz as_of, int64 most)
{
	TomsDue    *due;
	TomsOwnerWork work;
	int64		rows;

	SPI_connect();
	due = toms_due_make(relation, rule, tenant, as_of);
	work = toms_owner_begin(due->root, due->root, due->tenant, TOMS_RETENTION_PURPOSE);
	rows = count_rows(due, "", most);
	toms_owner_end(work);
	SPI_finish();
	return rows;
}
