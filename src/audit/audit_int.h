/*
 * audit_int.h - between the files of slice audit.
 */
#ifndef TOMS_AUDIT_INT_H
#define TOMS_AUDIT_INT_H

#include "audit/audit.h"

#include "trail/trail.h"

/*
 * record.c: take an entry into the trail with this transaction.  Fills in id, at and xid first,
 * so that the payload can be sealed: begin, seal, add.  Columns, tenant and payload are copied.
 */
extern void toms_record_init(void);
extern void toms_record_begin(TomsEntry *entry);
extern void toms_record_add(const TomsEntry *entry);

/* partition.c: run SQL that writes to the trail or changes its tables, as the current user. */
extern void toms_partition_init(void);
extern void toms_trail_run(const char *statements);

#endif							/* TOMS_AUDIT_INT_H */
