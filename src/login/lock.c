/*
 * lock.c - locks of log-ins as officers see them, and as they survive a restart.
 *
 * Shared memory decides; the table toms.login_lock follows it, written by the writer of one database, and is read when the
 * first writer of a database comes after the server has started.  Locks of names that no role has are not written:
 * the secret that they are hashed with ends with the server.
 */
#include "login/login_int.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "trail/trail.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include <arpa/inet.h>

PG_FUNCTION_INFO_V1(toms_login_lock_entries);
PG_FUNCTION_INFO_V1(toms_begin_login_lock);
PG_FUNCTION_INFO_V1(toms_unlock_login);
PG_FUNCTION_INFO_V1(toms_login_state);

/* places ------------------------------------------------------------------------------ */

static TomsLoginPlace
place_of(inet *address)
{
	TomsLoginPlace place = {.family = ip_family(address) == PGSQL_AF_INET ? 4 : 6};

	memcpy(place.bytes, ip_addr(address), place.family == 4 ? 4 : 8);
	return place;
}

static Datum
inet_of(const TomsLoginPlace *place)
{
	char		text[INET6_ADDRSTRLEN + sizeof("/64")];
	uint8		address[16] = {0};

	memcpy(address, place->bytes, sizeof(place->bytes));
	(void) inet_ntop(place->family == 4 ? AF_INET : AF_INET6, address, text, INET6_ADDRSTRLEN);
	if (place->family == 6)
		strlcat(text, "/64", sizeof(text));
	return DirectFunctionCall1(inet_in, CStringGetDatum(text));
}

/* the table --------------------------------------------------------------------------- */

static Datum
run(const char *statement, Oid argument_type, Datum argument, bool *isnull)
{
	Datum		result = (Datum) 0;

	*isnull = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(statement, OidIsValid(argument_type) ? 1 : 0, &argument_type, &argument, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", statement);
	if (SPI_processed > 0)
		result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
	SPI_finish();
	PopActiveSnapshot();
	return result;
}

void
toms_login_lock_load(void)
{
	bool		isnull;

	(void) run("SELECT toms.load_login_locks() IS NULL", InvalidOid, (Datum) 0, &isnull);
}

void
toms_login_lock_keep(bool at_home)
{
	bool		isnull;

	(void) run("SELECT toms.keep_login_locks($1) IS NULL", BOOLOID, BoolGetDatum(at_home), &isnull);
}

TimestampTz
toms_login_trail_since(void)
{
	bool		isnull;
	Datum		since = run("SELECT pg_catalog.min(since) FROM toms.audit_use", InvalidOid, (Datum) 0, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(since);
}

bool
toms_login_is_personal(Oid role)
{
	bool		isnull;

	(void) run("SELECT true FROM toms.personal_login p WHERE p.role OPERATOR(pg_catalog.=) $1 AND p.ended_at IS NULL",
			   OIDOID, ObjectIdGetDatum(role), &isnull);
	return !isnull;
}

/* SQL functions ----------------------------------------------------------------------- */

static void
put_row(ReturnSetInfo *result, const TomsLoginCount *lock)
{
	Datum		values[6];
	bool		nulls[6] = {false};
	char		hash[2 * TOMS_LOGIN_HASH_BYTES + 1];

	hash[hex_encode((const char *) lock->pair.hash, TOMS_LOGIN_HASH_BYTES, hash)] = '\0';
	nulls[0] = lock->login[0] == '\0';
	nulls[1] = !nulls[0];
	values[0] = CStringGetTextDatum(lock->login);
	values[1] = CStringGetTextDatum(hash);
	values[2] = inet_of(&lock->pair.place);
	values[3] = Int32GetDatum(lock->failures);
	values[4] = TimestampTzGetDatum(lock->since);
	values[5] = TimestampTzGetDatum(lock->until);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* toms.login_lock_entries() */
Datum
toms_login_lock_entries(PG_FUNCTION_ARGS)
{
	int			count;
	TomsLoginCount *locks = toms_login_locks(&count);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
		put_row((ReturnSetInfo *) fcinfo->resultinfo, &locks[i]);
	return (Datum) 0;
}

/* toms.begin_login_lock(login, address, failures, since, until) */
Datum
toms_begin_login_lock(PG_FUNCTION_ARGS)
{
	const char *login = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TomsLoginCount lock = {.failures = Max(PG_GETARG_INT32(2), 1),.first = PG_GETARG_TIMESTAMPTZ(3),.last = PG_GETARG_TIMESTAMPTZ(3),
	.since = PG_GETARG_TIMESTAMPTZ(3),.until = PG_GETARG_TIMESTAMPTZ(4)};

	toms_login_hash(lock.pair.hash, login);
	lock.pair.place = place_of(PG_GETARG_INET_PP(1));
	strlcpy(lock.login, login, NAMEDATALEN);
	toms_login_restore_lock(&lock);
	PG_RETURN_VOID();
}

/* A name that no role has may be a password: it is told by its hash. */
static void
record_unlock(const char *login, bool is_role, inet *address)
{
	StringInfoData details;
	TomsEvent	event = {.kind = TOMS_ENTRY_SESSION,.verb = TOMS_VERB_UNLOCK};
	uint8		digest[TOMS_LOGIN_HASH_BYTES];
	char		hash[2 * TOMS_LOGIN_HASH_BYTES + 1];

	toms_login_hash(digest, login);
	hash[hex_encode((const char *) digest, TOMS_LOGIN_HASH_BYTES, hash)] = '\0';
	initStringInfo(&details);
	toms_event_say(&details, is_role ? "login" : "login_hash", is_role ? login : hash);
	if (address)
		toms_event_say(&details, "address", DatumGetCString(DirectFunctionCall1(inet_out, InetPGetDatum(address))));
	event.details = details.data;
	(void) toms_event_add(&event);
}

/* toms.unlock_login(login, address) */
Datum
toms_unlock_login(PG_FUNCTION_ARGS)
{
	inet	   *address = PG_ARGISNULL(1) ? NULL : PG_GETARG_INET_PP(1);
	TomsLoginPlace place;
	const char *login;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("login must not be null")));
	login = NameStr(*PG_GETARG_NAME(0));
	if (address)
		place = place_of(address);
	/* what cannot be recorded must not happen */
	record_unlock(login, OidIsValid(get_role_oid(login, true)), address);
	PG_RETURN_INT32(toms_login_end_locks(login, address ? &place : NULL));
}

/* toms.login_state() */
Datum
toms_login_state(PG_FUNCTION_ARGS)
{
	int			waiting;
	int64		lost;

	InitMaterializedSRF(fcinfo, 0);
	toms_login_ring_state(&waiting, &lost);
	tuplestore_putvalues(((ReturnSetInfo *) fcinfo->resultinfo)->setResult, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc,
						 (Datum[]) {Int32GetDatum(waiting), Int64GetDatum(lost), Int64GetDatum(toms_login_forgotten())}, (bool[]) {false, false, false});
	return (Datum) 0;
}
