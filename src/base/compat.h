/*
 * compat.h - what differs between PostgreSQL 15 and 19 gets one name here, and here only.
 */
#ifndef TOMS_COMPAT_H
#define TOMS_COMPAT_H

#include "postgres.h"

#include "catalog/pg_class.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "nodes/parsenodes.h"
#include "parser/parse_relation.h"
#include "storage/proc.h"
#include "utils/guc.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#include "varatt.h"
#else
#include "utils/queryjumble.h"
#endif
/* Port's layout does not depend on ENABLE_GSS: we need no Kerberos headers. */
#ifdef ENABLE_GSS
#undef ENABLE_GSS
#include "libpq/libpq-be.h"
#define ENABLE_GSS 1
#else
#include "libpq/libpq-be.h"
#endif
/* 16: guc.c releases what a check hook hands it, members may not act, JSON and dates report, a query's text is not asked for its number. */
#if PG_VERSION_NUM >= 160000
#define toms_guc_malloc(size) guc_malloc(LOG, size)
#define toms_guc_free(ptr) guc_free(ptr)
#define toms_may_act_as(user, role) member_can_set_role(user, role)
#define toms_owns_relation(relid, user) object_ownercheck(RelationRelationId, relid, user)
#define toms_owns_schema(schema, user) object_ownercheck(NamespaceRelationId, schema, user)
#define toms_owns_database(database, user) object_ownercheck(DatabaseRelationId, database, user)
#define toms_decode_date(...) DecodeDateTime(__VA_ARGS__, &(DateTimeErrorExtra) {0})
#define TOMS_JSON_ACTION_RETURN return JSON_SUCCESS
#define toms_jumble(query, text) JumbleQuery(query)
typedef JsonParseErrorType TomsJsonActionResult;
#else
#define toms_guc_malloc(size) malloc(size)
#define toms_guc_free(ptr) free(ptr)
#define toms_may_act_as(user, role) is_member_of_role(user, role)
#define toms_owns_relation(relid, user) pg_class_ownercheck(relid, user)
#define toms_owns_schema(schema, user) pg_namespace_ownercheck(schema, user)
#define toms_owns_database(database, user) pg_database_ownercheck(database, user)
#define toms_decode_date(...) DecodeDateTime(__VA_ARGS__)
#define TOMS_JSON_ACTION_RETURN return
#define toms_jumble(query, text) JumbleQuery(query, text)
typedef void TomsJsonActionResult;
#endif

/* 17 names processes and their transactions anew, can change generated columns, and has another lexer of JSON. */
#if PG_VERSION_NUM >= 170000
#define toms_proc_lxid(proc) ((proc)->vxid.lxid)
#define toms_process_number() ((int) MyProcNumber)
#define toms_lock_holder(lock) ((lock)->vxid)
#define toms_is_set_expression(command) ((command)->subtype == AT_SetExpression)
#define toms_json_lexer(json, len) makeJsonLexContextCstringLen(NULL, json, len, PG_UTF8, true)
#else
#define toms_proc_lxid(proc) ((proc)->lxid)
#define toms_process_number() ((int) MyBackendId)
#define toms_lock_holder(lock) ((VirtualTransactionId) {(lock)->backend, (lock)->lxid})
#define toms_is_set_expression(command) false
#define toms_json_lexer(json, len) makeJsonLexContextCstringLen(json, len, PG_UTF8, true)
#endif

/* What an equivalence class was taken for; keys and NOT NULL that may be not valid yet; GROUP BY as a range. */
#if PG_VERSION_NUM >= 180000
#define toms_ec_derives(equivalence) ((equivalence)->ec_derives_list)
#define toms_primary_key(rel) RelationGetPrimaryKeyIndex(rel, false)
#define toms_is_not_null(desc, i) (TupleDescCompactAttr(desc, i)->attnullability == ATTNULLABLE_VALID)
#define toms_group_expressions(rte) ((rte)->groupexprs)
#else
#define toms_ec_derives(equivalence) ((equivalence)->ec_derives)
#define toms_primary_key(rel) RelationGetPrimaryKeyIndex(rel)
#define toms_is_not_null(desc, i) (TupleDescAttr(desc, i)->attnotnull)
#define toms_group_expressions(rte) NIL
#endif

/* 19: CLUSTER is one of REPACK's forms, publications have exceptions, die() is told who sent the signal. */
#if PG_VERSION_NUM >= 190000
#define TOMS_T_CLUSTER T_RepackStmt
#define toms_clustered(statement) (((RepackStmt *) (statement))->relation ? ((RepackStmt *) (statement))->relation->relation : NULL)
#define toms_published_tables(publication, partitions) GetIncludedPublicationRelations(publication, partitions)
#define toms_shmem_hash(name, entries, control, flags) ShmemInitHash(name, entries, control, flags)
#define toms_plan_query(query) pg_plan_query(query, "", 0, NULL, NULL)
#define toms_die() die(SIGTERM, &(pg_signal_info) {0})
#else
#define TOMS_T_CLUSTER T_ClusterStmt
#define toms_clustered(statement) (((ClusterStmt *) (statement))->relation)
#define toms_published_tables(publication, partitions) GetPublicationRelations(publication, partitions)
#define toms_shmem_hash(name, entries, control, flags) ShmemInitHash(name, entries, entries, control, flags)
#define toms_plan_query(query) pg_plan_query(query, "", 0, NULL)
#define toms_die() die(SIGTERM)
#endif

/* Permissions of a range table entry moved to a list of their own in 16. */
#if PG_VERSION_NUM >= 160000
#define TOMS_CHECK_PERMS_PARAMS List *rtable, List *perminfos, bool ereport_on_violation
#define TOMS_CHECK_PERMS_ARGS rtable, perminfos, ereport_on_violation
#define TOMS_CHECK_PERMS_INFOS perminfos
#define toms_stmt_perminfos(stmt) ((stmt)->permInfos)
#define toms_query_perminfos(query) ((query)->rteperminfos)
#else
#define TOMS_CHECK_PERMS_PARAMS List *rtable, bool ereport_on_violation
#define TOMS_CHECK_PERMS_ARGS rtable, ereport_on_violation
#define TOMS_CHECK_PERMS_INFOS NIL
#define toms_stmt_perminfos(stmt) NIL
#define toms_query_perminfos(query) NIL
#endif

typedef struct TomsRtePerms
{
	AclMode		required;		/* 0: nothing to check, a child for instance */
	Oid			check_as_user;	/* a view's owner, or InvalidOid */
	bool		writes;			/* INSERT, or UPDATE of columns, not FOR UPDATE alone */
	const Bitmapset *selected;	/* columns that are looked at */
} TomsRtePerms;
static inline TomsRtePerms
toms_rte_perms(RangeTblEntry *rte, List *perminfos)
{
#if PG_VERSION_NUM >= 160000
	const RTEPermissionInfo *from = rte->perminfoindex != 0 ? getRTEPermissionInfo(perminfos, rte) : NULL;
#else
	const RangeTblEntry *from = rte;
#endif
	/* EXCLUDED of ON CONFLICT asks for privileges since 16 */
	if (from == NULL || rte->relkind == RELKIND_COMPOSITE_TYPE)
		return (TomsRtePerms) {0};
	return (TomsRtePerms) {from->requiredPerms, from->checkAsUser, (from->requiredPerms & ACL_INSERT) != 0 || !bms_is_empty(from->updatedCols), from->selectedCols};
}

/* What other hooks are called with. */
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

#endif							/* TOMS_COMPAT_H */
