/*
 * stored.h - walking through the sealed values that a table holds; between stored.c and who looks at values.
 */
#ifndef TOMS_STORED_H
#define TOMS_STORED_H

#include "catalog/catalog.h"
#include "executor/tuptable.h"

/* One value, not null, as it is stored. */
typedef struct TomsStored
{
	const TomsSealedColumn *column;
	Datum		value;
	TupleTableSlot *row;
} TomsStored;

/* False: this was the last one. */
typedef bool (*TomsStoredVisit) (const TomsStored *stored, void *arg);

/* Each value of one table; not of its partitions.  What "visit" allocates goes with the row. */
extern void toms_stored_scan(Oid relid, TomsStoredVisit visit, void *arg);

#endif							/* TOMS_STORED_H */
