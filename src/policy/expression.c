/*
 * expression.c - the condition of each policy, and whether a table still has it.
 *
 * The text made here is what sync.c puts into CREATE POLICY and what toms_policy_intact()
 * parses again and compares with the policy that stands in the catalogue.  So a policy
 * that somebody altered, while toms was not loaded for instance, closes the table: the
 * guard refuses a relation that is not intact.
 */
#include "policy/policy_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "base/system_settings.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "optimizer/clauses.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rowsecurity.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/guc.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

const char *
toms_policy_name(AclMode verb, bool permissive)
{
	return psprintf("toms_%s%s", toms_verb_text(verb), permissive ? "_only" : "");
}

bool
toms_policy_is_row_label(const char *name)
{
	return strncmp(name, TOMS_ROWS_POLICY, strlen(TOMS_ROWS_POLICY)) == 0;
}

bool
toms_policy_is_reserved(const char *name)
{
	if (toms_policy_is_row_label(name))
		return true;
	for (int i = 0; i < TOMS_VERB_COUNT; i++)
	{
		if (strcmp(name, toms_policy_name(toms_verbs[i], false)) == 0 ||
			strcmp(name, toms_policy_name(toms_verbs[i], true)) == 0)
			return true;
	}
	return false;
}

static const char *
tenant_function(Oid type)
{
	switch (type)
	{
		case INT2OID:
			return "toms.tenant_smallint()";
		case INT4OID:
			return "toms.tenant_integer()";
		case INT8OID:
			return "toms.tenant_bigint()";
		case UUIDOID:
			return "toms.tenant_uuid()";
		default:
			return "toms.tenant_text()";
	}
}

static const char *
column(const TomsRelation *relation, AttrNumber number)
{
	return quote_identifier(get_attname(relation->relid, number, false));
}

/*
 * The row's parent is among those of the tenant in force, or (shared) among those of
 * everybody.  The lookup has the columns toms_key and, where rows are shared, toms_shared;
 * the parent key may have the same name, so it stands with that of its table.
 */
static char *
parent_found(const TomsRelation *relation, const TomsParent *parent, bool shared)
{
	char	   *found = psprintf("EXISTS (SELECT 1 FROM %s toms_parent WHERE toms_parent.toms_key OPERATOR(pg_catalog.=) %s.%s%s)",
								 toms_relation_name(parent->lookup), toms_relation_name(relation->relid), column(relation, relation->parent_key),
								 !parent->shares_rows ? "" : shared ? " AND toms_parent.toms_shared" : " AND NOT toms_parent.toms_shared");

	if (parent->type_value == NULL)
		return found;
	return psprintf("(%s OPERATOR(pg_catalog.=) %s AND %s)", column(relation, relation->parent_type),
					quote_literal_cstr(parent->type_value), found);
}

static char *
some_parent_found(const TomsRelation *relation, bool shared)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < relation->nparents; i++)
	{
		if (relation->parents[i].shares_rows || !shared)
			appendStringInfo(&text, "%s%s", text.len ? " OR " : "", parent_found(relation, &relation->parents[i], shared));
	}
	return psprintf("(%s)", text.data);
}

char *
toms_policy_tenant_condition(const TomsRelation *relation, bool shared)
{
	if (shared && !relation->shares_rows)
		return NULL;
	if (relation->tenant == 0)
		return some_parent_found(relation, shared);
	if (shared)
		return psprintf("%s IS NULL", column(relation, relation->tenant));
	return psprintf("%s OPERATOR(pg_catalog.=) %s", column(relation, relation->tenant),
					tenant_function(relation->tenant_type));
}

/* What a verb may see of rows of one category; of_subject: rows of one person only. */
static char *
scope_condition(const TomsRelation *relation, const char *self, const char *category, bool check, bool of_subject)
{
	if (of_subject)
		return psprintf("toms.%s(%s, %s%s)", check ? "check_subject" : "in_scope", self,
						strcmp(category, relation->category) == 0 ? "" : psprintf("%s, ", quote_literal_cstr(category)),
						column(relation, relation->subject));
	return psprintf("toms.%s(%s, %s)", check ? "check_category" : "in_category", self,
					quote_literal_cstr(category));
}

/*
 * A row needs permission for each category that a label gives it, and for the table's own
 * if none does.
 */
