/*
 * due.c - which rows of a table and tenant are past a rule's period.
 *
 * Called by batch.c.  The condition is text, with parameters for all that differs from tenant to tenant and
 * from day to day, so that one plan does for all.  It goes beside the policies, which apply too.
 */
#include "retention/due.h"

#include "catalog/pg_type.h"
#include "context/context.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "policy/policy.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(toms_is_held);

int
toms_due_parameter(TomsDue *due, Oid type, Datum value)
{
	if (due->nparameters == TOMS_DUE_PARAMETERS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rules of categories concern the same rows")));
	due->types[due->nparameters] = type;
	due->values[due->nparameters] = value;
	return ++due->nparameters;
}

/* The last one is kept: a run asks for one rule and tenant after the other. */
static const TomsHorizon *
horizon_of(const TomsRule *rule, TimestampTz as_of)
{
	static TomsHorizon known;
	static TomsRule known_rule;
	static TimestampTz known_as_of = 0;

	if (rule->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time zone of rule " INT64_FORMAT " is not known any more", rule->id)));
	if (known_as_of != as_of || known_rule.id != rule->id || known_rule.zone != rule->zone || known_rule.starts != rule->starts ||
		memcmp(&known_rule.keep, &rule->keep, sizeof(Interval)) != 0)
	{
		known = toms_horizon(&rule->keep, rule->starts, rule->zone, as_of);
		known_rule = *rule;
		known_as_of = as_of;
	}
	return &known;
}

static Datum
horizon_value(const TomsRule *rule, TimestampTz as_of)
{
	const TomsHorizon *horizon = horizon_of(rule, as_of);

	switch (rule->type)
	{
		case DATEOID:
			return DateADTGetDatum(horizon->date);
		case TIMESTAMPOID:
			return TimestampGetDatum(horizon->local);
		default:
			return TimestampTzGetDatum(horizon->instant);
	}
}

static const char *
column(Oid relid, AttrNumber number)
{
	return psprintf("t.%s", quote_identifier(get_attname(relid, number, false)));
}

static void
check_column(const TomsRelation *relation, const TomsRule *rule)
{
	if (OidIsValid(rule->type) && (!OidIsValid(rule->elsewhere) || (rule->through > 0 && OidIsValid(rule->lookup) && get_rel_name(rule->lookup))))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("the start event of rule " INT64_FORMAT " is not in column \"%s\" of %s any more", rule->id, rule->since,
					toms_relation_name(OidIsValid(rule->elsewhere) ? rule->elsewhere : relation->root)),
			 errhint("SELECT toms.retain(…); says anew where it is.")));
}

/* Its start event is at or before its horizon; NULL is not. */
static char *
past(TomsDue *due, const TomsRelation *relation, const TomsRule *rule, TimestampTz as_of)
{
	int			number;

	check_column(relation, rule);
	number = toms_due_parameter(due, rule->type, horizon_value(rule, as_of));
	if (!OidIsValid(rule->elsewhere))
		return psprintf("%s <= $%d", column(relation->relid, rule->column), number);
	return psprintf("%s IN (SELECT l.toms_key FROM %s l WHERE l.toms_since <= $%d)", column(relation->relid, rule->through),
					toms_relation_name(rule->lookup), number);
}

/* As the policies have it: a row that may be of the category is. */
static const char *
label_condition(const TomsRelation *relation, const char *category)
{
	for (int i = 0; i < relation->nrow_labels; i++)
	{
		if (strcmp(relation->row_labels[i].category, category) == 0)
			return relation->row_labels[i].condition;
	}
	return "false";
}

/* NULL: it is for rows of which no other rule speaks. */
static const char *
category_of(const TomsRelation *relation, const TomsRule *rule)
{
	return rule->category && strcmp(rule->category, relation->category) != 0 ? rule->category : NULL;
}

/*
 * Rows of a category that has a rule are no business of the rule without; rows of several are due when all
 * of their rules say so.
 */
