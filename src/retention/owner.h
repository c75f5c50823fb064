/*
 * owner.h - what toms does to rows in the name of their table's owner; part of retention.h.
 */
#ifndef TOMS_OWNER_H
#define TOMS_OWNER_H

#include "postgres.h"

/*
 * What is between begin and end, which may not nest, is done as the owner of the table, with no more than his rights:
 * under the policies of tables, in a security-restricted operation, in a context of that tenant and purpose which nobody
 * has signed (context/work.h).  Own statements see all rows of the tenant in the table "root", partitions included.
 * An error restores everything with its (sub)transaction.
 */
typedef struct TomsOwnerWork
{
	Oid			user;
	int			security;
	int			settings;		/* level of GUCs */
} TomsOwnerWork;

extern TomsOwnerWork toms_owner_begin(Oid relid, Oid root, const char *tenant, const char *purpose);
extern void toms_owner_end(TomsOwnerWork work);
extern bool toms_owner_may(Oid relid);	/* be one in whose name it is done */

/*
 * round.c: what the worker does in each of its rounds beside rules.  A step is a transaction of about so many rows; it
 * answers how many it did, and whether there are more.  There is room for one.
 */
typedef int64 (*TomsRoundStep) (int rows, bool *more);
extern void toms_retention_round_step(TomsRoundStep step);

#endif							/* TOMS_OWNER_H */
