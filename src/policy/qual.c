/*
 * qual.c - the functions that the policies of protected tables call.
 *
 *   rows that are there   tenant_id = toms.tenant_bigint()
 *                         AND toms.in_scope('hr.sick_note', 'select', employee_id), or is_visible(), see period.c
 *   rows to be written    toms.check_tenant('hr.sick_note', 'insert', tenant_id)
 *                         AND toms.check_subject('hr.sick_note', 'insert', employee_id)
 *
 * The first kind is STABLE, LEAKPROOF and never raises an error: without a context in
 * force, or without permission, it answers NULL or false, so that no row is seen even if
 * the guard did not refuse before.  The second kind raises an error that says why, about
 * a row that the caller brings himself, and is not LEAKPROOF.  Anybody may call both, with
 * any arguments.
 *
 * Each call site keeps its answer in fn_extra until toms_change_count changes: per row
 * that is one comparison, and what follows a change stands in functions of its own, so that
 * the compiler keeps it out of the way.  Values are allocated in fn_mcxt and never freed before it, since
 * changes in the middle of a statement are rare.
 */
#include "policy/policy_int.h"

#include "base/change.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "context/context.h"
#include "fmgr.h"
#include "policy/period.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

/* What a call site knows. */
typedef struct CallSite
{
	uint64		changes;		/* what toms_change_count was */
	TomsReason	reason;			/* TOMS_OK: compare, unless "everything" */
	bool		everything;		/* any subject will do */
	bool		scope_tenant;	/* permitted for all persons */
	bool		limited;		/* some of whom are restricted, or have objected */
	bool		has_value;
	const char *category;		/* of what is to be written, for objections */
	Oid			type;
	Datum		value;			/* the tenant or subject of the context */
} CallSite;

/* What one of toms.is_visible() knows beside. */
typedef struct VisibleSite
{
	CallSite	scope;
	TomsPeriodSite period;
} VisibleSite;

PG_FUNCTION_INFO_V1(toms_tenant_value);
PG_FUNCTION_INFO_V1(toms_in_scope);
PG_FUNCTION_INFO_V1(toms_is_visible);
PG_FUNCTION_INFO_V1(toms_in_category);
PG_FUNCTION_INFO_V1(toms_scope_from);
PG_FUNCTION_INFO_V1(toms_scope_to);
PG_FUNCTION_INFO_V1(toms_check_tenant);
PG_FUNCTION_INFO_V1(toms_check_parent);
PG_FUNCTION_INFO_V1(toms_check_subject);
PG_FUNCTION_INFO_V1(toms_check_category);
PG_FUNCTION_INFO_V1(toms_check_enabled);
PG_FUNCTION_INFO_V1(toms_check_value);

/* The call site if it knows its answer, else NULL. */
static inline CallSite *
current_site(FunctionCallInfo fcinfo)
{
	CallSite   *site = fcinfo->flinfo->fn_extra;

	return likely(site && site->changes == toms_change_count) ? site : NULL;
}

/* The call site with no answer: it has to be found anew. */
static CallSite *
new_site(FunctionCallInfo fcinfo)
{
	CallSite   *site = fcinfo->flinfo->fn_extra;

	if (site == NULL)
		site = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(CallSite));
	(void) toms_context_check();	/* settles the count */
	site->changes = toms_change_count;
	site->reason = TOMS_CONTEXT_MISSING;
	site->everything = site->scope_tenant = site->limited = site->has_value = false;
	site->category = NULL;
	return site;
}

static void
set_value(FunctionCallInfo fcinfo, CallSite *site, const char *identifier)
{
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

	site->has_value = toms_identifier_value(identifier, site->type, &site->value);
	MemoryContextSwitchTo(old);
}

