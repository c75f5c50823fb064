/*
 * tenant_end.h - ends of contracts, for init.c.
 */
#ifndef TOMS_TENANT_END_H
#define TOMS_TENANT_END_H

#include "postgres.h"

/* tenant_end.c: about so many rows of tenants whose contract has ended; answers how many. */
extern int64 toms_end_tenants_step(int rows, bool *more);

#endif							/* TOMS_TENANT_END_H */
