/*
 * qualified.c - UPDATE and DELETE without WHERE, the bug that hits every row of a tenant.
 *
 * Called by hooks.c: for views after a statement is parsed, since the rewriter puts the view's
 * WHERE where the user's own has been; for tables before it is planned, so that bodies are met
 * too that were parsed long ago, of functions and rules.  "WHERE true" is a statement of intent;
 * MERGE has its ON.  A plan that is kept is made anew when the user or the table's protection
 * changes, and what depends on an administrator's reason is asked again when it starts.
 */
#include "guard/guard_int.h"

#include "access/relation.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "context/context.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "policy/policy.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static bool
lacks_where(const Query *query)
{
	return (query->commandType == CMD_UPDATE || query->commandType == CMD_DELETE) &&
		query->resultRelation > 0 && query->jointree->quals == NULL;
}

/* The one relation that a view reads; InvalidOid if it reads several. */
static Oid
relation_of_view(Oid relid)
{
	Relation	view = relation_open(relid, AccessShareLock);
	Query	   *query = get_view_query(view);
	Node	   *from = list_length(query->jointree->fromlist) == 1 ? linitial(query->jointree->fromlist) : NULL;
	RangeTblEntry *rte = from && IsA(from, RangeTblRef) ? rt_fetch(((RangeTblRef *) from)->rtindex, query->rtable) : NULL;
	Oid			read = rte && rte->rtekind == RTE_RELATION ? rte->relid : InvalidOid;

	relation_close(view, AccessShareLock);
	return read;
}

static TomsFinding
found_unqualified(const TomsAccess *access)
{
	return (TomsFinding) {.passage = TOMS_PASS_REFUSED,.reason = TOMS_UNQUALIFIED_WRITE,
		.detail = psprintf("Every row that the context may %s would be reached.", toms_verb_text(access->verbs & (ACL_UPDATE | ACL_DELETE))),
	.hint = "Say which rows: WHERE …; or WHERE true, if all of them are meant."};
}

static void
refuse_or_note(const TomsAccess *access)
{
	TomsFinding finding = found_unqualified(access);

	if (access->relation->mode == TOMS_MODE_ENFORCE)
		toms_guard_refuse(access, &finding);
	toms_observe_enable_query_ids(true);
	toms_observe_note(access, &finding);
}

/* What the context does not permit at all is refused for that reason. */
static void
check_table(const Query *query, RangeTblEntry *rte)
{
	TomsRtePerms perms = toms_rte_perms(rte, toms_query_perminfos(query));
	TomsAccess	access = {.relation = toms_catalog_relation(rte->relid),.verbs = perms.required & TOMS_VERBS,
		.user = OidIsValid(perms.check_as_user) ? perms.check_as_user : GetUserId(),
	.reads_own_rows = query->returningList != NIL};
	TomsFinding finding;

	if (access.relation == NULL || access.relation->is_undeclared)
		return;
	finding = toms_guard_examine(&access);
	if (finding.passage == TOMS_PASS_REFUSED && access.relation->mode == TOMS_MODE_ENFORCE)
		toms_guard_refuse(&access, &finding);
	if (finding.passage != TOMS_PASS_ADMINISTRATOR)
		refuse_or_note(&access);
}

/* Nothing of the context is asked: it may be another one when the statement is executed. */
static void
check_view(const Query *query, Oid relid)
{
	TomsAccess	access = {.verbs = query->commandType == CMD_UPDATE ? ACL_UPDATE : ACL_DELETE,.user = GetUserId()};

	while (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_VIEW)
		relid = relation_of_view(relid);
	access.relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;
	if (access.relation && !access.relation->is_undeclared && !toms_guard_administrator_at_work())
		refuse_or_note(&access);
}

static void
check_query(const Query *query, bool views)
{
	RangeTblEntry *target = lacks_where(query) ? rt_fetch(query->resultRelation, query->rtable) : NULL;

	if (target == NULL || target->rtekind != RTE_RELATION || (target->relkind == RELKIND_VIEW) != views ||
		toms_policy_in_maintenance())
		return;
	if (views)
		check_view(query, target->relid);
	else
		check_table(query, target);
}

static void
check_with(const Query *query, bool views)
{
	ListCell   *cell;

	check_query(query, views);
	foreach(cell, query->hasModifyingCTE ? query->cteList : NIL)
		check_query(castNode(Query, lfirst_node(CommonTableExpr, cell)->ctequery), views);
}

void
toms_guard_after_parse(Query *query, const char *text)
{
	check_with(query, true);
	toms_guard_identify(query, text);
}

void
toms_qualified_before_plan(const Query *query)
{
	check_with(query, false);
}