static bool
equals(const CallSite *site, Datum value)
{
	text	   *left;
	text	   *right;
	bool		equal;

	switch (site->type)
	{
		case INT2OID:
			return DatumGetInt16(value) == DatumGetInt16(site->value);
		case INT4OID:
			return DatumGetInt32(value) == DatumGetInt32(site->value);
		case INT8OID:
			return DatumGetInt64(value) == DatumGetInt64(site->value);
		case UUIDOID:
			return memcmp(DatumGetUUIDP(value), DatumGetUUIDP(site->value), UUID_LEN) == 0;
		default:
			left = DatumGetTextPP(value);
			right = DatumGetTextPP(site->value);
			equal = VARSIZE_ANY_EXHDR(left) == VARSIZE_ANY_EXHDR(right) &&
				memcmp(VARDATA_ANY(left), VARDATA_ANY(right), VARSIZE_ANY_EXHDR(left)) == 0;
			if ((Pointer) left != DatumGetPointer(value))
				pfree(left);
			return equal;
	}
}

static pg_noinline CallSite *
find_tenant(FunctionCallInfo fcinfo)
{
	CallSite   *site = new_site(fcinfo);
	const TomsContext *context = toms_context_get();

	site->type = get_fn_expr_rettype(fcinfo->flinfo);
	if (context)
		set_value(fcinfo, site, context->tenant);
	return site;
}

/* toms.tenant_bigint() and its siblings: the tenant in the type that is returned. */
Datum
toms_tenant_value(PG_FUNCTION_ARGS)
{
	CallSite   *site = current_site(fcinfo);

	if (site == NULL)
		site = find_tenant(fcinfo);
	if (!site->has_value)
		PG_RETURN_NULL();
	return site->value;
}

/* The type of the column that a function is asked about; InvalidOid if it cannot be told. */
static Oid
column_type(FunctionCallInfo fcinfo, int argument)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argument);

	return OidIsValid(type) ? toms_plain_type(type) : InvalidOid;
}

AclMode
toms_policy_verb(const text *verb)
{
	const char *word = VARDATA_ANY(verb);

	if (VARSIZE_ANY_EXHDR(verb) != 6)
		return 0;
	return memcmp(word, "select", 6) == 0 ? ACL_SELECT : memcmp(word, "insert", 6) == 0 ? ACL_INSERT :
		memcmp(word, "update", 6) == 0 ? ACL_UPDATE : memcmp(word, "delete", 6) == 0 ? ACL_DELETE : 0;
}

/* For rows of which category a function is asked. */
typedef enum CategoryAsked
{
	OF_ANY,						/* of the tenant or the parent alone */
	OF_TABLE,					/* the table's own */
	OF_ARGUMENT					/* its third argument */
} CategoryAsked;

/*
 * The decision on the first arguments, relation and verb; false if they name none, or the
 * category is NULL.
 */
static bool
ask(FunctionCallInfo fcinfo, CategoryAsked asked, TomsRelation **relation, TomsDecision *decision)
{
	const char *category = NULL;
	AclMode		verb;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || (asked == OF_ARGUMENT && PG_ARGISNULL(2)))
		return false;
	*relation = toms_catalog_relation(PG_GETARG_OID(0));
	verb = toms_policy_verb(PG_GETARG_TEXT_PP(1));
	if (*relation == NULL || verb == 0)
		return false;
	if (asked == OF_TABLE)
		category = (*relation)->category;
	else if (asked == OF_ARGUMENT)
		category = text_to_cstring(PG_GETARG_TEXT_PP(2));
	*decision = toms_policy_decide(*relation, verb, category);
	return true;
}

/* Returns for whom, or NULL. */
static const TomsContext *
decide(FunctionCallInfo fcinfo, CallSite *site, CategoryAsked asked, TomsRelation **relation)
{
	TomsDecision decision;

	site->reason = TOMS_PROTECTION_INCOMPLETE;
	if (!ask(fcinfo, asked, relation, &decision))
		return NULL;
	site->reason = decision.reason;
	site->everything = site->scope_tenant = decision.reason == TOMS_OK && decision.scope_tenant;
	return decision.reason == TOMS_OK ? decision.asker.context : NULL;
}

/* Of a function (relation, verb, [category,] subject) or (relation, verb, subject, period, start event). */
static inline int
subject_argument(FunctionCallInfo fcinfo)
{
	return PG_NARGS() == 4 ? 3 : 2;
}

