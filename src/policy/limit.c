/*
 * limit.c - restrictions and objections in the policies of protected tables.
 *
 * Called by qual.c, which has the subject's value in hand, by seal before it opens a value, and by guard for
 * explain_access().  Where nobody of the tenant is restricted or has objected, a call site learns it once, and its rows
 * cost nothing more.  Rows of tables without a data subject are limited as their parents are: from the first limit of the
 * database on the lookup through which policies find parents calls is_unrestricted(), which the planner takes out of the
 * query again while no tenant has any.
 */
#include "policy/policy_int.h"

#include "access/relation.h"
#include "base/change.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(toms_is_unrestricted);
PG_FUNCTION_INFO_V1(toms_limit_support);
PG_FUNCTION_INFO_V1(toms_limit_condition);

static TomsLimitAsked
asked_of(const TomsRelation *relation, const TomsContext *context, const char *purpose, const char *category)
{
	return (TomsLimitAsked)
	{
		.relid = relation->relid,.root = relation->root,.tenant = context->tenant,.purpose = purpose,.category = category
	};
}

bool
toms_policy_is_limited(const TomsRelation *relation, const char *category)
{
	const TomsContext *context = toms_limits_exist() && !toms_context_is_own_work_on(relation->root) ? toms_context_get() : NULL;
	TomsLimitAsked asked;

	if (context == NULL)
		return false;
	asked = asked_of(relation, context, toms_context_purpose(), category);
	return toms_limits_concern(&asked);
}

static TomsReason
reason_of(TomsLimit limit)
{
	switch (limit)
	{
		case TOMS_LIMIT_RESTRICTED:
			return TOMS_RESTRICTED;
		case TOMS_LIMIT_OBJECTED:
			return TOMS_OBJECTED;
		case TOMS_LIMIT_OBJECTED_CATEGORY:
			return TOMS_OBJECTED_CATEGORY;
		default:
			return TOMS_OK;
	}
}

/* One whom the persons' table does not know, or not any more, may be anybody: also one who is restricted. */
TomsReason
toms_policy_limit_on_named(Oid relid, const char *category, const char *subject)
{
	const TomsContext *context = toms_context_get();
	const TomsRelation *relation = context ? toms_catalog_relation(relid) : NULL;
	TomsLimitAsked asked;

	if (relation == NULL)
		return TOMS_RESTRICTED;
	asked = asked_of(relation, context, toms_context_purpose(), category);
	if (relation->alias.id != 0)
		subject = toms_alias_canonical(relation, context, subject);	/* which may renew the relation */
	return subject ? reason_of(toms_limit_on(&asked, subject)) : TOMS_RESTRICTED;
}

TomsReason
toms_policy_limit_on(Oid relid, const char *category, Oid type, Datum subject)
{
	char		text[TOMS_IDENTIFIER_BYTES];

	/* anybody can call the functions of policies, with arguments of any type */
	if ((!toms_type_is_bounded(type) && type != TEXTOID) || !toms_identifier_text(type, subject, text))
		return TOMS_RESTRICTED;
	return toms_policy_limit_on_named(relid, category, text);
}

/* Who it is stands in the row, or value, that the caller brings himself. */
void
toms_policy_tell_limit(TomsRefusal *refusal)
{
	const char *purpose = toms_context_purpose();

	if (refusal->reason == TOMS_RESTRICTED)
		refusal->detail = psprintf("What is about this person is processed for purposes that the restriction names alone, of which \"%s\" is none.",
								   purpose ? purpose : "none");
	else if (refusal->reason == TOMS_OBJECTED)
		refusal->detail = psprintf("What is about this person is not processed for purpose \"%s\".", purpose ? purpose : "none");
	else
		refusal->detail = "Nothing of this category is recorded about this person.";
	refusal->hint = refusal->reason == TOMS_RESTRICTED ? "SELECT * FROM toms.restrictions; is for officers." : "SELECT * FROM toms.objections; is for officers.";
}

/* in lookups of parents ------------------------------------------------------------------ */

/* What a call site of is_unrestricted() knows. */
typedef struct LimitSite
{
	uint64		changes;		/* what toms_change_count was */
	bool		limited;
	Oid			type;
} LimitSite;

static LimitSite *
find_site(FunctionCallInfo fcinfo)
{
	LimitSite  *site = fcinfo->flinfo->fn_extra;
	TomsRelation *relation = PG_ARGISNULL(0) ? NULL : toms_catalog_relation(PG_GETARG_OID(0));
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);

	if (site == NULL)
		site = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(LimitSite));
	(void) toms_context_check();	/* settles the count */
	site->changes = toms_change_count;
	site->type = OidIsValid(type) ? toms_plain_type(type) : InvalidOid;
	/* toms' own statements on children's rows look up parents too */
	site->limited = relation && !toms_context_is_own_work() && toms_policy_is_limited(relation, NULL);
	return site;
}

