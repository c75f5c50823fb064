/*
 * vacuum.c - VACUUM of tables from which retention, or what it set going, has deleted much.
 *
 * Called by round.c at the end of a run.  What autovacuum would do too, but for a great table perhaps months later:
 * until then the deleted rows are on the disk.  Who holds a lock on a table is not waited for; the file is not
 * cut, since that would lock others out.
 */
#include "retention/worker.h"

#include "audit/audit.h"
#include "executor/spi.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* A twentieth of its rows is dead, or some are and have been for a day perhaps. */
static const char tables[] =
"WITH RECURSIVE touched (relid) AS ("
" SELECT r.relation::oid FROM toms.retention_rule r WHERE r.valid_until IS NULL"
" UNION SELECT n.relid FROM touched t, LATERAL (SELECT c.conrelid FROM pg_catalog.pg_constraint c"
"  WHERE c.confrelid = t.relid AND c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd')"
"  UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = t.relid) n (relid))"
" SELECT n.nspname, c.relname FROM touched t JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,"
" pg_catalog.pg_stat_get_dead_tuples(c.oid) d (dead)"
" WHERE c.relkind = 'r' AND d.dead > 0 AND (d.dead >= 50 + 0.05 * greatest(c.reltuples, 0) OR"
" coalesce(greatest(pg_catalog.pg_stat_get_last_vacuum_time(c.oid), pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)), '-infinity') < pg_catalog.now() - interval '1 day')"
" ORDER BY d.dead";

typedef struct Names
{
	MemoryContext context;
	List	   *statements;		/* char * */
} Names;

static void
list_tables(void *arg)
{
	Names	   *names = arg;

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(tables, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not find out which tables retention has deleted from");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		const char *name = quote_qualified_identifier(SPI_getvalue(row, SPI_tuptable->tupdesc, 1), SPI_getvalue(row, SPI_tuptable->tupdesc, 2));
		MemoryContext old = MemoryContextSwitchTo(names->context);

		names->statements = lappend(names->statements, psprintf("VACUUM (SKIP_LOCKED, TRUNCATE false) %s", name));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}

bool
toms_retention_vacuum(void)
{
	Names		names = {AllocSetContextCreate(TopMemoryContext, "toms retention vacuum", ALLOCSET_SMALL_SIZES), NIL};
	char		ignored[TOMS_PROBLEM_BYTES];
	ListCell   *cell;
	bool		goes_on = true;

	pgstat_report_stat(true);	/* what it has deleted itself is counted there */
	(void) toms_retention_try(list_tables, &names, ignored);
	foreach(cell, names.statements)
	{
		goes_on = goes_on && toms_retention_goes_on();
		if (goes_on)
			(void) toms_retention_try_utility(lfirst(cell), ignored);
	}
	MemoryContextDelete(names.context);
	return goes_on;
}
