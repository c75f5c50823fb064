/*
 * alter.h - tables and columns that policies stand on are renamed, changed or dropped; part of policy.h.
 */
#ifndef TOMS_POLICY_ALTER_H
#define TOMS_POLICY_ALTER_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * A column is going to be renamed, dropped or given another type: refuse what would take
 * the protection away, take policies down that are in the way, and put them up again.
 */
extern void toms_policy_before_alter(Oid relid, AlterTableStmt *alter);
extern void toms_policy_after_alter(Oid relid, AlterTableStmt *alter);
extern void toms_policy_after_rename(Oid relid, const char *column, const char *renamed);

/* Around DROP TABLE: views of toms that stand between the tables go with them; false: there is nothing to do. */
extern bool toms_policy_before_drop(List *relids);
extern void toms_policy_after_drop(void);

#endif							/* TOMS_POLICY_ALTER_H */
