/*
 * hold.c - which hold keeps a row of a protected table.
 *
 * Called by audit's row trigger for each row that is deleted or loses what a hold finds it by, and by retention
 * for its batches.  The caller has called toms_hold_keep_out() before.
 */
#include "policy/policy_int.h"

#include "access/xact.h"
#include "base/change.h"
#include "context/context.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(toms_refuse_held);

/* A held person as the table writes him; NULL: nobody knows. */
static char *
alias_of(Oid relid, const char *tenant, char *canonical)
{
	TomsContext person = {.tenant = tenant,.subject = canonical};
	const TomsRelation *relation = toms_catalog_relation(relid);
	char	   *text = palloc(TOMS_IDENTIFIER_BYTES);
	Oid			type = relation ? relation->subject_type : InvalidOid;
	Datum		value;
	bool		found;

	toms_note_change();			/* the one that was looked for last is another */
	found = OidIsValid(type) && toms_alias_subject(relation, &person, type, &value) && toms_identifier_text(type, value, text);
	toms_note_change();
	return found ? text : NULL;
}

/* Where persons have another key in the table than in tokens: one whom nobody knows any more may be anybody. */
static const char *
held_person(const TomsRelation *relation, const char *tenant, const char *subject)
{
	Oid			relid = relation->relid;
	ListCell   *cell;

	foreach(cell, toms_hold_subjects(relation->root, tenant))
	{
		const char *alias = alias_of(relid, tenant, lfirst(cell));

		if (alias == NULL || strcmp(alias, subject) == 0)
			return lfirst(cell);
	}
	return subject;
}

int64
toms_policy_hold_on(const TomsRelation *relation, const char *tenant, const char *subject, int64 rule)
{
	Oid			relid = relation->relid;
	Oid			root = relation->root;
	int64		hold;

	if (toms_hold_concerning(InvalidOid, NULL) == 0)
		return 0;
	if (relation->alias.id != 0 && tenant && subject && subject[0] != '\0')
		subject = held_person(relation, tenant, subject);
	hold = toms_hold_on(root, tenant, subject, rule);
	/* it was held by itself before it became a part of another one */
	return hold != 0 || relid == root ? hold : toms_hold_on(relid, tenant, subject, rule);
}

static void
refuse_held(Oid relid, int64 hold)
{
	TomsRefusal refusal = {.reason = TOMS_HELD,.relid = relid,.who = toms_context_who(),
		.detail = psprintf("Hold " INT64_FORMAT " keeps it until it is released.", hold),
	.hint = psprintf("SELECT toms.release_hold(" INT64_FORMAT ", reason => '…'); is for an officer.", hold)};

	toms_refuse(&refusal);
}

static bool
is_changed(Relation rel, AttrNumber column, TupleTableSlot *old, TupleTableSlot *new)
{
	const FormData_pg_attribute *attribute;
	bool		was_null;
	bool		is_null;
	Datum		was;
	Datum		is;

	if (column <= 0)
		return false;
	attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);
	was = slot_getattr(old, column, &was_null);
	is = slot_getattr(new, column, &is_null);
	return was_null != is_null || (!was_null && !datumIsEqual(was, is, attribute->attbyval, attribute->attlen));
}

/* Whether the row, or others that know the person by it, would be another's, or its period count from another day. */
static bool
escapes(const TomsRelation *relation, Relation rel, TupleTableSlot *old, TupleTableSlot *new)
{
	AttrNumber	columns[] = {relation->tenant, relation->subject, relation->parent_key, relation->parent_type};

	for (int i = 0; i < lengthof(columns); i++)
	{
		if (is_changed(rel, columns[i], old, new))
			return true;
	}
	for (int i = 0; i < relation->nperson_keys; i++)
	{
		if (is_changed(rel, relation->person_keys[i], old, new))
			return true;
	}
	for (int i = 0; i < relation->nrules; i++)
	{
		const TomsRule *rule = &relation->rules[i];

		if (is_changed(rel, OidIsValid(rule->elsewhere) ? rule->through : rule->column, old, new))
			return true;
	}
	return false;
}

static bool
identifier(TupleTableSlot *row, AttrNumber column, Oid type, char text[TOMS_IDENTIFIER_BYTES])
{
	bool		isnull = true;
	Datum		value = column ? slot_getattr(row, column, &isnull) : (Datum) 0;

	return !isnull && toms_identifier_text(type, value, text);
}

