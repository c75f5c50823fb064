-- What no database sees, and somebody answers for: premises, training, agreements with staff. Run by report.sh after the data
-- of a reference system, with the variable system. Of each measure of that system somebody has said who answers for it and
-- where its proof is kept, and has looked at it; those of the others are none of its business.
--
-- Without this file a report says of each of them that nobody has done so.
\set ON_ERROR_STOP on

SELECT toms.exclude_measure(m.measure, by => p.dpo, reason => 'gehört zu einem anderen System')
FROM toms.measure m, toms.processor p WHERE m.system <> :'system';

SELECT toms.record_measure(r.measure, owner => p.dpo, evidence => format('Ordner „Maßnahmen“, Register %s', r.measure)),
       toms.record_review(r.measure, by => p.dpo, result => 'wie vereinbart', next_due => current_date + 365)
FROM toms.processor p, toms.measure_reviews r JOIN toms.measure m ON m.measure = split_part(r.measure, '/', 1)
WHERE m.system = :'system';