/* Once for each call site: most tenants have no limits. */
static void
find_limits(FunctionCallInfo fcinfo, CallSite *site, const TomsRelation *relation, const char *category)
{
	site->limited = toms_policy_is_limited(relation, category);
	if (!site->limited)
		return;
	site->everything = false;
	site->category = category ? MemoryContextStrdup(fcinfo->flinfo->fn_mcxt, category) : NULL;
}

static pg_noinline CallSite *
find_subject(FunctionCallInfo fcinfo, bool writes)
{
	CallSite   *site = new_site(fcinfo);
	TomsRelation *relation;
	const TomsContext *context = decide(fcinfo, site, PG_NARGS() == 4 ? OF_ARGUMENT : OF_TABLE, &relation);

	site->type = column_type(fcinfo, subject_argument(fcinfo));
	if (context)
		find_limits(fcinfo, site, relation, !writes ? NULL : PG_NARGS() == 4 ? text_to_cstring(PG_GETARG_TEXT_PP(2)) : relation->category);
	if (context && !site->scope_tenant)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		site->has_value = toms_alias_subject(relation, context, site->type, &site->value);
		MemoryContextSwitchTo(old);
	}
	return site;
}

/* The call site of a function (relation, verb, [category,] subject). */
static inline CallSite *
subject_site(FunctionCallInfo fcinfo, bool writes)
{
	CallSite   *site = current_site(fcinfo);

	return site ? site : find_subject(fcinfo, writes);
}

/* Whether the subject is the context's own, in scope own. */
static bool
is_in_scope(FunctionCallInfo fcinfo, const CallSite *site)
{
	if (site->reason != TOMS_OK || site->scope_tenant)
		return site->reason == TOMS_OK;
	return site->has_value && !PG_ARGISNULL(subject_argument(fcinfo)) && equals(site, PG_GETARG_DATUM(subject_argument(fcinfo)));
}

/* The limit on a row about the person in that argument; a row about nobody has none. */
static TomsReason
limit_on(FunctionCallInfo fcinfo, const CallSite *site, int argument)
{
	if (!site->limited || PG_ARGISNULL(argument))
		return TOMS_OK;
	return toms_policy_limit_on(PG_GETARG_OID(0), site->category, site->type, PG_GETARG_DATUM(argument));
}

/* Where not every subject will do. */
static pg_noinline bool
subject_fits(FunctionCallInfo fcinfo, const CallSite *site)
{
	return is_in_scope(fcinfo, site) && limit_on(fcinfo, site, subject_argument(fcinfo)) == TOMS_OK;
}

/* toms.in_scope(relation, verb, [category,] subject) */
Datum
toms_in_scope(PG_FUNCTION_ARGS)
{
	CallSite   *site = subject_site(fcinfo, false);

	PG_RETURN_BOOL(site->everything || subject_fits(fcinfo, site));
}

static pg_noinline CallSite *
find_visible(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(VisibleSite));
	(void) find_subject(fcinfo, false);
	toms_period_find(fcinfo, TOMS_PERIOD_OF_TENANT, 3, &((VisibleSite *) fcinfo->flinfo->fn_extra)->period);
	return fcinfo->flinfo->fn_extra;
}

/* toms.is_visible(relation, verb, subject, period, start event): in scope, and in the period of retention */
Datum
toms_is_visible(PG_FUNCTION_ARGS)
{
	CallSite   *site = current_site(fcinfo);

	if (site == NULL)
		site = find_visible(fcinfo);
	PG_RETURN_BOOL((site->everything || subject_fits(fcinfo, site)) && toms_period_lets(fcinfo, &((VisibleSite *) site)->period));
}

/* The call site of a function (relation, verb, category). */
static CallSite *
category_site(FunctionCallInfo fcinfo)
{
	CallSite   *site = current_site(fcinfo);
	TomsRelation *relation;

	if (site == NULL)
	{
		site = new_site(fcinfo);
		(void) decide(fcinfo, site, OF_ARGUMENT, &relation);
	}
	return site;
}

