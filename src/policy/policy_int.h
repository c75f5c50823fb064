/*
 * policy_int.h - between the files of slice policy.
 */
#ifndef TOMS_POLICY_INT_H
#define TOMS_POLICY_INT_H

#include "policy/policy.h"

/*
 * Text of the condition that the policy of a verb has: on rows that are there, or
 * (check) on rows to be written.  In palloc'd memory.
 */
extern char *toms_policy_condition(const TomsRelation *relation, AclMode verb, bool check);

/* Whether a policy's name is that of a row label, toms_rows_<category>. */
extern bool toms_policy_is_row_label(const char *name);

/* "toms_select" and so on; "toms_select_only" for the permissive twin. */
extern const char *toms_policy_name(AclMode verb, bool permissive);

/* A verb as policies write it; 0 if it is none. */
extern AclMode toms_policy_verb(const text *verb);

/* The verb as pg_policy.polcmd has it. */
extern char toms_policy_command(AclMode verb);

/* Whether no two rows of a table can have the same value in a column. */
extern bool toms_has_unique_key(Oid relid, AttrNumber column);

/* Whether a type of ids has a least and a greatest value, in any collation. */
extern bool toms_type_is_bounded(Oid type);

/* The type in which a token's "sub" must be written for the relation. */
extern Oid	toms_alias_canonical_type(const TomsRelation *relation);

/* Whether a view is one of toms' own, through which keys of other tables are looked up. */
extern bool toms_policy_is_lookup(Oid relid);

/*
 * The part of a policy's condition that hides rows whose period of retention has passed, or (check) refuses to write
 * them; of rows that all tenants share.  NULL if no rule speaks of such rows.
 */
extern char *toms_period_condition(const TomsRelation *relation, AclMode verb, bool check, bool shared);

/*
 * Where that is one call beside the subject's scope: the arguments that toms.is_visible() has more than
 * toms.in_scope(); else NULL.
 */
extern char *toms_period_arguments(const TomsRelation *relation);

/* Whether the start event and the zone of each rule are still there. */
extern bool toms_periods_are_told(const TomsRelation *relation);

/* Where a rule's start event is, as policies name it; NULL: its table is gone. */
extern char *toms_period_source(const TomsRule *rule);

/*
 * Start events up to "keep" are past, those up to "restricted" are to be seen for the rule's purposes alone;
 * false if it cannot be told any more.
 */
extern bool toms_period_horizons(TomsRelation *relation, const TomsRule *rule, int64 *keep, int64 *restricted);
extern bool toms_period_reaches(const TomsRule *rule, const char *purpose);

#endif							/* TOMS_POLICY_INT_H */
