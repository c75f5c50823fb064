/*
 * system_settings.c - one set of settings for what toms prints and parses.
 *
 * An expression that is printed in one form and parsed in another would seem to have been
 * changed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/system_settings.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/guc.h"

static const char *const settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"DateStyle", "ISO"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "3"},
	{"quote_all_identifiers", "off"},
};

int
toms_use_system_settings(void)
{
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static bool in_system_query = false;
static SubTransactionId began_in = InvalidSubTransactionId;

/* As PostgreSQL's own queries of foreign keys: the guard lets them pass, and the policies do not police them. */
TomsSystemQuery
toms_system_query_begin(void)
{
	TomsSystemQuery query;

	query.settings = toms_use_system_settings();
	/* workers would not know what is going on */
	(void) set_config_option("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	query.around = in_system_query;
	query.around_in = began_in;
	GetUserIdAndSecContext(&query.user, &query.security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   query.security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	in_system_query = true;
	began_in = GetCurrentSubTransactionId();
	return query;
}

void
toms_system_query_end(TomsSystemQuery query)
{
	in_system_query = query.around;
	began_in = query.around_in;
	SetUserIdAndSecContext(query.user, query.security);
	AtEOXact_GUC(true, query.settings);
}

/* Refusals of toms tell what their reasons are named for. */
static bool
shows_row(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION &&
		(error->constraint_name == NULL || strncmp(error->constraint_name, "toms_", 5) != 0);
}

void
toms_system_query_rethrow(MemoryContext memory)
{
	ErrorData  *error;

	MemoryContextSwitchTo(memory);
	error = CopyErrorData();
	FlushErrorState();
	error->context = "statement of toms over all rows";
	error->internalquery = NULL;
	error->internalpos = 0;
	if (shows_row(error))
		error->detail = error->detail_log = NULL;
	ReThrowError(error);
}

void
toms_system_query_forget(SubTransactionId ended)
{
	if (ended == InvalidSubTransactionId || ended == began_in)
		in_system_query = false;
}

bool
toms_in_system_query(void)
{
	return in_system_query;
}
