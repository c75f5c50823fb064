/*
 * keep_out.c - statements that want a database without sessions get it: its worker leaves first.
 *
 * Called by hooks.c around utility statements.  DROP DATABASE, CREATE DATABASE from it, renaming
 * and moving it fail while anybody is connected, and PostgreSQL has no other way to tell a
 * background worker.  The mark is a counter in the database's slot; it is lifted when the
 * statement ends, in whichever way, or the session.
 */
#include "audit/worker.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include <signal.h>

/* Then PostgreSQL says who is still connected. */
#define LONGEST_WAIT_MS 10000

/* Databases that statements of this session keep to themselves, innermost last. */
#define MOST_KEPT 8
static Oid	kept[MOST_KEPT];
static int	nkept = 0;

int
toms_worker_kept_out(void)
{
	return nkept;
}

void
toms_worker_after_utility(int kept_out)
{
	if (nkept <= kept_out)
		return;
	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_EXCLUSIVE);
	while (nkept > kept_out)
	{
		TomsWorkerSlot *slot = toms_worker_find(kept[--nkept]);

		if (slot)
		{
			slot->keep_out--;
			slot->failures = 0; /* it was sent away */
			toms_worker_free(slot);
		}
	}
	toms_worker_wake_launcher();
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

static void
at_exit(int code, Datum arg)
{
	toms_worker_after_utility(0);
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
		/* it cannot be gone before it has cleared this under the lock */
		if (slot->pid != 0)
			kill(slot->pid, SIGTERM);
	}
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
}

static bool
worker_is_there(Oid database)
{
	TomsWorkerSlot *slot;
	bool		there;

	LWLockAcquire(toms_lock(TOMS_LOCK_WORKERS), LW_SHARED);
	slot = toms_worker_find(database);
	there = slot && slot->pid != 0;
	LWLockRelease(toms_lock(TOMS_LOCK_WORKERS));
	return there;
}

static void
wait_until_left(Oid database)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LONGEST_WAIT_MS);

	ConditionVariablePrepareToSleep(&toms_workers->left);
	while (worker_is_there(database) && GetCurrentTimestamp() < end)
		(void) ConditionVariableTimedSleep(&toms_workers->left, 1000, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
}

static void
keep_out(Oid database)
{
	static bool registered = false;

	if (!OidIsValid(database) || nkept == MOST_KEPT)
		return;
	if (!registered)
		before_shmem_exit(at_exit, (Datum) 0);
	registered = true;
	mark(database);
	wait_until_left(database);
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
