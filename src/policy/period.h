/*
 * period.h - what a call site of a policy's function knows of the period of retention; between qual.c and period.c.
 */
#ifndef TOMS_POLICY_PERIOD_H
#define TOMS_POLICY_PERIOD_H

#include "catalog/catalog.h"
#include "fmgr.h"
#include "utils/date.h"

/* For whose rows, and what for, a function is asked. */
typedef enum TomsPeriodAsked
{
	TOMS_PERIOD_OF_TENANT,		/* whether they are to be seen */
	TOMS_PERIOD_OF_ALL,			/* the same of rows that all tenants share */
	TOMS_PERIOD_TO_WRITE		/* whether they may be written */
} TomsPeriodAsked;

typedef struct TomsPeriodSite
{
	bool		everything;		/* no rule speaks of these rows */
	bool		nothing;		/* there is one that cannot be told */
	bool		is_date;
	bool		reached;		/* the purpose is one that reaches restricted rows */
	bool		shared;			/* rows are those of all tenants */
	int			start;			/* the argument that is the start event */
	int			subject;		/* and the one that is the subject; -1: none is told */
	int64		rule;
	int64		limit;			/* start events after it are to be seen */
	int64		keep;			/* up to it the period has passed */
} TomsPeriodSite;

/*
 * Find all that, for the context in force.  Argument number "what" is a text "category:source": which rule is meant;
 * if the tenant's rule for the category has another source, this call has no say.  Never raises an error.
 */
extern void toms_period_find(FunctionCallInfo fcinfo, TomsPeriodAsked asked, int what, TomsPeriodSite *site);

/* A row that is restricted, or past its period. */
extern bool toms_period_reaches_row(FunctionCallInfo fcinfo, const TomsPeriodSite *site, int64 start);

/* Whether the row is there. */
static inline bool
toms_period_lets(FunctionCallInfo fcinfo, const TomsPeriodSite *site)
{
	int64		start;

	if (site->nothing)
		return false;
	if (site->everything || PG_ARGISNULL(site->start))
		return true;
	start = site->is_date ? DatumGetDateADT(PG_GETARG_DATUM(site->start)) : DatumGetInt64(PG_GETARG_DATUM(site->start));
	return start > site->limit || toms_period_reaches_row(fcinfo, site, start);
}

#endif							/* TOMS_POLICY_PERIOD_H */
