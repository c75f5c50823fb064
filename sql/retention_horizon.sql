--
-- retention_horizon: when a period ends, and how far back it reaches
--
-- The end of a period is compared with PostgreSQL's own arithmetic, in many time zones.  The horizon
-- is compared with its definition: of all start events up to it the period has passed, and of the
-- next one, a microsecond or a day later, it has not.  The seed is fixed: every run tries the same.
--
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET TimeZone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SELECT setseed(0.25) IS NOT NULL;

-- zones with summer time in the north and in the south, of half an hour, at midnight, in Ramadan; days that
-- were left out, days that were seen twice
CREATE TEMP TABLE zone (name text);
INSERT INTO zone VALUES ('UTC'), ('Europe/Berlin'), ('Europe/Dublin'), ('America/New_York'), ('America/Sao_Paulo'), ('America/St_Johns'), ('Asia/Kathmandu'),
    ('Australia/Lord_Howe'), ('Africa/Casablanca'), ('Asia/Tehran'), ('Asia/Beirut'), ('Pacific/Apia'), ('Pacific/Kiritimati'), ('Pacific/Kwajalein'), ('America/Juneau'),
    ('Asia/Manila'), ('Antarctica/Troll'), ('Europe/Moscow'), ('America/Havana'), ('Etc/GMT-14');
CREATE TEMP TABLE period (keep interval, starts text);
INSERT INTO period SELECT keep::interval, starts
FROM unnest('{0, 1 hour, 36 hours, 1 day, 105 days, 1000 days, 1 month, 3 months, 1 year, 8 years, 10 years, 1 month 1 day, 2 years 3 days 4 hours 5.000006 seconds, 1 month -3 days}'::text[]) keep,
     unnest('{event,end_of_month,end_of_year}'::text[]) starts;

CREATE FUNCTION pg_temp.model(since timestamptz, keep interval, starts text, zone text) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('TimeZone', zone, true);
    IF starts <> 'event' THEN
        since := (date_trunc(substr(starts, 8), since::timestamp) + ('1 ' || substr(starts, 8))::interval)::timestamptz;
    END IF;
    RETURN since + keep;
END
$$;
CREATE FUNCTION pg_temp.model(since timestamp, keep interval, starts text, zone text) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('TimeZone', zone, true);
    IF starts <> 'event' THEN
        since := date_trunc(substr(starts, 8), since) + ('1 ' || substr(starts, 8))::interval;
    END IF;
    RETURN since::timestamptz + keep;
END
$$;
CREATE FUNCTION pg_temp.model(since date, keep interval, starts text, zone text) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT pg_temp.model(since::timestamp, keep, starts, zone)
$$;

-- Moments: any, and many around those at which clocks are changed.
CREATE TEMP TABLE moment AS
WITH hours AS (
    SELECT z.name, h, extract(epoch FROM h AT TIME ZONE z.name - h AT TIME ZONE 'UTC') AS clock
    FROM zone z, generate_series(timestamptz '2009-01-01', timestamptz '2013-01-01', '1 hour') h),
changes AS (
    SELECT name, h FROM (SELECT name, h, clock, lag(clock) OVER (PARTITION BY name ORDER BY h) AS former FROM hours) c WHERE clock <> former)
SELECT name AS zone, h + make_interval(secs => round((random() * 14400 - 7200)::numeric, 6)::float8) AS at FROM changes, generate_series(1, 8)
UNION ALL SELECT name, h FROM changes
UNION ALL SELECT name, h - interval '1 microsecond' FROM changes
UNION ALL SELECT name, timestamptz '1990-01-01' + random() * interval '50 years' FROM zone, generate_series(1, 40);
SELECT count(DISTINCT zone), count(*) > 1500 FROM moment;

--
-- The end of a period is what PostgreSQL computes, for each type of start event
--
SELECT count(*) > 60000 AS tried,
       count(*) FILTER (WHERE toms.due_at(at, keep, starts, zone) <> pg_temp.model(at, keep, starts, zone)) AS instants_differ,
       count(*) FILTER (WHERE toms.due_at(at AT TIME ZONE zone, keep, starts, zone) <> pg_temp.model(at AT TIME ZONE zone, keep, starts, zone)) AS local_differ,
       count(*) FILTER (WHERE toms.due_at((at AT TIME ZONE zone)::date, keep, starts, zone) <> pg_temp.model((at AT TIME ZONE zone)::date, keep, starts, zone)) AS days_differ
FROM moment, period;

--
-- The horizon: the period of the next start event has not passed
--
CREATE TEMP TABLE found AS
SELECT m.zone, p.keep, p.starts, m.at AS now, h.* FROM moment m, period p, LATERAL toms.horizon(p.keep, p.starts, m.zone, m.at) h WHERE random() < 0.25;
INSERT INTO found SELECT zone, keep, starts, ending.now, h.*         -- at the very moment at which one ends, and just before
FROM (SELECT f.zone, f.keep, f.starts, pg_temp.model(f.instant, f.keep, f.starts, f.zone) - d * interval '1 microsecond' AS now
      FROM found f, generate_series(0, 1) d WHERE random() < 0.2) ending, LATERAL toms.horizon(keep, starts, zone, ending.now) h;
SELECT count(*) > 25000 AS tried,
       count(*) FILTER (WHERE pg_temp.model(instant + interval '1 microsecond', keep, starts, zone) <= now) AS instants_too_far_back,
       count(*) FILTER (WHERE pg_temp.model(local + interval '1 microsecond', keep, starts, zone) <= now) AS local_too_far_back,
       count(*) FILTER (WHERE pg_temp.model(day + 1, keep, starts, zone) <= now) AS days_too_far_back
