/*
 * compat_hooks.h - what PostgreSQL 15 to 19 call hooks with, for hooks.c.
 */
#ifndef TOMS_COMPAT_HOOKS_H
#define TOMS_COMPAT_HOOKS_H

#include "base/compat.h"
#include "optimizer/pathnode.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"

/* Permissions of a range table entry moved to a list of their own in 16. */
#if PG_VERSION_NUM >= 160000
#define TOMS_CHECK_PERMS_PARAMS List *rtable, List *perminfos, bool ereport_on_violation
#define TOMS_CHECK_PERMS_ARGS rtable, perminfos, ereport_on_violation
#define TOMS_CHECK_PERMS_INFOS perminfos
#else
#define TOMS_CHECK_PERMS_PARAMS List *rtable, bool ereport_on_violation
#define TOMS_CHECK_PERMS_ARGS rtable, ereport_on_violation
#define TOMS_CHECK_PERMS_INFOS NIL
#endif

#if PG_VERSION_NUM >= 180000
#define TOMS_EXECUTOR_RUN_PARAMS QueryDesc *query, ScanDirection direction, uint64 count
#define TOMS_EXECUTOR_RUN_ARGS query, direction, count
#else
#define TOMS_EXECUTOR_RUN_PARAMS QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once
#define TOMS_EXECUTOR_RUN_ARGS query, direction, count, execute_once
#endif

/* 19: a relation is looked at when all is known of it, whatever it is. */
#if PG_VERSION_NUM >= 190000
#define TOMS_PLANNER_PARAMS Query *parse, const char *query_string, int cursor_options, ParamListInfo params, ExplainState *explain
#define TOMS_PLANNER_ARGS parse, query_string, cursor_options, params, explain
#define toms_relation_info_hook build_simple_rel_hook
#define toms_relation_info_hook_type build_simple_rel_hook_type
#define TOMS_RELATION_INFO_PARAMS PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte
#define TOMS_RELATION_INFO_ARGS root, rel, rte
#define TOMS_RELATION_INFO_RELID rte->relid
typedef const JumbleState TomsJumbleState;
#else
#define TOMS_PLANNER_PARAMS Query *parse, const char *query_string, int cursor_options, ParamListInfo params
#define TOMS_PLANNER_ARGS parse, query_string, cursor_options, params
#define toms_relation_info_hook get_relation_info_hook
#define toms_relation_info_hook_type get_relation_info_hook_type
#define TOMS_RELATION_INFO_PARAMS PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel
#define TOMS_RELATION_INFO_ARGS root, relid, inhparent, rel
#define TOMS_RELATION_INFO_RELID relid
typedef JumbleState TomsJumbleState;
#endif

#endif							/* TOMS_COMPAT_HOOKS_H */
