/*
 * retention.c - the rules of a relation, as they are declared in toms.retention_rule.
 *
 * Called by cache.c when it builds an entry; policy and retention ask for the rule of a tenant.
 */
#include "catalog/catalog_int.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(toms_zone_is_known);

enum
{
	RULE_ID = 1,
	RULE_RELATION,
	RULE_TENANT,
	RULE_CATEGORY,
	RULE_SINCE,
	RULE_ELSEWHERE,
	RULE_THROUGH,
	RULE_LOOKUP,
	RULE_KEEP,
	RULE_STARTS,
	RULE_RESTRICT_AFTER,
	RULE_ACTION,
	RULE_CLEAR,
	RULE_PURPOSES,
	RULE_ZONE,
	RULE_VALID_UNTIL
};

static char *
text_or_null(const Datum *values, const bool *nulls, int column)
{
	return nulls[column - 1] ? NULL : TextDatumGetCString(values[column - 1]);
}

static TomsPeriodStart
starts_of(const char *word)
{
	return strcmp(word, "end_of_year") == 0 ? TOMS_STARTS_END_OF_YEAR :
		strcmp(word, "end_of_month") == 0 ? TOMS_STARTS_END_OF_MONTH : TOMS_STARTS_EVENT;
}

/* The start event's column and its type, where they are still there. */
static void
find_column(const TomsRelation *relation, TomsRule *rule, const char *through)
{
	Oid			relid = OidIsValid(rule->elsewhere) ? rule->elsewhere : relation->relid;

	rule->column = get_attnum(relid, rule->since);
	rule->type = rule->column > 0 ? getBaseType(get_atttype(relid, rule->column)) : InvalidOid;
	rule->through = through ? get_attnum(relation->relid, through) : 0;
	if (rule->type != DATEOID && rule->type != TIMESTAMPOID && rule->type != TIMESTAMPTZOID)
		rule->type = InvalidOid;
}

static void
add_rule(const Datum *values, const bool *nulls, void *answer)
{
	TomsRelation *relation = answer;
	TomsRule   *rule;
	char	   *zone = TextDatumGetCString(values[RULE_ZONE - 1]);

	if (!nulls[RULE_VALID_UNTIL - 1] && DatumGetTimestampTz(values[RULE_VALID_UNTIL - 1]) <= GetCurrentTimestamp())
		return;
	relation->rules = toms_grow(relation->rules, relation->nrules, sizeof(TomsRule));
	rule = &relation->rules[relation->nrules++];
	memset(rule, 0, sizeof(*rule));
	rule->id = DatumGetInt64(values[RULE_ID - 1]);
	rule->tenant = text_or_null(values, nulls, RULE_TENANT);
	rule->category = text_or_null(values, nulls, RULE_CATEGORY);
	rule->since = pstrdup(NameStr(*DatumGetName(values[RULE_SINCE - 1])));
	rule->elsewhere = nulls[RULE_ELSEWHERE - 1] ? InvalidOid : DatumGetObjectId(values[RULE_ELSEWHERE - 1]);
	rule->lookup = nulls[RULE_LOOKUP - 1] ? InvalidOid : DatumGetObjectId(values[RULE_LOOKUP - 1]);
	find_column(relation, rule, nulls[RULE_THROUGH - 1] ? NULL : NameStr(*DatumGetName(values[RULE_THROUGH - 1])));
	rule->keep = *DatumGetIntervalP(values[RULE_KEEP - 1]);
	rule->starts = starts_of(TextDatumGetCString(values[RULE_STARTS - 1]));
	rule->restricts = !nulls[RULE_RESTRICT_AFTER - 1];
	if (rule->restricts)
		rule->restrict_after = *DatumGetIntervalP(values[RULE_RESTRICT_AFTER - 1]);
	rule->action = strcmp(TextDatumGetCString(values[RULE_ACTION - 1]), "pseudonymise") == 0 ?
		TOMS_RETENTION_PSEUDONYMISE : TOMS_RETENTION_DELETE;
	if (!nulls[RULE_CLEAR - 1])
		rule->cleared = toms_name_array(values[RULE_CLEAR - 1], &rule->ncleared);
	rule->purposes = toms_text_array(values[RULE_PURPOSES - 1], &rule->npurposes);
	rule->zone = pg_tzset(zone);
}

static int
compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* Sorted, so that a policy's text does not depend on the order of rows. */
static int
compare_rules(const void *left, const void *right)
{
	const TomsRule *a = left;
	const TomsRule *b = right;
	int			order = compare_texts(a->category, b->category);

	if (order == 0)
		order = strcmp(a->since, b->since);
	if (order == 0)
		order = compare_texts(a->tenant, b->tenant);
	return order;
}

void
toms_rules_read(TomsRelation *relation)
{
	toms_config_scan(TOMS_CONFIG_RETENTION_RULE, ObjectIdGetDatum(relation->root), add_rule, relation);
	if (relation->nrules > 1)
		qsort(relation->rules, relation->nrules, sizeof(TomsRule), compare_rules);
}

/* A tenant's own rule goes before that of all. */
const TomsRule *
toms_rule_for(const TomsRelation *relation, const char *tenant, const char *category)
{
	const TomsRule *found = NULL;

	for (int i = 0; i < relation->nrules; i++)
	{
		const TomsRule *rule = &relation->rules[i];

		if (compare_texts(rule->category, category) != 0)
			continue;
		if (rule->tenant == NULL && found == NULL)
			found = rule;
		if (rule->tenant && tenant && strcmp(rule->tenant, tenant) == 0)
			found = rule;
	}
	return found;
}

/* toms.zone_is_known(zone) */
Datum
toms_zone_is_known(PG_FUNCTION_ARGS)
{
	pg_tz	   *zone = pg_tzset(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_BOOL(zone && pg_tz_acceptable(zone));
}

bool
toms_rules_exist(void)
{
	Oid			table = toms_config_table(TOMS_CONFIG_RETENTION_RULE);
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	bool		exists = false;

	if (!OidIsValid(table))
		return false;
	rel = table_open(table, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan_strat(rel, GetLatestSnapshot(), 0, NULL, true, true);
	while (!exists && table_scan_getnextslot(scan, ForwardScanDirection, slot))
		(void) slot_getattr(slot, RULE_VALID_UNTIL, &exists);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return exists;
}

static void
note_row(const Datum *values, const bool *nulls, void *answer)
{
	*(bool *) answer = true;
}

bool
toms_tenant_ends_exist(void)
{
	bool		exist = false;

	toms_config_scan(TOMS_CONFIG_TENANT_END, CStringGetTextDatum("announced"), note_row, &exist);
	if (!exist)
		toms_config_scan(TOMS_CONFIG_TENANT_END, CStringGetTextDatum("erasing"), note_row, &exist);
	return exist;
}
