/*
 * period_condition.c - the part of policies that hides rows whose period of retention has passed, as text.
 *
 * Called by expression.c, and by guard for explain_access().  The text tells of start events and categories, not of
 * tenants and periods: those can change without a policy being made anew.
 */
#include "policy/policy_int.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* The calls for one category, and for whose rows. */
typedef struct Calls
{
	const TomsRelation *relation;
	const char *self;
	bool		check;			/* of rows to be written */
	bool		shared;			/* of rows that all tenants share: rules for all tenants alone */
} Calls;

/* A rule for the table's own category is for rows without a rule of their own. */
static const char *
category_of(const TomsRelation *relation, const TomsRule *rule)
{
	return rule->category && strcmp(rule->category, relation->category) != 0 ? rule->category : "";
}

char *
toms_period_source(const TomsRule *rule)
{
	char	   *lookup;

	if (!OidIsValid(rule->elsewhere))
		return rule->since;
	lookup = OidIsValid(rule->lookup) ? get_rel_name(rule->lookup) : NULL;
	return lookup ? psprintf("%s.%s", rule->since, lookup) : NULL;
}

bool
toms_policy_looks_starts_up(const TomsRelation *relation)
{
	for (int i = 0; i < relation->nrules; i++)
	{
		if (OidIsValid(relation->rules[i].elsewhere))
			return true;
	}
	return false;
}

static bool
is_told(const TomsRelation *relation, const TomsRule *rule)
{
	if (!OidIsValid(rule->type) || rule->zone == NULL)
		return false;
	for (int i = 0; i < rule->ncleared; i++)
	{
		if (get_attnum(relation->relid, rule->cleared[i]) <= 0)
			return false;
	}
	if (!OidIsValid(rule->elsewhere))
		return true;
	return rule->through > 0 && toms_policy_is_lookup(rule->lookup);
}

bool
toms_periods_are_told(const TomsRelation *relation)
{
	for (int i = 0; i < relation->nrules; i++)
	{
		if (!is_told(relation, &relation->rules[i]))
			return false;
	}
	return true;
}

/* The lookup has one row for each key; the column that leads to it may have the name of one of its own. */
static char *
start_event(const TomsRelation *relation, const TomsRule *rule)
{
	if (!OidIsValid(rule->elsewhere))
		return pstrdup(quote_identifier(get_attname(relation->relid, rule->column, false)));
	return psprintf("(SELECT toms_start.toms_since FROM %s toms_start WHERE toms_start.toms_key OPERATOR(pg_catalog.=) %s.%s)",
					toms_relation_name(rule->lookup), toms_relation_name(relation->relid), quote_identifier(get_attname(relation->relid, rule->through, false)));
}

/* Which rule is meant, as a literal. */
static char *
what(const TomsRelation *relation, const TomsRule *rule)
{
	return quote_literal_cstr(psprintf("%s:%s", category_of(relation, rule), toms_period_source(rule)));
}

/* What has been pseudonymised is there again; NULL: the rule deletes, or the row is one to be written. */
static char *
emptied(const Calls *calls, const TomsRule *rule)
{
	StringInfoData text;

	if (calls->check || rule->action != TOMS_RETENTION_PSEUDONYMISE)
		return NULL;
	initStringInfo(&text);
	for (int i = 0; i < rule->ncleared; i++)
		appendStringInfo(&text, "%s%s IS NULL", i > 0 ? " AND " : "", quote_identifier(rule->cleared[i]));
	return text.data;
}

static char *
call(const Calls *calls, const TomsRule *rule)
{
	char	   *done = emptied(calls, rule);
	char	   *text;
	const TomsRelation *relation = calls->relation;
	const char *function = calls->check ? "not_past" : calls->shared ? "in_shared_period" : "in_period";
	const char *subject = calls->check || relation->subject == 0 ? "" :
		psprintf(", %s", quote_identifier(get_attname(relation->relid, relation->subject, false)));

	if (!is_told(relation, rule))
		return pstrdup("false");
	text = psprintf("toms.%s(%s, %s, %s%s)", function, calls->self, what(relation, rule), start_event(relation, rule), subject);
	return done ? psprintf("(%s OR (%s))", text, done) : text;
}

/* One call for each start event that rules of a category name; NULL: there is no rule. */
static char *
calls_of(const Calls *calls, const char *category)
{
	StringInfoData text;
	List	   *known = NIL;

	initStringInfo(&text);
	for (int i = 0; i < calls->relation->nrules; i++)
	{
		const TomsRule *rule = &calls->relation->rules[i];
		char	   *fresh;
		ListCell   *cell;

		if (strcmp(category_of(calls->relation, rule), category) != 0 || (calls->shared && rule->tenant))
			continue;
		fresh = call(calls, rule);
		foreach(cell, known)
		{
			if (strcmp(lfirst(cell), fresh) == 0)
				break;
		}
		if (cell != NULL)
			continue;
		known = lappend(known, fresh);
		appendStringInfo(&text, "%s%s", text.len ? " AND " : "", fresh);
	}
	return known ? text.data : NULL;
}

