/*
 * order.c - conditions of a query that would be evaluated before the policies.
 *
 * Called by hooks.c when the paths of a relation, and of a query level, have been made, before
 * a plan is made of them.  PostgreSQL takes a condition for leakproof if no function in it that is not leakproof
 * gets a column; a cheap one is then evaluated before the policy.  But whether such a function
 * is reached can hang on a column: CASE WHEN n = 7 THEN pg_try_advisory_lock(44) END tells of n
 * in rows that are hidden.  So does an error, or a sub-select that is run when it is reached.
 * Conditions that hold anything but what is listed here lose the mark, and are evaluated
 * after the policies.  Indexes stay in use: the paths have been made.
 */
#include "policy/policy_int.h"

#include "access/transam.h"
#include "base/compat.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "utils/lsyscache.h"

static bool
function_may_tell(Oid function, void *unused)
{
	return func_volatile(function) == PROVOLATILE_VOLATILE || !get_func_leakproof(function);
}

/* Functions of ranges call those of the type below, which anybody can have made. */
static bool
is_made_range(Oid type)
{
	return type >= FirstNormalObjectId && (type_is_range(type) || type_is_multirange(type));
}

/* Comparing under an indeterminate collation is an error where it is reached. */
static bool
collation_may_tell(Node *node, List *arguments)
{
	Oid			collation = exprInputCollation(node);
	ListCell   *cell;

	if (OidIsValid(collation))
		return collation != DEFAULT_COLLATION_OID && collation != C_COLLATION_OID &&
			!get_collation_isdeterministic(collation);
	foreach(cell, arguments)
	{
		if (type_is_collatable(exprType(lfirst(cell))))
			return true;
	}
	return false;
}

/*
 * PostgreSQL has looked at the functions that get a column, if it took the condition for
 * leakproof.
 */
static bool
call_may_tell(Node *node, List *arguments, const bool *taken_for_leakproof)
{
	bool		looked_at = false;
	ListCell   *cell;

	foreach(cell, arguments)
	{
		looked_at |= *taken_for_leakproof && IsA(lfirst(cell), Var);
		if (is_made_range(exprType(lfirst(cell))))
			return true;
	}
	return is_made_range(exprType(node)) || collation_may_tell(node, arguments) ||
		(!looked_at && check_functions_in_node(node, function_may_tell, NULL));
}

static bool
may_tell(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_BoolExpr:
		case T_RelabelType:
		case T_CollateExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_FieldSelect:
		case T_List:
			break;
		case T_Param:
			if (((Param *) node)->paramkind != PARAM_EXTERN)
				return true;
			break;
		case T_ArrayExpr:
			if (((ArrayExpr *) node)->multidims)
				return true;
			break;
		case T_FuncExpr:
			if (call_may_tell(node, ((FuncExpr *) node)->args, context))
				return true;
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (call_may_tell(node, ((OpExpr *) node)->args, context))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			if (call_may_tell(node, ((ScalarArrayOpExpr *) node)->args, context))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, may_tell, context);
}

/*
 * A condition that is derived from an equivalence with one of a policy has the policy's
 * level: it goes back to the level of what it is made of.
 */
static void
put_after_policies(List *conditions)
{
	ListCell   *cell;

	foreach(cell, conditions)
	{
		RestrictInfo *condition = lfirst_node(RestrictInfo, cell);

		if ((!condition->leakproof && condition->left_ec == NULL) || !may_tell((Node *) condition->clause, &condition->leakproof))
			continue;
		condition->leakproof = false;
		if (condition->left_ec)
			condition->security_level = Max(condition->security_level, condition->left_ec->ec_max_security);
	}
}

/* The conditions of one relation; called for each, also of levels that find a minimum by index. */
void
toms_policy_order_conditions(RelOptInfo *rel, RangeTblEntry *rte)
{
	ListCell   *cell;

	if (rte->rtekind != RTE_RELATION || toms_catalog_relation(rte->relid) == NULL)
		return;
	put_after_policies(rel->baserestrictinfo);
	put_after_policies(rel->joininfo);
	foreach(cell, rel->ppilist)
		put_after_policies(lfirst_node(ParamPathInfo, cell)->ppi_clauses);
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

/* The conditions that joins of a level have been derived from, and into. */
void
toms_policy_order_derived(PlannerInfo *root)
{
	ListCell   *cell;

	if (bms_membership(root->all_baserels) != BMS_MULTIPLE || !has_protected(root))
		return;
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		if (root->simple_rel_array[i])
			toms_policy_order_conditions(root->simple_rel_array[i], root->simple_rte_array[i]);
	}
	foreach(cell, root->eq_classes)
	{
		EquivalenceClass *equivalence = lfirst_node(EquivalenceClass, cell);

		put_after_policies(equivalence->ec_sources);
		put_after_policies(toms_ec_derives(equivalence));
	}
}
