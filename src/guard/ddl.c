/*
 * ddl.c - which DDL computes an expression from the rows that a table has.
 *
 * Called by utility.c, on raw statements as the parser made them.  PostgreSQL runs such
 * expressions as the table's owner over all rows, whatever row security says.  Keys and
 * indexes of plain columns call no code that a table's owner can have written.
 */
#include "guard/guard_int.h"

#include "base/compat.h"
#include "nodes/pg_list.h"

static bool
is_computed(const Constraint *constraint)
{
	return constraint->contype == CONSTR_CHECK || constraint->contype == CONSTR_GENERATED ||
		constraint->contype == CONSTR_EXCLUSION;
}

static bool
is_computed_column(const ColumnDef *column)
{
	ListCell   *cell;

	foreach(cell, column->constraints)
	{
		if (is_computed(lfirst_node(Constraint, cell)))
			return true;
	}
	return false;
}

bool
toms_ddl_runs_expression(const AlterTableCmd *command)
{
	switch (command->subtype)
	{
		case AT_AddConstraint:
			return is_computed(castNode(Constraint, command->def));
		case AT_AddColumn:
			return is_computed_column(castNode(ColumnDef, command->def));
		case AT_ValidateConstraint:
		case AT_AlterColumnType:
			return true;
		default:
			return toms_is_set_expression(command);
	}
}

bool
toms_ddl_indexes_expression(const IndexStmt *index)
{
	ListCell   *cell;

	foreach(cell, index->indexParams)
	{
		if (lfirst_node(IndexElem, cell)->expr != NULL)
			return true;
	}
	return index->whereClause != NULL;
}

bool
toms_ddl_measures_expression(const CreateStatsStmt *statistics)
{
	ListCell   *cell;

	foreach(cell, statistics->exprs)
	{
		if (lfirst_node(StatsElem, cell)->expr != NULL)
			return true;
	}
	return false;
}
