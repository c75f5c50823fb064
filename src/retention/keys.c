/*
 * keys.c - data keys of values that retention has deleted.
 *
 * Called by batch.c and turns.c.  The keys of deleted values are noted in toms.loose_key, in the transaction that deletes;
 * when a run has come to its end, those that no row of their subject carries any more are destroyed, so that what
 * backups hold of the values does not open either once the key's epoch is gone.  What cannot be looked at just now, since
 * somebody writes or a table has other copies, waits for the next run.
 *
 * Locks: the tenant's keys and, in share mode, the tables; both without waiting, until the transaction ends.
 */
#include "retention/due.h"

#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "policy/policy.h"
#include "seal/seal.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

/* Rows are looked at in portions; of more keys the rest waits for the next run. */
#define PORTION 1000
#define MOST_KEYS "10000"

static const char note_keys[] =
"INSERT INTO toms.loose_key (key, tenant, relation)"
" SELECT k.id, k.tenant, k.relation FROM toms.data_key k WHERE k.id = ANY ($1) AND k.wrapped IS NOT NULL AND k.relation <> 0"
" ON CONFLICT DO NOTHING";

static const char find_keys[] =
"SELECT l.relation, array_agg(l.key), array_agg(k.subject)"
" FROM (SELECT * FROM toms.loose_key WHERE tenant = $1 ORDER BY relation, key LIMIT " MOST_KEYS ") l LEFT JOIN toms.data_key k ON k.id = l.key"
" GROUP BY l.relation ORDER BY l.relation";

/* A partition that was detached goes on carrying the keys of its former root: its columns have the same labels. */
static const char find_copies[] =
"SELECT FROM pg_catalog.pg_seclabel a JOIN pg_catalog.pg_seclabel b ON b.provider = a.provider AND b.label = a.label AND b.classoid = a.classoid"
" WHERE a.provider = 'toms_seal' AND a.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND a.objoid = $1 AND a.objsubid > 0"
" AND b.objsubid > 0 AND b.objoid NOT IN (SELECT toms.relation_tree($1))";

static const char destroy_keys[] = "SELECT toms.bury_keys($1)";

static const char forget_keys[] = "DELETE FROM toms.loose_key l WHERE l.key = ANY ($1)";

/* Those of one table. */
typedef struct LooseKeys
{
	Oid			relid;
	int			count;
	Datum	   *keys;
	Datum	   *subjects;		/* text */
} LooseKeys;

static void
run(const char *statement, Oid type, Datum value)
{
	if (SPI_execute_with_args(statement, 1, &type, &value, NULL, false, 0) < 0)
		elog(ERROR, "could not look at keys of deleted values");
}

static Datum
key_array(Datum *keys, int count)
{
	return PointerGetDatum(construct_array(keys, count, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE));
}

void
toms_loose_keys_note(const int64 *keys, int count)
{
	Datum	   *values = palloc(count * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = Int64GetDatum(keys[i]);
	run(note_keys, INT8ARRAYOID, key_array(values, count));
}

/* what rows carry ---------------------------------------------------------------------- */

/* In the types of the columns; those that cannot be are nobody's there. */
static Datum
subject_array(const TomsRelation *relation, const LooseKeys *loose)
{
	Datum	   *values = palloc(loose->count * sizeof(Datum));
	int			n = 0;
	int16		length;
	bool		by_value;
	char		align;

	for (int i = 0; i < loose->count; i++)
	{
		if (toms_identifier_value(TextDatumGetCString(loose->subjects[i]), relation->subject_type, &values[n]))
			n++;
	}
	get_typlenbyvalalign(relation->subject_type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(values, n, relation->subject_type, length, by_value, align));
}

static char *
carried_query(TomsDue *due, const TomsRelation *relation, const LooseKeys *loose)
{
	StringInfoData text;
	Datum		tenant;

	initStringInfo(&text);
	for (int i = 0; i < relation->nsealed; i++)
		appendStringInfo(&text, "%s t.%s", text.len > 0 ? "," : "SELECT",
						 quote_identifier(get_attname(relation->relid, relation->sealed[i].column, false)));
	appendStringInfo(&text, " FROM %s t WHERE t.%s = ANY ($%d)", due->table, quote_identifier(get_attname(relation->relid, relation->subject, false)),
					 toms_due_parameter(due, get_array_type(relation->subject_type), subject_array(relation, loose)));
	if (relation->tenant && toms_identifier_value(due->tenant, relation->tenant_type, &tenant))
		appendStringInfo(&text, " AND t.%s = $%d", quote_identifier(get_attname(relation->relid, relation->tenant, false)),
						 toms_due_parameter(due, relation->tenant_type, tenant));
	return text.data;
}

static void
note_carried(HTAB *carried)
{
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		for (int i = 1; i <= SPI_tuptable->tupdesc->natts; i++)
		{
			bool		isnull;
			Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, i, &isnull);
			int64		id = isnull ? 0 : toms_data_key_of_value(value);

			(void) hash_search(carried, &id, HASH_ENTER, NULL);
		}
	}
}

