/*
 * attempt.c - deletes the rows of a batch, and finds those that cannot be.
 *
 * Called by batch.c.  An attempt is a subtransaction: where it fails its rows are tried by halves.  A batch gives up
 * after some rows that could not be deleted; what it has not tried comes with the next one.
 */
#include "retention/attempt.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* Of a batch: rows that could not be deleted, before it gives up. */
#define MOST_BLOCKED 64

typedef struct Attempts
{
	const TomsDue *due;
	TomsBatchResult *result;
	List	   *left_out;
	MemoryContext memory;		/* of the list and the problem */
	bool		gives_up;
} Attempts;

ArrayType *
toms_tid_array(Datum *tids, int n)
{
	return construct_array(tids, n, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT);
}

static void
leave_out(Attempts *attempts, const TomsDueRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(attempts->memory);
	TomsDueRow *copy = palloc(sizeof(TomsDueRow));

	*copy = *row;
	attempts->left_out = lappend(attempts->left_out, copy);
	attempts->result->blocked++;
	attempts->gives_up |= list_length(attempts->left_out) >= MOST_BLOCKED;
	MemoryContextSwitchTo(old);
}

static void
say_problem(Attempts *attempts, const char *problem)
{
	if (attempts->result->problem == NULL)
		attempts->result->problem = MemoryContextStrdup(attempts->memory, problem);
}

/* statements -------------------------------------------------------------------------- */

/* "statement" has the number of the parameter that lists the rows, and then their condition. */
static uint64
run_on(const TomsDue *due, const TomsDueRow *rows, int n, const char *statement, const char *tail)
{
	TomsDue		asked = *due;
	Datum	   *tids = palloc(n * sizeof(Datum));
	int			number;

	for (int i = 0; i < n; i++)
		tids[i] = PointerGetDatum(&rows[i].tid);
	number = toms_due_parameter(&asked, TIDARRAYOID, PointerGetDatum(toms_tid_array(tids, n)));
	return toms_due_run(&asked, psprintf("%s t%s WHERE t.ctid = ANY ($%d) AND %s%s%s%s", statement, due->cleared && statement[0] == 'U' ?
										 psprintf(" SET %s", due->cleared) : "", number, due->condition, due->held ? " AND NOT " : "",
										 due->held ? due->held : "", tail), 0);
}

static uint64
delete_rows(const TomsDue *due, const TomsDueRow *rows, int n)
{
	const char *table = toms_relation_name(rows[0].table);

	return run_on(due, rows, n, psprintf(due->cleared ? "UPDATE ONLY %s" : "DELETE FROM ONLY %s", table), "");
}

static bool
is_among(const TomsDueRow *row)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		ItemPointer tid = (ItemPointer) DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));

		if (ItemPointerEquals(tid, (ItemPointer) &row->tid))
			return true;
	}
	return false;
}

/* What a trigger or a rule has kept without an error would be chosen again for ever. */
static void
leave_out_kept(Attempts *attempts, const TomsDueRow *rows, int n)
{
	(void) run_on(attempts->due, rows, n, psprintf("SELECT t.ctid FROM ONLY %s", toms_relation_name(rows[0].table)), "");
	for (int i = 0; i < n && SPI_processed > 0; i++)
	{
		if (!is_among(&rows[i]))
			continue;
		say_problem(attempts, psprintf("a trigger or a rule of table %s keeps rows", toms_relation_name(rows[i].table)));
		leave_out(attempts, &rows[i]);
	}
}

/* Returns how many rows are left, in place: those that nobody has locked. */
static int
leave_out_locked(Attempts *attempts, TomsDueRow *rows, int n)
{
	int			left = 0;

	(void) run_on(attempts->due, rows, n, psprintf("SELECT t.ctid FROM ONLY %s", toms_relation_name(rows[0].table)), " FOR UPDATE SKIP LOCKED");
	for (int i = 0; i < n; i++)
	{
		if (is_among(&rows[i]))
			rows[left++] = rows[i];
		else
			leave_out(attempts, &rows[i]);
	}
	return left;
}

