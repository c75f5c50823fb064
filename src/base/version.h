/*
 * version.h - whether the library knows the SQL of the database that it serves.
 *
 * A package is replaced at one time, the server restarted at another, and ALTER EXTENSION toms UPDATE is run later
 * still, in each database by itself; a standby has its own library and its primary's SQL.
 */
#ifndef TOMS_BASE_VERSION_H
#define TOMS_BASE_VERSION_H

#include "postgres.h"

typedef enum TomsVersionFit
{
	TOMS_VERSION_FITS,			/* also where there is no extension */
	TOMS_VERSION_OLDER,			/* the SQL is older than what the library knows */
	TOMS_VERSION_NEWER
} TomsVersionFit;

/* It fits, and nothing has changed since that was found out: all that a statement reads. */
extern bool toms_version_fits_still;

/* As it is; outside of a transaction as last found. */
extern TomsVersionFit toms_version_fit(void);

/* What is known may be no more: whoever changes pg_extension by hand tells nobody. */
extern void toms_version_forget(void);

/* That of the SQL, in words, where it does not fit. */
extern char *toms_version_problem(void);

extern void toms_version_init(void);

#endif							/* TOMS_BASE_VERSION_H */
