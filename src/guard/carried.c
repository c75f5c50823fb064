/*
 * carried.c - what foreign keys do to protected tables, ON UPDATE and ON DELETE: it stays within the tenant.
 *
 * Called by hooks.c before a query is planned.  PostgreSQL carries a foreign key out by queries of its own, as the table's
 * owner, and no policy is asked.  So each of these gets the question whose a row is, into the query itself: it is asked of
 * a row that is there before anything is done to it, and of one that is to be written after the last trigger has changed
 * it.  Nobody's code sees a row that is refused, neither within the query nor after it.
 */
#include "guard/guard_int.h"

#include "access/table.h"
#include "base/version.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "context/context.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "policy/policy.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(toms_check_carried);

/* With the table's name: a parent may have a column of the same one. */
static char *
column(Oid relid, AttrNumber number)
{
	return psprintf("%s.%s", toms_relation_name(relid), quote_identifier(get_attname(relid, number, false)));
}

static char *ours(const TomsRelation *relation);

/* There is such a parent, and it is of another tenant. */
static char *
has_foreign_parent(const TomsRelation *relation, const TomsParent *parent)
{
	const char *type = parent->type_value == NULL ? "" :
		psprintf(" AND %s OPERATOR(pg_catalog.=) %s", column(relation->relid, relation->parent_type), quote_literal_cstr(parent->type_value));

	return psprintf("EXISTS (SELECT FROM %s%s WHERE %s OPERATOR(pg_catalog.=) %s%s AND (%s) IS NOT TRUE)",
					get_rel_relkind(parent->relid) == RELKIND_RELATION ? "ONLY " : "", toms_relation_name(parent->relid), column(parent->relid, parent->column),
					column(relation->relid, relation->parent_key), type, ours(toms_catalog_relation(parent->relid)));
}

/*
 * Nothing says that the row is of another tenant: neither its own column nor a parent that is there.  A row whose parent is
 * gone went along with it, and that has been asked.
 */
static char *
ours(const TomsRelation *relation)
{
	char	   *text = "true";

	if (relation == NULL)
		return "false";
	if (relation->tenant)
		return toms_policy_tenant_condition(relation, false);
	for (int i = 0; i < relation->nparents; i++)
		text = psprintf("%s AND NOT %s", text, has_foreign_parent(relation, &relation->parents[i]));
	return text;
}

/*
 * As text.  The SQL of the version before has no toms.check_carried(): a policy's check refuses what is not ours then, and
 * makes no exception for administrators.
 */
static char *
question_text(const TomsRelation *relation)
{
	Oid			types[] = {REGCLASSOID, BOOLOID};
	char	   *is_ours = ours(relation);

	if (OidIsValid(LookupFuncName(list_make2(makeString("toms"), makeString("check_carried")), lengthof(types), types, true)))
		return psprintf("toms.check_carried('%u'::pg_catalog.regclass, %s)", relation->relid, is_ours);
	return psprintf("(%s) OR pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.=) 'replica'"
					" OR toms.check_parent('%u'::pg_catalog.regclass, 'update', %s)", is_ours, relation->relid, is_ours);
}

/*
 * The question, on the result of the query.  Parents are named by the superuser and read as the role that looks them up:
 * who owns a table needs no privileges on its parent.
 */
static Node *
question(const Query *query, const TomsRelation *relation)
{
	Relation	rel = table_open(relation->relid, NoLock);
	Node	   *node;
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
	node = toms_policy_parse(rel, question_text(relation));
	SetUserIdAndSecContext(user, security);
	table_close(rel, NoLock);
	setRuleCheckAsUser(node, toms_policy_lookup_role());
	ChangeVarNodes(node, 1, query->resultRelation, 0);
	return node;
}

static void
ask_old_row(Query *query, Node *node)
{
	query->targetList = lappend(query->targetList, makeTargetEntry((Expr *) node, list_length(query->targetList) + 1, "toms_carried", true));
}

static void
ask_new_row(Query *query, Node *node, const TomsRelation *relation)
{
	WithCheckOption *check = makeNode(WithCheckOption);

	check->kind = WCO_RLS_UPDATE_CHECK;
	check->relname = get_rel_name(relation->relid);
	check->qual = node;
	query->withCheckOptions = lappend(query->withCheckOptions, check);
}

/* What runs within a foreign key's query is asked too, as policies ask it. */
void
toms_guard_keep_carried(Query *query)
{
	TomsRelation *relation;
	Node	   *node;

	if ((query->commandType != CMD_UPDATE && query->commandType != CMD_DELETE) || !InNoForceRLSOperation())
		return;
	relation = toms_catalog_relation(rt_fetch(query->resultRelation, query->rtable)->relid);
	if (relation == NULL || relation->mode != TOMS_MODE_ENFORCE || relation->is_undeclared)
		return;
	if (toms_version_fit() != TOMS_VERSION_FITS)
		toms_guard_refuse_closed(relation->relid);
	node = question(query, relation);
	query->hasSubLinks |= checkExprHasSubLink(node);
	ask_old_row(query, node);
	if (query->commandType == CMD_UPDATE)
		ask_new_row(query, copyObject(node), relation);
}

/* toms.check_carried(relation, ours): refuses a row that is not of the tenant in force */
Datum
toms_check_carried(PG_FUNCTION_ARGS)
{
	bool		is_ours = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1) && toms_context_get() != NULL;
	TomsRefusal refusal = {.reason = TOMS_ROW_OTHER_TENANT,.relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0),
		.detail = "A foreign key would change it along with a row that it refers to.",
	.hint = "Change what it refers to as a role with BYPASSRLS, with toms.reason set."};

	/* foreign keys do nothing then: toms itself converts a column, of all tenants */
	if (is_ours || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA || toms_guard_administrator_at_work())
		PG_RETURN_BOOL(true);
	refusal.who = toms_context_who();
	toms_refuse(&refusal);
}
