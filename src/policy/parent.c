/*
 * parent.c - rows that a query asks for by their parent.
 *
 * Called by hooks.c before a query is planned.  The policy of a table without a tenant column
 * looks the parent up for each row.  Where the query asks for the rows of one parent,
 * "order_id = $1", one look is enough: the policy becomes "order_id = $1 and the parent $1 is
 * found".  That is the same for the rows that are asked for, and false for all others, which
 * the query does not want.
 */
#include "policy/policy_int.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* "column = value" of a query, where equal values are one and the same. */
typedef struct Asked
{
	OpExpr	   *comparison;
	Var		   *column;
	Node	   *value;
	int			depth;			/* levels of queries between the column and the node looked at */
} Asked;

static bool
is_value(Node *node, Oid type)
{
	return exprType(node) == type &&
		(IsA(node, Const) || (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN));
}

/* Columns that an outer join may leave empty are marked, and not equal to one that is not. */
static bool
compares(Node *condition, Asked *asked)
{
	OpExpr	   *comparison = (OpExpr *) condition;
	Oid			type = asked->column->vartype;

	if (!IsA(condition, OpExpr) || list_length(comparison->args) != 2 || !equal(linitial(comparison->args), asked->column) ||
		!is_value(lsecond(comparison->args), type) || comparison->opno != lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr)
		return false;
	asked->comparison = comparison;
	asked->value = lsecond(comparison->args);
	return true;
}

static bool
find_comparison(Node *conditions, Asked *asked)
{
	ListCell   *cell;

	if (conditions == NULL || !is_andclause(conditions))
		return conditions && compares(conditions, asked);
	foreach(cell, ((BoolExpr *) conditions)->args)
	{
		if (find_comparison(lfirst(cell), asked))
			return true;
	}
	return false;
}

/* The condition with the value in the column's place. */
static Node *
put_value(Node *node, void *context)
{
	Asked	   *asked = context;
	Node	   *result;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == asked->depth &&
		((Var *) node)->varno == asked->column->varno && ((Var *) node)->varattno == asked->column->varattno)
		return copyObject(asked->value);
	if (!IsA(node, Query))
		return expression_tree_mutator(node, put_value, context);
	asked->depth++;
	result = (Node *) query_tree_mutator((Query *) node, put_value, context, 0);
	asked->depth--;
	return result;
}

/* The key's column as queries have it, if equal values of its type are one and the same. */
static bool
has_plain_key(const TomsRelation *relation, Index index, Asked *asked)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relation->relid, relation->parent_key, &type, &typmod, &collation);
	asked->column = makeVar(index, relation->parent_key, type, typmod, collation, 0);
	return toms_type_is_bounded(type);
}

void
toms_policy_find_parents_once(Query *query)
{
	for (Index index = 1; query->hasRowSecurity && index <= list_length(query->rtable); index++)
	{
		RangeTblEntry *rte = rt_fetch(index, query->rtable);
		TomsRelation *relation = rte->rtekind == RTE_RELATION && rte->securityQuals ? toms_catalog_relation(rte->relid) : NULL;
		Asked		asked = {0};
		ListCell   *cell;

		if (relation == NULL || relation->parent_key == 0 || !has_plain_key(relation, index, &asked) ||
			!find_comparison(query->jointree->quals, &asked))
			continue;
		foreach(cell, rte->securityQuals)
		{
			if (checkExprHasSubLink(lfirst(cell)))
				lfirst(cell) = make_and_qual(copyObject((Node *) asked.comparison), put_value(lfirst(cell), &asked));
		}
	}
}
