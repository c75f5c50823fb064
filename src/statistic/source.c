/*
 * source.c - of which columns of tables a column of a view is made.
 *
 * Called by add_statistic(): two statistics of one measure could be subtracted, however the views
 * are called that they read it through.  A column that is made of no table's (a count of rows)
 * is made of all rows of all tables below it: they come with column 0.
 *
 * The views are locked by whoever defines a statistic no longer than it takes to read them.
 */
#include "statistic/statistic_int.h"

#include "access/relation.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(toms_column_sources);

typedef struct Source
{
	Oid			relid;
	AttrNumber	column;
} Source;

/* A query with those around it, whose WITH it may name. */
typedef struct Level
{
	Query	   *query;
	struct Level *above;
} Level;

typedef struct Search
{
	Level	   *level;
	List	   *sources;		/* of Source; may name one twice */
} Search;

static void sources_of_column(Search *search, Query *query, AttrNumber column);
static bool walk_expression(Node *node, Search *search);

static void
add_source(Search *search, Oid relid, AttrNumber column)
{
	Source	   *source = palloc(sizeof(Source));

	source->relid = relid;
	source->column = column;
	search->sources = lappend(search->sources, source);
}

static void
sources_in_relation(Search *search, Oid relid, AttrNumber column)
{
	Relation	rel = relation_open(relid, AccessShareLock);

	if (rel->rd_rel->relkind == RELKIND_VIEW)
	{
		Search		below = {.sources = search->sources};

		sources_of_column(&below, get_view_query(rel), column);
		search->sources = below.sources;
	}
	else
		add_source(search, relid, column);
	relation_close(rel, AccessShareLock);
}

static void
sources_in_with(Search *search, const RangeTblEntry *rte, AttrNumber column)
{
	Level	   *level = search->level;
	Level	   *former = search->level;
	ListCell   *cell;

	for (Index up = 0; up < rte->ctelevelsup && level; up++)
		level = level->above;
	/* of a recursive one the first part says what it is made of */
	foreach(cell, level && !rte->self_reference ? level->query->cteList : NIL)
	{
		CommonTableExpr *with = lfirst_node(CommonTableExpr, cell);

		if (strcmp(with->ctename, rte->ctename) != 0 || !IsA(with->ctequery, Query))
			continue;
		search->level = level;
		sources_of_column(search, (Query *) with->ctequery, column);
		search->level = former;
	}
}

static void
sources_of_variable(Search *search, const Var *variable)
{
	Level	   *level = search->level;
	Level	   *former = search->level;
	RangeTblEntry *rte;

	for (Index up = 0; up < variable->varlevelsup && level; up++)
		level = level->above;
	if (level == NULL)
		return;
	rte = rt_fetch(variable->varno, level->query->rtable);
	search->level = level;
	if (rte->rtekind == RTE_RELATION)
		sources_in_relation(search, rte->relid, Max(variable->varattno, 0));
	else if (rte->rtekind == RTE_SUBQUERY)
		sources_of_column(search, rte->subquery, variable->varattno);
	else if (rte->rtekind == RTE_CTE)
		sources_in_with(search, rte, variable->varattno);
	else if (rte->rtekind == RTE_JOIN && variable->varattno > 0)
		(void) walk_expression(list_nth(rte->joinaliasvars, variable->varattno - 1), search);
	else if (toms_group_expressions(rte) && variable->varattno > 0)
		(void) walk_expression(list_nth(toms_group_expressions(rte), variable->varattno - 1), search);
	else
		(void) walk_expression((Node *) rte->functions, search);
	search->level = former;
}

/* Of a query in an expression all columns that it mentions count. */
static bool
walk_expression(Node *node, Search *search)
{
	if (node == NULL)
		return false;
	check_stack_depth();
	if (IsA(node, Var))
	{
		sources_of_variable(search, (Var *) node);
		return false;
	}
	if (IsA(node, Query))
	{
		Level		level = {.query = (Query *) node,.above = search->level};

		search->level = &level;
		(void) query_tree_walker((Query *) node, walk_expression, search, QTW_IGNORE_JOINALIASES);
		search->level = level.above;
		return false;
	}
	return expression_tree_walker(node, walk_expression, search);
}

/* Both sides of a UNION; column 0 is the whole row. */
static void
sources_of_column(Search *search, Query *query, AttrNumber column)
{
	Level		level = {.query = query,.above = search->level};
	ListCell   *cell;

	check_stack_depth();
	search->level = &level;
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk && (column <= 0 || entry->resno == column))
			(void) walk_expression((Node *) entry->expr, search);
	}
	foreach(cell, query->setOperations ? query->rtable : NIL)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		if (rte->rtekind == RTE_SUBQUERY)
			sources_of_column(search, rte->subquery, column);
	}
	search->level = level.above;
}

/* toms.column_sources(relation, column): relid, column */
Datum
toms_column_sources(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	AttrNumber	column = get_attnum(relid, NameStr(*PG_GETARG_NAME(1)));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Search		search = {NULL};
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (column > 0)
		sources_in_relation(&search, relid, column);
	foreach(cell, search.sources)
	{
		const Source *source = lfirst(cell);
		Datum		row[2] = {ObjectIdGetDatum(source->relid), Int16GetDatum(source->column)};
		bool		nulls[2] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
	}
	return (Datum) 0;
}
