/*
 * admin_session.c - an administrative session is opened, approved, refused, closed and listed.
 *
 * Called by SQL.  Who asks and who approves are told apart by who logged in: neither SET ROLE nor SET SESSION
 * AUTHORIZATION makes another one of him.
 */
#include "guard/admin.h"

#include "base/reason.h"
#include "commands/dbcommands.h"
#include "context/context.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_open_admin_session);
PG_FUNCTION_INFO_V1(toms_close_admin_session);
PG_FUNCTION_INFO_V1(toms_approve_admin_session);
PG_FUNCTION_INFO_V1(toms_refuse_admin_session);
PG_FUNCTION_INFO_V1(toms_officer_login);
PG_FUNCTION_INFO_V1(toms_admin_session_rows);

char *
toms_admin_text(FunctionCallInfo fcinfo, int i, const char *name, int bytes)
{
	char	   *said = PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));

	if (said == NULL || strspn(said, " \t\r\n") == strlen(said))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be given", name),
						errhint("It goes into the audit trail.")));
	if (strlen(said) >= (size_t) bytes)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s has at most %d bytes", name, bytes - 1)));
	for (const unsigned char *c = (const unsigned char *) said; *c; c++)
	{
		if (*c < 0x20 || *c == 0x7f)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("control characters are not accepted here")));
	}
	return said;
}

static const char *
in_minutes(int milliseconds)
{
	return milliseconds % 60000 == 0 ? psprintf("%d min", milliseconds / 60000) : psprintf("%d s", (milliseconds + 999) / 1000);
}

/* opening and closing ------------------------------------------------------------------- */

static void
require_administrator(void)
{
	if (!toms_guard_is_administrator())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("an administrative session is of no use to user \"%s\"", GetUserNameFromId(GetOuterUserId(), false)),
				 errdetail("It is for superusers and roles with BYPASSRLS; others need a context."),
				 errhint("SET ROLE to the administrators' role first.")));
}

static void
tell_of_asking(const TomsAdminSlot *session)
{
	ereport(NOTICE,
			(errmsg("administrative session %lld waits for its approval", (long long) session->id),
			 errhint("Another officer, within %s: SELECT toms.approve_admin_session(%lld);", in_minutes(toms_admin_approval_timeout()),
					 (long long) session->id)));
}

/* open_admin_session(person, ticket, reason) */
Datum
toms_open_admin_session(PG_FUNCTION_ARGS)
{
	TomsAdminSlot session = {.kind = TOMS_ADMIN_OPENED};
	const TomsAdminSlot *former = toms_admin_session();
	StringInfoData details;
	int			life = toms_admin_session_timeout();

	require_administrator();
	if (former && former->kind != TOMS_ADMIN_BY_REASON)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this connection has an administrative session already"),
				 errhint("SELECT toms.close_admin_session();")));
	strlcpy(session.person, toms_admin_text(fcinfo, 0, "the person", TOMS_PERSON_BYTES), TOMS_PERSON_BYTES);
	if (!PG_ARGISNULL(1))
		strlcpy(session.ticket, toms_admin_text(fcinfo, 1, "the ticket", TOMS_TICKET_BYTES), TOMS_TICKET_BYTES);
	strlcpy(session.reason, toms_admin_text(fcinfo, 2, "the reason", TOMS_SESSION_REASON_BYTES), TOMS_SESSION_REASON_BYTES);
	session.state = toms_admin_needs_approval() ? TOMS_ADMIN_ASKED : TOMS_ADMIN_OPEN;
	if (session.state == TOMS_ADMIN_ASKED)
		life = toms_admin_approval_timeout();
	initStringInfo(&details);
	toms_event_say(&details, "state", session.state == TOMS_ADMIN_ASKED ? "asked" : "open");
	toms_event_say(&details, "person", session.person);
	toms_event_say(&details, "ticket", session.ticket[0] ? session.ticket : NULL);
	toms_event_say(&details, "reason", session.reason);
	session.id = toms_admin_event(TOMS_VERB_OPEN, InvalidOid, details.data, true).id;
	if (session.id == 0 && session.state == TOMS_ADMIN_ASKED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no session can be approved here"),
				 errdetail("The audit trail is not written here, on a standby for instance.")));
	session.until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), life);
	toms_admin_begin(&session, session.id);
	if (session.state == TOMS_ADMIN_ASKED)
		tell_of_asking(&session);
	PG_RETURN_INT64(session.id);
}

Datum
toms_close_admin_session(PG_FUNCTION_ARGS)
{
	const TomsAdminSlot *session = toms_admin_session();

	if (session && session->kind == TOMS_ADMIN_BY_REASON)
		SetConfigOption("toms.reason", "", PGC_USERSET, PGC_S_SESSION);
	else
		(void) toms_admin_end("closed");
	PG_RETURN_BOOL(session != NULL);
}

/* four eyes ----------------------------------------------------------------------------- */

