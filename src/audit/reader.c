/*
 * reader.c - who may read the audit trail, and that he did.
 *
 * Called by toms.audit_trail() and its kin, and by proof.c.  Reading is recorded, and durable, before anything is
 * shown, whatever becomes of the transaction.
 */
#include "audit/reader.h"

#include "access/htup_details.h"
#include "audit/audit_int.h"
#include "catalog/catalog.h"
#include "context/context.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "trail/trail.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_audit_reader);
PG_FUNCTION_INFO_V1(toms_audit_own);
PG_FUNCTION_INFO_V1(toms_note_reading);

/* may ------------------------------------------------------------------------------- */

static bool
is_officer(const char *duty)
{
	Oid			role = get_role_oid(duty, true);

	/* the user outside of SECURITY DEFINER functions */
	return OidIsValid(role) && has_privs_of_role(GetOuterUserId(), role);
}

static void
refuse_reading(const TomsRelation *relation, const TomsDecision *decision)
{
	const char *hint = toms_policy_hint(relation, decision);
	TomsRefusal refusal = {.reason = decision->reason,.relid = relation->relid,.who = toms_context_who(),
		.detail = toms_policy_detail(relation, decision),
	.hint = decision->asker.context ? hint : "Officers with duty auditor or admin read it without a context: SELECT toms.grant_officer('…', 'auditor');"};

	toms_refuse(&refusal);
}

/* What the context is permitted of the trail; refuses if that is nothing. */
static TomsDecision
permitted(void)
{
	TomsRelation *relation = toms_catalog_own(toms_payload_relation());
	TomsDecision decision = toms_policy_decide(relation, ACL_SELECT, NULL);

	if (decision.reason == TOMS_OK && toms_context_expired_now())
		decision = (TomsDecision) {.reason = TOMS_CONTEXT_EXPIRED};
	if (decision.reason != TOMS_OK)
		refuse_reading(relation, &decision);
	return decision;
}

/* toms.audit_reader(): NULL: everybody's. */
Datum
toms_audit_reader(PG_FUNCTION_ARGS)
{
	if (is_officer("toms_auditor") || is_officer("toms_admin"))
		PG_RETURN_NULL();
	if (!permitted().scope_tenant)
	{
		TomsRefusal refusal = {.reason = TOMS_ROW_OTHER_SUBJECT,.relid = toms_payload_relation(),.who = toms_context_who(),
			.detail = "In scope own one reads what concerns oneself alone.",
		.hint = "SELECT * FROM toms.subject_access_log();"};

		toms_refuse(&refusal);
	}
	PG_RETURN_TEXT_P(cstring_to_text(toms_context_get()->tenant));
}

/* toms.audit_own(OUT tenant, OUT subject): of the context, which may read what concerns it, or more. */
Datum
toms_audit_own(PG_FUNCTION_ARGS)
{
	TupleDesc	result;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	const TomsContext *context;

	if (get_call_result_type(fcinfo, NULL, &result) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	result = BlessTupleDesc(result);
	(void) permitted();
	context = toms_context_get();
	values[0] = CStringGetTextDatum(context->tenant);
	values[1] = CStringGetTextDatum(context->subject);
	return HeapTupleGetDatum(heap_form_tuple(result, values, nulls));
}

/* did ------------------------------------------------------------------------------- */

/* As whom the caller works outside of our SECURITY DEFINER functions; an error ends it too. */
static void
add_as_caller(const TomsEvent *event)
{
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(GetOuterUserId(), security | SECURITY_LOCAL_USERID_CHANGE);
	(void) toms_event_add(event);
	SetUserIdAndSecContext(user, security);
}

void
toms_reading_note(TomsEntryKind kind, TomsEntryVerb verb, const char *details)
{
	TomsEvent	event = {.kind = kind,.verb = verb,.relid = toms_payload_relation(),.details = details,.strict = true};

	add_as_caller(&event);
	if (!toms_event_flush())
	{
		TomsRefusal refusal = {.reason = TOMS_AUDIT_UNAVAILABLE,.relid = toms_payload_relation(),
			.detail = "What happened before has not become durable in time.",
		.hint = "SELECT * FROM toms.audit_queue;"};

		toms_refuse(&refusal);
	}
}

/* toms.note_reading(kind, verb, details): JSON without its braces is what an event has. */
Datum
toms_note_reading(PG_FUNCTION_ARGS)
{
	char	   *details = DatumGetCString(DirectFunctionCall1(jsonb_out, PG_GETARG_DATUM(2)));
	size_t		length = strlen(details);

	details[length - 1] = '\0';
	toms_reading_note((TomsEntryKind) PG_GETARG_CHAR(0), (TomsEntryVerb) PG_GETARG_CHAR(1), details + 1);
	PG_RETURN_VOID();
}
