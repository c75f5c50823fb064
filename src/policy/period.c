/*
 * period.c - the functions of policies that hide rows whose period of retention has passed.
 *
 *   rows that are there   toms.is_visible('crm.message', 'select', user_id, ':sent_at', sent_at)
 *                         or toms.in_period('crm.message', ':sent_at', sent_at)
 *   rows to be written    toms.check_period('crm.message', 'insert', toms.not_past('crm.message', ':sent_at', sent_at))
 *
 * The first, which qual.c has, is in_scope() and in_period() in one call; that is half as dear, and what most tables
 * need.  It, in_period() and not_past() are STABLE, LEAKPROOF and raise no error.  Each call site finds the rule
 * of the context's tenant once, and then compares start events with one value: the horizon at the transaction's
 * start.  Where that lies is kept with the relation's entry in the cache, as long as it moves as the clock
 * does; so a transaction does not compute it.  A rule that names another start event is none of a call's
 * business: the policy calls once for each that rules of the relation name.
 */
#include "policy/period.h"

#include "access/xact.h"
#include "base/change.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "policy/policy_int.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Where the horizons of a rule lie; kept with a relation in an array beside its rules. */
typedef struct TomsPeriods
{
	TomsHorizonPiece keep;
	TomsHorizonPiece restrict_after;
} TomsPeriods;

/* What a call site of in_period() and its siblings knows. */
typedef struct PeriodSite
{
	uint64		changes;		/* what toms_change_count was */
	TomsPeriodSite period;
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

/* The type of an argument is as good as always the one that is expected. */
static bool
is_of_type(FunctionCallInfo fcinfo, int argument, Oid expected)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argument);

	return type == expected || (OidIsValid(type) && getBaseType(type) == expected);
}

/* Anybody can call the functions of policies: only who may read rows is told that one is held. */
static bool
may_read(TomsRelation *relation)
{
	return toms_policy_decide(relation, ACL_SELECT, NULL).reason == TOMS_OK;
}

static void
set_limits(FunctionCallInfo fcinfo, TomsPeriodSite *site, TomsPeriodAsked asked, TomsRelation *relation, const TomsRule *rule)
{
	int64		restricted;

	site->nothing = !is_of_type(fcinfo, site->start, rule->type) || !toms_period_horizons(relation, rule, &site->keep, &restricted);
	if (site->nothing)
		return;
	site->is_date = rule->type == DATEOID;
	site->reached = asked != TOMS_PERIOD_TO_WRITE && rule->npurposes > 0 && toms_period_reaches(rule, toms_context_purpose()) &&
		may_read(relation);
	site->limit = site->reached || asked == TOMS_PERIOD_TO_WRITE ? site->keep : restricted;
	site->shared = asked == TOMS_PERIOD_OF_ALL;
	site->rule = rule->id;
}

/* The tenant's rule for the category that is asked about; what follows the colon is the source. */
static const TomsRule *
find_rule(const TomsRelation *relation, const char *tenant, const text *what, const char **source)
{
	char		category[NAMEDATALEN];
	const char *colon = memchr(VARDATA_ANY(what), ':', VARSIZE_ANY_EXHDR(what));
	Size		length = colon ? colon - VARDATA_ANY(what) : 0;

	if (length >= NAMEDATALEN)
		return NULL;
	memcpy(category, VARDATA_ANY(what), length);
	category[length] = '\0';
	*source = colon ? colon + 1 : VARDATA_ANY(what);
	return toms_rule_for(relation, tenant, category);
}

/* True if the rule names that source, or none any more. */
static bool
is_concerned(const TomsRule *rule, const text *what, const char *source)
{
	const char *own = toms_period_source(rule);
	Size		length = VARDATA_ANY(what) + VARSIZE_ANY_EXHDR(what) - source;

	return own == NULL || (strlen(own) == length && memcmp(own, source, length) == 0);
}