static void
refuse_answer(const char *detail, const char *hint)
{
	TomsRefusal refusal = {.reason = TOMS_ADMIN_APPROVAL_REFUSED,.who = toms_context_who(),.detail = detail,.hint = hint};

	toms_refuse(&refusal);
}

static void
require_officer(Oid login)
{
	TomsRefusal refusal = {.reason = TOMS_OFFICER_REQUIRED,.who = toms_context_who(),
		.detail = psprintf("Log-in \"%s\" has neither the duty admin nor auditor.", GetUserNameFromId(login, false)),
	.hint = psprintf("SELECT toms.grant_officer('%s', 'auditor'); by a superuser.", GetUserNameFromId(login, false))};

	/* not by being superuser: he must have been given the duty */
	if (!is_member_of_role_nosuper(login, get_role_oid("toms_admin", false)) && !is_member_of_role_nosuper(login, get_role_oid("toms_auditor", false)))
		toms_refuse(&refusal);
}

static void
answer(int64 id, TomsAdminState state, const char *reason)
{
	Oid			login = GetAuthenticatedUserId();
	char	   *login_name = GetUserNameFromId(login, false);
	TomsAdminSlot asked = toms_admin_asked(id);
	StringInfoData details;

	require_officer(login);
	if (asked.pid == 0 || GetCurrentTimestamp() >= asked.until)
		refuse_answer("No session waits under that number, or not any more.", "SELECT * FROM toms.admin_sessions WHERE state = 'asked';");
	if (asked.database != MyDatabaseId)
		refuse_answer(psprintf("It is asked for in database \"%s\".", get_database_name(asked.database)), "Approve it there.");
	if (state == TOMS_ADMIN_OPEN && (asked.login == login || pg_strcasecmp(asked.person, login_name) == 0))
		refuse_answer("Nobody approves a session of his own.", "Another officer: SELECT toms.approve_admin_session(…);");
	initStringInfo(&details);
	appendStringInfo(&details, "\"session\":" INT64_FORMAT, id);
	toms_event_say(&details, "answer", state == TOMS_ADMIN_OPEN ? "approved" : "refused");
	toms_event_say(&details, "asked_by", asked.login_name);
	toms_event_say(&details, "person", asked.person);
	toms_event_say(&details, "why", reason);
	(void) toms_admin_event(TOMS_VERB_APPROVE, InvalidOid, details.data, true);
	if (!toms_admin_answer(id, state, login_name, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), toms_admin_session_timeout())))
		refuse_answer("It has ended meanwhile.", NULL);
}

Datum
toms_approve_admin_session(PG_FUNCTION_ARGS)
{
	answer(PG_GETARG_INT64(0), TOMS_ADMIN_OPEN, NULL);
	PG_RETURN_VOID();
}

Datum
toms_refuse_admin_session(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	answer(PG_GETARG_INT64(0), TOMS_ADMIN_REFUSED, toms_admin_text(fcinfo, 1, "a reason", TOMS_SESSION_REASON_BYTES));
	PG_RETURN_VOID();
}

/* officer_login(): who logged in, if he is an officer. */
Datum
toms_officer_login(PG_FUNCTION_ARGS)
{
	require_officer(GetAuthenticatedUserId());
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(GetAuthenticatedUserId(), false)));
}

/* the list ------------------------------------------------------------------------------ */

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text[0] == '\0';
	return *isnull ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
put_row(ReturnSetInfo *result, const TomsAdminSlot *slot)
{
	static const char *const kinds[] = {"", "reason", "opened", "broken glass"};
	static const char *const states[] = {"asked", "open", "refused"};
	Datum		values[12];
	bool		nulls[12] = {false};

	values[0] = Int64GetDatum(slot->id);
	nulls[0] = slot->id == 0;
	values[1] = Int32GetDatum(slot->pid);
	values[2] = text_or_null(slot->login_name, &nulls[2]);
	values[3] = CStringGetTextDatum(kinds[slot->kind]);
	values[4] = text_or_null(slot->person, &nulls[4]);
	values[5] = text_or_null(slot->ticket, &nulls[5]);
	values[6] = text_or_null(slot->reason, &nulls[6]);
	values[7] = CStringGetTextDatum(states[slot->state]);
	values[8] = TimestampTzGetDatum(slot->since);
	values[9] = TimestampTzGetDatum(slot->until);
	nulls[9] = slot->until == DT_NOEND;
	values[10] = text_or_null(slot->state == TOMS_ADMIN_OPEN ? slot->approved_by : "", &nulls[10]);
	values[11] = ObjectIdGetDatum(slot->database);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* One that has ended by time is in its slot until its backend looks. */
Datum
toms_admin_session_rows(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < toms_admin_slots(); i++)
	{
		TomsAdminSlot slot;

		if (toms_admin_slot(i, &slot) && now < slot.until)
			put_row((ReturnSetInfo *) fcinfo->resultinfo, &slot);
	}
	return (Datum) 0;
}