/* toms.is_unrestricted(relation, subject) */
Datum
toms_is_unrestricted(PG_FUNCTION_ARGS)
{
	LimitSite  *site = fcinfo->flinfo->fn_extra;

	if (unlikely(site == NULL || site->changes != toms_change_count))
		site = find_site(fcinfo);
	PG_RETURN_BOOL(!site->limited || PG_ARGISNULL(1) ||
				   toms_policy_limit_on(PG_GETARG_OID(0), NULL, site->type, PG_GETARG_DATUM(1)) == TOMS_OK);
}

/* The plan is made anew as soon as anybody is restricted. */
static Node *
simplify(SupportRequestSimplify *request)
{
	TomsConfigTable tables[] = {TOMS_CONFIG_RESTRICTION, TOMS_CONFIG_OBJECTION};

	if (request->root == NULL || toms_limits_exist())
		return NULL;
	for (int i = 0; i < lengthof(tables); i++)
	{
		if (!OidIsValid(toms_config_table(tables[i])))
			return NULL;
		request->root->glob->relationOids = list_append_unique_oid(request->root->glob->relationOids, toms_config_table(tables[i]));
	}
	return makeBoolConst(true, false);
}

/* toms.limit_support(request) */
Datum
toms_limit_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(simplify((SupportRequestSimplify *) request));
	if (!IsA(request, SupportRequestSelectivity))
		PG_RETURN_POINTER(NULL);
	((SupportRequestSelectivity *) request)->selectivity = 1.0;
	PG_RETURN_POINTER(request);
}

/* As long as nobody is restricted lookups do not ask, and cost nothing more; toms.watch_limits() has them ask. */
static char *
limit_condition(const TomsRelation *relation)
{
	if (relation->subject == 0 || !toms_limits_exist())
		return NULL;
	return psprintf("toms.is_unrestricted('%u'::pg_catalog.regclass, %s)", relation->relid,
					quote_identifier(get_attname(relation->relid, relation->subject, false)));
}

/* toms.limit_condition(relation) */
Datum
toms_limit_condition(PG_FUNCTION_ARGS)
{
	TomsRelation *relation = toms_catalog_relation(PG_GETARG_OID(0));
	char	   *condition = relation ? limit_condition(relation) : NULL;

	if (condition == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(condition));
}

static bool
calls_unrestricted(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && get_func_namespace(((FuncExpr *) node)->funcid) == *(Oid *) context &&
		strcmp(get_func_name(((FuncExpr *) node)->funcid), "is_unrestricted") == 0)
		return true;
	return expression_tree_walker(node, calls_unrestricted, context);
}

bool
toms_policy_asks_limits(const TomsParent *parent)
{
	const TomsRelation *relation = toms_limits_exist() ? toms_catalog_relation(parent->relid) : NULL;
	Oid			schema = get_namespace_oid("toms", true);
	Relation	view;
	bool		asks;

	if (relation == NULL || relation->subject == 0)
		return true;
	view = try_relation_open(parent->lookup, AccessShareLock);
	asks = view && view->rd_rel->relkind == RELKIND_VIEW && calls_unrestricted(get_view_query(view)->jointree->quals, &schema);
	if (view)
		relation_close(view, AccessShareLock);
	return asks;
}

/* explaining ----------------------------------------------------------------------------- */

static void
append_count(StringInfo text, int count, const char *one, const char *several)
{
	if (count > 0)
		appendStringInfo(text, "%s%d data subject%s %s.", text->len ? " " : "", count, count == 1 ? "" : "s", count == 1 ? one : several);
}

/* How many, not who. */
char *
toms_policy_explain_limits(const TomsRelation *relation, const TomsAsker *asker)
{
	StringInfoData text;
	TomsLimitAsked asked;

	if (asker->context == NULL)
		return NULL;
	asked = asked_of(relation, asker->context, asker->purpose, relation->category);
	initStringInfo(&text);
	append_count(&text, toms_limited_subjects(&asked, TOMS_LIMIT_RESTRICTED), "is restricted: what is about him is hidden for this purpose",
				 "are restricted: what is about them is hidden for this purpose");
	append_count(&text, toms_limited_subjects(&asked, TOMS_LIMIT_OBJECTED), "has objected to this purpose: what is about him is hidden",
				 "have objected to this purpose: what is about them is hidden");
	append_count(&text, toms_limited_subjects(&asked, TOMS_LIMIT_OBJECTED_CATEGORY), "has objected to the table's category: nothing is written about him",
				 "have objected to the table's category: nothing is written about them");
	return text.len ? text.data : NULL;
}
