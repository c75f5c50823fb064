/*
 * order.c - conditions of a query that would be evaluated before the policies.
 *
 * Called by hooks.c when all paths of a query level have been made, before a plan is made of
 * them.  PostgreSQL takes a condition for
 * leakproof if no function in it that is not leakproof gets a column; a cheap one is then
 * evaluated before the policy.  But whether such a function is reached can hang on a column:
 * CASE WHEN n = 7 THEN pg_try_advisory_lock(44) END tells of n in rows that are hidden.  So
 * does an error about collations.  Such conditions lose the mark, and are evaluated after the
 * policies.  Index conditions need nothing: what they compare with is not volatile.
 */
#include "policy/policy_int.h"

#include "base/compat.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "utils/lsyscache.h"

static bool
function_can_tell(Oid function, void *unused)
{
	return func_volatile(function) == PROVOLATILE_VOLATILE || !get_func_leakproof(function);
}

static List *
arguments(Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			return ((FuncExpr *) node)->args;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return ((OpExpr *) node)->args;
		case T_ScalarArrayOpExpr:
			return ((ScalarArrayOpExpr *) node)->args;
		default:
			return NIL;
	}
}

/* Comparing under an indeterminate collation is an error where it is reached. */
static bool
collation_can_tell(Node *node)
{
	Oid			collation = exprInputCollation(node);
	ListCell   *cell;

	if (OidIsValid(collation))
		return !get_collation_isdeterministic(collation);
	foreach(cell, arguments(node))
	{
		if (type_is_collatable(exprType(lfirst(cell))))
			return true;
	}
	return false;
}

static bool
can_tell(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, function_can_tell, unused) || collation_can_tell(node))
		return true;
	return expression_tree_walker(node, can_tell, unused);
}

static void
order(List *conditions)
{
	ListCell   *cell;

	foreach(cell, conditions)
	{
		RestrictInfo *condition = lfirst_node(RestrictInfo, cell);

		if (condition->leakproof && condition->security_level > 0 && can_tell((Node *) condition->clause, NULL))
			condition->leakproof = false;
	}
}

static bool
has_protected(PlannerInfo *root)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RangeTblEntry *rte = root->simple_rte_array[i];

		if (root->simple_rel_array[i] && rte->rtekind == RTE_RELATION && toms_catalog_relation(rte->relid))
			return true;
	}
	return false;
}

/* Conditions stand at the relations, and in the equivalences that joins are derived from. */
void
toms_policy_order_conditions(PlannerInfo *root)
{
	ListCell   *cell;

	if (!has_protected(root))
		return;
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		if (root->simple_rel_array[i])
		{
			order(root->simple_rel_array[i]->baserestrictinfo);
			order(root->simple_rel_array[i]->joininfo);
		}
	}
	foreach(cell, root->eq_classes)
	{
		EquivalenceClass *equivalence = lfirst_node(EquivalenceClass, cell);

		order(equivalence->ec_sources);
		order(toms_ec_derives(equivalence));
	}
}