/* attempts ---------------------------------------------------------------------------- */

/* What the server or the administrator is to blame for, not a row. */
static bool
is_of_server(int sqlstate)
{
	int			class = ERRCODE_TO_CATEGORY(sqlstate);

	return class == ERRCODE_OPERATOR_INTERVENTION || class == ERRCODE_INSUFFICIENT_RESOURCES || class == ERRCODE_SYSTEM_ERROR ||
		class == ERRCODE_INTERNAL_ERROR || class == ERRCODE_INVALID_TRANSACTION_STATE;
}

char *
toms_retention_describe(const ErrorData *error)
{
	StringInfoData text;

	/* not raised inside of any statement or function */
	if (error->context == NULL)
		return pstrdup(error->message);
	initStringInfo(&text);
	appendStringInfo(&text, "SQLSTATE %s", unpack_sql_state(error->sqlerrcode));
	if (error->constraint_name)
		appendStringInfo(&text, ", constraint %s", error->constraint_name);
	if (error->table_name)
		appendStringInfo(&text, ", table %s%s%s", error->schema_name ? error->schema_name : "", error->schema_name ? "." : "", error->table_name);
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		appendStringInfoString(&text, ", rows are locked by others");
	return text.data;
}

/* 0: it worked; else the SQLSTATE, and everything is as before. */
static int
attempt(Attempts *attempts, const TomsDueRow *rows, int n)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile uint64 done = 0;
	volatile int sqlstate = 0;

	toms_tally_attempt();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		done = delete_rows(attempts->due, rows, n);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		if (is_of_server(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		sqlstate = error->sqlerrcode;
		if (n == 1 || sqlstate == ERRCODE_LOCK_NOT_AVAILABLE)
			say_problem(attempts, toms_retention_describe(error));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	if (sqlstate != 0)
		return sqlstate;
	toms_tally_keep();
	attempts->result->rows += done;
	if (done < n)
		leave_out_kept(attempts, rows, n);
	return 0;
}

static void
attempt_by_halves(Attempts *attempts, TomsDueRow *rows, int n, bool may_be_locked)
{
	int			sqlstate;

	if (n == 0)
		return;
	if (attempts->gives_up)
	{
		attempts->result->unfinished = true;
		return;
	}
	sqlstate = attempt(attempts, rows, n);
	if (sqlstate == 0)
		return;
	if (n == 1)
		leave_out(attempts, &rows[0]);
	else if (sqlstate == ERRCODE_LOCK_NOT_AVAILABLE && may_be_locked)
		attempt_by_halves(attempts, rows, leave_out_locked(attempts, rows, n), false);
	else
	{
		attempt_by_halves(attempts, rows, n / 2, may_be_locked);
		attempt_by_halves(attempts, rows + n / 2, n - n / 2, may_be_locked);
	}
}

/* As its owner. */
static void
attempt_table(Attempts *attempts, TomsDueRow *rows, int n)
{
	TomsOwnerWork work = toms_owner_begin(rows[0].table, attempts->due->root, attempts->due->tenant, TOMS_RETENTION_PURPOSE);

	attempt_by_halves(attempts, rows, n, true);
	toms_owner_end(work);
}

List *
toms_attempt_rows(const TomsDue *due, TomsDueRow *rows, int n, TomsBatchResult *result)
{
	Attempts	attempts = {.due = due,.result = result,.memory = CurrentMemoryContext};
	TomsDueRow *of_table = palloc(n * sizeof(TomsDueRow));
	bool	   *taken = palloc0(n * sizeof(bool));

	for (int i = 0; i < n; i++)
	{
		int			count = 0;

		for (int j = i; j < n && !taken[i]; j++)
		{
			if (rows[j].table == rows[i].table)
				of_table[count++] = rows[j];
		}
		for (int j = n - 1; j >= i && count > 0; j--)
			taken[j] |= rows[j].table == rows[i].table;
		if (count > 0)
			attempt_table(&attempts, of_table, count);
	}
	result->more |= result->unfinished;
	return attempts.left_out;
}
