/*
 * due.c - when a period ends, and how far back it reaches, for SQL.
 *
 * Called by officers who want to know before they declare a rule, by retention's views, and by tests.
 */
#include "policy/policy_int.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(toms_due_at);
PG_FUNCTION_INFO_V1(toms_horizon_at);
PG_FUNCTION_INFO_V1(toms_periods_told);

static TomsPeriodStart
starts_argument(const text *argument)
{
	const char *word = text_to_cstring(argument);

	if (strcmp(word, "event") == 0)
		return TOMS_STARTS_EVENT;
	if (strcmp(word, "end_of_month") == 0)
		return TOMS_STARTS_END_OF_MONTH;
	if (strcmp(word, "end_of_year") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a period does not start at \"%s\"", word),
				 errhint("event, end_of_month or end_of_year.")));
	return TOMS_STARTS_END_OF_YEAR;
}

static pg_tz *
zone_argument(const text *argument)
{
	pg_tz	   *zone = pg_tzset(text_to_cstring(argument));

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known", text_to_cstring(argument)),
				 errhint("SELECT name FROM pg_timezone_names;")));
	return zone;
}

/* toms.due_at(since, keep, starts, zone), since being a date, timestamp or timestamptz */
Datum
toms_due_at(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);

	PG_RETURN_TIMESTAMPTZ(toms_period_end(type, PG_GETARG_DATUM(0), PG_GETARG_INTERVAL_P(1),
										  starts_argument(PG_GETARG_TEXT_PP(2)), zone_argument(PG_GETARG_TEXT_PP(3))));
}

/* toms.horizon(keep, starts, zone, as_of) */
Datum
toms_horizon_at(PG_FUNCTION_ARGS)
{
	TomsHorizon horizon = toms_horizon(PG_GETARG_INTERVAL_P(0), starts_argument(PG_GETARG_TEXT_PP(1)),
									   zone_argument(PG_GETARG_TEXT_PP(2)), PG_GETARG_TIMESTAMPTZ(3));
	Datum		values[] = {TimestampTzGetDatum(horizon.instant), TimestampGetDatum(horizon.local), DateADTGetDatum(horizon.date)};
	bool		nulls[3] = {false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* toms.periods_are_told(relation) */
Datum
toms_periods_told(PG_FUNCTION_ARGS)
{
	TomsRelation *relation = toms_catalog_relation(PG_GETARG_OID(0));

	PG_RETURN_BOOL(relation == NULL || toms_periods_are_told(relation));
}
