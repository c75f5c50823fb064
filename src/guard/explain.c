/*
 * explain.c - the guard's answers on request: toms.explain_access(), toms.status.
 *
 * explain_access() asks the same rule that statements meet, for the session as it is now.
 */
#include "guard/guard_int.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "context/context.h"
#include "keyring/keyring.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "policy/policy.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(toms_explain_access);
PG_FUNCTION_INFO_V1(toms_guard_state);

static char *
describe_finding(const TomsFinding *finding, bool observed)
{
	StringInfoData text;

	initStringInfo(&text);
	if (observed)
		appendStringInfoString(&text, "observed, nothing is refused: ");
	if (finding->passage == TOMS_PASS_CONTEXT)
		appendStringInfo(&text, "permitted, scope %s%s", finding->scope_tenant ? "tenant" : "own", finding->detail ? "." : "");
	else if (finding->passage == TOMS_PASS_EMPTY)
		appendStringInfoString(&text, "no context: no rows");
	else if (finding->passage == TOMS_PASS_ADMINISTRATOR)
		appendStringInfoString(&text, "administrative access, all tenants, on record");
	else
		appendStringInfo(&text, "refused (%s): %s.", toms_reason_code(finding->reason),
						 toms_reason_text(finding->reason));
	if (finding->detail)
		appendStringInfo(&text, " %s", finding->detail);
	if (finding->hint)
		appendStringInfo(&text, "\n%s", finding->hint);
	return text.data;
}

/* What is hidden for its age, or for the person it is about. */
static char *
explain_hidden(TomsRelation *relation, const TomsAsker *asker)
{
	char	   *periods = toms_policy_explain_periods(relation, asker);
	char	   *limits = toms_policy_explain_limits(relation, asker);

	return periods && limits ? psprintf("%s %s", periods, limits) : periods ? periods : limits;
}

/* toms.explain_access(relation, verb) */
Datum
toms_explain_access(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *verb = text_to_cstring(PG_GETARG_TEXT_PP(1));
	TomsAccess	access = {.relation = toms_catalog_relation(relid),
		.verbs = toms_verb_parse(verb),.user = GetUserId()};
	TomsFinding finding;
	TomsAsker	asker;

	if (access.verbs == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no verb \"%s\"", verb),
				 errhint("Verbs are select, insert, update and delete.")));
	if (access.relation == NULL)
		PG_RETURN_TEXT_P(cstring_to_text("not protected: PostgreSQL's own privileges alone decide"));
	finding = toms_guard_examine(&access);
	if (finding.passage == TOMS_PASS_CONTEXT && finding.detail == NULL && toms_context_ask(&asker) == TOMS_OK)
		finding.detail = explain_hidden(access.relation, &asker);
	PG_RETURN_TEXT_P(cstring_to_text(describe_finding(&finding, access.relation->mode == TOMS_MODE_OBSERVE)));
}

/* toms.guard_state(): version, refusals, administrative passes, observed kinds, keyring set */
Datum
toms_guard_state(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(TOMS_VERSION);
	values[1] = Int64GetDatum((int64) toms_refusal_count());
	values[2] = Int64GetDatum((int64) toms_guard_administrator_count());
	values[3] = Int32GetDatum(toms_observe_count());
	values[4] = BoolGetDatum(toms_keyring_configured());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
