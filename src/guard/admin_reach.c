/*
 * admin_reach.c - DDL that reaches protected tables without naming them: by schemas, views, rules and publications.
 *
 * Called by admin_ddl.c before a statement is tried, and by hooks.c for each rule that is dropped.  It looks names up
 * without a lock, as admin_ddl.c does, and only finds tables; what is told of them, and whether, is admin_ddl.c's.
 * Functions are not looked into: what they read is told when they read it.
 */
#include "guard/admin.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_rewrite.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "policy/policy.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

typedef void (*EachRow) (HeapTuple row, void *to);

static void
scan_catalog(Oid catalog, Oid index, ScanKeyData *keys, int n, EachRow each, void *to)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index), NULL, n, keys);
	HeapTuple	row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
		each(row, to);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* views and rules ------------------------------------------------------------------------- */

static bool
is_view(Oid relid)
{
	char		kind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	return kind == RELKIND_VIEW || kind == RELKIND_MATVIEW;
}

static void
add_relation(HeapTuple row, void *to)
{
	Form_pg_depend depend = (Form_pg_depend) GETSTRUCT(row);
	List	  **relids = to;

	if (depend->refclassid == RelationRelationId)
		*relids = list_append_unique_oid(*relids, depend->refobjid);
}

/* Relations that a rule is on, reads and writes. */
static List *
relations_of_rule(Oid rule)
{
	ScanKeyData keys[2];
	List	   *relids = NIL;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RewriteRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
	scan_catalog(DependRelationId, DependDependerIndexId, keys, 2, add_relation, &relids);
	return relids;
}

static void
add_rule(HeapTuple row, void *to)
{
	List	  **rules = to;

	*rules = lappend_oid(*rules, ((Form_pg_rewrite) GETSTRUCT(row))->oid);
}