/* For toms_hold_on(): retention's own statements leave out what is held of their rule alone by themselves. */
#define NO_RULE (-1)

/* Rows without a tenant column are of the tenant in force; without a context they may be of any. */
static int64
hold_on_row(const TomsRelation *relation, TupleTableSlot *row)
{
	char		tenant[TOMS_IDENTIFIER_BYTES];
	char		subject[TOMS_IDENTIFIER_BYTES];
	const char *about = identifier(row, relation->subject, relation->subject_type, subject) ? subject : NULL;
	int64		rule = toms_context_is_own_work() ? NO_RULE : 0;
	const TomsContext *context;

	if (relation->tenant)
		return toms_policy_hold_on(relation, identifier(row, relation->tenant, relation->tenant_type, tenant) ? tenant : NULL, about, rule);
	context = toms_context_get();
	if (context == NULL)
		return toms_hold_concerning(relation->root, NULL);
	strlcpy(tenant, context->tenant, sizeof(tenant));
	return toms_policy_hold_on(relation, tenant, about, rule);
}

static const char *
quoted(Relation rel, TupleTableSlot *row, AttrNumber column)
{
	bool		isnull = true;
	Datum		value = column ? slot_getattr(row, column, &isnull) : (Datum) 0;
	Oid			output;
	bool		is_varlena;

	if (isnull)
		return "NULL";
	getTypeOutputInfo(TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid, &output, &is_varlena);
	return quote_literal_cstr(OidOutputFunctionCall(output, value));
}

/*
 * A row of a table without a data subject is about whom its parent row is about.  One whose parent is gone went
 * with it, which has been asked for.
 */
static void
keep_held_child(const TomsRelation *relation, Relation rel, TupleTableSlot *row)
{
	const TomsContext *context = toms_context_get();
	int64		hold = toms_hold_concerning(relation->root, NULL);

	if (relation->subject || !relation->parent_key || toms_hold_subjects(relation->root, context ? context->tenant : NULL) == NIL)
		return;
	if (IsolationUsesXactSnapshot())
		refuse_held(RelationGetRelid(rel), hold);
	toms_policy_run_as_superuser(psprintf("SELECT toms.check_parents_not_held(%u, %s, %s)", RelationGetRelid(rel),
										  quoted(rel, row, relation->parent_key), quoted(rel, row, relation->parent_type)));
}

void
toms_policy_keep_held(Relation rel, TupleTableSlot *old, TupleTableSlot *new)
{
	const TomsRelation *relation;
	int64		hold;

	/* what comes from a publisher has been asked for there */
	if (IsLogicalWorker())
		return;
	relation = toms_catalog_relation(RelationGetRelid(rel));
	if (relation == NULL || (new && !escapes(relation, rel, old, new)))
		return;
	toms_hold_keep_out();
	if (toms_hold_concerning(InvalidOid, NULL) == 0)
		return;
	relation = toms_catalog_relation(RelationGetRelid(rel));
	hold = relation ? hold_on_row(relation, old) : 0;
	if (hold != 0)
		refuse_held(RelationGetRelid(rel), hold);
	if (relation)
		keep_held_child(toms_catalog_relation(RelationGetRelid(rel)), rel, old);
}

void
toms_policy_keep_held_table(Oid relid)
{
	const TomsRelation *relation = toms_catalog_relation(relid);
	int64		hold;

	/* with the extension, and all keys */
	if (relid == toms_config_table(TOMS_CONFIG_HOLD) && (hold = toms_hold_concerning(InvalidOid, NULL)) != 0)
		refuse_held(relid, hold);
	if (relation == NULL || relation->is_undeclared || IsBinaryUpgrade || IsLogicalWorker() || toms_policy_in_maintenance())
		return;
	toms_hold_keep_out();
	hold = toms_hold_concerning(InvalidOid, NULL);
	if (hold == 0)
		return;
	/* an old state may show neither the hold nor its rows */
	if (IsolationUsesXactSnapshot())
		refuse_held(relid, hold);
	toms_policy_run_as_superuser(psprintf("SELECT toms.check_none_held(%u)", relid));
}

/* toms.refuse_held(relation, hold) */
Datum
toms_refuse_held(PG_FUNCTION_ARGS)
{
	refuse_held(PG_GETARG_OID(0), PG_GETARG_INT64(1));
	PG_RETURN_VOID();
}
