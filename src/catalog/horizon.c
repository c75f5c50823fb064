/*
 * horizon.c - how far back a start event lies whose period has passed.
 *
 * Called by policy for each rule once in a while and by retention for each run.  Plain arithmetic: no
 * state, no errors; what leaves the range of timestamps never ends.
 *
 * When a period ends is not in the order of when it started: of one month 29, 30 and 31 January all end
 * on 28 February, and where clocks are put back an earlier instant has the later time of day.  A row may
 * only be called past by comparing its start event with one value, so that value is the latest one for which,
 * and for all before which, the period has passed.  It is found by going through the pieces of time in which
 * the end moves as the start does, or stands still: they end at midnights and at changes of clocks.
 */
#include "catalog/horizon.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define SECONDS_BEFORE_EPOCH ((pg_time_t) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* Clocks of no country are further from UTC, and of two starts the later one ends this much earlier at most. */
#define MAX_OFFSET (16 * SECS_PER_HOUR)
#define MAX_DISORDER (10 * USECS_PER_DAY)

#define MAX_PIECES 1000
#define MAX_DAYS 100000000		/* any more leave the range of timestamps */

/* A start event on its way to the end of its period. */
typedef struct Walk
{
	int64		value;
	int64		room;			/* for how long the same holds of later starts */
	bool		stands;			/* those have the same end; else it moves as they do */
	bool		failed;			/* out of range: it never ends */
} Walk;

static int64
floor_quotient(int64 value, int64 divisor)
{
	return value / divisor - (value % divisor < 0);
}

static void
narrow(Walk *walk, int64 room)
{
	if (!walk->stands && room > 0)
		walk->room = Min(walk->room, room);
}

static void
add_time(Walk *walk, int64 time)
{
	walk->failed |= pg_add_s64_overflow(walk->value, time, &walk->value) || !IS_VALID_TIMESTAMP(walk->value);
}

/* The offset at a time and, if clocks change later (true), when and to which offset; in seconds of Unix time. */
static bool
next_change(pg_time_t time, pg_tz *zone, long *before, pg_time_t *change, long *after)
{
	int			dst;

	*before = *after = 0;
	return pg_next_dst_boundary(&time, before, &dst, change, after, &dst, zone) > 0;
}

static void
add_offset(Walk *walk, long offset)
{
	walk->failed |= offset > MAX_OFFSET || offset < -MAX_OFFSET;
	add_time(walk, offset * USECS_PER_SEC);
}

/* From an instant to the local time in the zone. */
static void
to_local(Walk *walk, pg_tz *zone)
{
	pg_time_t	time = floor_quotient(walk->value, USECS_PER_SEC) + SECONDS_BEFORE_EPOCH;
	long		offset;
	long		after;
	pg_time_t	change;

	if (walk->failed)
		return;
	if (next_change(time, zone, &offset, &change, &after))
		narrow(walk, (change - SECONDS_BEFORE_EPOCH) * USECS_PER_SEC - walk->value);
	add_offset(walk, offset);
}

/*
 * Back, as DetermineTimeZoneOffset() does it: what the clock shows twice is the second one, what it leaves out
 * counts as before the change.  It looks at the first change that comes a day before that local time or later.
 */
static void
to_instant(Walk *walk, pg_tz *zone)
{
	pg_time_t	time = floor_quotient(walk->value, USECS_PER_SEC) + SECONDS_BEFORE_EPOCH;
	long		before;
	long		after;
	pg_time_t	change;

	if (walk->failed)
		return;
	if (!next_change(time - SECS_PER_DAY, zone, &before, &change, &after))
	{
		add_offset(walk, -before);
		return;
	}
	narrow(walk, (change + after - SECONDS_BEFORE_EPOCH) * USECS_PER_SEC - walk->value);
	narrow(walk, (change + SECS_PER_DAY - SECONDS_BEFORE_EPOCH) * USECS_PER_SEC - walk->value);
	add_offset(walk, time - after < change ? -before : -after);
}

/* Of local time: the day, as Julian days, and the rest. */
static int64
split_day(const Walk *walk, int64 *rest)
{
	int64		day = floor_quotient(walk->value, USECS_PER_DAY);

	*rest = walk->value - day * USECS_PER_DAY;
	return day + POSTGRES_EPOCH_JDATE;
}

static void
set_date(Walk *walk, int64 year, int month, int day, int64 rest)
{
	walk->failed |= !IS_VALID_JULIAN(year, month, day) || year > 294276;
	if (!walk->failed)
		walk->value = (int64) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY + rest;
}

/* The same day of another month, or its last one. */
static void
add_months(Walk *walk, int64 months)
{
	int64		rest;
	int64		day = split_day(walk, &rest);
	int			year;
	int			month;
	int			of_month;

	walk->failed |= day < 0;
	if (walk->failed)
		return;
	narrow(walk, USECS_PER_DAY - rest);
	j2date(day, &year, &month, &of_month);
	months += (int64) year * MONTHS_PER_YEAR + month - 1;
	year = (int) Min(floor_quotient(months, MONTHS_PER_YEAR), 300000);
	month = (int) (months - floor_quotient(months, MONTHS_PER_YEAR) * MONTHS_PER_YEAR) + 1;
	set_date(walk, year, month, Min(of_month, day_tab[isleap(year)][month - 1]), rest);
}

/* The first midnight of the next month or year: all start events of this one stand there together. */
static void
to_next(Walk *walk, TomsPeriodStart starts)
{
	int64		rest;
	int64		day = split_day(walk, &rest);
	int64		from = walk->value;
	int			year;
	int			month;
	int			of_month;

	walk->failed |= day < 0;
	if (walk->failed)
		return;
	j2date(day, &year, &month, &of_month);
	if (starts == TOMS_STARTS_END_OF_YEAR || month == MONTHS_PER_YEAR)
		set_date(walk, (int64) year + 1, 1, 1, 0);
	else
		set_date(walk, year, month + 1, 1, 0);
	narrow(walk, walk->value - from);
	walk->stands = true;
}

