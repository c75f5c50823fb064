/*
 * period.c - the functions of policies that hide rows whose period of retention has passed.
 *
 *   rows that are there   toms.in_period('crm.message', '', 'sent_at', sent_at, user_id)
 *   rows to be written    toms.check_period('crm.message', 'insert', toms.not_past('crm.message', '', 'sent_at', sent_at))
 *
 * The first, and toms.not_past(), are STABLE, LEAKPROOF and raise no error.  Each call site finds the rule of the
 * context's tenant once, and then compares start events with one value: the horizon at the transaction's start.
 * Where that lies is kept with the relation's entry in the cache, as long as it moves as the clock does; so
 * a transaction does not compute it.  A rule that names another start event is none of a call's
 * business: the policy calls once for each that rules of the relation name.
 */
#include "policy/policy_int.h"

#include "access/xact.h"
#include "base/change.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Where the horizons of a rule lie; kept with a relation in an array beside its rules. */
typedef struct TomsPeriods
{
	TomsHorizonPiece keep;
	TomsHorizonPiece restrict_after;
} TomsPeriods;

/* For whose rows, and what for, a function is asked. */
typedef enum PeriodAsked
{
	OF_TENANT,					/* whether they are to be seen */
	OF_ALL,						/* the same of rows that all tenants share */
	TO_WRITE					/* whether they may be written */
} PeriodAsked;

/* What a call site knows. */
typedef struct PeriodSite
{
	uint64		changes;		/* what toms_change_count was */
	bool		everything;		/* no rule speaks of these rows */
	bool		nothing;		/* there is one that cannot be told */
	bool		is_date;
	bool		reached;		/* the purpose is one that reaches restricted rows */
	int64		limit;			/* start events after it are to be seen */
	int64		keep;			/* up to it the period has passed */
	int64		rule;
	Oid			root;
	Oid			subject_type;	/* InvalidOid: no subject is told */
} PeriodSite;

PG_FUNCTION_INFO_V1(toms_in_period);
PG_FUNCTION_INFO_V1(toms_in_shared_period);
PG_FUNCTION_INFO_V1(toms_not_past);
PG_FUNCTION_INFO_V1(toms_has_period);
PG_FUNCTION_INFO_V1(toms_check_period);

/* The horizon at the transaction's start; found anew where the kept piece does not reach. */
static int64
horizon_now(TomsHorizonPiece *piece, const TomsRule *rule, const Interval *period)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (now < piece->from || now >= piece->until)
		*piece = toms_horizon_piece(rule->type, period, rule->starts, rule->zone, now);
	return piece->moves ? piece->at + (now - piece->from) : piece->at;
}

static TomsPeriods *
periods_of(TomsRelation *relation, const TomsRule *rule)
{
	if (relation->periods == NULL)
		relation->periods = MemoryContextAllocZero(toms_relation_context(relation), relation->nrules * sizeof(TomsPeriods));
	return &relation->periods[rule - relation->rules];
}

bool
toms_period_reaches(const TomsRule *rule, const char *purpose)
{
	for (int i = 0; purpose && i < rule->npurposes; i++)
	{
		if (strcmp(rule->purposes[i], purpose) == 0)
			return true;
	}
	return false;
}

/*
 * The horizons of a rule: start events up to "keep" are past, those up to "restricted" are restricted.  False
 * if it cannot be told any more.
 */
bool
toms_period_horizons(TomsRelation *relation, const TomsRule *rule, int64 *keep, int64 *restricted)
{
	TomsPeriods *periods;

	if (!OidIsValid(rule->type) || rule->zone == NULL)
		return false;
	periods = periods_of(relation, rule);
	*keep = *restricted = horizon_now(&periods->keep, rule, &rule->keep);
	if (rule->restricts)
		*restricted = Max(*keep, horizon_now(&periods->restrict_after, rule, &rule->restrict_after));
	return true;
}

static Oid
argument_type(FunctionCallInfo fcinfo, int argument)
{
	Oid			type = PG_NARGS() > argument ? get_fn_expr_argtype(fcinfo->flinfo, argument) : InvalidOid;

	return OidIsValid(type) ? getBaseType(type) : InvalidOid;
}

/* Anybody can call the functions of policies: only who may read rows is told that one is held. */
static bool
may_read(TomsRelation *relation)
{
	return toms_policy_decide(relation, ACL_SELECT, NULL).reason == TOMS_OK;
}

static void
set_limits(FunctionCallInfo fcinfo, PeriodSite *site, PeriodAsked asked, TomsRelation *relation, const TomsRule *rule)
{
	int64		restricted;

	site->nothing = argument_type(fcinfo, 3) != rule->type || !toms_period_horizons(relation, rule, &site->keep, &restricted);
	if (site->nothing)
		return;
	site->is_date = rule->type == DATEOID;
	site->reached = asked != TO_WRITE && toms_period_reaches(rule, toms_context_purpose()) && may_read(relation);
	site->limit = site->reached || asked == TO_WRITE ? site->keep : restricted;
	site->rule = rule->id;
	site->root = relation->root;
	site->subject_type = argument_type(fcinfo, 4);
}