static void
say_categories(StringInfo text, TomsDue *due, const TomsRelation *relation, const TomsRule *rule, TimestampTz as_of)
{
	const char *own = category_of(relation, rule);

	if (own)
		appendStringInfo(text, " AND (%s) IS NOT FALSE", label_condition(relation, own));
	for (int i = 0; i < relation->nrules; i++)
	{
		const TomsRule *other = &relation->rules[i];
		const char *category = category_of(relation, other);

		if (category == NULL || (own && strcmp(category, own) == 0) || toms_rule_for(relation, due->tenant, category) != other)
			continue;
		appendStringInfo(text, " AND ((%s) IS FALSE%s%s)", label_condition(relation, category), own ? " OR " : "",
						 own ? past(due, relation, other, as_of) : "");
	}
}

static void
say_tenant(StringInfo text, TomsDue *due, const TomsRelation *relation)
{
	Datum		value;

	if (relation->tenant == 0)
		return;
	if (!toms_identifier_value(due->tenant, relation->tenant_type, &value))
		appendStringInfoString(text, " AND false");
	else
		appendStringInfo(text, " AND %s = $%d", column(relation->relid, relation->tenant),
						 toms_due_parameter(due, relation->tenant_type, value));
}

/* Those that have something left to be emptied. */
static void
say_cleared(StringInfo text, TomsDue *due, const TomsRule *rule)
{
	StringInfoData set;

	initStringInfo(&set);
	appendStringInfoString(text, " AND num_nonnulls(");
	for (int i = 0; i < rule->ncleared; i++)
	{
		const char *name = quote_identifier(rule->cleared[i]);

		appendStringInfo(text, "%st.%s", i > 0 ? ", " : "", name);
		appendStringInfo(&set, "%s%s = NULL", i > 0 ? ", " : "", name);
	}
	appendStringInfoString(text, ") > 0");
	due->cleared = set.data;
}

static void
find_holds(TomsDue *due, const TomsRelation *relation)
{
	if (toms_hold_concerning(InvalidOid, due->tenant) == 0)
		return;
	due->all_held = toms_hold_on(due->root, due->tenant, NULL, due->rule) != 0;
	if (!due->all_held)
		due->held = psprintf("toms.is_held(t.tableoid, " INT64_FORMAT ", %s)", due->rule,
							 relation->subject ? column(relation->relid, relation->subject) : "NULL::text");
}

TomsDue *
toms_due_make(const TomsRelation *relation, const TomsRule *rule, const char *tenant, TimestampTz as_of)
{
	TomsDue    *due = palloc0(sizeof(TomsDue));
	StringInfoData text;

	due->root = relation->root;
	due->rule = rule->id;
	due->tenant = pstrdup(tenant);
	due->action = rule->action;
	due->table = pstrdup(toms_relation_name(relation->root));
	initStringInfo(&text);
	appendStringInfoString(&text, past(due, relation, rule, as_of));
	say_tenant(&text, due, relation);
	say_categories(&text, due, relation, rule, as_of);
	if (rule->action == TOMS_RETENTION_PSEUDONYMISE)
		say_cleared(&text, due, rule);
	due->condition = text.data;
	due->type = rule->type;
	if (!OidIsValid(rule->elsewhere))
		due->since = pstrdup(column(relation->relid, rule->column));
	find_holds(due, relation);
	return due;
}

/*
 * toms.is_held(table, rule, subject): whether a hold keeps rows of that person.  Answers retention's own
 * statements alone: nobody else is to learn of holds.
 */
Datum
toms_is_held(PG_FUNCTION_ARGS)
{
	const TomsContext *context = toms_context_is_own_work() ? toms_context_get() : NULL;
	const TomsRelation *relation;
	char		subject[TOMS_IDENTIFIER_BYTES] = "";

	if (context == NULL || PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(2) && !toms_identifier_text(toms_plain_type(get_fn_expr_argtype(fcinfo->flinfo, 2)), PG_GETARG_DATUM(2), subject))
		PG_RETURN_BOOL(true);
	relation = toms_catalog_relation(PG_GETARG_OID(0));
	PG_RETURN_BOOL(relation == NULL || toms_policy_hold_on(relation, context->tenant, subject, PG_GETARG_INT64(1)) != 0);
}
