/*
 * background.h - work that is committed whatever becomes of the caller's transaction.
 */
#ifndef TOMS_BACKGROUND_H
#define TOMS_BACKGROUND_H

#include "postgres.h"

#include "storage/dsm.h"

/* A segment of shared memory begins with this; the worker writes all but the database, and the caller reads it when that has ended. */
typedef struct TomsBackgroundTask
{
	Oid			database;
	bool		done;
	char		problem[512];	/* why not; empty: nobody knows */
	char		detail[1024];
} TomsBackgroundTask;

/* A new segment for the caller's database, all else zeros: its structure has a TomsBackgroundTask as its first member. */
extern dsm_segment *toms_background_segment(Size size);

/*
 * Run an exported function of the library in a background worker, with the segment's handle as
 * its argument, and wait until it has ended.  Whether it has done its work.
 */
extern bool toms_background_run(const char *name, const char *type, const char *function, dsm_segment *segment);

/* What such a function does: "step", with the segment's structure, connected as the bootstrap superuser. */
extern void toms_background_work(Datum handle, const char *activity, void (*step) (void *task));

#endif							/* TOMS_BACKGROUND_H */
