/*
 * horizon.h - which start events lie so far back that a period has passed.
 */
#ifndef TOMS_HORIZON_H
#define TOMS_HORIZON_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/date.h"

/* From when a period counts (§ 147(4) AO: the end of the calendar year). */
typedef enum TomsPeriodStart
{
	TOMS_STARTS_EVENT,
	TOMS_STARTS_END_OF_MONTH,
	TOMS_STARTS_END_OF_YEAR
} TomsPeriodStart;

/*
 * The latest start events of each type for which, and for all before which, the period has passed; -infinity
 * of the type: for none but itself.
 */
typedef struct TomsHorizon
{
	TimestampTz instant;		/* of timestamptz */
	Timestamp	local;			/* of timestamp, which is in the rule's zone */
	DateADT		date;			/* of date, which begins at midnight there */
} TomsHorizon;

/*
 * The horizon at "now" of a period that ends "keep" after its start.  Months and days are those of the
 * calendar in "zone", a time of day is elapsed time, as in timestamptz + interval.  Never later than any
 * single row's own end of period; at month ends and clock changes up to a day earlier.
 */
extern TomsHorizon toms_horizon(const Interval *keep, TomsPeriodStart starts, pg_tz *zone, TimestampTz now);

/*
 * The horizon of one type (DATEOID, TIMESTAMPOID, TIMESTAMPTZOID), and how it goes on: so it need not be computed
 * for each transaction.  "at" is a DateADT, Timestamp or TimestampTz.
 */
typedef struct TomsHorizonPiece
{
	int64		at;				/* at the time "from" */
	bool		moves;			/* as the clock does */
	TimestampTz from;
	TimestampTz until;			/* it is to be computed anew from here on */
} TomsHorizonPiece;

extern TomsHorizonPiece toms_horizon_piece(Oid type, const Interval *keep, TomsPeriodStart starts, pg_tz *zone,
										   TimestampTz now);

/* When the period of one start event ends; DT_NOEND if never, DT_NOBEGIN for -infinity. */
extern TimestampTz toms_period_end(Oid type, Datum start, const Interval *keep, TomsPeriodStart starts, pg_tz *zone);

#endif							/* TOMS_HORIZON_H */