static char *
row_condition(const TomsRelation *relation, const char *self, bool check, bool of_subject)
{
	char	   *own = scope_condition(relation, self, relation->category, check, of_subject);
	StringInfoData labelled;
	StringInfoData text;

	if (relation->nrow_labels == 0)
		return own;
	initStringInfo(&labelled);
	initStringInfo(&text);
	for (int i = 0; i < relation->nrow_labels; i++)
	{
		const TomsRowLabel *label = &relation->row_labels[i];

		appendStringInfo(&labelled, "(%s) IS NOT FALSE OR ", label->condition);
		appendStringInfo(&text, "((%s) IS FALSE OR %s) AND ", label->condition,
						 scope_condition(relation, self, label->category, check, of_subject));
	}
	appendStringInfo(&text, "(%s%s)", labelled.data, own);
	return text.data;
}

static bool
says_whose(const TomsRelation *relation, AttrNumber column)
{
	return column == relation->tenant || column == relation->subject || column == relation->parent_key || column == relation->parent_type;
}

/*
 * Values in columns of optional categories are for tenants that have enabled them, and those of every category of a
 * column's own are not for persons who have objected to it; NULL is for all.
 */
static char *
value_conditions(const TomsRelation *relation, const char *self)
{
	const char *subject = relation->subject ? psprintf(", %s", column(relation, relation->subject)) : "";
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < relation->nlabelled; i++)
	{
		const TomsLabelledColumn *labelled = &relation->labelled[i];

		if (!says_whose(relation, labelled->column) && (labelled->optional || relation->subject))
			appendStringInfo(&text, " AND (%s IS NULL OR toms.%s(%s, %s%s))", column(relation, labelled->column),
							 labelled->optional ? "check_enabled" : "check_value", self, quote_literal_cstr(labelled->category), subject);
	}
	return text.data;
}

/* Where neither a person nor a category matters the tenant decides alone. */
char *
toms_policy_condition(const TomsRelation *relation, AclMode verb, bool check)
{
	/* by number: a name would be looked up with the privileges of whoever queries */
	const char *self = psprintf("'%u'::pg_catalog.regclass, '%s'", relation->relid, toms_verb_text(verb));
	char	   *condition = toms_policy_tenant_condition(relation, false);
	char	   *shared = verb == ACL_SELECT && !check ? toms_policy_tenant_condition(relation, true) : NULL;
	char	   *both = relation->subject && !check ? toms_period_arguments(relation) : NULL;
	char	   *period = both ? NULL : toms_period_condition(relation, verb, check, false);

	if (check && relation->tenant)
		condition = psprintf("toms.check_tenant(%s, %s)", self, column(relation, relation->tenant));
	else if (check)
		condition = psprintf("toms.check_parent(%s, %s)", self, condition);
	if (both)
		condition = psprintf("%s AND toms.is_visible(%s, %s, %s)", condition, self, column(relation, relation->subject), both);
	else if (relation->subject || relation->nrow_labels > 0)
		condition = psprintf("%s AND %s", condition, row_condition(relation, self, check, relation->subject != 0));
	if (check)
		condition = psprintf("%s%s", condition, value_conditions(relation, self));
	if (period)
		condition = psprintf("%s AND %s", condition, period);
	if (shared)
	{
		period = toms_period_condition(relation, verb, check, true);
		condition = psprintf("(%s) OR (%s AND %s%s%s)", condition, shared, row_condition(relation, self, check, false),
							 period ? " AND " : "", period ? period : "");
	}
	return condition;
}

/* As CREATE POLICY parses it: one expression, which cannot get out of its place. */
static Node *
raw_expression(const char *text)
{
	List	   *raw = raw_parser(psprintf("CREATE POLICY p ON t USING (%s)", text), RAW_PARSE_DEFAULT);
	CreatePolicyStmt *policy = (CreatePolicyStmt *) linitial_node(RawStmt, raw)->stmt;

	if (list_length(raw) != 1 || !IsA(policy, CreatePolicyStmt) || policy->qual == NULL || policy->with_check != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the condition is not one expression"),
				 errhint("Write it as after WHERE: kind = 'SICK'.")));
	return policy->qual;
}

Node *
toms_policy_parse(Relation rel, const char *condition)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *node;

	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, false);
	addNSItemToQuery(pstate, item, false, true, true);
	node = transformWhereClause(pstate, raw_expression(condition),
								EXPR_KIND_POLICY, "POLICY");
	assign_expr_collations(pstate, node);
	free_parsestate(pstate);
	return node;
}

static bool
same_condition(Relation rel, const TomsRelation *relation, AclMode verb, bool check, Expr *found)
{
	if (found == NULL)
		return false;
	return equal(toms_policy_parse(rel, toms_policy_condition(relation, verb, check)), found);
}

