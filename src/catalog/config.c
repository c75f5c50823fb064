/*
 * config.c - reads what declares permissions and forms of protection.
 *
 * Called by cache.c when it builds an entry, and by keyring for its epochs.  Rows are read with the catalog snapshot,
 * which for tables without a syscache is taken anew for every scan: what is committed now
 * counts, whatever snapshot the caller's transaction uses.  Columns are read by position;
 * the CREATE TABLEs say so.
 */
#include "catalog/catalog_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

/* How each table is found and searched. */
static const struct
{
	const char *name;
	const char *index;
	AttrNumber	key;
	RegProcedure equal;
}			config[TOMS_CONFIG_TABLES] = {
	[TOMS_CONFIG_TENANT] = {"tenant", "tenant_pkey", 1, F_TEXTEQ},
	[TOMS_CONFIG_PERMISSION] = {"permission", "permission_relation_idx", 3, F_OIDEQ},
	[TOMS_CONFIG_PARENT] = {"parent", "parent_child_idx", 2, F_OIDEQ},
	[TOMS_CONFIG_SUBJECT_ALIAS] = {"subject_alias", "subject_alias_pkey", 1, F_INT8EQ},
	[TOMS_CONFIG_ALIASES_OF_TABLE] = {"subject_alias", "subject_alias_relation_alias_key", 2, F_OIDEQ},
	[TOMS_CONFIG_SEPARATION] = {"separation", "separation_relation_other_key", 2, F_OIDEQ},
	[TOMS_CONFIG_AUDIT_CONSENT] = {"audit_consent", "audit_consent_relation_idx", 2, F_OIDEQ},
	[TOMS_CONFIG_CATEGORY] = {"category", "category_pkey", 1, F_TEXTEQ},
	[TOMS_CONFIG_PURPOSE] = {"purpose", "purpose_pkey", 1, F_TEXTEQ},
	[TOMS_CONFIG_ENABLED_CATEGORY] = {"enabled_category", "enabled_category_tenant_idx", 2, F_TEXTEQ},
	[TOMS_CONFIG_KEY_EPOCH] = {"key_epoch", "key_epoch_pkey", 1, F_UUID_EQ},
	[TOMS_CONFIG_KEY_EPOCHS_OF_TENANT] = {"key_epoch", "key_epoch_tenant_number_key", 2, F_TEXTEQ},
	[TOMS_CONFIG_RETENTION_RULE] = {"retention_rule", "retention_rule_relation_idx", 2, F_OIDEQ},
	[TOMS_CONFIG_HOLD] = {"hold", "hold_state_idx", 2, F_TEXTEQ},
	[TOMS_CONFIG_RESTRICTION] = {"restriction", "restriction_tenant_idx", 2, F_TEXTEQ},
	[TOMS_CONFIG_OBJECTION] = {"objection", "objection_tenant_idx", 2, F_TEXTEQ},
	[TOMS_CONFIG_TENANT_END] = {"tenant_end", "tenant_end_state_idx", 2, F_TEXTEQ},
};

enum
{
	PERMISSION_ROLE = 2,
	PERMISSION_RELATION,
	PERMISSION_VERBS,
	PERMISSION_PURPOSES,
	PERMISSION_SCOPE,
	PERMISSION_REQUIRE_MFA,
	PERMISSION_VALID_FROM,
	PERMISSION_VALID_UNTIL,
	PERMISSION_CATEGORIES
};
enum
{
	PARENT_CHILD = 2,
	PARENT_PARENT,
	PARENT_LOOKUP,
	PARENT_TYPE_VALUE,
	PARENT_PARENT_COLUMN
};
enum
{
	ALIAS_RELATION = 2,
	ALIAS_CANONICAL,
	ALIAS_ALIAS
};
enum
{
	SEPARATION_OTHER = 3,
	SEPARATION_UNLESS
};
enum
{
	CONSENT_TENANT = 3,
	CONSENT_UNTIL,
	CONSENT_ENDED_AT
};
enum
{
	CATEGORY_ARTICLE9 = 2
};
static Oid	oids[TOMS_CONFIG_TABLES];
static bool read_without_extension = false; /* an answer depends on its absence */

