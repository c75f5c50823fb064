/*
 * whole.c - whether all rows of a partition are due, so that it can go as a whole.
 *
 * Called by partition.c.  Its bound must tell, for the rules of all tenants; and nothing may depend on each row:
 * holds, categories of rows, foreign keys that refer to them, triggers, keys of sealed values.  In doubt rows are
 * deleted one by one.
 */
#include "retention/partition.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/system_settings.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Rules ----------------------------------------------------------------------------------- */

static int64
horizon_of(const TomsRule *rule, TimestampTz as_of)
{
	TomsHorizon horizon = toms_horizon(&rule->keep, rule->starts, rule->zone, as_of);

	return rule->type == DATEOID ? horizon.date : rule->type == TIMESTAMPOID ? horizon.local : horizon.instant;
}

/* All count from the same column, and delete whatever row it is. */
static bool
is_plain_rule(const TomsRule *rule, const TomsRule *first)
{
	return rule->category == NULL && rule->action == TOMS_RETENTION_DELETE && !OidIsValid(rule->elsewhere) && rule->zone &&
		rule->column > 0 && rule->column == first->column && OidIsValid(rule->type);
}

/* Whether the table is partitioned by ranges of that column. */
static bool
is_key(Oid root, AttrNumber column)
{
	Relation	rel = table_open(root, AccessShareLock);
	PartitionKey key = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? RelationGetPartitionKey(rel) : NULL;
	bool		is = key && key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 && key->partattrs[0] == column;

	table_close(rel, AccessShareLock);
	return is;
}

/* Rows without a tenant, and labelled rows that another rule may speak of tomorrow, are looked at one by one. */
static bool
is_plain_table(const TomsRelation *relation)
{
	return relation->mode == TOMS_MODE_ENFORCE && relation->relid == relation->root && relation->tenant != 0 && !relation->shares_null_tenant && !relation->shares_rows &&
		relation->nsealed == 0 && relation->nrules > 0 && get_rel_relkind(relation->relid) == RELKIND_PARTITIONED_TABLE;
}

bool
toms_partition_rule(Oid root, TimestampTz as_of, TomsPartitionRule *found)
{
	const TomsRelation *relation = toms_catalog_relation(root);

	found->rule = NULL;
	found->horizon = PG_INT64_MAX;
	if (relation == NULL || !is_plain_table(relation))
		return false;
	for (int i = 0; i < relation->nrules; i++)
	{
		const TomsRule *rule = &relation->rules[i];

		if (!is_plain_rule(rule, &relation->rules[0]))
			return false;
		if (rule->tenant == NULL)
			found->rule = rule;
		found->type = rule->type;
		found->horizon = Min(found->horizon, horizon_of(rule, as_of));
	}
	return found->rule && is_key(root, found->rule->column) && toms_hold_concerning(root, NULL) == 0;
}

/* Bounds ---------------------------------------------------------------------------------- */

static PartitionBoundSpec *
bound_of(Oid partition)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(partition));
	PartitionBoundSpec *bound = NULL;
	Datum		value;
	bool		isnull = true;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	value = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	if (!isnull && ((Form_pg_class) GETSTRUCT(tuple))->relkind == RELKIND_RELATION)
		bound = stringToNode(TextDatumGetCString(value));
	ReleaseSysCache(tuple);
	return bound;
}

bool
toms_partition_upper(Oid partition, Oid type, int64 *upper)
{
	PartitionBoundSpec *bound = bound_of(partition);
	PartitionRangeDatum *datum;
	Const	   *value;

	if (bound == NULL || bound->is_default || bound->strategy != PARTITION_STRATEGY_RANGE || list_length(bound->upperdatums) != 1)
		return false;
	datum = linitial_node(PartitionRangeDatum, bound->upperdatums);
	if (datum->kind != PARTITION_RANGE_DATUM_VALUE)
		return false;
	value = castNode(Const, datum->value);
	*upper = type == DATEOID ? DatumGetDateADT(value->constvalue) : DatumGetTimestamp(value->constvalue);
	return type == DATEOID ? !DATE_NOT_FINITE((DateADT) *upper) : !TIMESTAMP_NOT_FINITE(*upper);
}

/* Days and microseconds are whole numbers. */
bool
toms_partition_is_due(const TomsPartitionRule *rule, int64 upper)
{
	return upper - 1 <= rule->horizon;
}

/* What depends on rows -------------------------------------------------------------------- */

static bool
asked(const char *query, int nparameters, Oid *types, Datum *values)
{
	bool		isnull;
	bool		answer;

	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute_with_args(query, nparameters, types, values, NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not find out what depends on a partition");
	answer = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return answer && !isnull;
}

/* Of the partition, and of all tables above it. */
static const char is_plain[] =
"WITH above AS (SELECT $1 AS relid UNION SELECT a.relid::oid FROM pg_catalog.pg_partition_ancestors($1) a)"
" SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c JOIN above a ON c.confrelid = a.relid WHERE c.contype = 'f')"
" AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g JOIN above a ON g.tgrelid = a.relid WHERE NOT g.tgisinternal AND g.tgname NOT LIKE '~toms%' AND g.tgtype & 40 <> 0)"
" AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1 AND d.classid = 'pg_catalog.pg_rewrite'::regclass)";

bool
toms_partition_is_plain(Oid partition)
{
	return asked(is_plain, 1, (Oid[]) {OIDOID}, (Datum[]) {ObjectIdGetDatum(partition)});
}

static Datum
datum_of(const TomsPartitionRule *rule)
{
	return rule->type == DATEOID ? DateADTGetDatum((DateADT) rule->horizon) : TimestampGetDatum(rule->horizon);
}

/* As candidates.c asks, in a query that runs none of the owner's code. */
bool
toms_partitions_are_within_limit(Oid root, const TomsPartitionRule *rule)
{
	char	   *query = psprintf("SELECT NOT EXISTS (SELECT FROM %s WHERE %s <= $1 GROUP BY %s HAVING pg_catalog.count(*) > $2)",
								 quote_qualified_identifier(get_namespace_name(get_rel_namespace(root)), get_rel_name(root)),
								 quote_identifier(rule->rule->since), quote_identifier(get_attname(root, toms_catalog_relation(root)->tenant, false)));
	TomsSystemQuery asking;
	bool		answer;

	if (toms_retention_limit < 0)
		return true;
	asking = toms_system_query_begin();
	answer = asked(query, 2, (Oid[]) {rule->type, INT8OID}, (Datum[]) {datum_of(rule), Int64GetDatum(toms_retention_limit)});
	toms_system_query_end(asking);
	return answer;
}