static List *
rules_of(Oid relid)
{
	ScanKeyData key;
	List	   *rules = NIL;

	ScanKeyInit(&key, Anum_pg_rewrite_ev_class, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan_catalog(RewriteRelationId, RewriteRelRulenameIndexId, &key, 1, add_rule, &rules);
	return rules;
}

/* With what views read that it reads; a relation that is looked at already is in the list. */
static List *
through_views(List *relids)
{
	ListCell   *cell;

	for (int i = 0; i < list_length(relids); i++)
	{
		Oid			relid = list_nth_oid(relids, i);

		foreach(cell, is_view(relid) ? rules_of(relid) : NIL)
			relids = list_concat_unique_oid(relids, relations_of_rule(lfirst_oid(cell)));
	}
	return relids;
}

/* Names in a statement as the parser made it; that of a WITH query may hide a table's. */
static bool
add_named(Node *node, void *to)
{
	List	  **relids = to;

	if (node == NULL)
		return false;
	if (IsA(node, RangeVar))
	{
		Oid			relid = RangeVarGetRelid((RangeVar *) node, NoLock, true);

		if (OidIsValid(relid))
			*relids = list_append_unique_oid(*relids, relid);
	}
	return raw_expression_tree_walker(node, add_named, to);
}

/* The same of one that has been analysed, as CREATE MATERIALIZED VIEW has its query. */
static bool
add_ranges(Node *node, void *to)
{
	List	  **relids = to;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		if (((RangeTblEntry *) node)->rtekind == RTE_RELATION)
			*relids = list_append_unique_oid(*relids, ((RangeTblEntry *) node)->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, add_ranges, to, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, add_ranges, to);
}

static void
tell_of_query(Node *query, RangeVar *name, const char *command)
{
	Oid			view = RangeVarGetRelid(name, NoLock, true);
	List	   *relids = is_view(view) ? list_make1_oid(view) : NIL;
	ListCell   *cell;

	if (IsA(query, Query))
		(void) add_ranges(query, &relids);
	else
		(void) add_named(query, &relids);
	foreach(cell, through_views(relids))
		toms_admin_tell(lfirst_oid(cell), command, "view", toms_qualified_name(name->schemaname, name->relname));
}

static void
tell_of_rule(RuleStmt *rule)
{
	List	   *relids = NIL;
	Oid			on = RangeVarGetRelid(rule->relation, NoLock, true);
	ListCell   *cell;

	foreach(cell, rule->actions)
		(void) add_named(lfirst(cell), &relids);
	(void) add_named(rule->whereClause, &relids);
	foreach(cell, through_views(relids))
	{
		if (lfirst_oid(cell) != on)
			toms_admin_tell(lfirst_oid(cell), CreateCommandName((Node *) rule), "rule", rule->rulename);
	}
}

bool
toms_admin_tell_of_view(Oid relid, const char *command)
{
	ListCell   *cell;

	if (!is_view(relid))
		return false;
	foreach(cell, through_views(list_make1_oid(relid)))
		toms_admin_tell(lfirst_oid(cell), command, "view", toms_relation_name(relid));
	return true;
}

/* When a view goes its rule goes first, and the view reads nothing any more. */
void
toms_guard_rule_dropped(Oid rule)
{
	List	   *relids = toms_admin_is_told() ? relations_of_rule(rule) : NIL;
	ListCell   *cell;

	foreach(cell, relids)
	{
		if (is_view(lfirst_oid(cell)) && list_member_oid(rules_of(lfirst_oid(cell)), rule))
			(void) toms_admin_tell_of_view(lfirst_oid(cell), get_rel_relkind(lfirst_oid(cell)) == RELKIND_VIEW ? "DROP VIEW" : "DROP MATERIALIZED VIEW");
	}
}

/* schemas --------------------------------------------------------------------------------- */

typedef struct Sweep
{
	Oid			schema;			/* InvalidOid: all */
	List	   *relids;
} Sweep;

static void
add_table(HeapTuple row, void *to)
{
	Form_pg_class class = (Form_pg_class) GETSTRUCT(row);
	Sweep	   *sweep = to;
	bool		has_rows = class->relkind == RELKIND_RELATION || class->relkind == RELKIND_PARTITIONED_TABLE || class->relkind == RELKIND_FOREIGN_TABLE;

	if ((has_rows || is_view(class->oid)) && (!OidIsValid(sweep->schema) || class->relnamespace == sweep->schema))
		sweep->relids = lappend_oid(sweep->relids, class->oid);
}

/* Tables and views of a schema, or of all, in the order in which they came to be. */
static List *
relations_in(Oid schema)
{
	Sweep		sweep = {.schema = schema};

	scan_catalog(RelationRelationId, InvalidOid, NULL, 0, add_table, &sweep);
	list_sort(sweep.relids, list_oid_cmp);
	return sweep.relids;
}

static void
tell_of_grant(GrantStmt *grant)
{
	ListCell   *cell;
	ListCell   *in;

	foreach(cell, grant->objects)
	{
		foreach(in, relations_in(get_namespace_oid(strVal(lfirst(cell)), true)))
			toms_admin_tell_of_relation(lfirst_oid(in), CreateCommandName((Node *) grant), "schema", strVal(lfirst(cell)));
	}
}

static bool
has_protected(Oid schema)
{
	ListCell   *cell;

	foreach(cell, relations_in(schema))
	{
		TomsRelation *relation = toms_catalog_relation(lfirst_oid(cell));

		if (relation && !relation->is_undeclared)
			return true;
	}
	return false;
}

/* It is of tables to come, and so of none. */
static void
tell_of_default(AlterDefaultPrivilegesStmt *alter)
{
	const char *command = CreateCommandName((Node *) alter);
	List	   *schemas = NIL;
	ListCell   *cell;

	foreach(cell, alter->options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, "schemas") == 0)
			schemas = castNode(List, lfirst_node(DefElem, cell)->arg);
	}
	foreach(cell, schemas)
	{
		Oid			schema = get_namespace_oid(strVal(lfirst(cell)), true);

		if (OidIsValid(schema) && has_protected(schema))
			toms_admin_tell_of_none(command, "schema", strVal(lfirst(cell)));
	}
	if (schemas == NIL && has_protected(InvalidOid))
		toms_admin_tell_of_none(command, NULL, NULL);
}

/* publications ---------------------------------------------------------------------------- */

/* Tables are published with what is below them: the topmost is told of. */
static void
add_tables_in(List **relids, Oid schema)
{
	ListCell   *cell;

	foreach(cell, relations_in(schema))
	{
		TomsRelation *relation = toms_catalog_relation(lfirst_oid(cell));

		if (relation)
			*relids = list_append_unique_oid(*relids, relation->root);
	}
}

