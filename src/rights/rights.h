/*
 * rights.h - whose right: instructions, requests of data subjects, erasure, recipients, the end of a contract, restores.
 */
#ifndef TOMS_RIGHTS_H
#define TOMS_RIGHTS_H

#include "postgres.h"

/* For what toms does to rows of a tenant for a right. */
#define TOMS_RIGHTS_PURPOSE "rights"

extern void toms_rights_init(void);

/* Between the files of the slice. */
extern void toms_rights_gate_init(void);
extern void toms_settle_init(void);
extern int64 toms_rights_step(int rows, bool *more);

#endif							/* TOMS_RIGHTS_H */
