/*
 * compat_perms.h - permissions of a range table entry, which moved to a list of their own in 16.
 */
#ifndef TOMS_COMPAT_PERMS_H
#define TOMS_COMPAT_PERMS_H

#include "postgres.h"

#include "catalog/pg_class.h"
#include "nodes/parsenodes.h"
#include "parser/parse_relation.h"

#if PG_VERSION_NUM >= 160000
#define toms_stmt_perminfos(stmt) ((stmt)->permInfos)
#define toms_query_perminfos(query) ((query)->rteperminfos)
#else
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

#endif							/* TOMS_COMPAT_PERMS_H */
