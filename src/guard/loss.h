/*
 * loss.h - rows of a protected table that are lost all at once; part of guard.h.
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

/* Refuse what a hold keeps, to whomever. */
extern void toms_guard_rows_lost(Oid relid);

/* Retention drops a partition next, in this (sub)transaction: all of its rows are due. */
extern void toms_guard_drops_due(Oid relid);

#endif							/* TOMS_LOSS_H */
