/*
 * attempt.h - rows that were chosen are deleted, those left out that cannot be; between the files of slice retention.
 */
#ifndef TOMS_RETENTION_ATTEMPT_H
#define TOMS_RETENTION_ATTEMPT_H

#include "retention/due.h"

#include "utils/array.h"

/*
 * Delete or pseudonymise the rows, and say in the result what became of them.  Returns the rows that must be left
 * out: of TomsDueRow *.  The tally counts.  SPI is connected.
 */
extern List *toms_attempt_rows(const TomsDue *due, TomsDueRow *rows, int n, TomsBatchResult *result);

extern ArrayType *toms_tid_array(Datum *tids, int n);

#endif							/* TOMS_RETENTION_ATTEMPT_H */