void
toms_period_find(FunctionCallInfo fcinfo, TomsPeriodAsked asked, int what, TomsPeriodSite *site)
{
	const TomsContext *context = PG_ARGISNULL(0) || PG_ARGISNULL(what) ? NULL : toms_context_get();
	TomsRelation *relation = context ? toms_catalog_relation(PG_GETARG_OID(0)) : NULL;
	const TomsRule *rule;
	const char *source;

	memset(site, 0, sizeof(TomsPeriodSite));
	site->nothing = relation == NULL;
	site->start = what + 1;
	site->subject = PG_NARGS() == 5 ? 2 : PG_NARGS() == 4 ? 3 : -1;
	if (site->nothing)
		return;
	rule = find_rule(relation, asked == TOMS_PERIOD_OF_ALL ? NULL : context->tenant, PG_GETARG_TEXT_PP(what), &source);
	site->everything = rule == NULL || !is_concerned(rule, PG_GETARG_TEXT_PP(what), source) ||
		toms_context_is_own_work_on(relation->root);
	site->nothing = !site->everything && toms_period_source(rule) == NULL;
	if (!site->everything && !site->nothing)
		set_limits(fcinfo, site, asked, relation, rule);
}

/* The row's subject, if one is told: anybody can call the functions of policies, with arguments of any type. */
static bool
tells_subject(FunctionCallInfo fcinfo, const TomsPeriodSite *site, char subject[TOMS_IDENTIFIER_BYTES])
{
	Oid			type = site->subject < 0 ? InvalidOid : get_fn_expr_argtype(fcinfo->flinfo, site->subject);

	if (!OidIsValid(type) || PG_ARGISNULL(site->subject))
		return false;
	type = toms_plain_type(type);
	return (toms_type_is_bounded(type) || type == TEXTOID) &&
		toms_identifier_text(type, PG_GETARG_DATUM(site->subject), subject);
}

/* A hold on the row: of its subject, or of all of the tenant's rows. */
static bool
is_held(FunctionCallInfo fcinfo, const TomsPeriodSite *site)
{
	char		subject[TOMS_IDENTIFIER_BYTES];
	const TomsContext *context = toms_context_get();
	TomsRelation *relation = context ? toms_catalog_relation(PG_GETARG_OID(0)) : NULL;
	bool		told = tells_subject(fcinfo, site, subject);

	return relation && toms_policy_hold_on(relation, site->shared ? NULL : context->tenant, told ? subject : NULL, site->rule) != 0;
}

bool
toms_period_reaches_row(FunctionCallInfo fcinfo, const TomsPeriodSite *site, int64 start)
{
	return site->reached && (start > site->keep || is_held(fcinfo, site));
}

static pg_noinline PeriodSite *
find_site(FunctionCallInfo fcinfo, TomsPeriodAsked asked)
{
	PeriodSite *site = fcinfo->flinfo->fn_extra;

	if (site == NULL)
		site = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(PeriodSite));
	(void) toms_context_check();	/* settles the count */
	site->changes = toms_change_count;
	toms_period_find(fcinfo, asked, 1, &site->period);
	return site;
}

static inline bool
is_in_period(FunctionCallInfo fcinfo, TomsPeriodAsked asked)
{
	PeriodSite *site = fcinfo->flinfo->fn_extra;

	if (unlikely(site == NULL || site->changes != toms_change_count))
		site = find_site(fcinfo, asked);
	return toms_period_lets(fcinfo, &site->period);
}

/* toms.in_period(relation, "category:source", start event [, subject]); no category: rows of which no other rule speaks */
Datum
toms_in_period(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_in_period(fcinfo, TOMS_PERIOD_OF_TENANT));
}

Datum
toms_in_shared_period(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_in_period(fcinfo, TOMS_PERIOD_OF_ALL));
}

/* toms.not_past(relation, "category:source", start event) */
Datum
toms_not_past(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_in_period(fcinfo, TOMS_PERIOD_TO_WRITE));
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
