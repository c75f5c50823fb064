/*
 * admin_glass.c - breaking the glass: an hour without approval, for whoever stands at the server at night.
 *
 * Called by SQL.  It opens for a superuser who came by a Unix socket and whom the operating system vouched for: not
 * for a pooler or a job that uses the socket too.  The entry is durable before anything can be done; where
 * the trail cannot take it in, which may be what the glass is broken for, it is in the server log
 * first, and in the trail as soon as that can.
 */
#include "guard/admin.h"

#include "base/compat.h"
#include "base/reason.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(toms_break_glass);
PG_FUNCTION_INFO_V1(toms_store_glass_review);

#define OPEN_MS (60 * 60 * 1000)

/* Kept from the moment of authentication: what pg_hba.conf said is forgotten after it. */
static bool came_by_peer = false;

void
toms_guard_authenticated(bool by_peer)
{
	came_by_peer = by_peer;
}

static void
refuse(const char *detail, const char *hint)
{
	TomsRefusal refusal = {.reason = TOMS_BREAK_GLASS_REFUSED,.who = toms_context_who(),.detail = detail,.hint = hint};

	toms_refuse(&refusal);
}

static void
require_presence(void)
{
	if (!superuser_arg(GetAuthenticatedUserId()) || !superuser_arg(GetSessionUserId()))
		refuse("Who logged in is no superuser.", "SELECT toms.open_admin_session('person', 'ticket', 'reason');");
	if (MyProcPort == NULL || MyProcPort->raddr.addr.ss_family != AF_UNIX)
		refuse("This connection did not come by a Unix socket.", "Log in at the server.");
	if (!came_by_peer)
		refuse("The operating system did not vouch for who logged in.", "Method peer for the superuser in pg_hba.conf: local all postgres peer");
}

/* First of all in the server log, where nothing can be full that does not stop the server. */
static void
write_to_log(const char *reason)
{
	ereport(WARNING,
			(errmsg("the glass is broken: administrative access for one hour without approval"),
			 errdetail("log-in \"%s\", reason: %s", GetUserNameFromId(GetAuthenticatedUserId(), false), reason),
			 errhint("It must be reviewed within three days: SELECT toms.review_break_glass(…);")));
}

static int64
tell(void)
{
	volatile int64 entry = 0;

	PG_TRY();
	{
		entry = toms_admin_tell_glass(true);
	}
	PG_CATCH();
	{
		/* who cancels while it waits has opened nothing */
		(void) toms_admin_end("cancelled");
		PG_RE_THROW();
	}
	PG_END_TRY();
	return entry;
}

/* break_glass(reason) */
Datum
toms_break_glass(PG_FUNCTION_ARGS)
{
	TomsAdminSlot session = {.kind = TOMS_ADMIN_BROKEN_GLASS,.state = TOMS_ADMIN_OPEN};
	int64		entry;

	require_presence();
	strlcpy(session.reason, toms_admin_text(fcinfo, 0, "a reason", TOMS_SESSION_REASON_BYTES), TOMS_SESSION_REASON_BYTES);
	write_to_log(session.reason);
	session.until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), OPEN_MS);
	/* from here on the trail holds nobody up */
	toms_admin_begin(&session, 0);
	entry = tell();
	if (entry == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(entry);
}

/* store_glass_review(entry, result), called by toms.review_break_glass() that has checked it all. */
Datum
toms_store_glass_review(PG_FUNCTION_ARGS)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum		values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), CStringGetTextDatum(GetUserNameFromId(GetAuthenticatedUserId(), false))};

	SPI_connect();
	toms_guard_trail_work(true);
	if (SPI_execute_with_args("INSERT INTO toms.break_glass_review (entry, result, reviewed_by) VALUES ($1, $2, $3)", lengthof(types), types, values,
							  NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not store a review");
	toms_guard_trail_work(false);
	SPI_finish();
	PG_RETURN_VOID();
}
