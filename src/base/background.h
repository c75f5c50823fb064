/*
 * background.h - work that is committed whatever becomes of the caller's transaction.
 */
#ifndef TOMS_BACKGROUND_H
#define TOMS_BACKGROUND_H

#include "postgres.h"

#include "storage/dsm.h"

/*
 * Run an exported function of the library in a background worker, with the segment's handle as
 * its argument, and wait until it has ended.  False if it could not be started.  Whether it has done its
 * work it tells in the segment.
 */
extern bool toms_run_in_background(const char *name, const char *type, const char *function, dsm_segment *segment);

#endif							/* TOMS_BACKGROUND_H */