static bool
is_for_all_tenants(const Calls *calls, const char *category)
{
	for (int i = 0; i < calls->relation->nrules; i++)
	{
		if (calls->relation->rules[i].tenant == NULL && strcmp(category_of(calls->relation, &calls->relation->rules[i]), category) == 0)
			return true;
	}
	return false;
}

/*
 * Rows with labels of which rules speak are there as long as one of these lets them; all others as the rule
 * without a category has it.
 */
static char *
condition(const Calls *calls)
{
	const TomsRelation *relation = calls->relation;
	char	   *others = calls_of(calls, "");
	StringInfoData spoken_of;
	StringInfoData there;

	initStringInfo(&spoken_of);
	initStringInfo(&there);
	for (int i = 0; i < relation->nrow_labels; i++)
	{
		const TomsRowLabel *label = &relation->row_labels[i];
		char	   *own = strcmp(label->category, relation->category) == 0 ? NULL : calls_of(calls, label->category);
		char	   *labelled;

		if (own == NULL)
			continue;
		labelled = psprintf("(%s) IS NOT FALSE", label->condition);
		if (!is_for_all_tenants(calls, label->category))
			labelled = psprintf("%s AND toms.has_period(%s, %s)", labelled, calls->self, quote_literal_cstr(label->category));
		appendStringInfo(&spoken_of, "%s%s", spoken_of.len ? " OR " : "", labelled);
		appendStringInfo(&there, "%s%s AND %s", there.len ? " OR " : "", labelled, own);
	}
	if (spoken_of.len == 0)
		return others;
	return psprintf("CASE WHEN %s THEN %s ELSE %s END", spoken_of.data, there.data, others ? others : "true");
}

/* All rules are for the same rows and name the same start event: so one call tells of scope and period. */
char *
toms_period_arguments(const TomsRelation *relation)
{
	char	   *arguments = NULL;

	if (relation->nrow_labels > 0)
		return NULL;
	for (int i = 0; i < relation->nrules; i++)
	{
		const TomsRule *rule = &relation->rules[i];
		char	   *own;

		if (!is_told(relation, rule) || rule->action == TOMS_RETENTION_PSEUDONYMISE)
			return NULL;
		if (*category_of(relation, rule) != '\0')
			continue;			/* no row has it */
		own = psprintf("%s, %s", what(relation, rule), start_event(relation, rule));
		if (arguments && strcmp(arguments, own) != 0)
			return NULL;
		arguments = own;
	}
	return arguments;
}

char *
toms_period_condition(const TomsRelation *relation, AclMode verb, bool check, bool shared)
{
	char	   *self = psprintf("'%u'::pg_catalog.regclass", relation->relid);
	Calls		calls = {.relation = relation,.self = self,.check = check,.shared = shared};
	char	   *text = relation->nrules > 0 ? condition(&calls) : NULL;

	if (text && check)
		return psprintf("toms.check_period(%s, '%s', %s)", self, toms_verb_text(verb), text);
	return text;
}

/* As its type writes it, in the rule's zone: of an instant that zone's time of day. */
static char *
limit_text(const TomsRule *rule, int64 limit)
{
	Datum		value;

	if (rule->type == DATEOID)
		value = DirectFunctionCall1(date_out, DateADTGetDatum((DateADT) limit));
	else if (rule->type == TIMESTAMPOID)
		value = DirectFunctionCall1(timestamp_out, TimestampGetDatum(limit));
	else
		value = DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(limit));
	return DatumGetCString(value);
}

static void
append_rule(StringInfo text, TomsRelation *relation, const TomsRule *rule, const char *purpose)
{
	int64		keep;
	int64		restricted;

	if (!toms_period_horizons(relation, rule, &keep, &restricted))
		return;
	appendStringInfo(text, "%sRows%s%s%s with \"%s\" up to %s are past their period", text->len ? " " : "",
					 *category_of(relation, rule) ? " of category \"" : "", category_of(relation, rule),
					 *category_of(relation, rule) ? "\"" : "", rule->since, limit_text(rule, keep));
	if (restricted > keep)
		appendStringInfo(text, ", those up to %s are restricted%s", limit_text(rule, restricted),
						 toms_period_reaches(rule, purpose) ? " and shown for this purpose" : "");
	appendStringInfoChar(text, '.');
}

char *
toms_policy_explain_periods(TomsRelation *relation, const TomsAsker *asker)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < relation->nrules; i++)
	{
		const TomsRule *rule = &relation->rules[i];

		if (asker->context && rule == toms_rule_for(relation, asker->context->tenant, rule->category))
			append_rule(&text, relation, rule, asker->purpose);
	}
	return text.len ? text.data : NULL;
}