static void
add_days(Walk *walk, int64 days)
{
	if (days > MAX_DAYS || days < -MAX_DAYS)
		walk->failed = true;
	else
		add_time(walk, days * USECS_PER_DAY);
}

/* The steps of timestamptz + interval. */
static void
add_interval(Walk *walk, const Interval *keep, pg_tz *zone)
{
	if (keep->month != 0)
	{
		to_local(walk, zone);
		add_months(walk, keep->month);
		to_instant(walk, zone);
	}
	if (keep->day != 0)
	{
		to_local(walk, zone);
		add_days(walk, keep->day);
		to_instant(walk, zone);
	}
	add_time(walk, keep->time);
}

/* From a start event, as its type has it, to the end of its period. */
static Walk
walk_from(Oid type, int64 start, const Interval *keep, TomsPeriodStart starts, pg_tz *zone)
{
	Walk		walk = {.value = start,.room = PG_INT64_MAX};

	if (type == DATEOID)
	{
		walk.failed = start >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE;
		walk.value = walk.failed ? 0 : start * USECS_PER_DAY;
	}
	if (starts != TOMS_STARTS_EVENT)
	{
		if (type == TIMESTAMPTZOID)
			to_local(&walk, zone);
		to_next(&walk, starts);
		to_instant(&walk, zone);
	}
	else if (type != TIMESTAMPTZOID)
		to_instant(&walk, zone);
	add_interval(&walk, keep, zone);
	return walk;
}

/* One so early that it, and all before it, ended long ago. */
static bool
find_early(Oid type, const Interval *keep, TomsPeriodStart starts, pg_tz *zone, TimestampTz now, int64 *early)
{
	Walk		back = {.value = now};
	int64		unit = type == DATEOID ? USECS_PER_DAY : 1;
	int64		time = keep->time == PG_INT64_MIN ? PG_INT64_MAX : -keep->time;

	add_time(&back, time);
	if (!back.failed)
		add_days(&back, -(int64) keep->day);
	if (!back.failed)
		add_months(&back, -(int64) keep->month);
	add_time(&back, -(starts == TOMS_STARTS_EVENT ? 0 : starts == TOMS_STARTS_END_OF_MONTH ? 31 : 366) * USECS_PER_DAY);
	for (int i = 0; i < 20; i++)
	{
		Walk		walk;

		add_time(&back, -MAX_DISORDER);
		if (back.failed || back.value < MIN_TIMESTAMP + 2 * MAX_DISORDER)
			return false;
		*early = floor_quotient(back.value, unit);
		walk = walk_from(type, *early, keep, starts, zone);
		if (!walk.failed && walk.value <= now - MAX_DISORDER)
			return true;
	}
	return false;
}

/* How many of the type's units later the next piece begins; dates are points, whose ends stand alone. */
static int64
units_ahead(Oid type, const Walk *walk)
{
	if (type != DATEOID)
		return walk->room;
	return walk->stands ? Max(walk->room / USECS_PER_DAY, 1) : 1;
}

TomsHorizonPiece
toms_horizon_piece(Oid type, const Interval *keep, TomsPeriodStart starts, pg_tz *zone, TimestampTz now)
{
	TomsHorizonPiece piece = {.at = type == DATEOID ? DATEVAL_NOBEGIN : DT_NOBEGIN,.from = now,.until = now + USECS_PER_HOUR};
	int64		start;

	if (!find_early(type, keep, starts, zone, now, &start))
		return piece;
	for (int i = 0; i < MAX_PIECES; i++)
	{
		Walk		walk = walk_from(type, start, keep, starts, zone);

		piece.at = start - 1;
		if (walk.failed || walk.value > now)
		{
			piece.until = walk.failed ? now + USECS_PER_HOUR : walk.value;
			break;
		}
		if (type != DATEOID && !walk.stands && (walk.room == PG_INT64_MAX || walk.value + walk.room - 1 > now))
		{
			piece.at = start + (now - walk.value);
			piece.moves = true;
			piece.until = walk.room == PG_INT64_MAX ? DT_NOEND : walk.value + walk.room - 1;
			break;
		}
		start += units_ahead(type, &walk);
	}
	return piece;
}

TomsHorizon
toms_horizon(const Interval *keep, TomsPeriodStart starts, pg_tz *zone, TimestampTz now)
{
	TomsHorizon horizon;

	horizon.instant = toms_horizon_piece(TIMESTAMPTZOID, keep, starts, zone, now).at;
	horizon.local = toms_horizon_piece(TIMESTAMPOID, keep, starts, zone, now).at;
	horizon.date = (DateADT) toms_horizon_piece(DATEOID, keep, starts, zone, now).at;
	return horizon;
}

TimestampTz
toms_period_end(Oid type, Datum start, const Interval *keep, TomsPeriodStart starts, pg_tz *zone)
{
	int64		value = type == DATEOID ? DatumGetDateADT(start) : DatumGetInt64(start);
	Walk		walk;

	if (type == DATEOID ? DATE_IS_NOBEGIN(value) : TIMESTAMP_IS_NOBEGIN(value))
		return DT_NOBEGIN;
	if (type == DATEOID ? DATE_IS_NOEND(value) : TIMESTAMP_IS_NOEND(value))
		return DT_NOEND;
	walk = walk_from(type, value, keep, starts, zone);
	return walk.failed ? DT_NOEND : walk.value;
}
