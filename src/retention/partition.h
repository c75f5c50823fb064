/*
 * partition.h - between the files that take out whole partitions.
 */
#ifndef TOMS_RETENTION_PARTITION_H
#define TOMS_RETENTION_PARTITION_H

#include "retention/worker.h"

/* What the rules of a partitioned table say of whole partitions. */
typedef struct TomsPartitionRule
{
	const TomsRule *rule;		/* that of all tenants */
	Oid			type;			/* of the key, which the rules count from */
	int64		horizon;		/* the earliest of theirs, as the type has it */
} TomsPartitionRule;

/*
 * whole.c: whether partitions of a root may go as a whole: everything speaks for it but the bound.  Holds are asked
 * for, so toms_hold_keep_out() comes first where it is to last.
 */
extern bool toms_partition_rule(Oid root, TimestampTz as_of, TomsPartitionRule *found);

/* Its upper bound, which is not in it; false: it has none, or one that is no moment. */
extern bool toms_partition_upper(Oid partition, Oid type, int64 *upper);

/* Whether all rows below are due. */
extern bool toms_partition_is_due(const TomsPartitionRule *rule, int64 upper);

/* Nothing but the bound speaks against it: no views, triggers, references to it, and no tenant with more rows than the limit in all that is due. */
extern bool toms_partition_is_plain(Oid partition);
extern bool toms_partitions_are_within_limit(Oid root, const TomsPartitionRule *rule);

#endif							/* TOMS_RETENTION_PARTITION_H */
