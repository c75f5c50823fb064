/*
 * ddl.c - which DDL asks something of all the rows that a table has.
 *
 * Called by utility.c, on raw statements as the parser made them.  Row security does not count
 * where PostgreSQL computes expressions over all rows, as the table's owner, nor where it looks
 * whether any row refers to one that is deleted elsewhere: a foreign key to a table that the owner
 * fills as he likes answers his guesses.  Keys between protected tables, and indexes of plain
 * columns, neither call his code nor answer him.  The one lock taken here is refers_outward()'s.
 */
#include "guard/guard_int.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_type.h"
#include "nodes/pg_list.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

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

static bool
runs_expression(const AlterTableCmd *command)
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

/* Of columns that are there: a new one has no values yet. */
static bool
adds_foreign_key(const AlterTableCmd *command)
{
	return command->subtype == AT_AddConstraint && castNode(Constraint, command->def)->contype == CONSTR_FOREIGN;
}

bool
toms_ddl_can_ask(const AlterTableStmt *alter)
{
	ListCell   *cell;

	foreach(cell, alter->cmds)
	{
		if (runs_expression(lfirst_node(AlterTableCmd, cell)) || adds_foreign_key(lfirst_node(AlterTableCmd, cell)))
			return true;
	}
	return false;
}

/*
 * Whoever writes the table that a foreign key refers to asks by it which values there are: one
 * that is referred to cannot be deleted.  It is locked as the statement is going to.
 */
static bool
refers_outward(const AlterTableCmd *command)
{
	Oid			relid = RangeVarGetRelid(castNode(Constraint, command->def)->pktable, ShareRowExclusiveLock, true);
	TomsRelation *relation = OidIsValid(relid) ? toms_catalog_relation(relid) : NULL;

	return OidIsValid(relid) && (relation == NULL || relation->is_undeclared || relation->mode != TOMS_MODE_ENFORCE);
}

bool
toms_ddl_asks(const AlterTableStmt *alter)
{
	ListCell   *cell;

	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (runs_expression(command) || (adds_foreign_key(command) && refers_outward(command)))
			return true;
	}
	return false;
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

static void
collect_tables(Oid type, List **types, List **tables)
{
	Relation	depend;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;

	if (!OidIsValid(type) || list_member_oid(*types, type))
		return;
	*types = lappend_oid(*types, type);
	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(TypeRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, keys);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_depend user = (Form_pg_depend) GETSTRUCT(tuple);

		if (user->classid == TypeRelationId)
			collect_tables(user->objid, types, tables);
		else if (user->classid == RelationRelationId)
		{
			*tables = lappend_oid(*tables, user->objid);
			collect_tables(get_rel_type_id(user->objid), types, tables);
		}
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	collect_tables(get_array_type(type), types, tables);
}

List *
toms_ddl_tables_of_type(Oid type)
{
	List	   *types = NIL;
	List	   *tables = NIL;

	collect_tables(type, &types, &tables);
	return tables;
}