bool
toms_config_concerns(Oid relid)
{
	for (int i = 0; i < TOMS_CONFIG_TABLES; i++)
	{
		if (relid == oids[i])
			return true;
	}
	return read_without_extension;
}

void
toms_config_forget(void)
{
	memset(oids, 0, sizeof(oids));
	read_without_extension = false;
}

Oid
toms_config_table(TomsConfigTable table)
{
	if (!OidIsValid(oids[table]))
	{
		Oid			schema = get_namespace_oid("toms", true);

		oids[table] = OidIsValid(schema) ? get_relname_relid(config[table].name, schema) : InvalidOid;
		if (!OidIsValid(oids[table]))
			read_without_extension = true;
	}
	return oids[table];
}

bool
toms_catalog_is_installed(void)
{
	return OidIsValid(toms_config_table(TOMS_CONFIG_PARENT));
}

void
toms_config_scan(TomsConfigTable table, Datum key, TomsConfigRow row, void *answer)
{
	Oid			relid = toms_config_table(table);
	Oid			index;
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData scan_key;
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		return;
	index = get_relname_relid(config[table].index, get_rel_namespace(relid));
	rel = table_open(relid, AccessShareLock);
	ScanKeyInit(&scan_key, config[table].key, BTEqualStrategyNumber, config[table].equal, key);
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &scan_key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		int			natts = RelationGetDescr(rel)->natts;
		Datum	   *values = palloc(natts * sizeof(Datum));
		bool	   *nulls = palloc(natts * sizeof(bool));

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		row(values, nulls, answer);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

bool
toms_config_any(TomsConfigTable table)
{
	Oid			relid = toms_config_table(table);
	Oid			index;
	Relation	rel;
	SysScanDesc scan;
	bool		any;

	if (!OidIsValid(relid))
		return false;
	index = get_relname_relid(config[table].index, get_rel_namespace(relid));
	rel = table_open(relid, AccessShareLock);
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 0, NULL);
	any = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return any;
}

