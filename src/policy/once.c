/*
 * once.c - a check of written rows that stands in a query twice is made once.
 *
 * Called by hooks.c before a query is planned.  A restrictive policy of toms has a permissive one of the same condition
 * beside it, since PostgreSQL permits nothing without one.  Of conditions on the rows that are there PostgreSQL
 * leaves out the second itself; of checks of the rows to be written it does not.  Tables that are not protected come here
 * too: a check that may answer otherwise the second time stays.
 */
#include "policy/policy_int.h"

#include "optimizer/optimizer.h"

static bool
is_repeated(const List *checks, const WithCheckOption *check)
{
	ListCell   *cell;

	foreach(cell, checks)
	{
		const WithCheckOption *former = lfirst_node(WithCheckOption, cell);

		if (check->kind != WCO_VIEW_CHECK && check->kind == former->kind &&
			strcmp(check->relname, former->relname) == 0 && equal(check->qual, former->qual))
			return !contain_volatile_functions(check->qual);
	}
	return false;
}

void
toms_policy_check_once(Query *query)
{
	List	   *checks = NIL;
	ListCell   *cell;

	foreach(cell, query->withCheckOptions)
	{
		if (!is_repeated(checks, lfirst(cell)))
			checks = lappend(checks, lfirst(cell));
	}
	query->withCheckOptions = checks;
}
