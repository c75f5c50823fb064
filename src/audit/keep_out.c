/*
 * keep_out.c - statements that want a database without sessions get it: its workers leave first.
 *
 * Called by hooks.c before utility statements.  DROP DATABASE, CREATE DATABASE from it, renaming
 * and moving it fail while anybody is connected, and PostgreSQL has no other way to tell a
 * background worker.  The mark is a counter in the database's slot.  It is lifted not when the
 * statement but when its transaction ends, by workers.c: until then the database is locked, or
 * about to be gone.
 */
#include "audit/worker.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "base/clock.h"
#include "base/compat.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* A worker that is not waiting for a lock has left by then without having been told by a signal. */
#define POLITE_WAIT_MS 500

/* Then PostgreSQL says who is still connected. */
#define LONGEST_WAIT_MS 10000

/* Databases that this transaction has to itself. */
#define MOST_KEPT 32
static Oid	kept[MOST_KEPT];
static int	nkept = 0;

void
toms_worker_let_in(void)
{
	if (nkept == 0)
		return;
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	while (nkept > 0)
	{
		TomsWorkerSlot *slot = toms_worker_find(kept[--nkept]);

		if (slot == NULL)
			continue;
		slot->keep_out--;
		/* they were sent away */
		for (int i = 0; i < TOMS_WORKER_ROLES; i++)
			slot->posts[i].failures = 0;
		toms_worker_free(slot);
	}
	toms_worker_wake_launcher();
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

bool
toms_worker_keeps_installed(void)
{
	TomsWorkerSlot *slot = NULL;
	bool		installed;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	if (nkept > 0)
		slot = toms_worker_find(kept[nkept - 1]);
	installed = slot && slot->installed;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return installed;
}

static bool
is_kept(Oid database)
{
	for (int i = 0; i < nkept; i++)
	{
		if (kept[i] == database)
			return true;
	}
	return false;
}

static void
mark(Oid database)
{
	TomsWorkerSlot *slot;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	slot = toms_worker_take(database);
	if (slot)
	{
		slot->keep_out++;
		kept[nkept++] = database;
		toms_worker_wake_all(slot);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

/* Returns whether there is one. */
static bool
tell_workers(Oid database, bool by_signal)
{
	TomsWorkerSlot *slot;
	bool		there;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	slot = toms_worker_find(database);
	there = slot && toms_worker_is_there(slot);
	/* they cannot be gone: they clear this first, under the lock */
	for (int i = 0; there && by_signal && i < TOMS_WORKER_ROLES; i++)
	{
		if (slot->posts[i].pid != 0)
			kill(slot->posts[i].pid, SIGTERM);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return there;
}

/* Returns whether they have left. */
static bool
wait_until_left(Oid database, int limit)
{
	TimestampTz end = TimestampTzPlusMilliseconds(toms_clock_steady(), limit);
	long		rest;

	ConditionVariablePrepareToSleep(&toms_workers->left);
	while (tell_workers(database, false) && (rest = TimestampDifferenceMilliseconds(toms_clock_steady(), end)) > 0)
		(void) ConditionVariableTimedSleep(&toms_workers->left, rest, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return !tell_workers(database, false);
}

static void
keep_out(Oid database)
{
	if (!OidIsValid(database) || nkept == MOST_KEPT || is_kept(database))
		return;
	mark(database);
	if (wait_until_left(database, POLITE_WAIT_MS))
		return;
	(void) tell_workers(database, true);
	(void) wait_until_left(database, LONGEST_WAIT_MS);
}

/* which statements, of whom -------------------------------------------------------------- */

static bool
owns(Oid database)
{
	return OidIsValid(database) && toms_owns_database(database, GetUserId());
}

/* Who may not run the statement shall not send anybody's worker away. */
static Oid
owned_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	return owns(database) ? database : InvalidOid;
}

static bool
may_create_databases(void)
{
	HeapTuple	role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		may = HeapTupleIsValid(role) && ((Form_pg_authid) GETSTRUCT(role))->rolcreatedb;

	if (HeapTupleIsValid(role))
		ReleaseSysCache(role);
	return may || superuser();
}

static bool
is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		is = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return is;
}

static DefElem *
option_named(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

static Oid
copied_database(CreatedbStmt *create)
{
	DefElem    *template = option_named(create->options, "template");
	Oid			database = get_database_oid(template && template->arg ? defGetString(template) : "template1", true);

	return OidIsValid(database) && (owns(database) || (is_template(database) && may_create_databases())) ? database : InvalidOid;
}

static Oid
database_wanted_alone(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return owned_database(((DropdbStmt *) statement)->dbname);
		case T_CreatedbStmt:
			return copied_database((CreatedbStmt *) statement);
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_DATABASE ? owned_database(((RenameStmt *) statement)->subname) : InvalidOid;
		case T_AlterDatabaseStmt:
			return option_named(((AlterDatabaseStmt *) statement)->options, "tablespace") ?
				owned_database(((AlterDatabaseStmt *) statement)->dbname) : InvalidOid;
		default:
			return InvalidOid;
	}
}

void
toms_worker_before_utility(Node *statement)
{
	/* what was prepared, perhaps by another session, is seen from now on */
	if (IsA(statement, TransactionStmt))
	{
		if (((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED)
			toms_worker_announce();
	}
	else if (!RecoveryInProgress())
		keep_out(database_wanted_alone(statement));
}
