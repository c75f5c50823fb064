/*
 * loss.h - rows of a protected table that are lost, or given away, without a policy being asked; part of guard.h.
 */
#ifndef TOMS_LOSS_H
#define TOMS_LOSS_H

#include "postgres.h"

#include "access/attnum.h"

extern void toms_loss_init(void);

/* Refuse TRUNCATE, DROP (column 0: of the table itself) and SET UNLOGGED to whoever is not an administrator at work. */
extern void toms_guard_check_truncate(Oid relid);
extern void toms_guard_check_drop(Oid relid, AttrNumber column);
extern void toms_guard_check_unlogged(Oid relid);

/*
 * A row of "tenant" (NULL: of none) was changed or deleted, or has become one of his: refuse it to whoever neither acts for
 * him nor is an administrator at work.  Policies have refused it before, but to a foreign key, which asks none.
 */
extern void toms_guard_check_carried(Oid relid, const char *tenant);

/* Refuse what a hold keeps, to whomever. */
extern void toms_guard_rows_lost(Oid relid);

/* Retention drops a partition next, in this (sub)transaction: all of its rows are due. */
extern void toms_guard_drops_due(Oid relid);

#endif							/* TOMS_LOSS_H */
