/*
 * policy_int.h - between the files of slice policy.
 */
#ifndef TOMS_POLICY_INT_H
#define TOMS_POLICY_INT_H

#include "policy/policy.h"

#include "utils/rel.h"

/*
 * Text of the condition that the policy of a verb has: on rows that are there, or
 * (check) on rows to be written.  In palloc'd memory.
 */
extern char *toms_policy_condition(const TomsRelation *relation, AclMode verb, bool check);

/* "toms_select" and so on; "toms_select_only" for the permissive twin. */
extern const char *toms_policy_name(AclMode verb, bool permissive);

/* The verb as pg_policy.polcmd has it. */
extern char toms_policy_command(AclMode verb);

/*
 * An identifier of the context as a value of a column's type (int2, int4, int8, uuid,
 * text).  False unless the text is exactly what that value prints as, so that "7" and
 * "007" are never the same person in one place and two in another.
 */
extern bool toms_identifier_value(const char *text, Oid type, Datum *value);

#endif							/* TOMS_POLICY_INT_H */
