/*
 * hold.h - what nothing may delete until a hold is released, and what is hidden; part of policy.h.
 */
#ifndef TOMS_POLICY_HOLD_H
#define TOMS_POLICY_HOLD_H

#include "postgres.h"

#include "catalog/catalog.h"
#include "context/context.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

/*
 * After toms_hold_keep_out(): the hold on a row of that tenant (NULL: of nobody) and subject (as the table writes
 * him; NULL: nobody), or 0.  A rule's id if a rule asks, else 0, as for toms_hold_on().
 */
extern int64 toms_policy_hold_on(const TomsRelation *relation, const char *tenant, const char *subject, int64 rule);

/* A row is deleted (new: NULL) or changed: refuse what a hold keeps. */
extern void toms_policy_keep_held(Relation rel, TupleTableSlot *old, TupleTableSlot *new);

/* A table loses all its rows, a column, a partition, or is dropped: the same.  Reads the table while there is any hold. */
extern void toms_policy_keep_held_table(Oid relid);

/* Whether a rule's start event is in another table. */
extern bool toms_policy_looks_starts_up(const TomsRelation *relation);

/* A sentence on the rows that are hidden from the asker since their period of retention has passed, or NULL. */
extern char *toms_policy_explain_periods(TomsRelation *relation, const TomsAsker *asker);

#endif							/* TOMS_POLICY_HOLD_H */
