-- a manager corrects one of the first bookings
\set booking random(1, 160)
BEGIN;
SELECT toms.enter('werkhof', '1', 'timeclock_manager', 'time_recording');
UPDATE clock.booking SET booked_at = booked_at + interval '1 second' WHERE booking_id = :booking;
INSERT INTO load.done VALUES ('correct');
COMMIT;
