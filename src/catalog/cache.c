/*
 * cache.c - the per-backend cache of protected relations and tenants.
 *
 * Called by context (tenants), policy and guard (relations), on hot paths: an answer
 * costs one hash look-up.  Each entry owns a memory context.  An invalidation message
 * only makes entries stale, since a caller may be looking at one; a stale entry is
 * rebuilt by the look-up that finds it.  What makes all of them stale counts the generation
 * up, whatever their number: a VACUUM of all tables sends a message for each of them.  The configuration tables carry a trigger that
 * sends a relcache message for themselves, and any such message makes everything stale:
 * configuration changes are rare, and a permission that has ended must end at once.
 */
#include "catalog/catalog_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "base/change.h"
#include "base/compat.h"
#include "base/relcache.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/seclabel.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

typedef struct RelationEntry
{
	Oid			relid;			/* hash key */
	uint64		generation;		/* of which it is; 0: stale */
	MemoryContext context;		/* NULL for a relation that is not protected */
	TomsRelation *relation;		/* NULL for a relation that is not protected */
} RelationEntry;

/* A pool's connection may serve any number of tenants, one after the other. */
#define MOST_TENANTS 1000

typedef struct TenantEntry
{
	char		tenant[256];	/* hash key */
	bool		registered;
	TimestampTz ended_at;		/* DT_NOEND: has not ended */
} TenantEntry;

/* The column of toms.tenant that is read here, by position. */
enum
{
	TENANT_ENDED_AT = 2
};

static HTAB *relations = NULL;
static HTAB *tenants = NULL;
static uint64 generation = 1;	/* of relations and tenants; roles do not count */
static int	being_built = 0;	/* entries of relations */

static bool
is_stale(const RelationEntry *entry)
{
	return entry->generation != generation;
}

static void
forget_everything(void)
{
	generation++;
	toms_note_configuration();
	toms_config_forget();
	toms_enabled_forget();
	toms_holds_forget();
	toms_limits_forget();
	toms_sealed_forget();
}

static void
relcache_callback(Oid relid)
{
	RelationEntry *entry = OidIsValid(relid) ? hash_search(relations, &relid, HASH_FIND, NULL) : NULL;

	/* the one that is being built says only when it is done of which generation it is */
	if (!OidIsValid(relid) || toms_config_concerns(relid) || (entry && (entry->relation || being_built > 0)))
		forget_everything();
	else if (entry)
		entry->generation = 0;
}

static void
role_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	toms_note_configuration();
}

void
toms_catalog_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(RelationEntry)};
	HASHCTL		tenant_control = {.keysize = sizeof(((TenantEntry *) 0)->tenant),.entrysize = sizeof(TenantEntry)};

	relations = hash_create("toms relations", 256, &control, HASH_ELEM | HASH_BLOBS);
	tenants = hash_create("toms tenants", 32, &tenant_control, HASH_ELEM | HASH_STRINGS);
	toms_purposes_init();
	toms_holds_init();
	toms_on_relation_change(relcache_callback);
	CacheRegisterSyscacheCallback(AUTHOID, role_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, role_callback, (Datum) 0);	/* its owner is a member too */
}

/* Sent for toms.permission, as its trigger does; for everything where there is none. */
void
toms_catalog_forget(void)
{
	Oid			table = toms_config_table(TOMS_CONFIG_PERMISSION);

	if (OidIsValid(table))
		CacheInvalidateRelcacheByRelid(table);
	else
		CacheInvalidateRelcacheAll();
}

/* The label of a relation (column 0) or a column; NULL if it has none. */
static char *
label_of(Oid relid, AttrNumber column)
{
	ObjectAddress object;

	ObjectAddressSubSet(object, RelationRelationId, relid, column);
	return GetSecurityLabel(&object, "toms");
}

Oid
toms_plain_type(Oid type)
{
	if (type >= FirstNormalObjectId)
		type = getBaseType(type);
	return type == VARCHAROID ? TEXTOID : type;
}

static void
add_labelled_column(TomsRelation *relation, AttrNumber column, const char *category, bool optional)
{
	Size		size = (relation->nlabelled + 1) * sizeof(TomsLabelledColumn);
	TomsLabelledColumn *labelled;

	relation->labelled = relation->labelled ? repalloc(relation->labelled, size) : palloc(size);
	labelled = &relation->labelled[relation->nlabelled++];
	labelled->column = column;
	labelled->optional = optional;
	strlcpy(labelled->category, category, NAMEDATALEN);
}