/* toms.in_category(relation, verb, category): of rows that are of no person, or of all */
Datum
toms_in_category(PG_FUNCTION_ARGS)
{
	CallSite   *site = category_site(fcinfo);

	PG_RETURN_BOOL(site->reason == TOMS_OK);
}

static Datum
extreme_value(Oid type, bool greatest)
{
	pg_uuid_t  *uuid;

	switch (type)
	{
		case INT2OID:
			return Int16GetDatum(greatest ? PG_INT16_MAX : PG_INT16_MIN);
		case INT4OID:
			return Int32GetDatum(greatest ? PG_INT32_MAX : PG_INT32_MIN);
		case INT8OID:
			return Int64GetDatum(greatest ? PG_INT64_MAX : PG_INT64_MIN);
		default:
			uuid = palloc(sizeof(pg_uuid_t));
			memset(uuid, greatest ? 0xff : 0, sizeof(*uuid));
			return UUIDPGetDatum(uuid);
	}
}

/* The least or the greatest subject in scope; NULL where there is none. */
static Datum
scope_bound(FunctionCallInfo fcinfo, bool greatest)
{
	CallSite   *site = subject_site(fcinfo, false);

	if (site->scope_tenant && toms_type_is_bounded(site->type))
		return extreme_value(site->type, greatest);
	if (site->reason == TOMS_OK && site->has_value)
		return site->value;
	PG_RETURN_NULL();
}

/* toms.scope_from(relation, verb, [category,] NULL of the subject's type): for index conditions */
Datum
toms_scope_from(PG_FUNCTION_ARGS)
{
	return scope_bound(fcinfo, false);
}

Datum
toms_scope_to(PG_FUNCTION_ARGS)
{
	return scope_bound(fcinfo, true);
}

static void
tell_of_category(TomsRefusal *refusal, const char *category)
{
	const TomsContext *context = toms_context_get();

	refusal->detail = psprintf("Columns of category \"%s\" take no value but NULL of this tenant.", category);
	refusal->hint = psprintf("SELECT toms.enable_category(%s, %s, instruction => …); as its controller instructs.",
							 quote_literal_cstr(context ? context->tenant : "…"), quote_literal_cstr(category));
}

static void
refuse_row(FunctionCallInfo fcinfo, TomsReason reason, CategoryAsked asked)
{
	TomsRelation *relation;
	TomsDecision decision;
	TomsRefusal refusal = {.reason = reason,.relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0),
	.who = toms_context_who()};

	if (reason == TOMS_ROW_OTHER_TENANT)
		refusal.detail = toms_limits_exist() ? "A row can be written for the tenant of the context only, and below rows of persons who are not restricted." :
			"A row can be written for the tenant of the context only.";
	else if (reason == TOMS_ROW_OTHER_SUBJECT)
		refusal.detail = "In scope own a row can be written for the context's own subject only.";
	else if (reason == TOMS_CATEGORY_NOT_ENABLED)
		tell_of_category(&refusal, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	else if (reason == TOMS_RESTRICTED || reason == TOMS_OBJECTED || reason == TOMS_OBJECTED_CATEGORY)
		toms_policy_tell_limit(&refusal);
	else if (ask(fcinfo, asked, &relation, &decision))
	{
		refusal.detail = toms_policy_detail(relation, &decision);
		refusal.hint = toms_policy_hint(relation, &decision);
	}
	toms_refuse(&refusal);
}

/* toms.check_tenant(relation, verb, tenant) */
Datum
toms_check_tenant(PG_FUNCTION_ARGS)
{
	CallSite   *site = current_site(fcinfo);

	if (site == NULL)
	{
		TomsRelation *relation;
		const TomsContext *context = decide(fcinfo, site = new_site(fcinfo), OF_ANY, &relation);

		site->type = column_type(fcinfo, 2);
		if (context)
			set_value(fcinfo, site, context->tenant);
	}
	if (site->reason != TOMS_OK)
		refuse_row(fcinfo, site->reason, OF_ANY);
	if (!site->has_value || PG_ARGISNULL(2) || !equals(site, PG_GETARG_DATUM(2)))
		refuse_row(fcinfo, TOMS_ROW_OTHER_TENANT, OF_ANY);
	PG_RETURN_BOOL(true);
}

