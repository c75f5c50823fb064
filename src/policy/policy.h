/*
 * policy.h - may they?  Decisions on a protected relation under the context in force.
 */
#ifndef TOMS_POLICY_H
#define TOMS_POLICY_H

#include "postgres.h"

#include "base/reason.h"
#include "catalog/catalog.h"
#include "context/context.h"
#include "policy/alter.h"
#include "policy/hold.h"
#include "policy/identifier.h"
#include "policy/limit.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"

typedef struct TomsDecision
{
	TomsReason	reason;			/* TOMS_OK: permitted */
	TomsAsker	asker;			/* whom it was asked for */
	bool		scope_tenant;	/* all rows of the tenant, not the actor's own only */
	AclMode		missing;		/* the verbs that are not permitted */
	const char *category;		/* for which it was asked; NULL: for any */
} TomsDecision;

/*
 * May the context in force use these verbs on rows of that category (NULL: on any rows at
 * all) of the relation?  Never raises an error.
 */
extern TomsDecision toms_policy_decide(TomsRelation *relation, AclMode verbs, const char *category);

/* Sentence and remedy for a decision that is not TOMS_OK. */
extern const char *toms_policy_detail(const TomsRelation *relation, const TomsDecision *decision);
extern const char *toms_policy_hint(const TomsRelation *relation, const TomsDecision *decision);

/*
 * True if row security of the relation is enabled and forced, each verb has the restrictive
 * policy that toms made, unchanged, and no policy of the application peeks before them; and
 * values that are written to sealed columns, of its children too, are bound to their rows.
 */
extern bool toms_policy_intact(TomsRelation *relation);

/* The same, whatever its children are: one that has just been added is not protected yet. */
extern bool toms_policy_intact_by_itself(TomsRelation *relation);

/*
 * The application has changed its own policies on a protected relation: renew those of
 * toms that stand in for missing ones.
 */
extern void toms_policy_app_changed(Oid relid);

/* A relation was attached below another one: protect it too if that one is protected. */
extern void toms_policy_child_added(Oid child);

/* The role that owns the views through which children find their parents' tenant. */
extern Oid	toms_policy_lookup_role(void);

/*
 * For get_relation_stats_hook: the columns that say whose a row is are planned alike for
 * every tenant and person.
 */
extern void toms_policy_neutral_extended(Oid relid, RelOptInfo *rel);	/* get_relation_info_hook */
extern bool toms_policy_neutral_statistics(RangeTblEntry *rte, AttrNumber column, VariableStatData *variable);

/*
 * The subject of a context as the relation's subject column has it, through its alias if it
 * has one.  False if there is no such person, or the text does not fit the type.
 */
extern bool toms_alias_subject(const TomsRelation *relation, const TomsContext *context, Oid type, Datum *value);

/* Whether two relations are protected alike: columns by name, category, parents, row labels. */
extern bool toms_policy_same_form(Oid one, Oid other);

/*
 * For set_rel_pathlist_hook and create_upper_paths_hook: conditions that PostgreSQL takes for leakproof because their
 * functions get no column are evaluated after the policies of protected tables.
 */
extern void toms_policy_order_conditions(RelOptInfo *rel, RangeTblEntry *rte);
extern void toms_policy_order_derived(PlannerInfo *root);

/*
 * The part of a policy's condition that says that a row is of the tenant in force or (shared) of everybody, for
 * reading; NULL if no row is.  As text.
 */
extern char *toms_policy_tenant_condition(const TomsRelation *relation, bool shared);

/* Parse a condition on the relation as CREATE POLICY would. */
extern Node *toms_policy_parse(Relation rel, const char *condition);

/* For planner_hook: the rows of one parent, looked up once. */
extern void toms_policy_find_parents_once(Query *query);

/* For planner_hook: checks of written rows that two policies have in common, made once. */
extern void toms_policy_check_once(Query *query);

/* Whether a policy's name is one that toms gives: toms_select, toms_select_only and so on. */
extern bool toms_policy_is_reserved(const char *name);

/*
 * Run statements as the bootstrap superuser, with only the system's own schema on the search
 * path, while toms_policy_in_maintenance() is true.
 */
extern void toms_policy_run_as_superuser(const char *statements);

/* True while toms itself changes row security. */
extern bool toms_policy_in_maintenance(void);

#endif							/* TOMS_POLICY_H */
