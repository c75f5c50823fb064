/*
 * audit.h - who did what: entries of the trail, the blocks that seal them, and the worker.
 */
#ifndef TOMS_AUDIT_H
#define TOMS_AUDIT_H

#include "postgres.h"

extern void toms_audit_init(void);

#endif							/* TOMS_AUDIT_H */
