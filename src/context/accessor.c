/*
 * accessor.c - the context as SQL sees it: toms.context() and toms.current_…().
 *
 * For applications: DEFAULTs, triggers, policies of their own.  None of them raises an
 * error; without a context in force there is no row, or NULL.
 */
#include "context/context_int.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_context);
PG_FUNCTION_INFO_V1(toms_current_tenant);
PG_FUNCTION_INFO_V1(toms_current_subject);
PG_FUNCTION_INFO_V1(toms_current_actor);
PG_FUNCTION_INFO_V1(toms_current_purpose);

static ArrayType *
purpose_array(const TomsContext *context)
{
	Datum		purposes[TOMS_MAX_PURPOSES];

	for (int i = 0; i < context->npurposes; i++)
		purposes[i] = CStringGetTextDatum(context->purposes[i]);
	return construct_array(purposes, context->npurposes, TEXTOID, -1, false, TYPALIGN_INT);
}

/* toms.context(): tenant, subject, actor, role, purposes, purpose, expires_at */
Datum
toms_context(PG_FUNCTION_ARGS)
{
	const TomsContext *context = toms_context_get();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[7];
	bool		nulls[7] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (context == NULL)
		return (Datum) 0;
	values[0] = CStringGetTextDatum(context->tenant);
	values[1] = CStringGetTextDatum(context->subject);
	values[2] = CStringGetTextDatum(context->actor);
	values[3] = CStringGetTextDatum(context->role);
	values[4] = PointerGetDatum(purpose_array(context));
	nulls[5] = toms_context_purpose() == NULL;
	values[5] = nulls[5] ? (Datum) 0 : CStringGetTextDatum(toms_context_purpose());
	values[6] = TimestampTzGetDatum(context->expires_at);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

static Datum
text_or_null(FunctionCallInfo fcinfo, const char *text)
{
	if (text == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

Datum
toms_current_tenant(PG_FUNCTION_ARGS)
{
	const TomsContext *context = toms_context_get();

	return text_or_null(fcinfo, context ? context->tenant : NULL);
}

Datum
toms_current_subject(PG_FUNCTION_ARGS)
{
	const TomsContext *context = toms_context_get();

	return text_or_null(fcinfo, context ? context->subject : NULL);
}

Datum
toms_current_actor(PG_FUNCTION_ARGS)
{
	const TomsContext *context = toms_context_get();

	return text_or_null(fcinfo, context ? context->actor : NULL);
}

Datum
toms_current_purpose(PG_FUNCTION_ARGS)
{
	return text_or_null(fcinfo, toms_context_purpose());
}