/* As the table's owner, through its policies. */
static HTAB *
find_carried(TomsDue *due, const char *query)
{
	HASHCTL		control = {.keysize = sizeof(int64),.entrysize = sizeof(int64),.hcxt = CurrentMemoryContext};
	HTAB	   *carried = hash_create("toms carried keys", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	TomsOwnerWork work = toms_owner_begin(due->root, due->root, due->tenant, TOMS_RETENTION_PURPOSE);
	Portal		portal = SPI_cursor_open_with_args(NULL, query, due->nparameters, due->types, due->values, NULL, false, 0);

	do
	{
		SPI_cursor_fetch(portal, true, PORTION);
		note_carried(carried);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	toms_owner_end(work);
	return carried;
}

/* destroying ----------------------------------------------------------------------------- */

static bool
lock_tables(Oid relid)
{
	List	   *tables = find_all_inheritors(relid, NoLock, NULL);
	ListCell   *cell;

	foreach(cell, tables)
	{
		if (!ConditionalLockRelationOid(lfirst_oid(cell), ShareLock))
			return false;
	}
	return true;
}

/* Whether it can be told now which keys its rows carry. */
static bool
can_be_told(const TomsRelation *relation)
{
	run(find_copies, OIDOID, ObjectIdGetDatum(relation->relid));
	return SPI_processed == 0 && relation->subject != 0 && toms_owner_may(relation->relid) && lock_tables(relation->relid);
}

static void
destroy_unused(const LooseKeys *loose, HTAB *carried)
{
	Datum	   *unused = palloc(loose->count * sizeof(Datum));
	int			n = 0;

	for (int i = 0; i < loose->count; i++)
	{
		int64		id = DatumGetInt64(loose->keys[i]);

		if (hash_search(carried, &id, HASH_FIND, NULL) == NULL)
			unused[n++] = loose->keys[i];
	}
	if (n > 0)
		run(destroy_keys, INT8ARRAYOID, key_array(unused, n));
	run(forget_keys, INT8ARRAYOID, key_array(loose->keys, loose->count));
}

/* Keys that another row still carries are looked at again when that one is deleted. */
static void
destroy_of_table(const LooseKeys *loose, const char *tenant)
{
	TomsRelation *relation = toms_catalog_relation(loose->relid);
	TomsDue		due = {.root = loose->relid,.tenant = pstrdup(tenant)};
	char	   *query;

	if (relation == NULL || relation->nsealed == 0 || relation->root != loose->relid || !can_be_told(relation))
		return;
	relation = toms_catalog_relation(loose->relid);
	due.table = pstrdup(toms_relation_name(loose->relid));
	query = carried_query(&due, relation, loose);
	destroy_unused(loose, find_carried(&due, query));
}

static LooseKeys *
take_keys(HeapTuple row, TupleDesc desc)
{
	LooseKeys  *loose = palloc(sizeof(LooseKeys));
	bool	   *nulls;
	bool		isnull;
	int			n;

	loose->relid = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
	deconstruct_array(DatumGetArrayTypePCopy(SPI_getbinval(row, desc, 2, &isnull)), INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE,
					  &loose->keys, NULL, &loose->count);
	deconstruct_array(DatumGetArrayTypePCopy(SPI_getbinval(row, desc, 3, &isnull)), TEXTOID, -1, false, TYPALIGN_INT,
					  &loose->subjects, &nulls, &n);
	/* of one that is destroyed it is not known whose it was: it needs no second look */
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			loose->subjects[i] = CStringGetTextDatum("");
	}
	return loose;
}

void
toms_loose_keys_destroy(const char *tenant)
{
	List	   *tables = NIL;
	ListCell   *cell;

	run(find_keys, TEXTOID, CStringGetTextDatum(tenant));
	for (uint64 i = 0; i < SPI_processed; i++)
		tables = lappend(tables, take_keys(SPI_tuptable->vals[i], SPI_tuptable->tupdesc));
	if (tables == NIL || !toms_data_key_try_lock(tenant, ExclusiveLock))
		return;
	foreach(cell, tables)
		destroy_of_table(lfirst(cell), tenant);
}