static void
read_columns(TomsRelation *relation)
{
	Relation	rel = relation_open(relation->relid, AccessShareLock);

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);
		char	   *label = column->attisdropped ? NULL : label_of(relation->relid, column->attnum);
		char	   *value;

		if (label == NULL)
			continue;
		if (toms_label_get(label, "tenant", NULL))
		{
			relation->tenant = column->attnum;
			relation->tenant_type = toms_plain_type(column->atttypid);
		}
		if (toms_label_get(label, "subject", NULL))
		{
			relation->subject = column->attnum;
			relation->subject_type = toms_plain_type(column->atttypid);
			relation->subject_not_null = toms_is_not_null(RelationGetDescr(rel), i);
		}
		if (toms_label_get(label, "alias", &value))
			relation->alias.id = strtoll(value, NULL, 10);
		if (toms_label_get(label, "parent", NULL))
			relation->parent_key = column->attnum;
		if (toms_label_get(label, "parent_type", NULL))
			relation->parent_type = column->attnum;
		if (toms_label_get(label, "category", &value))
			add_labelled_column(relation, column->attnum, value, toms_label_get(label, "optional", NULL));
	}
	relation_close(rel, AccessShareLock);
}

/* The parents of a partition or inheritance child, direct ones only. */
static List *
parents_of(Oid relid)
{
	List	   *parents = NIL;
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

/*
 * The topmost labelled relation above (or at) relid, whose permissions count; InvalidOid
 * if there is none.  A child without a label of its own is protected all the same.
 */
static Oid
find_root(Oid relid)
{
	Oid			root = label_of(relid, 0) ? relid : InvalidOid;
	ListCell   *cell;

	foreach(cell, parents_of(relid))
	{
		Oid			above = find_root(lfirst_oid(cell));

		if (OidIsValid(above))
			return above;
	}
	return root;
}

/*
 * A parent that is not labelled while something below it is: its policies would apply to
 * rows of a protected table, and there are none.  It counts as protected without being
 * intact, which closes it.
 */
static bool
has_labelled_child(Oid relid)
{
	ListCell   *cell;

	if (!has_subclass(relid))
		return false;
	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
	{
		if (lfirst_oid(cell) != relid && label_of(lfirst_oid(cell), 0))
			return true;
	}
	return false;
}

static void
build_relation(TomsRelation *relation, Oid relid, Oid root)
{
	const char *label = label_of(relid, 0);
	char	   *value;

	relation->relid = relid;
	relation->root = root;
	if (label == NULL)
		label = label_of(root, 0);
	if (label == NULL)
		label = "";
	relation->mode = toms_label_get(label, "mode", &value) && strcmp(value, "observe") == 0 ?
		TOMS_MODE_OBSERVE : TOMS_MODE_ENFORCE;
	relation->shares_null_tenant = toms_label_get(label, "null_tenant", NULL);
	relation->through_functions = toms_label_get(label, "access", NULL);
	strlcpy(relation->category, toms_label_get(label, "category", &value) ? value : "personal",
			NAMEDATALEN);
	if (toms_label_get(label, "free_text", &value))
		relation->free_text = (TomsFreeText) toms_free_text_parse(value);
	if (toms_label_get(label, "read_audit", &value))
		relation->read_audit = strcmp(value, "strict") == 0 ? TOMS_READ_AUDIT_STRICT : TOMS_READ_AUDIT_ASYNCHRONOUS;
	read_columns(relation);
	relation->nsealed = toms_read_sealed_columns(relid, &relation->sealed);
	relation->is_undeclared = root == relid && !OidIsValid(find_root(relid)) && !has_labelled_child(relid);
	toms_config_read(relation);

	relation->shares_rows = relation->shares_null_tenant;
	for (int i = 0; i < relation->nparents; i++)
	{
		TomsRelation *parent = toms_catalog_relation(relation->parents[i].relid);

		/* the tenant of a row without a tenant column is written as its parent's */
		if (i == 0)
			relation->tenant_type = parent ? parent->tenant_type : InvalidOid;
		relation->parents[i].shares_rows = parent && parent->shares_rows;
		relation->shares_rows |= relation->parents[i].shares_rows;
	}
}

/*
 * Sealed values are bound to a tenant and a subject by what protect() sets up: until then the
 * table is closed.
 */
static bool
has_sealed_column(Oid relid)
{
	TomsSealedColumn *columns;

	return toms_read_sealed_columns(relid, &columns) > 0;
}

/* The relation by whose label this one is protected, or InvalidOid. */
static Oid
protecting_root(Oid relid)
{
	char		kind = get_rel_relkind(relid);
	Oid			root;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_FOREIGN_TABLE)
		return InvalidOid;
	root = find_root(relid);
	if (!OidIsValid(root) && (has_labelled_child(relid) || has_sealed_column(relid)))
		root = relid;
	return root;
}

/*
 * Build into a fresh context and publish only what is complete: an error or an
 * invalidation on the way leaves the entry stale.
 */