static bool
policy_is_ours(Relation rel, const TomsRelation *relation, AclMode verb, const RowSecurityPolicy *policy)
{
	bool		reads = verb != ACL_INSERT;
	bool		writes = verb == ACL_INSERT || verb == ACL_UPDATE;

	if (policy->roles == NULL || ARR_DIMS(policy->roles)[0] != 1 ||
		((Oid *) ARR_DATA_PTR(policy->roles))[0] != ACL_ID_PUBLIC)
		return false;
	if (reads && !same_condition(rel, relation, verb, false, policy->qual))
		return false;
	/* where WITH CHECK was not given PostgreSQL repeats USING: not for our verbs that write */
	return !writes || same_condition(rel, relation, verb, true, policy->with_check_qual);
}

char
toms_policy_command(AclMode verb)
{
	return verb == ACL_SELECT ? ACL_SELECT_CHR : verb == ACL_INSERT ? ACL_INSERT_CHR :
		verb == ACL_UPDATE ? ACL_UPDATE_CHR : ACL_DELETE_CHR;
}

static bool
has_restrictive_policy(Relation rel, const TomsRelation *relation, AclMode verb)
{
	ListCell   *cell;

	foreach(cell, rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(cell);

		if (!policy->permissive && policy->polcmd == toms_policy_command(verb) &&
			strcmp(policy->policy_name, toms_policy_name(verb, false)) == 0)
			return policy_is_ours(rel, relation, verb, policy);
	}
	return false;
}

/*
 * Restrictive policies are evaluated in the order of their names, each before the next one
 * unless it is leakproof.  One of the application's that comes before ours and hands
 * columns to a function that may tell them on would see the rows of every tenant.
 */
static bool
is_peeked_at(Relation rel)
{
	ListCell   *cell;

	foreach(cell, rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(cell);

		if (!policy->permissive && strcmp(policy->policy_name, "toms_") < 0 &&
			contain_leaked_vars((Node *) policy->qual))
			return true;
	}
	return false;
}

/* Somebody else's view in the place of a lookup would answer as it likes. */
bool
toms_policy_is_lookup(Oid relid)
{
	Relation	view = try_relation_open(relid, AccessShareLock);
	bool		ours = view && view->rd_rel->relkind == RELKIND_VIEW && RelationIsSecurityView(view) &&
		view->rd_rel->relowner == toms_policy_lookup_role() &&
		pg_class_aclcheck(relid, ACL_ID_PUBLIC, ACL_SELECT) == ACLCHECK_OK;

	if (view)
		relation_close(view, AccessShareLock);
	return ours;
}

bool
toms_has_unique_key(Oid relid, AttrNumber column)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		unique = false;
	ListCell   *cell;

	if (rel == NULL)
		return false;
	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		Form_pg_index form = index->rd_index;

		unique |= form->indisunique && form->indisvalid && form->indimmediate && form->indnkeyatts == 1 &&
			form->indkey.values[0] == column && RelationGetIndexPredicate(index) == NIL;
		index_close(index, AccessShareLock);
	}
	relation_close(rel, AccessShareLock);
	return unique && column > 0;
}

/* Without a unique key in the parent a child could be of two tenants. */
static bool
finds_its_tenant(const TomsRelation *relation)
{
	if (relation->tenant != 0)
		return relation->nparents == 0;
	for (int i = 0; i < relation->nparents; i++)
	{
		const TomsParent *parent = &relation->parents[i];

		if (!toms_policy_is_lookup(parent->lookup) || !toms_has_unique_key(parent->relid, parent->column) ||
			(parent->type_value != NULL) != (relation->parent_type != 0) || !toms_policy_asks_limits(parent))
			return false;
	}
	return relation->nparents > 0;
}

/* A function of ours, as the library has it. */
static bool
calls(const Trigger *trigger, const char *name)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid));
	Form_pg_proc function;
	Datum		symbol;
	bool		isnull;
	bool		ours;

	if (!HeapTupleIsValid(tuple))
		return false;
	function = (Form_pg_proc) GETSTRUCT(tuple);
	symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	ours = strcmp(NameStr(function->proname), name) == 0 && function->prolang == ClanguageId &&
		function->pronamespace == get_namespace_oid("toms", true) && !isnull &&
		strcmp(TextDatumGetCString(symbol), psprintf("toms_%s", name)) == 0;
	ReleaseSysCache(tuple);
	return ours;
}

static bool
binds_values(const Trigger *trigger)
{
	return strcmp(trigger->tgname, TOMS_SEAL_TRIGGER) == 0 && trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
		trigger->tgqual == NULL && trigger->tgnattr == 0 && TRIGGER_FOR_ROW(trigger->tgtype) &&
		TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_INSERT(trigger->tgtype) && TRIGGER_FOR_UPDATE(trigger->tgtype) &&
		calls(trigger, "seal_row");
}

/*
 * Triggers run in the order of their names: none may change a row that has been bound, but for the
 * one that opens its values while a column is unsealed.
 */
