/*
 * alias.c - persons with two keys: from the one that tokens hold to the one in a table.
 *
 * Called by decide.c and qual.c, once per transaction in scope own; by limit.c, for rows of tenants some of whose persons are
 * restricted, in the other direction.  The persons' table is
 * read directly, whatever row security says: nothing of it gets out but the other key of
 * the person who asks, in his own tenant.
 */
#include "policy/policy_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/change.h"
#include "base/compat.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

Oid
toms_alias_canonical_type(const TomsRelation *relation)
{
	const TomsAlias *alias = &relation->alias;
	Oid			type;

	if (alias->id == 0)
		return relation->subject_type;
	type = alias->canonical ? get_atttype(alias->relid, alias->canonical) : InvalidOid;
	return OidIsValid(type) ? toms_plain_type(type) : InvalidOid;
}

static RegProcedure
equality(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return F_INT2EQ;
		case INT4OID:
			return F_INT4EQ;
		case INT8OID:
			return F_INT8EQ;
		case UUIDOID:
			return F_UUID_EQ;
		default:
			return F_TEXTEQ;
	}
}

/*
 * Whether a btree holds every row and begins with these columns (the second may be 0), in the
 * order that their types' own comparison has.
 */
static bool
begins_with(Relation index, Relation rel, AttrNumber first, AttrNumber second)
{
	Form_pg_index form = index->rd_index;
	AttrNumber	columns[] = {first, second};

	if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || form->indcheckxmin ||
		RelationGetIndexPredicate(index) != NIL || RelationGetIndexExpressions(index) != NIL)
		return false;
	for (int i = 0; i < lengthof(columns) && columns[i] != 0; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), columns[i] - 1);

		if (i >= form->indnkeyatts || form->indkey.values[i] != columns[i] ||
			index->rd_indcollation[i] != column->attcollation ||
			index->rd_opfamily[i] != lookup_type_cache(toms_plain_type(column->atttypid), TYPECACHE_BTREE_OPFAMILY)->btree_opf)
			return false;
	}
	return true;
}

static Oid
index_on(Relation rel, AttrNumber first, AttrNumber second)
{
	Oid			found = InvalidOid;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (begins_with(index, rel, first, second))
			found = lfirst_oid(cell);
		index_close(index, AccessShareLock);
	}
	return found;
}

static bool
is_of_tenant(HeapTuple tuple, Relation rel, const TomsRelation *persons, const TomsContext *context)
{
	bool		isnull;
	Datum		tenant = heap_getattr(tuple, persons->tenant, RelationGetDescr(rel), &isnull);
	Datum		wanted;

	return !isnull && toms_identifier_value(context->tenant, persons->tenant_type, &wanted) &&
		DatumGetBool(OidFunctionCall2Coll(equality(persons->tenant_type), DEFAULT_COLLATION_OID, tenant, wanted));
}

static void
set_key(ScanKey key, Relation rel, AttrNumber column, Oid type, Datum value)
{
	ScanKeyEntryInitialize(key, 0, column, BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(RelationGetDescr(rel), column - 1)->attcollation, equality(type), value);
}

/*
 * The alias of the one person with that canonical key, as text.  NULL if there is none, or
 * several.  Where the persons' table does not tell tenants apart its keys must be unique in
 * themselves: another tenant's person could have them.
 */
static char *
find_alias(const TomsAlias *alias, Datum canonical, Oid type, const TomsContext *context)
{
	Relation	rel = table_open(alias->relid, AccessShareLock);
	const TomsRelation *persons = toms_catalog_relation(alias->relid);
	Oid			index = index_on(rel, alias->canonical, 0);
	char	   *found = NULL;
	int			persons_found = 0;
	int			nkeys = 0;
	Datum		tenant;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	if (persons && persons->tenant == 0)
		persons = NULL;
	if (persons == NULL &&
		(!toms_has_unique_key(alias->relid, alias->canonical) || !toms_has_unique_key(alias->relid, alias->alias)))
	{
		table_close(rel, AccessShareLock);
		return NULL;
	}
	if (!OidIsValid(index) && persons && toms_identifier_value(context->tenant, persons->tenant_type, &tenant))
	{
		index = index_on(rel, persons->tenant, alias->canonical);
		if (OidIsValid(index))
			set_key(&keys[nkeys++], rel, persons->tenant, persons->tenant_type, tenant);
	}
	set_key(&keys[nkeys++], rel, alias->canonical, type, canonical);
	scan = systable_beginscan(rel, index, OidIsValid(index), GetActiveSnapshot(), nkeys, keys);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, alias->alias, RelationGetDescr(rel), &isnull);
		Oid			output;
		bool		varlena;

		if (isnull || (persons && !is_of_tenant(tuple, rel, persons, context)))
			continue;
		getTypeOutputInfo(get_atttype(alias->relid, alias->alias), &output, &varlena);
		found = OidOutputFunctionCall(output, value);
		persons_found++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return persons_found == 1 ? found : NULL;
}

/*
 * The last person found, for the statements of his transaction: he keeps his keys in it.  One
 * who is not found is looked for again, since he may just have been added.
 */
static struct
{
	LocalTransactionId lxid;
	uint64		changes;		/* what toms_change_count was: alias and context are the same */
	int64		alias;
	char		subject[NAMEDATALEN];
}			last;

static char *
find_alias_once(const TomsAlias *alias, Datum canonical, Oid type, const TomsContext *context)
{
	char	   *subject;

	if (last.lxid == toms_proc_lxid(MyProc) && last.changes == toms_change_count && last.alias == alias->id)
		return last.subject;
	subject = find_alias(alias, canonical, type, context);
	if (subject && strlen(subject) < sizeof(last.subject))
	{
		last.lxid = toms_proc_lxid(MyProc);
		last.changes = toms_change_count;
		last.alias = alias->id;
		strlcpy(last.subject, subject, sizeof(last.subject));
	}
	return subject;
}

/* The same look, the other way round. */
char *
toms_alias_canonical(const TomsRelation *relation, const TomsContext *context, const char *subject)
{
	TomsAlias	alias = {.id = relation->alias.id,.relid = relation->alias.relid,
	.canonical = relation->alias.alias,.alias = relation->alias.canonical};
	Oid			type = alias.canonical && alias.alias ? toms_plain_type(get_atttype(alias.relid, alias.canonical)) : InvalidOid;
	Datum		value;

	if (!OidIsValid(type) || get_rel_relkind(alias.relid) != RELKIND_RELATION || !ActiveSnapshotSet() ||
		!toms_identifier_value(subject, type, &value))
		return NULL;
	return find_alias(&alias, value, type, context);
}

bool
toms_alias_subject(const TomsRelation *relation, const TomsContext *context, Oid type, Datum *value)
{
	TomsAlias	alias = relation->alias;	/* looking up may renew the relation */
	Oid			canonical_type = toms_alias_canonical_type(relation);
	Datum		canonical;
	char	   *subject;

	if (alias.id == 0)
		return toms_identifier_value(context->subject, type, value);
	if (alias.alias == 0 || !OidIsValid(canonical_type) || get_rel_relkind(alias.relid) != RELKIND_RELATION || !ActiveSnapshotSet() ||
		!toms_identifier_value(context->subject, canonical_type, &canonical))
		return false;
	subject = find_alias_once(&alias, canonical, canonical_type, context);
	return subject && toms_identifier_value(subject, type, value);
}