static pg_noinline PeriodSite *
find_site(FunctionCallInfo fcinfo, PeriodAsked asked)
{
	PeriodSite *site = fcinfo->flinfo->fn_extra;
	TomsRelation *relation;
	const TomsContext *context;
	const TomsRule *rule;
	const char *source;

	if (site == NULL)
		site = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(PeriodSite));
	memset(site, 0, sizeof(PeriodSite));
	(void) toms_context_check();	/* settles the count */
	site->changes = toms_change_count;
	site->nothing = true;
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return site;
	context = toms_context_get();
	relation = context ? toms_catalog_relation(PG_GETARG_OID(0)) : NULL;
	if (relation == NULL)
		return site;
	rule = toms_rule_for(relation, asked == OF_ALL ? NULL : context->tenant, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	source = rule ? toms_period_source(rule) : NULL;
	site->everything = toms_context_is_own_work() || rule == NULL ||
		(source && strcmp(source, text_to_cstring(PG_GETARG_TEXT_PP(2))) != 0);
	site->nothing = !site->everything && source == NULL;
	if (!site->everything && !site->nothing)
		set_limits(fcinfo, site, asked, relation, rule);
	return site;
}

static inline PeriodSite *
current_site(FunctionCallInfo fcinfo, PeriodAsked asked)
{
	PeriodSite *site = fcinfo->flinfo->fn_extra;

	return likely(site && site->changes == toms_change_count) ? site : find_site(fcinfo, asked);
}

/* A hold on the row: of its subject, or of all of the tenant's rows. */
static bool
is_held(FunctionCallInfo fcinfo, const PeriodSite *site, PeriodAsked asked)
{
	char		subject[TOMS_IDENTIFIER_BYTES];
	const TomsContext *context = toms_context_get();
	bool		told = OidIsValid(site->subject_type) && !PG_ARGISNULL(4) &&
		toms_identifier_text(site->subject_type, PG_GETARG_DATUM(4), subject);

	return context && toms_hold_on(site->root, asked == OF_ALL ? NULL : context->tenant, told ? subject : NULL, site->rule) != 0;
}

/* Rows that are restricted, or past their period. */
static pg_noinline bool
is_reached(FunctionCallInfo fcinfo, const PeriodSite *site, PeriodAsked asked, int64 start)
{
	return site->reached && (start > site->keep || is_held(fcinfo, site, asked));
}

static inline bool
is_in_period(FunctionCallInfo fcinfo, PeriodAsked asked)
{
	PeriodSite *site = current_site(fcinfo, asked);
	int64		start;

	if (site->nothing)
		return false;
	if (site->everything || PG_ARGISNULL(3))
		return true;
	start = site->is_date ? DatumGetDateADT(PG_GETARG_DATUM(3)) : DatumGetInt64(PG_GETARG_DATUM(3));
	return start > site->limit || is_reached(fcinfo, site, asked, start);
}

/* toms.in_period(relation, category, source, start event [, subject]); category "": rows without a rule of their own */
Datum
toms_in_period(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_in_period(fcinfo, OF_TENANT));
}

Datum
toms_in_shared_period(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_in_period(fcinfo, OF_ALL));
}

/* toms.not_past(relation, category, source, start event) */
Datum
toms_not_past(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_in_period(fcinfo, TO_WRITE));
}

bool
toms_period_limit(Oid relid, const char *category, const char *source, Oid *type, int64 *limit)
{
	const TomsContext *context = toms_context_get();
	TomsRelation *relation = context ? toms_catalog_relation(relid) : NULL;
	const TomsRule *rule = relation ? toms_rule_for(relation, context->tenant, category) : NULL;
	int64		keep;
	int64		restricted;

	if (rule == NULL || toms_period_source(rule) == NULL || strcmp(toms_period_source(rule), source) != 0 ||
		!toms_period_horizons(relation, rule, &keep, &restricted))
		return false;
	*type = rule->type;
	*limit = toms_period_reaches(rule, toms_context_purpose()) ? keep : restricted;
	return true;
}

/* toms.has_period(relation, category): whether the tenant has a rule for rows of that category */
Datum
toms_has_period(PG_FUNCTION_ARGS)
{
	const TomsContext *context = toms_context_get();
	TomsRelation *relation = context ? toms_catalog_relation(PG_GETARG_OID(0)) : NULL;

	PG_RETURN_BOOL(relation && toms_rule_for(relation, context->tenant, text_to_cstring(PG_GETARG_TEXT_PP(1))) != NULL);
}

/* toms.check_period(relation, verb, fits) */
Datum
toms_check_period(PG_FUNCTION_ARGS)
{
	TomsRefusal refusal = {.reason = TOMS_PAST_PERIOD,.relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0)};

	if (!PG_ARGISNULL(2) && PG_GETARG_BOOL(2))
		PG_RETURN_BOOL(true);
	refusal.who = toms_context_who();
	refusal.detail = "By its start event it would have to be deleted already.";
	refusal.hint = "SELECT * FROM toms.retention_rules; shows officers how long rows of the table are kept.";
	toms_refuse(&refusal);
}