static bool
binds_values_last(const TriggerDesc *triggers)
{
	bool		bound = false;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (binds_values(trigger))
			bound = true;
		else if (TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
				 (TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype)) &&
				 strcmp(trigger->tgname, TOMS_SEAL_TRIGGER) > 0 && !calls(trigger, "unseal_column_row"))
			return false;
	}
	return bound;
}

/*
 * Rows that are written through a parent meet the triggers of the partition or child they are in.
 * Looking a child up makes the cache hear of its changes.
 */
static bool
children_bind_values(Oid relid)
{
	ListCell   *cell;

	if (!has_subclass(relid))
		return true;
	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
	{
		Relation	child = lfirst_oid(cell) != relid && toms_catalog_relation(lfirst_oid(cell)) ?
			try_relation_open(lfirst_oid(cell), AccessShareLock) : NULL;
		bool		bound = child == NULL || child->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || binds_values_last(child->trigdesc);

		if (child)
			relation_close(child, AccessShareLock);
		if (!bound)
			return false;
	}
	return true;
}

/* Every sealed column has its label, and the trigger that binds values to their rows is on. */
static bool
is_sealed(Relation rel, const TomsRelation *relation)
{
	for (int i = 0; i < relation->nsealed; i++)
	{
		if (relation->sealed[i].id == 0 || relation->sealed[i].is_array)
			return false;
	}
	return relation->nsealed == 0 || rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || binds_values_last(rel->trigdesc);
}

static bool
audits_changes(const Trigger *trigger)
{
	return strcmp(trigger->tgname, TOMS_AUDIT_TRIGGER) == 0 && TRIGGER_FOR_ROW(trigger->tgtype) &&
		TRIGGER_FOR_INSERT(trigger->tgtype) && TRIGGER_FOR_UPDATE(trigger->tgtype) && TRIGGER_FOR_DELETE(trigger->tgtype) &&
		calls(trigger, "audit_row");
}

static bool
audits_truncation(const Trigger *trigger)
{
	return strcmp(trigger->tgname, TOMS_AUDIT_TRIGGER "_truncate") == 0 && TRIGGER_FOR_TRUNCATE(trigger->tgtype) &&
		calls(trigger, "audit_truncate");
}

/* Every change goes into the audit trail; of partitions each by itself. */
static bool
is_audited(Relation rel)
{
	bool		changes = false;
	bool		truncation = false;

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return true;
	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgenabled != TRIGGER_FIRES_ALWAYS || trigger->tgqual || trigger->tgnattr > 0 || !TRIGGER_FOR_AFTER(trigger->tgtype))
			continue;
		changes |= audits_changes(trigger);
		truncation |= audits_truncation(trigger);
	}
	return changes && truncation;
}

static bool
is_intact(const TomsRelation *relation)
{
	Relation	rel = relation_open(relation->relid, AccessShareLock);
	bool		intact = rel->rd_rel->relrowsecurity && rel->rd_rel->relforcerowsecurity &&
		rel->rd_rsdesc != NULL && finds_its_tenant(relation) && toms_periods_are_told(relation) && is_sealed(rel, relation) && is_audited(rel);

	intact = intact && !is_peeked_at(rel);
	for (int i = 0; intact && i < TOMS_VERB_COUNT; i++)
		intact = has_restrictive_policy(rel, relation, toms_verbs[i]);
	relation_close(rel, AccessShareLock);
	return intact;
}

/* With nothing but the system's own schema on the search path, as the policies were made. */
static bool
find_whether_intact(const TomsRelation *relation)
{
	int			level = toms_use_system_settings();
	bool		intact;

	intact = is_intact(relation);
	AtEOXact_GUC(true, level);
	return intact;
}

bool
toms_policy_intact(TomsRelation *relation)
{
	if (!toms_policy_intact_by_itself(relation))
		return false;
	if (relation->intact_below == TOMS_INTACT_UNKNOWN)
		relation->intact_below = relation->nsealed == 0 || children_bind_values(relation->relid) ? TOMS_INTACT_YES : TOMS_INTACT_NO;
	return relation->intact_below == TOMS_INTACT_YES;
}

bool
toms_policy_intact_by_itself(TomsRelation *relation)
{
	if (relation->intact == TOMS_INTACT_UNKNOWN)
	{
		MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "toms policies",
												   ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(work);
		bool		intact = find_whether_intact(relation);

		relation->intact = intact ? TOMS_INTACT_YES : TOMS_INTACT_NO;
		MemoryContextSwitchTo(old);
		MemoryContextDelete(work);
	}
	return relation->intact == TOMS_INTACT_YES;
}
