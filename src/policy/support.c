/*
 * support.c - what the planner is told about toms.in_scope(), toms.is_visible() and toms.in_period().
 *
 * How many rows it lets pass: all in scope tenant, one person's in scope own.  And in scope
 * own, that an index on the subject can be used: "subject between toms.scope_from() and
 * toms.scope_to()".  Both are found anew in each execution, and in scope tenant they are the
 * least and the greatest value of the type; so a plan that was made in scope own is right
 * in scope tenant too.  The function itself stays as a filter.
 */
#include "policy/policy_int.h"

#include "access/stratnum.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

PG_FUNCTION_INFO_V1(toms_scope_support);
PG_FUNCTION_INFO_V1(toms_period_support);

/* Where a call (relation, verb, [category,] subject) or (relation, verb, subject, period, start event) has the subject. */
static int
subject_place(List *args)
{
	return list_length(args) == 4 ? 3 : 2;
}

/* The decision for such a call; false if it is none with constant arguments. */
static bool
decide_call(List *args, TomsDecision *decision)
{
	int			count = subject_place(args);
	Const	   *constants[3];
	TomsRelation *relation;

	if (list_length(args) < 3 || list_length(args) > 5)
		return false;
	for (int i = 0; i < count; i++)
	{
		constants[i] = (Const *) list_nth(args, i);
		if (!IsA(constants[i], Const) || constants[i]->constisnull)
			return false;
	}
	relation = toms_catalog_relation(DatumGetObjectId(constants[0]->constvalue));
	if (relation == NULL)
		return false;
	*decision = toms_policy_decide(relation, toms_policy_verb(DatumGetTextPP(constants[1]->constvalue)),
								   count == 3 ? TextDatumGetCString(constants[2]->constvalue) : relation->category);
	return true;
}

static Selectivity
estimate(SupportRequestSelectivity *request)
{
	TomsDecision decision;
	VariableStatData subject;
	bool		is_default;
	double		persons;

	if (!decide_call(request->args, &decision) ||
		decision.reason != TOMS_OK || decision.scope_tenant)
		return 1.0;
	examine_variable(request->root, list_nth(request->args, subject_place(request->args)), request->varRelid, &subject);
	persons = get_variable_numdistinct(&subject, &is_default);
	ReleaseVariableStats(subject);
	return persons > 0 ? 1.0 / persons : 1.0;
}

/* "subject >= toms.scope_from(…)" or "subject <= toms.scope_to(…)" */
static Expr *
bound(const FuncExpr *call, Expr *subject, Oid type, Oid opfamily, int strategy, const char *function)
{
	Oid			operator = get_opfamily_member(opfamily, type, type, strategy);
	Oid			without_category[] = {REGCLASSOID, TEXTOID, ANYELEMENTOID};
	Oid			with_category[] = {REGCLASSOID, TEXTOID, TEXTOID, ANYELEMENTOID};
	List	   *args = list_truncate(list_copy(call->args), subject_place(call->args) + 1);
	Oid			funcid = LookupFuncName(list_make2(makeString("toms"), makeString(pstrdup(function))), list_length(args),
										list_length(args) == 3 ? without_category : with_category, true);

	if (!OidIsValid(operator) || !OidIsValid(funcid))
		return NULL;
	llast(args) = makeNullConst(type, -1, get_typcollation(type));
	return make_opclause(operator, BOOLOID, false, subject,
						 (Expr *) makeFuncExpr(funcid, type, args, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
						 InvalidOid, InvalidOid);
}

static List *
index_condition(SupportRequestIndexCondition *request)
{
	FuncExpr   *call = (FuncExpr *) request->node;
	RangeTblEntry *rte = planner_rt_fetch(request->index->rel->relid, request->root);
	TomsRelation *relation = toms_catalog_relation(rte->relid);
	TomsDecision decision;
	Expr	   *subject;
	Expr	   *from;
	Expr	   *to;

	if (!IsA(call, FuncExpr) || request->indexarg != subject_place(call->args) ||
		request->index->relam != BTREE_AM_OID || relation == NULL || !relation->subject_not_null ||
		!decide_call(call->args, &decision) || decision.reason != TOMS_OK || decision.scope_tenant)
		return NIL;
	subject = list_nth(call->args, subject_place(call->args));
	if (!toms_type_is_bounded(exprType((Node *) subject)))
		return NIL;
	from = bound(call, subject, exprType((Node *) subject), request->opfamily, BTGreaterEqualStrategyNumber, "scope_from");
	to = bound(call, subject, exprType((Node *) subject), request->opfamily, BTLessEqualStrategyNumber, "scope_to");
	request->lossy = true;
	return from && to ? list_make2(from, to) : NIL;
}

/* toms.scope_support(request) */
Datum
toms_scope_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		((SupportRequestSelectivity *) request)->selectivity = estimate((SupportRequestSelectivity *) request);
		PG_RETURN_POINTER(request);
	}
	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) request));
	PG_RETURN_POINTER(NULL);
}

/* toms.period_support(request): few rows are past their period, since retention deletes them */
Datum
toms_period_support(PG_FUNCTION_ARGS)
{
	SupportRequestSelectivity *request = (SupportRequestSelectivity *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestSelectivity))
		PG_RETURN_POINTER(NULL);
	request->selectivity = 1.0;
	PG_RETURN_POINTER(request);
}