/* toms.check_parent(relation, verb, found): found: the parent row is of the tenant in force */
Datum
toms_check_parent(PG_FUNCTION_ARGS)
{
	CallSite   *site = current_site(fcinfo);
	TomsRelation *relation;

	if (site == NULL)
		(void) decide(fcinfo, site = new_site(fcinfo), OF_ANY, &relation);
	if (site->reason != TOMS_OK)
		refuse_row(fcinfo, site->reason, OF_ANY);
	if (PG_ARGISNULL(2) || !PG_GETARG_BOOL(2))
		refuse_row(fcinfo, TOMS_ROW_OTHER_TENANT, OF_ANY);
	PG_RETURN_BOOL(true);
}

/* toms.check_subject(relation, verb, [category,] subject) */
Datum
toms_check_subject(PG_FUNCTION_ARGS)
{
	CallSite   *site = subject_site(fcinfo, true);
	TomsReason	limit;

	if (site->everything)
		PG_RETURN_BOOL(true);
	if (site->reason != TOMS_OK)
		refuse_row(fcinfo, site->reason, PG_NARGS() == 4 ? OF_ARGUMENT : OF_TABLE);
	if (!is_in_scope(fcinfo, site))
		refuse_row(fcinfo, TOMS_ROW_OTHER_SUBJECT, OF_ANY);
	limit = limit_on(fcinfo, site, subject_argument(fcinfo));
	if (limit != TOMS_OK)
		refuse_row(fcinfo, limit, OF_ANY);
	PG_RETURN_BOOL(true);
}

/* toms.check_category(relation, verb, category): of rows that are of no person */
Datum
toms_check_category(PG_FUNCTION_ARGS)
{
	CallSite   *site = category_site(fcinfo);

	if (site->reason != TOMS_OK)
		refuse_row(fcinfo, site->reason, OF_ARGUMENT);
	PG_RETURN_BOOL(true);
}

/* The call site of toms.check_enabled() or check_value(), with no answer yet; asks: whether the tenant has enabled the category. */
static pg_noinline CallSite *
find_enabled(FunctionCallInfo fcinfo, bool asks)
{
	CallSite   *site = new_site(fcinfo);
	TomsRelation *relation;
	const TomsContext *context = decide(fcinfo, site, OF_ANY, &relation);

	if (PG_NARGS() == 4)
		site->type = column_type(fcinfo, 3);
	if (PG_ARGISNULL(2))
		site->reason = TOMS_PROTECTION_INCOMPLETE;
	else if (context)
		find_limits(fcinfo, site, relation, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (asks && site->reason == TOMS_OK && context && !toms_catalog_enabled(context->tenant, text_to_cstring(PG_GETARG_TEXT_PP(2))))
		site->reason = TOMS_CATEGORY_NOT_ENABLED;
	return site;
}

static void
check_value(FunctionCallInfo fcinfo, bool asks)
{
	CallSite   *site = current_site(fcinfo);
	TomsReason	limit;

	if (site == NULL)
		site = find_enabled(fcinfo, asks);
	if (site->reason != TOMS_OK)
		refuse_row(fcinfo, site->reason, OF_ANY);
	limit = PG_NARGS() == 4 ? limit_on(fcinfo, site, 3) : TOMS_OK;
	if (limit != TOMS_OK)
		refuse_row(fcinfo, limit, OF_ANY);
}

/* toms.check_enabled(relation, verb, category [, subject]): of a value in a column of an optional category */
Datum
toms_check_enabled(PG_FUNCTION_ARGS)
{
	check_value(fcinfo, true);
	PG_RETURN_BOOL(true);
}

/* toms.check_value(relation, verb, category, subject): of a value in a column of a category of its own */
Datum
toms_check_value(PG_FUNCTION_ARGS)
{
	check_value(fcinfo, false);
	PG_RETURN_BOOL(true);
}
