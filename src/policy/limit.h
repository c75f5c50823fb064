/*
 * limit.h - rows of persons whose rows are restricted, or who have objected; between qual.c, seal, guard and limit.c.
 */
#ifndef TOMS_POLICY_LIMIT_H
#define TOMS_POLICY_LIMIT_H

#include "postgres.h"

#include "base/reason.h"
#include "catalog/catalog.h"
#include "context/context.h"

/*
 * Whether the context in force may meet a limit on rows of the relation; category: of what it writes, NULL where it
 * reads.  Never raises an error.
 */
extern bool toms_policy_is_limited(const TomsRelation *relation, const char *category);

/* TOMS_OK, or which limit is on a row of that person (a value of the subject column, of that type). */
extern TomsReason toms_policy_limit_on(Oid relid, const char *category, Oid type, Datum subject);
extern TomsReason toms_policy_limit_on_named(Oid relid, const char *category, const char *subject);	/* its text */

/* The sentences of a refusal for that reason. */
extern void toms_policy_tell_limit(TomsRefusal *refusal);

/* A sentence on the rows that are hidden from the asker so, or NULL. */
extern char *toms_policy_explain_limits(const TomsRelation *relation, const TomsAsker *asker);

/* Whether a lookup of parents asks about limits; it need not while there are none. */
extern bool toms_policy_asks_limits(const TomsParent *parent);

/*
 * The key that tokens hold of the person whom a relation's subject column names so, of the context's tenant; NULL: nobody
 * knows him.
 */
extern char *toms_alias_canonical(const TomsRelation *relation, const TomsContext *context, const char *subject);

#endif							/* TOMS_POLICY_LIMIT_H */
