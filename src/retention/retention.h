/*
 * retention.h - how long: what is past its period is deleted or pseudonymised, holds are kept.
 */
#ifndef TOMS_RETENTION_H
#define TOMS_RETENTION_H

#include "postgres.h"

#include "retention/owner.h"

extern void toms_retention_init(void);

#endif							/* TOMS_RETENTION_H */
