/*
 * retention.h - how long rows of a protected relation are kept, and what may not be deleted.
 *
 * Rules come with the cached relation (relation.h): they are gone when that is.  Holds are cached
 * apart, since they concern all relations.
 */
#ifndef TOMS_CATALOG_RETENTION_H
#define TOMS_CATALOG_RETENTION_H

#include "postgres.h"

#include "access/attnum.h"
#include "catalog/horizon.h"
#include "nodes/pg_list.h"

typedef enum TomsRetentionAction
{
	TOMS_RETENTION_DELETE,
	TOMS_RETENTION_PSEUDONYMISE
} TomsRetentionAction;

/* One in force. */
typedef struct TomsRule
{
	int64		id;
	char	   *tenant;			/* NULL: every tenant without a rule of his own */
	char	   *category;		/* NULL: rows of which no other rule speaks */
	char	   *since;			/* column of the start event */
	AttrNumber	column;			/* the same; 0: it is gone */
	Oid			type;			/* DATEOID, TIMESTAMPOID or TIMESTAMPTZOID; InvalidOid: it is gone */
	Oid			elsewhere;		/* the table that has it; InvalidOid: the row's own */
	AttrNumber	through;		/* column that refers to a row of that table; 0: there is none */
	Oid			lookup;			/* view with the columns toms_key and toms_since */
	Interval	keep;
	TomsPeriodStart starts;
	bool		restricts;
	Interval	restrict_after;
	TomsRetentionAction action;
	int			ncleared;		/* columns that pseudonymising empties */
	char	  **cleared;
	int			npurposes;		/* that reach restricted and held rows */
	char	  **purposes;
	pg_tz	   *zone;			/* NULL: it is not known any more */
} TomsRule;

struct TomsRelation;

/* Adds the rules in force to a relation that is being built, sorted by category, since, tenant. */
extern void toms_rules_read(struct TomsRelation *relation);

/*
 * The rule for rows of a tenant; category: NULL for rows of which no rule of a category speaks.  NULL if
 * there is none.
 */
extern const TomsRule *toms_rule_for(const struct TomsRelation *relation, const char *tenant, const char *category);

/* Whether any rule is in force in this database; whether any contract's end is under way. */
extern bool toms_rules_exist(void);
extern bool toms_tenant_ends_exist(void);

/*
 * The hold on rows of a relation's root, tenant and subject ("" or NULL: rows about nobody), or 0.  A rule's id,
 * or 0, if a rule asks: holds of a rule concern that rule alone, and every other path too.
 */
extern int64 toms_hold_on(Oid root, const char *tenant, const char *subject, int64 rule);

/* Whose rows of it are held, as tokens write them (char *), in the current memory context. */
extern List *toms_hold_subjects(Oid root, const char *tenant);

/* Whether there may be one on some row of a relation (InvalidOid: of any) and tenant (NULL: of any): its id, or 0. */
extern int64 toms_hold_concerning(Oid root, const char *tenant);

/*
 * To be called before rows are deleted: holds that are set from now on wait until this transaction has ended,
 * and those set before are known.  A lock on toms.hold, once for each transaction; hold() takes the one that
 * conflicts.
 */
extern void toms_hold_keep_out(void);

/* Forget the holds. */
extern void toms_holds_forget(void);

#endif							/* TOMS_CATALOG_RETENTION_H */