/* Verbs, purposes, categories: a text[] without nulls. */
char **
toms_text_array(Datum array, int *count)
{
	Datum	   *elements;
	char	  **texts;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, count);
	texts = palloc(Max(*count, 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		texts[i] = TextDatumGetCString(elements[i]);
	return texts;
}

char **
toms_name_array(Datum array, int *count)
{
	Datum	   *elements;
	char	  **names;

	deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &elements, NULL, count);
	names = palloc(Max(*count, 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
		names[i] = pstrdup(NameStr(*DatumGetName(elements[i])));
	return names;
}

/* Room for one more element in an array that is grown by doubling. */
void *
toms_grow(void *array, int count, Size size)
{
	if (array == NULL)
		return palloc(size);
	return (count & (count - 1)) == 0 ? repalloc(array, 2 * count * size) : array;
}

/* Permissions that have not ended; whether one is in force is asked at use. */
static void
add_permission(const Datum *values, const bool *nulls, void *answer)
{
	TomsRelation *relation = answer;
	TomsPermission *permission;
	int			nverbs;
	char	  **verbs = toms_text_array(values[PERMISSION_VERBS - 1], &nverbs);
	TimestampTz until = nulls[PERMISSION_VALID_UNTIL - 1] ? DT_NOEND :
		DatumGetTimestampTz(values[PERMISSION_VALID_UNTIL - 1]);

	if (until <= GetCurrentTimestamp())
		return;
	relation->permissions = toms_grow(relation->permissions, relation->npermissions, sizeof(TomsPermission));
	permission = &relation->permissions[relation->npermissions++];
	memset(permission, 0, sizeof(*permission));
	permission->role = DatumGetObjectId(values[PERMISSION_ROLE - 1]);
	for (int i = 0; i < nverbs; i++)
		permission->verbs |= toms_verb_parse(verbs[i]);
	permission->purposes = toms_text_array(values[PERMISSION_PURPOSES - 1], &permission->npurposes);
	permission->scope_tenant = strcmp(TextDatumGetCString(values[PERMISSION_SCOPE - 1]), "tenant") == 0;
	permission->require_mfa = DatumGetBool(values[PERMISSION_REQUIRE_MFA - 1]);
	permission->valid_from = DatumGetTimestampTz(values[PERMISSION_VALID_FROM - 1]);
	permission->valid_until = until;
	if (!nulls[PERMISSION_CATEGORIES - 1])
		permission->categories = toms_text_array(values[PERMISSION_CATEGORIES - 1], &permission->ncategories);
}

static void
add_parent(const Datum *values, const bool *nulls, void *answer)
{
	TomsRelation *relation = answer;
	TomsParent *parent;

	relation->parents = toms_grow(relation->parents, relation->nparents, sizeof(TomsParent));
	parent = &relation->parents[relation->nparents++];
	parent->relid = DatumGetObjectId(values[PARENT_PARENT - 1]);
	parent->column = get_attnum(parent->relid, NameStr(*DatumGetName(values[PARENT_PARENT_COLUMN - 1])));
	parent->lookup = DatumGetObjectId(values[PARENT_LOOKUP - 1]);
	parent->type_value = nulls[PARENT_TYPE_VALUE - 1] ? NULL : TextDatumGetCString(values[PARENT_TYPE_VALUE - 1]);
}

static void
add_alias(const Datum *values, const bool *nulls, void *answer)
{
	TomsAlias  *alias = answer;

	alias->relid = DatumGetObjectId(values[ALIAS_RELATION - 1]);
	alias->canonical = get_attnum(alias->relid, NameStr(*DatumGetName(values[ALIAS_CANONICAL - 1])));
	alias->alias = get_attnum(alias->relid, NameStr(*DatumGetName(values[ALIAS_ALIAS - 1])));
}

static void
add_person_keys(const Datum *values, const bool *nulls, void *answer)
{
	TomsRelation *relation = answer;
	TomsAlias	keys;

	add_alias(values, nulls, &keys);
	for (int i = 0; i < 2; i++)
	{
		relation->person_keys = toms_grow(relation->person_keys, relation->nperson_keys, sizeof(AttrNumber));
		relation->person_keys[relation->nperson_keys++] = i == 0 ? keys.canonical : keys.alias;
	}
}

static void
add_separation(const Datum *values, const bool *nulls, void *answer)
{
	TomsRelation *relation = answer;
	TomsSeparation *separation;

	relation->separations = toms_grow(relation->separations, relation->nseparations, sizeof(TomsSeparation));
	separation = &relation->separations[relation->nseparations++];
	separation->other = DatumGetObjectId(values[SEPARATION_OTHER - 1]);
	separation->purposes = toms_text_array(values[SEPARATION_UNLESS - 1], &separation->npurposes);
}

static void
add_consent(const Datum *values, const bool *nulls, void *answer)
{
	TomsRelation *relation = answer;
	TomsConsent *consent;

	if (!nulls[CONSENT_ENDED_AT - 1])
		return;
	relation->consents = toms_grow(relation->consents, relation->nconsents, sizeof(TomsConsent));
	consent = &relation->consents[relation->nconsents++];
	consent->tenant = TextDatumGetCString(values[CONSENT_TENANT - 1]);
	consent->until = DatumGetTimestampTz(values[CONSENT_UNTIL - 1]);
}

static void
add_category(const Datum *values, const bool *nulls, void *answer)
{
	*(bool *) answer |= DatumGetBool(values[CATEGORY_ARTICLE9 - 1]);
}

static void
read_category(const char *category, bool *is_special)
{
	toms_config_scan(TOMS_CONFIG_CATEGORY, CStringGetTextDatum(category), add_category, is_special);
}

/*
 * A row label is a policy toms_rows_<category> for a role that bypasses row security: it
 * never applies, but keeps the condition as PostgreSQL keeps expressions, so that renaming,
 * dump and dependencies are PostgreSQL's.  The condition is printed anew with full names.
 */
static void
add_row_label(TomsRelation *relation, Relation policies, HeapTuple tuple)
{
	Form_pg_policy policy = (Form_pg_policy) GETSTRUCT(tuple);
	const char *name = NameStr(policy->polname);
	bool		isnull;
	Datum		condition = heap_getattr(tuple, Anum_pg_policy_polqual, RelationGetDescr(policies), &isnull);
	TomsRowLabel *label;

	if (strncmp(name, TOMS_ROWS_POLICY, strlen(TOMS_ROWS_POLICY)) != 0 || isnull ||
		policy->polpermissive || policy->polcmd != ACL_SELECT_CHR)
		return;
	relation->row_labels = toms_grow(relation->row_labels, relation->nrow_labels, sizeof(TomsRowLabel));
	label = &relation->row_labels[relation->nrow_labels++];
	label->category = pstrdup(name + strlen(TOMS_ROWS_POLICY));
	label->condition = deparse_expression(stringToNode(TextDatumGetCString(condition)),
										  deparse_context_for(get_rel_name(relation->root), relation->root), false, false);
}

static void
read_row_labels(TomsRelation *relation)
{
	Relation	policies = table_open(PolicyRelationId, AccessShareLock);
	int			level = toms_use_system_settings();
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_policy_polrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation->root));
	scan = systable_beginscan(policies, PolicyPolrelidPolnameIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		add_row_label(relation, policies, tuple);
	systable_endscan(scan);
	AtEOXact_GUC(true, level);
	table_close(policies, AccessShareLock);
}

static int
compare_parents(const void *left, const void *right)
{
	const char *a = ((const TomsParent *) left)->type_value;
	const char *b = ((const TomsParent *) right)->type_value;

	return strcmp(a ? a : "", b ? b : "");
}

static int
compare_row_labels(const void *left, const void *right)
{
	return strcmp(((const TomsRowLabel *) left)->category, ((const TomsRowLabel *) right)->category);
}

/* Sorted, so that a policy's text does not depend on the order of rows. */
void
toms_config_read(TomsRelation *relation)
{
	Datum		root = ObjectIdGetDatum(relation->root);

	toms_config_scan(TOMS_CONFIG_PERMISSION, root, add_permission, relation);
	if (relation->parent_key)
		toms_config_scan(TOMS_CONFIG_PARENT, root, add_parent, relation);
	if (relation->alias.id)
		toms_config_scan(TOMS_CONFIG_SUBJECT_ALIAS, Int64GetDatum(relation->alias.id), add_alias, &relation->alias);
	toms_config_scan(TOMS_CONFIG_ALIASES_OF_TABLE, ObjectIdGetDatum(relation->relid), add_person_keys, relation);
	toms_config_scan(TOMS_CONFIG_SEPARATION, root, add_separation, relation);
	toms_config_scan(TOMS_CONFIG_AUDIT_CONSENT, root, add_consent, relation);
	toms_rules_read(relation);
	read_row_labels(relation);
	read_category(relation->category, &relation->is_special);
	for (int i = 0; i < relation->nrow_labels; i++)
		read_category(relation->row_labels[i].category, &relation->is_special);
	relation->reads_strictly = relation->read_audit == TOMS_READ_AUDIT_DEFAULT ? relation->is_special : relation->read_audit == TOMS_READ_AUDIT_STRICT;
	if (relation->nparents > 1)
		qsort(relation->parents, relation->nparents, sizeof(TomsParent), compare_parents);
	if (relation->nrow_labels > 1)
		qsort(relation->row_labels, relation->nrow_labels, sizeof(TomsRowLabel), compare_row_labels);
}
