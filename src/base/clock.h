/*
 * clock.h - time that goes on whatever somebody does to the clock, and whether he did.
 *
 * What is waited for, and how long, is told by steady time, so that nothing hangs when the clock is set back.  Periods
 * are of the clock: what was promised to be kept for ten years must not go because the clock says that they are over.
 */
#ifndef TOMS_CLOCK_H
#define TOMS_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* In the postmaster: from then on the clock is watched. */
extern void toms_clock_init(void);

/* Microseconds of steady time, the same in all processes; only differences mean anything. */
extern TimestampTz toms_clock_steady(void);

/* An error (55000) if the clock was set forward by more than a day since the server was started. */
extern void toms_clock_require(void);

#endif							/* TOMS_CLOCK_H */
