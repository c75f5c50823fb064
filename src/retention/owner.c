/*
 * owner.c - what toms does to a table's rows it does as its owner, with no more than his rights.
 *
 * Called by retention and rights around their statements.  Triggers, operators, defaults and policies of the table's owner run
 * inside of them: as he, in a security-restricted operation, with row security on and nothing but the system's own
 * schema on the search path.  An error restores user and settings with its (sub)transaction.
 */
#include "retention/owner.h"

#include "access/htup_details.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "context/context.h"
#include "miscadmin.h"
#include "retention/retention_int.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/syscache.h"

static const char *const settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"row_security", "on"},
	{"max_parallel_workers_per_gather", "0"},	/* workers do not know what is going on */
};

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u is not there any more", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* What he has written would run with his rights: a superuser's are everybody's. */
static void
check_owner(Oid relid, Oid owner)
{
	if (!has_bypassrls_privilege(owner))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table %s is owned by a role that bypasses row security", toms_relation_name(relid)),
			 errdetail("Rows are deleted as the table's owner, under its policies."),
			 errhint("ALTER TABLE %s OWNER TO a role without SUPERUSER and BYPASSRLS.", toms_relation_name(relid))));
}

bool
toms_owner_may(Oid relid)
{
	return !has_bypassrls_privilege(owner_of(relid));
}

TomsOwnerWork
toms_owner_begin(Oid relid, Oid root, const char *tenant, const char *purpose)
{
	Oid			owner = owner_of(relid);
	TomsOwnerWork work;

	check_owner(relid, owner);
	GetUserIdAndSecContext(&work.user, &work.security);
	work.settings = NewGUCNestLevel();
	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* an application's locks do not stop retention, which comes again; a right is waited for as long as who carries it out likes */
	if (strcmp(purpose, TOMS_RETENTION_PURPOSE) == 0)
		(void) set_config_option("lock_timeout", "200ms", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(owner, work.security | SECURITY_RESTRICTED_OPERATION);
	toms_context_begin_work(tenant, purpose, root);
	return work;
}

/* What triggers have set is taken back too. */
void
toms_owner_end(TomsOwnerWork work)
{
	toms_context_end_work();
	SetUserIdAndSecContext(work.user, work.security);
	AtEOXact_GUC(false, work.settings);
}