static void
refresh(RelationEntry *entry, Oid relid)
{
	uint64		before = generation;
	MemoryContext old = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(old, "toms relation", ALLOCSET_SMALL_SIZES);
	Oid			root;

	MemoryContextSwitchTo(work);
	root = protecting_root(relid);
	if (entry->context)
		MemoryContextDelete(entry->context);
	entry->context = NULL;
	entry->relation = NULL;
	if (OidIsValid(root))
	{
		TomsRelation *relation = palloc0(sizeof(TomsRelation));

		build_relation(relation, relid, root);
		MemoryContextSetParent(work, CacheMemoryContext);
		entry->context = work;
		entry->relation = relation;
	}
	MemoryContextSwitchTo(old);
	if (entry->context == NULL)
		MemoryContextDelete(work);
	entry->generation = before;
}

/* Entries of the hash table, which stay where they are, by the last bits of the OID. */
#define FRONT_ENTRIES 256
static RelationEntry *front[FRONT_ENTRIES];

/*
 * Dropped tables leave stale entries: those that say nothing are removed now and then, while
 * none is being built.
 */
static void
purge(void)
{
	static long room = 1024;
	HASH_SEQ_STATUS scan;
	RelationEntry *entry;

	if (being_built > 0 || hash_get_num_entries(relations) < room)
		return;
	memset(front, 0, sizeof(front));
	hash_seq_init(&scan, relations);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (is_stale(entry) && entry->context == NULL)
			hash_search(relations, &entry->relid, HASH_REMOVE, NULL);
	}
	room = Max(1024, 2 * hash_get_num_entries(relations));
}

static TomsRelation *
find_relation(Oid relid)
{
	RelationEntry *entry;
	bool		found;

	if (relid < FirstNormalObjectId)
		return NULL;
	check_stack_depth();		/* parents in a circle */
	purge();
	entry = hash_search(relations, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->generation = 0;
		entry->context = NULL;
		entry->relation = NULL;
	}
	being_built++;
	PG_TRY();
	{
		for (int tries = 0; is_stale(entry) && tries < 8; tries++)
			refresh(entry, relid);
	}
	PG_FINALLY();
	{
		being_built--;
	}
	PG_END_TRY();
	front[relid % FRONT_ENTRIES] = entry;
	return entry->relation;
}

TomsRelation *
toms_catalog_relation(Oid relid)
{
	RelationEntry *entry = front[relid % FRONT_ENTRIES];

	if (entry && entry->relid == relid && !is_stale(entry))
		return entry->relation;
	return find_relation(relid);
}

TomsRelation *
toms_catalog_own(Oid relid)
{
	TomsRelation *relation = palloc0(sizeof(TomsRelation));

	relation->relid = relid;
	relation->root = relid;
	relation->mode = TOMS_MODE_ENFORCE;
	relation->subject_type = TEXTOID;
	strlcpy(relation->category, "personal", NAMEDATALEN);
	toms_config_read(relation);
	return relation;
}

static void
take_tenant(const Datum *values, const bool *nulls, void *answer)
{
	TenantEntry *entry = answer;

	entry->registered = true;
	if (!nulls[TENANT_ENDED_AT - 1])
		entry->ended_at = DatumGetTimestampTz(values[TENANT_ENDED_AT - 1]);
}

static void
forget_tenants(void)
{
	HASH_SEQ_STATUS scan;
	TenantEntry *entry;

	hash_seq_init(&scan, tenants);
	while ((entry = hash_seq_search(&scan)) != NULL)
		hash_search(tenants, entry->tenant, HASH_REMOVE, NULL);
}

TomsTenantState
toms_catalog_tenant(const char *tenant, TimestampTz *ends_at)
{
	static uint64 known_generation = 0;
	TenantEntry answer;
	TenantEntry *entry;

	if (known_generation != generation)
		forget_tenants();
	known_generation = generation;

	entry = hash_search(tenants, tenant, HASH_FIND, NULL);
	if (entry)
		answer = *entry;
	else
	{
		answer.registered = false;
		answer.ended_at = DT_NOEND;
		toms_config_scan(TOMS_CONFIG_TENANT, CStringGetTextDatum(tenant), take_tenant, &answer);
		if (known_generation == generation)
		{
			if (hash_get_num_entries(tenants) >= MOST_TENANTS)
				forget_tenants();
			entry = hash_search(tenants, tenant, HASH_ENTER, NULL);
			entry->registered = answer.registered;
			entry->ended_at = answer.ended_at;
		}
	}
	*ends_at = answer.ended_at;
	if (!answer.registered)
		return TOMS_TENANT_IS_UNKNOWN;
	return answer.ended_at > GetCurrentTimestamp() ? TOMS_TENANT_IS_ACTIVE : TOMS_TENANT_HAS_ENDED;
}
