/*
 * suggest_read.c - a look into a table for toms.suggest() and toms.coverage(), as its owner.
 *
 * Called by toms.suggest_ask(), of tables on which nobody has put code.  Somebody can put it there between that look at the
 * catalogs and the reading, and nothing short of a lock that stops writers of DDL keeps him from it: so what runs then runs as
 * himself, in a security-restricted operation.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(toms_suggest_ask);

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static char *
first_value(const char *query)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *value = NULL;

	SPI_connect();
	if (SPI_execute(query, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look into a table");
	if (SPI_processed > 0)
		value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	value = value ? MemoryContextStrdup(caller, value) : NULL;
	SPI_finish();
	return value;
}

/* toms.suggest_ask(relation, query): the first value, as text; on error the transaction restores who asks */
Datum
toms_suggest_ask(PG_FUNCTION_ARGS)
{
	int			security;
	Oid			user;
	char	   *value;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(owner_of(PG_GETARG_OID(0)),
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	value = first_value(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	SetUserIdAndSecContext(user, security);
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}
