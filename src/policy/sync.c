/*
 * sync.c - makes and renews the policies and labels of protected tables.
 *
 * Called by toms.protect() and its kin in policy.sql, and by the utility hook after DDL of
 * the application: a new partition, a policy of its own.  DDL is run through SPI as the
 * bootstrap superuser, with nothing on the search path but the system's own; while it
 * runs toms_policy_in_maintenance() is true, so that the guard lets toms' own DDL pass.
 */
#include "policy/policy_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/debug_point.h"
#include "base/system_settings.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_policy.h"
#include "commands/seclabel.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

static int	maintenance = 0;

PG_FUNCTION_INFO_V1(toms_sync_policies);
PG_FUNCTION_INFO_V1(toms_drop_policies);
PG_FUNCTION_INFO_V1(toms_describe);
PG_FUNCTION_INFO_V1(toms_keep_row_label);
PG_FUNCTION_INFO_V1(toms_drop_row_label);
PG_FUNCTION_INFO_V1(toms_tenant_condition);
PG_FUNCTION_INFO_V1(toms_column_labels);

bool
toms_policy_in_maintenance(void)
{
	return maintenance > 0;
}

Oid
toms_policy_lookup_role(void)
{
	return get_role_oid("toms_lookup", true);
}

/*
 * Run statements as the bootstrap superuser, whom no table can refuse.  They are DDL on row
 * security and labels, which runs no code of the table's owner.  The counter is restored
 * whatever happens; user and search path are restored by the transaction on error.
 */
void
toms_policy_run_as_superuser(const char *statements)
{
	Oid			user;
	int			secure;
	int			level = toms_use_system_settings();

	GetUserIdAndSecContext(&user, &secure);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, secure | SECURITY_LOCAL_USERID_CHANGE);
	maintenance++;
	PG_TRY();
	{
		if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(statements, false, 0) < 0 ||
			SPI_finish() != SPI_OK_FINISH)
			elog(ERROR, "could not run maintenance statements");
	}
	PG_FINALLY();
	{
		maintenance--;
	}
	PG_END_TRY();
	AtEOXact_GUC(true, level);
	SetUserIdAndSecContext(user, secure);
}

/*
 * What stands in pg_policy for the relation: DROP statements for the policies of toms, and
 * the verbs for which the application has a permissive policy of its own.  The relcache
 * does not tell while row security is switched off.
 */
