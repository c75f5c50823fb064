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

#endif							/* TOMS_AUDIT_INT_H */