/* What it publishes now. */
static void
add_published(List **relids, const char *name)
{
	Publication *publication = GetPublicationByName(name, true);
	ListCell   *cell;

	if (publication == NULL)
		return;
	if (publication->alltables)
		add_tables_in(relids, InvalidOid);
	*relids = list_concat_unique_oid(*relids, toms_published_tables(publication->oid, PUBLICATION_PART_ROOT));
	foreach(cell, GetPublicationSchemas(publication->oid))
		add_tables_in(relids, lfirst_oid(cell));
}

static void
add_objects(List **relids, List *objects)
{
	ListCell   *cell;

	foreach(cell, objects)
	{
		PublicationObjSpec *object = lfirst_node(PublicationObjSpec, cell);
		List	   *path = object->pubobjtype == PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA ? fetch_search_path(false) : NIL;
		Oid			schema = path != NIL ? linitial_oid(path) : InvalidOid;

		if (object->pubobjtype == PUBLICATIONOBJ_TABLE)
			*relids = list_append_unique_oid(*relids, RangeVarGetRelid(object->pubtable->relation, NoLock, true));
		else if (object->pubobjtype == PUBLICATIONOBJ_TABLES_IN_SCHEMA)
			schema = get_namespace_oid(object->name, true);
		if (OidIsValid(schema))
			add_tables_in(relids, schema);
	}
}

static void
tell_of_published(Node *statement, const char *name, List *objects, bool for_all_tables)
{
	List	   *relids = NIL;
	ListCell   *cell;

	add_published(&relids, name);
	if (for_all_tables)
		add_tables_in(&relids, InvalidOid);
	add_objects(&relids, objects);
	foreach(cell, relids)
		toms_admin_tell(lfirst_oid(cell), CreateCommandName(statement), "publication", name);
}

/* Names of publications that are dropped, or given another name or owner. */
static List *
publications_of(Node *statement)
{
	if (IsA(statement, DropStmt) && ((DropStmt *) statement)->removeType == OBJECT_PUBLICATION)
		return ((DropStmt *) statement)->objects;
	if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_PUBLICATION)
		return list_make1(((RenameStmt *) statement)->object);
	if (IsA(statement, AlterOwnerStmt) && ((AlterOwnerStmt *) statement)->objectType == OBJECT_PUBLICATION)
		return list_make1(((AlterOwnerStmt *) statement)->object);
	return NIL;
}

static void
tell_of_publications(Node *statement)
{
	ListCell   *cell;

	foreach(cell, publications_of(statement))
		tell_of_published(statement, strVal(lfirst(cell)), NIL, false);
	if (IsA(statement, CreatePublicationStmt))
		tell_of_published(statement, ((CreatePublicationStmt *) statement)->pubname, ((CreatePublicationStmt *) statement)->pubobjects,
						  ((CreatePublicationStmt *) statement)->for_all_tables);
	else if (IsA(statement, AlterPublicationStmt))
		tell_of_published(statement, ((AlterPublicationStmt *) statement)->pubname, ((AlterPublicationStmt *) statement)->pubobjects,
						  ((AlterPublicationStmt *) statement)->for_all_tables);
}

bool
toms_admin_reaches(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_ViewStmt:
		case T_RuleStmt:
		case T_AlterDefaultPrivilegesStmt:
		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
			return true;
		case T_CreateTableAsStmt:
			return ((CreateTableAsStmt *) statement)->objtype == OBJECT_MATVIEW;
		case T_GrantStmt:
			return ((GrantStmt *) statement)->targtype == ACL_TARGET_ALL_IN_SCHEMA && ((GrantStmt *) statement)->objtype == OBJECT_TABLE;
		default:
			return publications_of(statement) != NIL;
	}
}

void
toms_admin_tell_of_reach(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_ViewStmt:
			tell_of_query(((ViewStmt *) statement)->query, ((ViewStmt *) statement)->view, CreateCommandName(statement));
			break;
		case T_CreateTableAsStmt:
			tell_of_query(((CreateTableAsStmt *) statement)->query, ((CreateTableAsStmt *) statement)->into->rel, CreateCommandName(statement));
			break;
		case T_RuleStmt:
			tell_of_rule((RuleStmt *) statement);
			break;
		case T_GrantStmt:
			tell_of_grant((GrantStmt *) statement);
			break;
		case T_AlterDefaultPrivilegesStmt:
			if (((AlterDefaultPrivilegesStmt *) statement)->action->objtype == OBJECT_TABLE)
				tell_of_default((AlterDefaultPrivilegesStmt *) statement);
			break;
		default:
			tell_of_publications(statement);
			break;
	}
}