static void
read_policies(Oid relid, const char *name, StringInfo drops, AclMode *permitted)
{
	Relation	policies = table_open(PolicyRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	*permitted = 0;
	ScanKeyInit(&key, Anum_pg_policy_polrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(policies, PolicyPolrelidPolnameIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_policy policy = (Form_pg_policy) GETSTRUCT(tuple);

		if (toms_policy_is_row_label(NameStr(policy->polname)))
			continue;
		if (toms_policy_is_reserved(NameStr(policy->polname)))
			appendStringInfo(drops, "DROP POLICY %s ON %s;", quote_identifier(NameStr(policy->polname)), name);
		else if (policy->polpermissive)
		{
			for (int i = 0; i < TOMS_VERB_COUNT; i++)
			{
				if (policy->polcmd == '*' || policy->polcmd == toms_policy_command(toms_verbs[i]))
					*permitted |= toms_verbs[i];
			}
		}
	}
	systable_endscan(scan);
	table_close(policies, AccessShareLock);
}

static void
append_policy(StringInfo statements, const TomsRelation *relation, const char *name, AclMode verb, bool permissive)
{
	appendStringInfo(statements, "CREATE POLICY %s ON %s AS %s FOR %s",
					 toms_policy_name(verb, permissive), name,
					 permissive ? "PERMISSIVE" : "RESTRICTIVE", toms_verb_text(verb));
	if (verb != ACL_INSERT)
		appendStringInfo(statements, " USING (%s)", toms_policy_condition(relation, verb, false));
	if (verb == ACL_INSERT || verb == ACL_UPDATE)
		appendStringInfo(statements, " WITH CHECK (%s)", toms_policy_condition(relation, verb, true));
	appendStringInfoChar(statements, ';');
}

/*
 * Renew the policies of one relation.  A restrictive one per verb, which no other policy
 * can widen, and where the application has no permissive one for the verb a permissive
 * twin with the same condition: never "true", since dropping a column takes the
 * restrictive policy with it and would leave the other.
 */
static void
sync_policies(Oid relid)
{
	TomsRelation *relation = toms_catalog_relation(relid);
	char	   *name = toms_relation_name(relid);
	StringInfoData statements;
	AclMode		permitted;

	initStringInfo(&statements);
	read_policies(relid, name, &statements, &permitted);
	if (relation && relation->mode == TOMS_MODE_ENFORCE)
	{
		for (int i = 0; i < TOMS_VERB_COUNT; i++)
		{
			append_policy(&statements, relation, name, toms_verbs[i], false);
			if ((permitted & toms_verbs[i]) == 0)
				append_policy(&statements, relation, name, toms_verbs[i], true);
		}
		appendStringInfo(&statements, "ALTER TABLE ONLY %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;", name);
	}
	TOMS_DEBUG_POINT("policy-before-sync");
	if (statements.len > 0)
		toms_policy_run_as_superuser(statements.data);
}

/*
 * Whether a change of the application's is to be followed.  Not while toms itself is at
 * work, and not where protection is incomplete: then a dump is being restored, which
 * brings policies of its own, or the table is closed and stays so.
 */
static bool
is_followed(Oid relid)
{
	TomsRelation *relation = maintenance == 0 ? toms_catalog_relation(relid) : NULL;

	return relation && (relation->mode == TOMS_MODE_OBSERVE || toms_policy_intact_by_itself(relation));
}

void
toms_policy_app_changed(Oid relid)
{
	CommandCounterIncrement();
	if (is_followed(relid))
		sync_policies(relid);
}

void
toms_policy_child_added(Oid child)
{
	TomsRelation *relation;

	CommandCounterIncrement();
	relation = OidIsValid(child) ? toms_catalog_relation(child) : NULL;
	if (relation && relation->root != child && is_followed(relation->root))
	{
		relation = toms_catalog_relation(child);
		toms_policy_run_as_superuser(psprintf("SELECT toms.protect_child(%u, %u)", relation->root, child));
	}
}

/* toms.sync_policies(relation) */
Datum
toms_sync_policies(PG_FUNCTION_ARGS)
{
	sync_policies(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/* toms.drop_policies(relation, keep_rls, keep_force): take row security of toms off again. */
Datum
toms_drop_policies(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *name = toms_relation_name(relid);
	StringInfoData statements;
	AclMode		permitted;

	initStringInfo(&statements);
	read_policies(relid, name, &statements, &permitted);
	if (!PG_GETARG_BOOL(1))
		appendStringInfo(&statements, "ALTER TABLE ONLY %s DISABLE ROW LEVEL SECURITY;", name);
	if (!PG_GETARG_BOOL(2))
		appendStringInfo(&statements, "ALTER TABLE ONLY %s NO FORCE ROW LEVEL SECURITY;", name);
	if (statements.len > 0)
		toms_policy_run_as_superuser(statements.data);
	PG_RETURN_VOID();
}

static const char *
row_label_policy(Datum category)
{
	return quote_identifier(psprintf(TOMS_ROWS_POLICY "%s", TextDatumGetCString(category)));
}

/* toms.keep_row_label(relation, category, condition): make the policy that keeps a row label */
Datum
toms_keep_row_label(PG_FUNCTION_ARGS)
{
	toms_policy_run_as_superuser(psprintf("CREATE POLICY %s ON %s AS RESTRICTIVE FOR SELECT TO toms_lookup USING (%s)",
										  row_label_policy(PG_GETARG_DATUM(1)), toms_relation_name(PG_GETARG_OID(0)),
										  text_to_cstring(PG_GETARG_TEXT_PP(2))));
	PG_RETURN_VOID();
}

/* toms.drop_row_label(relation, category) */
Datum
toms_drop_row_label(PG_FUNCTION_ARGS)
{
	toms_policy_run_as_superuser(psprintf("DROP POLICY %s ON %s", row_label_policy(PG_GETARG_DATUM(1)),
										  toms_relation_name(PG_GETARG_OID(0))));
	PG_RETURN_VOID();
}

static Datum
column_name(Oid relid, AttrNumber number, bool *isnull)
{
	*isnull = number == 0;
	return number ? DirectFunctionCall1(namein, CStringGetDatum(get_attname(relid, number, false))) : (Datum) 0;
}

/* toms.describe(relation): its form of protection; NULLs if it is not protected */
Datum
toms_describe(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	TomsRelation *relation = toms_catalog_relation(relid);
	TupleDesc	desc;
	Datum		values[13];
	bool		nulls[13] = {false};

	if (relation == NULL || relation->is_undeclared)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = ObjectIdGetDatum(relation->root);
	values[1] = CStringGetTextDatum(relation->mode == TOMS_MODE_OBSERVE ? "observe" : "enforce");
	values[2] = column_name(relid, relation->tenant, &nulls[2]);
	values[3] = column_name(relid, relation->subject, &nulls[3]);
	values[4] = CStringGetTextDatum(relation->category);
	values[5] = BoolGetDatum(toms_policy_intact(relation));
	values[6] = column_name(relid, relation->parent_key, &nulls[6]);
	values[7] = column_name(relid, relation->parent_type, &nulls[7]);
	values[8] = CStringGetTextDatum(relation->shares_null_tenant ? "shared" : "nobody");
	values[9] = CStringGetTextDatum(relation->through_functions ? "functions" : "statements");
	values[10] = CStringGetTextDatum(toms_free_text_word(relation->free_text));
	values[11] = CStringGetTextDatum(relation->reads_strictly ? "strict" : "asynchronous");
	nulls[12] = relation->read_audit == TOMS_READ_AUDIT_DEFAULT;
	values[12] = values[11];
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* toms.column_labels(relation): labels by column name, as jsonb; {} if there are none */
Datum
toms_column_labels(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	rel = try_relation_open(relid, AccessShareLock);
	StringInfoData json;

	if (rel == NULL)
		PG_RETURN_NULL();
	initStringInfo(&json);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);
		ObjectAddress object;
		char	   *label;

		ObjectAddressSubSet(object, RelationRelationId, relid, column->attnum);
		label = column->attisdropped ? NULL : GetSecurityLabel(&object, "toms");
		if (label == NULL)
			continue;
		appendStringInfoString(&json, json.len ? ", " : "{");
		escape_json(&json, NameStr(column->attname));
		appendStringInfoString(&json, ": ");
		escape_json(&json, label);
	}
	relation_close(rel, AccessShareLock);
	appendStringInfoString(&json, json.len ? "}" : "{}");
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* toms.tenant_condition(relation, shared): the text that a lookup of its children's parents needs */
Datum
toms_tenant_condition(PG_FUNCTION_ARGS)
{
	TomsRelation *relation = toms_catalog_relation(PG_GETARG_OID(0));
	char	   *condition = relation ? toms_policy_tenant_condition(relation, PG_GETARG_BOOL(1)) : NULL;

	if (condition == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(condition));
}