FROM found;

--
-- and of all up to it it has, the rows of the last weeks before it above all
--
WITH earlier AS (
    SELECT f.*, b AS back FROM found f,
           LATERAL (SELECT make_interval(secs => 0) AS b
                    UNION ALL SELECT power(random(), 4) * interval '40 days' FROM generate_series(1, 6) WHERE f.now IS NOT NULL
                    UNION ALL SELECT random() * interval '3 years' WHERE f.now IS NOT NULL) b)
SELECT count(*) > 200000 AS tried,
       count(*) FILTER (WHERE pg_temp.model(instant - back, keep, starts, zone) > now) AS instants_too_early,
       count(*) FILTER (WHERE pg_temp.model(local - back, keep, starts, zone) > now) AS local_too_early,
       count(*) FILTER (WHERE pg_temp.model(day - extract(day FROM back)::int, keep, starts, zone) > now) AS days_too_early
FROM earlier;

--
-- No row is hidden much later than its own period ends: by a day, where months or clocks have it so
--
SELECT count(*) FILTER (WHERE pg_temp.model(instant + interval '1 day 1 hour', keep, starts, zone) < now) AS more_than_a_day FROM found
WHERE starts = 'event' AND keep <> '1 month -3 days' AND zone NOT IN ('Pacific/Apia', 'Pacific/Kwajalein');

--
-- Cases that a reader can check
--
-- messages, 105 days: summer time ends in between, and the time of day stays
SELECT toms.due_at(timestamptz '2026-07-20 10:00+02', '105 days', 'event', 'Europe/Berlin') = timestamptz '2026-11-02 10:00+01';
SELECT toms.due_at(timestamptz '2026-07-20 10:00+02', '2520 hours', 'event', 'Europe/Berlin') = timestamptz '2026-11-02 09:00+01';
-- invoices, 8 years from the end of the calendar year: of 2026 all at once, as 2035 begins in Berlin
SELECT i, toms.due_at(i, '8 years', 'end_of_year', 'Europe/Berlin') AT TIME ZONE 'Europe/Berlin' FROM unnest('{2026-01-01,2026-12-31}'::date[]) i;
SELECT day, local FROM toms.horizon('8 years', 'end_of_year', 'Europe/Berlin', '2034-12-31 23:59:59.999999+01');
SELECT day, local FROM toms.horizon('8 years', 'end_of_year', 'Europe/Berlin', '2035-01-01 00:00:00+01');
-- the last instant of a year in Berlin is not yet that of New York
SELECT toms.due_at(timestamptz '2026-12-31 23:30+00', '0', 'end_of_year', z) FROM unnest('{Europe/Berlin,America/New_York}'::text[]) z;
-- leap days: a year after 29 February is 28 February, four years after it 29 February
SELECT toms.due_at(date '2024-02-29', '1 year', 'event', 'UTC'), toms.due_at(date '2024-02-29', '4 years', 'event', 'UTC');
SELECT now, day FROM unnest('{2025-02-28,2025-03-01}'::timestamptz[]) now, toms.horizon('1 year', 'event', 'UTC', now);
-- month ends: 28 to 31 January end on 28 February, and are hidden in their order
SELECT now, instant FROM unnest('{2026-02-28 00:00,2026-02-28 12:00,2026-02-28 23:59:59.999999,2026-03-01 00:00}'::timestamptz[]) now, toms.horizon('1 month', 'event', 'UTC', now);
-- the hour that is seen twice: its second half hour does not end before the first
SELECT now, instant, local FROM unnest('{2026-10-26 00:15+00,2026-10-26 01:15+00,2026-10-26 01:45+00,2026-10-26 02:00+00}'::timestamptz[]) now,
    toms.horizon('1 day', 'event', 'Europe/Berlin', now);
-- a day that was left out: 30 December 2011 in Samoa
SELECT toms.due_at(d, '1 day', 'event', 'Pacific/Apia') FROM unnest('{2011-12-29,2011-12-30,2011-12-31}'::date[]) d;
-- never, and always
SELECT toms.due_at(timestamptz 'infinity', '1 day'), toms.due_at(date 'infinity', '1 day'), toms.due_at(timestamp '-infinity', '1 day'), toms.due_at(NULL::date, '1 day');
-- periods and start events that leave the range of timestamps never end, and raise no error
SELECT toms.due_at(date '5874897-12-31', '1 day'), toms.due_at(timestamptz '294276-12-31', '1 month'), toms.due_at(now(), '178000000 years'), toms.due_at(now(), '2000000000 days'),
    toms.due_at(now(), '2562047788 hours'), toms.due_at(date '4714-11-24 BC', '1 month') < now(), toms.due_at(timestamptz '4714-11-24 00:00+00 BC', '1 day', 'end_of_year', 'America/New_York');
SELECT * FROM toms.horizon('178000000 years', 'event', 'UTC', '2026-11-22');
SELECT * FROM toms.horizon('2000000000 days', 'end_of_year', 'UTC', '2026-11-22');
SELECT * FROM toms.horizon('6000 years', 'end_of_month', 'Europe/Berlin', '2026-11-22');
-- what is no zone, and no start of a period
SELECT toms.due_at(now(), '1 day', 'event', 'Europe/Atlantis');
SELECT toms.due_at(now(), '1 day', 'end_of_week');
