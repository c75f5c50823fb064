#!/bin/bash
# Acts out who can do what to the absence application once toms guards it, in a PostgreSQL
# cluster that lives as long as this script. Every step states what it expects; the script
# fails if one turns out otherwise.
#
#     make demo                     on any Debian machine
#     examples/absence/demo.sh      with the programs of a PostgreSQL 15 that has toms
#
# PG_CONFIG names that PostgreSQL; by default the programs on the PATH are taken.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if bin=$("${PG_CONFIG:-pg_config}" --bindir 2>/dev/null); then
	PATH=$bin:$PATH
fi
die() {
	echo "demo: $*" >&2
	exit 1
}
[ "$(id -u)" != 0 ] || die "PostgreSQL refuses to run as root: be another user, or use make demo"
for program in initdb pg_ctl pg_dump psql toms-keys toms-verify; do
	command -v $program >/dev/null || die "$program is not on the PATH"
done

# --- the stage ---------------------------------------------------------------------------

leave() {
	local status=$?
	trap '' INT TERM HUP
	[ $status = 0 ] || [ $steps != 0 ] || cat "$box/start" "$box/log" >&2 2>/dev/null || true
	[ ! -e "$box/data/postmaster.pid" ] || pg_ctl -D "$box/data" -m immediate stop >/dev/null || true
	rm -rf "$box"
	exit $status
}
chapters=0 steps=0 refused=0 broken=''
box=$(mktemp -d)
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Nobody else gets into the folder, which makes its socket as private as its files. Of the
# messages only errors: psql 15 cannot bind parameters, so toms would warn that a token
# stands in the text of a statement.
unset "${!PG@}"
export PGHOST=$box PGPORT=5432 PGDATABASE=absence PGCLIENTENCODING=UTF8 LC_ALL=C.UTF-8
export PGOPTIONS='-c client_min_messages=error'

start_server() {
	initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync
	mkdir -m 700 "$box/keyring" "$box/outside"
	toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" --kid app
	toms-keys new --jwks "$box/forged.json" --private "$box/forged.jwk" --kid app
	cat >>"$box/data/postgresql.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$box'
		fsync = off
		shared_preload_libraries = 'toms'
		toms.jwks_file = '$box/jwks.json'
		toms.keyring = '$box/keyring'
		toms.outside = '$box/outside'
		toms.audience = 'absence'
		toms.environment = 'demo'
		toms.retention_interval = 1s
	CONF
	pg_ctl -D "$box/data" -l "$box/log" -w start
	psql -X -U postgres -d postgres -c 'CREATE DATABASE absence'
}

as_dba() { psql -XqAt -U postgres "$@"; }

load() {
	as_dba -c 'CREATE EXTENSION toms'
	as_dba -f "$here/schema.sql"
	as_dba -f "$here/protect.sql"
	# The load, and what is true, asked of the plain values while it knows them.
	as_dba -v ON_ERROR_STOP=1 -F ' ' -f "$here/data.sql" -c "SET toms.reason = 'what the demo compares with'" -c "SELECT
		(SELECT count(*) FROM plain WHERE tenant_id = 'acme' AND employee_id = 17),
		(SELECT count(*) FROM plain WHERE tenant_id = 'acme' AND certified AND first_day >= '2025-12-01'),
		(SELECT count(*) FROM (SELECT FROM plain WHERE tenant_id = 'acme' AND sick AND first_day >= '2025-01-01'
		                       GROUP BY employee_id HAVING sum(last_day - first_day + 1) > 42) e),
		(SELECT count(*) FROM plain WHERE tenant_id = 'acme' AND employee_id = 17 AND first_day >= '2025-07-01'),
		(SELECT sick FROM hr.absence WHERE tenant_id = 'acme' AND employee_id = 18 LIMIT 1),
		(SELECT count(*) FROM hr.company) || ' tenants, ' || (SELECT count(*) FROM hr.employee) || ' employees, '
		    || (SELECT count(*) FROM hr.absence) || ' absences, ' || (SELECT count(*) FROM work.time_booking) || ' time bookings'" >"$box/facts"
	read -r own notes ill recent stolen size <"$box/facts"
}

# --- the actors --------------------------------------------------------------------------

declare -A token                # of each actor; who has none logs in and that is all
declare -A login=([deploy]=absence_deploy [job]=absence_job [auditor]=absence_auditor [dba]=postgres)

# who NAME TENANT SUBJECT ROLE "PURPOSE..." [MORE-CLAIMS]: what the application's back end
# does after a log-in. These four are changed to show what comes of a wrong one.
key=app aud=absence env=demo exp=$(($(date +%s) + 900))
who() {
	local purposes=${5// /\",\"}
	token[$1]=$(toms-keys mint --private "$box/$key.jwk" --payload - <<-JSON
		{"tenant":"$2","sub":"$3","role":"$4","purpose":["$purposes"],
		 "aud":"$aud","env":"$env","exp":$exp${6:+,$6}}
	JSON
	)
}

cast_actors() {
	who employee acme 17 employee absence_management
	who booking acme 17 employee 'absence_management employer_duties'
	who hr acme 3 hr absence_management
	who planner acme 3 hr staff_planning
	who clerk acme 3 hr 'absence_management continued_pay'
	who evaluator acme 3 hr performance_evaluation
	who taxman acme 3 hr tax_audit
	who watch acme 7 data_protection data_protection_control
	who curious acme 18 employee subject_rights
	who rival nordlicht 100 hr absence_management
	who admin acme 1 administrator employer_duties '"amr":["pwd","mfa"]'
	who hasty_admin acme 1 administrator employer_duties '"amr":["pwd"]'
	key=forged who forger acme 3 hr absence_management
	exp=1735689600 who late acme 3 hr absence_management
	env=staging who tester acme 3 hr absence_management
	aud=payroll who stranger acme 3 hr absence_management
	who upstart acme 3 absence_owner absence_management
	who unknown initech 3 hr absence_management
}

# --- how a step is told ------------------------------------------------------------------

bold='' dim='' red='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "$(tput colors 2>/dev/null || echo 0)" -ge 8 ]; then
	bold=$(tput bold) dim=$(tput setaf 6) red=$(tput setaf 1) green=$(tput setaf 2) plain=$(tput sgr0)
fi
indent='     '

chapter() {
	chapters=$((chapters + 1)) step=0
	printf '\n%s%s  %s\n%s%s\n' "$bold" $chapters "$1" "$(printf '%*s' $((${#1} + 3)) '' | tr ' ' '=')" "$plain"
}

# Runs the statement as its actor would: the token first, in the same transaction. Who holds
# the disk, or a file that was handed out, has no use for SQL; that grep finds nothing is no error.
run() {
	local set_token=''
	if [ "$1" = thief ] || [ "$1" = controller ]; then
		(cd "$box" && bash -c "$2") >"$box/rows" 2>"$box/error" || [ $? = 1 ]
		return
	fi
	[ -z "${token[$1]:-}" ] || set_token="SELECT set_config('toms.token', :'token', true) \\g /dev/null"
	cd "$box"
	TOKEN=${token[$1]:-} psql -X -v ON_ERROR_STOP=1 -v VERBOSITY=verbose \
		-U "${login[$1]:-absence_app}" >"$box/rows" 2>"$box/error" <<-SQL
		\set QUIET on
		\getenv token TOKEN
		BEGIN;
		$set_token
		\set QUIET off
		$2
		\set QUIET on
		COMMIT;
	SQL
}

# The fields of an error (ERROR, DETAIL, HINT, CONSTRAINT NAME, ...) as psql prints them.
declare -A field
read_error() {
	local line name=OTHER
	field=()
	while IFS= read -r line; do
		if [[ $line =~ ^([A-Z][A-Z ]+):\ +(.*) ]]; then
			name=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
		fi
		field[$name]+=${field[$name]:+ }$line
	done <"$box/error"
	if [[ ${field[ERROR]:-} =~ ^([0-9A-Z]{5}):\ (.*) ]]; then
		field[STATE]=${BASH_REMATCH[1]} field[ERROR]=${BASH_REMATCH[2]}
	fi
}

# Tables, at most five rows of each; of a single value "= value"; command tags but for SET.
tell_rows() {
	sed 's/ *$//; /^\(SET\)\?$/d' "$box/rows" | awk '
		/^-[-+]*$/                           { inside = 1; rule = $0; held = 0; next }
		inside && /^\([0-9]+ rows?\)$/       { rows = substr($1, 2) + 0; single = rows == 1 && rule !~ /\+/
		                                       if (!single) print head "\n" rule
		                                       for (i = 1; i <= held && (rows <= 5 || i <= 5); i++) {
		                                           if (single) sub(/^ */, i == 1 ? "= " : "  ", line[i])
		                                           if (single) sub(/ *\+$/, "", line[i])
		                                           print line[i]
		                                       }
		                                       if (rows > 5) print "(" rows " rows, the first 5 are shown)"
		                                       else if (!single) print
		                                       inside = 0; head = ""; next }
		inside                               { line[++held] = $0; next }
		                                     { if (head != "") print head; head = $0 }
		END                                  { if (head != "") print head }'
}

# A text with a label, folded.
tell() { fold -s -w 68 <<<"$2" | sed "1s/^/$(printf '%-9s' "$1")/; 1!s/^/         /"; }

tell_error() {
	local name
	echo "${red}refused  ${field[STATE]:-} ${field[CONSTRAINT NAME]:-}${plain}"
	for name in ERROR DETAIL HINT OTHER; do
		[ -z "${field[$name]:-}" ] || tell "$(tr "[:upper:]" "[:lower:]" <<<"${name/ERROR/message}")" "${field[$name]}"
	done
}

# try WHO HEADLINE EXPECTED <<SQL
# Expected is, of an error, the reason code of toms (which travels in the protocol's
# constraint-name field) or the SQLSTATE; else the last line told. It may be a pattern.
try() {
	local sql got
	sql=$(cat)
	steps=$((steps + 1)) step=$((step + 1))
	printf '\n%s%s.%s  %s%s\n' "$bold" $chapters $step "$2" "$plain"
	sed "s/^/$indent$dim/; s/\$/$plain/" <<<"$sql"
	if run "$1" "$sql"; then
		tell_rows >"$box/told"
		got=$(grep -v '^ ' "$box/told" | tail -n 1 | sed 's/^(\([0-9]* rows\?\).*/\1/')
	else
		read_error
		tell_error >"$box/told"
		got=${field[CONSTRAINT NAME]:-${field[STATE]:-no answer}}
		[[ $got != toms_* ]] || refused=$((refused + 1))
	fi
	echo
	fold -s -w 80 "$box/told" | sed "s/^/$indent/; s/ *\$//"
	[[ $got == $3 ]] && return
	broken+=" $chapters.$step"
	printf '\n%sNOT AS PROMISED: expected "%s", got "%s"%s\n' "$red" "$3" "$got" "$plain"
}

# --- the play ----------------------------------------------------------------------------

start_server >"$box/start" 2>&1
began=$SECONDS
load >"$box/start"
cast_actors
printf '%s\n' "$(as_dba -c "SELECT 'PostgreSQL ' || current_setting('server_version') || ', toms ' || library_version FROM toms.status")" \
	"$size, loaded and protected in $((SECONDS - began)) s" '' \
	'Each step is one transaction. Who has a token sets it first, as an application does:' \
	"     BEGIN; SELECT set_config('toms.token', \$1, true); …; COMMIT;"

chapter 'The employee: rows of her own, for a purpose'

try employee 'Employee 17 of ACME lists absences. No WHERE, and yet only hers come' "$own rows" <<'SQL'
SELECT absence_id, employee_id, toms.reveal(kind) AS kind, first_day, last_day
FROM hr.absence
ORDER BY first_day;
SQL
try employee "The application pastes what she types into its SQL; she types ' OR 1=1 --" "$own rows" <<'SQL'
SELECT absence_id, employee_id, toms.reveal(kind) AS kind, first_day, last_day
FROM hr.absence WHERE employee_id = 17 AND state::text = '' OR 1=1 --'
ORDER BY first_day;
SQL
try employee 'She asks for leave; toms.current_tenant() is the default of tenant_id' 'INSERT 0 1' <<'SQL'
INSERT INTO hr.absence (employee_id, kind, first_day, last_day)
VALUES (17, 'VACATION', '2026-01-07', '2026-01-16')
RETURNING tenant_id, employee_id, first_day, state;
SQL
try employee 'She asks for leave on behalf of a colleague' toms_row_other_subject <<'SQL'
INSERT INTO hr.absence (employee_id, kind, first_day, last_day)
VALUES (18, 'VACATION', '2026-01-07', '2026-01-16');
SQL
try employee 'She wants her illnesses forgotten' toms_verb_not_permitted <<'SQL'
DELETE FROM hr.absence WHERE toms.reveal(sick);
SQL
try booking 'Her token holds two purposes, and the application chose none' toms_purpose_missing <<'SQL'
SELECT count(*) FROM work.time_booking;
SQL
try booking 'It chooses one, and goes past the table to one of its partitions' '1 row' <<'SQL'
SET LOCAL toms.purpose = 'employer_duties';
SELECT tenant_id, employee_id, count(*), min(booked_on), max(booked_on)
FROM work.time_booking_2025_12 GROUP BY 1, 2;
SQL

chapter 'HR and administrators: rows of their tenant'

try hr "ACME's HR reads the certificates of December" "$notes rows" <<'SQL'
SELECT tenant_id, family_name, first_day, toms.reveal(certificate_to) AS certified_to
FROM hr.absence JOIN hr.employee USING (tenant_id, employee_id)
WHERE toms.reveal(certificate_from) BETWEEN '2025-12-01' AND '2025-12-31'
ORDER BY first_day;
SQL
try rival "Nordlicht's HR asks for ACME's by name" '= 0' <<'SQL'
SELECT count(*) FROM hr.absence WHERE tenant_id = 'acme';
SQL
try rival "It files an absence for ACME's employee 17: the keys start with the tenant" '*_fkey' <<'SQL'
INSERT INTO hr.absence (employee_id, kind, first_day, last_day)
VALUES (17, 'TRAINING', '2026-02-02', '2026-02-03');
SQL
try hr "ACME's HR approves what employee 17 asked for" 'UPDATE 2' <<'SQL'
UPDATE hr.absence SET state = 'approved'
WHERE employee_id = 17 AND state = 'requested';
SQL
try hr 'The clerk, employee 3, changes an absence of his own: a policy of the application' 42501 <<'SQL'
UPDATE hr.absence SET state = 'approved' WHERE employee_id = 3;
SQL
try hr "A row is moved into another tenant's data" toms_row_other_tenant <<'SQL'
UPDATE hr.absence SET tenant_id = 'nordlicht' WHERE absence_id = 379;
SQL
try planner 'The same clerk, now planning staff, wants to know who is often ill' toms_purpose_aggregate <<'SQL'
SELECT employee_id, count(*) FROM hr.absence WHERE toms.reveal(sick)
GROUP BY employee_id;
SQL
try hr 'Asking instead of trying' '= refused (toms_verb_not_permitted)*' <<'SQL'
SELECT toms.explain_access('hr.absence', 'delete');
SQL
try admin 'An administrator, who keeps the staff list, reads absences' toms_permission_missing <<'SQL'
SELECT * FROM hr.absence;
SQL
try hasty_admin 'An administrator without the second factor' toms_mfa_required <<'SQL'
UPDATE hr.employee SET weekly_hours = 35 WHERE employee_id = 17;
SQL

chapter 'Sealed: what the disk holds, and the DBA sees'

try dba 'The DBA states a reason, and sees that somebody was away, not why' '5 rows' <<'SQL'
SET LOCAL toms.reason = 'ticket 4710: slow list of absences';
SELECT employee_id, first_day, left(kind::text, 20) || '…' AS kind,
       left(sick::text, 20) || '…' AS sick
FROM hr.absence ORDER BY absence_id LIMIT 5;
SQL
try dba 'He wants them opened: a superuser has no context' toms_context_missing <<'SQL'
SET LOCAL toms.reason = 'ticket 4710: slow list of absences';
SELECT employee_id, toms.reveal(sick) FROM hr.absence LIMIT 1;
SQL
try hr 'HR, managing absences, reads the same columns' "$recent rows" <<'SQL'
SELECT first_day, last_day, toms.reveal(kind) AS kind, toms.reveal(sick) AS sick,
       toms.reveal(certificate_to) AS certified_to
FROM hr.absence WHERE employee_id = 17 AND first_day BETWEEN '2025-07-01' AND '2025-12-31'
ORDER BY first_day;
SQL
try hr 'The database compares no ciphertexts: the error names the type' 42883 <<'SQL'
SELECT kind, count(*) FROM hr.absence GROUP BY kind;
SQL
try hr "A colleague's “not ill” is pasted into another person's row" toms_sealed_elsewhere <<'SQL'
UPDATE hr.absence
SET sick = (SELECT sick FROM hr.absence
            WHERE employee_id = 18 AND NOT toms.reveal(sick) LIMIT 1)
WHERE absence_id = 379;
SQL
try planner 'The clerk, planning staff, has kept a value of employee 18 from an export' toms_purpose_aggregate <<SQL
SELECT toms.reveal('$stolen'::toms.health_flag);
SQL
try employee 'Employee 17 has found it on the printer; she may open her own' toms_row_other_subject <<SQL
SELECT toms.reveal('$stolen'::toms.health_flag);
SQL
try rival "So has Nordlicht's HR" toms_sealed_unreadable <<SQL
SELECT toms.reveal('$stolen'::toms.health_flag);
SQL
try dba 'What a row tells by itself; here everybody who is away has one' '= who has a row *' <<'SQL'
SELECT finding FROM toms.explain_protection('hr.absence')
WHERE kind = 'leak: existence';
SQL
try deploy 'A migration adds what health data must not be: free text' toms_free_text <<'SQL'
ALTER TABLE hr.absence ADD COLUMN diagnosis text;
SQL
try dba 'An officer lets the table take text, as ciphertext only' '= sealed' <<'SQL'
SELECT toms.protect('hr.absence', tenant => 'tenant_id', subject => 'employee_id', category => 'health',
                    free_text => 'sealed', reason => 'remarks, agreed with the works council') \g /dev/null
SELECT free_text FROM toms.protected_tables WHERE relation = 'hr.absence'::regclass;
SQL
try deploy 'A migration adds remarks, in which people will write what they have …' 'ALTER TABLE' <<'SQL'
ALTER TABLE hr.absence ADD COLUMN remark toms.sealed_text;
ALTER TABLE hr.absence ALTER COLUMN remark SET DEFAULT ''::text;
SQL
try dba '… where NULL would tell who wrote nothing …' '= ALTER TABLE hr.absence ALTER COLUMN remark SET NOT NULL;' <<'SQL'
SELECT remedy FROM toms.explain_protection('hr.absence')
WHERE kind = 'sealed' AND remedy IS NOT NULL;
SQL
try dba '… so that nobody may' 'ALTER TABLE' <<'SQL'
SET LOCAL toms.reason = 'release 42: remarks';
UPDATE hr.absence SET remark = '';
ALTER TABLE hr.absence ALTER COLUMN remark SET NOT NULL;
SQL
try employee 'Employee 17 calls in sick' 'INSERT 0 1' <<'SQL'
INSERT INTO hr.absence (employee_id, kind, sick, first_day, last_day, remark)
VALUES (17, 'SICK', true, '2026-02-02', '2026-02-13', 'appendicitis, St. Hedwig');
SQL
try hr 'HR approves, and enters the certificate: in plain, as ever' 'UPDATE 1' <<'SQL'
UPDATE hr.absence
SET state = 'approved', certificate_from = '2026-02-02', certificate_to = '2026-02-13'
WHERE employee_id = 17 AND first_day = '2026-02-02';
SQL
try thief "Somebody carries the disk away: in its files, what is not sealed is found …" '[1-9]*' <<'SH'
psql -U postgres -qc CHECKPOINT
grep -rl 'Nordlicht Logistik' data | wc -l
SH
try thief '… and what is sealed is not' 0 <<'SH'
grep -rl 'appendicitis' data | wc -l
SH
try thief 'Somebody finds a dump: of absences approved, and of words for why' 0 <<'SH'
PGOPTIONS='-c toms.reason=backup' pg_dump -U postgres --table hr.absence >dump
grep -c approved dump
grep -cE 'VACATION|TRAINING|appendicitis' dump
SH

chapter 'The token: signed, fresh, meant for here, or worth nothing'

read -r -d '' any <<'SQL' || true
SELECT count(*) FROM hr.employee;
SQL
try nobody 'No token at all' toms_context_missing <<<"$any"
try forger 'A token signed with another key under the same key id' toms_token_forged <<<"$any"
try late 'A token that expired on 1 January 2025' toms_context_expired <<<"$any"
try tester 'A token of the staging environment' toms_token_environment <<<"$any"
try stranger 'A token for the payroll application' toms_token_audience <<<"$any"
try unknown 'A token of a company that is no tenant' toms_tenant_unknown <<<"$any"
try upstart "A token that names the tables' owner, which is no role of the application" toms_role_not_member <<<"$any"
try hr 'A driver in autocommit mode: the context ended with its transaction' toms_context_ended <<SQL
COMMIT;
$any
SQL

chapter 'Ways around'

try dba 'The DBA lends a view of his own: it would read with his rights' GRANT <<'SQL'
CREATE VIEW hr.away AS
    SELECT tenant_id, employee_id, first_day, last_day FROM hr.absence;
GRANT SELECT ON hr.away TO employee;
SQL
try employee 'An employee reads the view' toms_policy_bypassed <<'SQL'
SELECT * FROM hr.away;
SQL
try dba 'toms knows of it, and what helps …' '= ALTER VIEW hr.away SET (security_invoker = true);' <<'SQL'
SELECT remedy FROM toms.explain_protection('hr.absence')
WHERE kind = 'leak: view';
SQL
try dba '… so that the view reads with the rights of who asks' 'ALTER VIEW' <<'SQL'
ALTER VIEW hr.away SET (security_invoker = true);
SQL
try employee 'The employee reads it again, and sees herself' '= 17' <<'SQL'
SELECT DISTINCT employee_id FROM hr.away;
SQL
try hr 'A cursor that would outlive the transaction, and so the context' toms_cursor_with_hold <<'SQL'
DECLARE everything CURSOR WITH HOLD FOR SELECT * FROM hr.absence;
SQL
try deploy "A migration, as the tables' owner, empties a table: no policy applies to that" toms_truncate <<'SQL'
TRUNCATE hr.absence;
SQL
try deploy 'It turns row security off' toms_policy_managed <<'SQL'
ALTER TABLE hr.absence DISABLE ROW LEVEL SECURITY;
SQL
try deploy 'It adds a policy that lets everybody see everything …' 'CREATE POLICY' <<'SQL'
CREATE POLICY open_house ON hr.absence USING (true);
SQL
try employee '… and employee 17 sees what she saw: toms restricts, whatever else permits' '= 17' <<'SQL'
SELECT DISTINCT employee_id FROM hr.absence;
SQL
try deploy "It adds next month's partition …" 'CREATE TABLE' <<'SQL'
CREATE TABLE work.time_booking_2026_01 PARTITION OF work.time_booking
    FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SQL
try dba '… which is protected from its first moment' '1 row' <<'SQL'
SELECT relation, mode, tenant, subject, intact FROM toms.protected_tables
WHERE relation = 'work.time_booking_2026_01'::regclass;
SQL

chapter 'The DBA and the job: on record'

try dba 'A superuser looks something up' toms_reason_missing <<'SQL'
SELECT * FROM hr.absence;
SQL
try dba 'A superuser copies the table out' toms_reason_missing <<'SQL'
COPY hr.absence TO STDOUT;
SQL
try dba 'A superuser who says why' '20 rows' <<'SQL'
SET LOCAL toms.reason = 'ticket 4711: absences missing in the export';
SELECT tenant_id, count(*), max(last_day) FROM hr.absence
GROUP BY tenant_id ORDER BY tenant_id;
SQL
try dba 'The server log has kept it' '= toms administrative access: table=hr.absence *4711*' <<'SQL'
SELECT substring(pg_read_file('../log') FROM '(toms administrative access:[^\n]*4711[^\n]*)');
SQL
try job 'The payroll job enters for a tenant that ordered it: over six weeks of illness' "$ill rows" <<'SQL'
SELECT toms.enter(tenant => 'acme', subject => 'payroll', role => 'hr',
                  purpose => 'continued_pay') \g /dev/null
SELECT tenant_id, employee_id, sum(last_day - first_day + 1) AS days
FROM hr.absence
WHERE first_day BETWEEN '2025-01-01' AND '2025-12-31' AND toms.reveal(sick)
GROUP BY 1, 2 HAVING sum(last_day - first_day + 1) > 42 ORDER BY days DESC;
SQL
try job 'It enters for one that did not' toms_enter_not_allowed <<'SQL'
SELECT toms.enter(tenant => 'falkenau', subject => 'payroll', role => 'hr',
                  purpose => 'continued_pay');
SQL
try nobody "The application's log-in, which carries injected SQL, tries the same" 42501 <<'SQL'
SELECT toms.enter(tenant => 'acme', subject => 'payroll', role => 'hr',
                  purpose => 'continued_pay');
SQL

chapter 'What for: purposes'

try hr 'HR joins who was ill with who worked when' toms_separated <<'SQL'
SELECT b.employee_id, b.booked_on, toms.reveal(a.sick) FROM work.time_booking b
JOIN hr.absence a ON a.employee_id = b.employee_id
                 AND b.booked_on BETWEEN a.first_day AND a.last_day;
SQL
try hr 'It asks with a sub-select' toms_separated <<'SQL'
SELECT count(*) FROM work.time_booking WHERE employee_id IN (SELECT employee_id FROM hr.absence);
SQL
try clerk 'For continued pay it needs both' '1 row' <<'SQL'
SET LOCAL toms.purpose = 'continued_pay';
SELECT count(*) AS worked_while_ill, count(DISTINCT b.employee_id) AS employees FROM work.time_booking b
JOIN hr.absence a USING (tenant_id, employee_id)
WHERE b.booked_on BETWEEN a.first_day AND a.last_day AND toms.reveal(a.sick);
SQL
try hr 'It sets the list of the ill aside, in a table of its own' toms_unprotected_copy <<'SQL'
CREATE TEMP TABLE ill AS SELECT employee_id, first_day FROM hr.absence WHERE toms.reveal(sick);
SQL
try dba 'Somebody wants a report on performance: sick days count' toms_purpose_excluded <<'SQL'
SELECT toms.permit('hr', 'hr.absence', '{select}', '{performance_evaluation}', scope => 'tenant');
SQL
try evaluator 'The application signs a token for it nevertheless' toms_purpose_excluded <<'SQL'
SELECT employee_id, count(*) FROM hr.absence WHERE toms.reveal(sick) GROUP BY employee_id;
SQL
try clerk 'Absences are at hand; days of continued pay come from the function that is there for it' '1 row' <<'SQL'
SET LOCAL toms.purpose = 'absence_management';
SELECT count(*) AS absences, hr.sick_days(17, 2025), toms.current_purpose()
FROM hr.absence WHERE employee_id = 17;
SQL
try planner 'Planning staff gets numbers of groups, and they stay what they are' '4 rows' <<'SQL'
SELECT dimensions ->> 'department' AS department, subjects AS persons, value AS illnesses
FROM toms.statistic('illness') WHERE period = '2025-10-01' ORDER BY 1;
SQL
try planner 'It tries to count by hand' toms_purpose_aggregate <<'SQL'
SELECT department, count(*) FROM hr.absence_by_department GROUP BY department;
SQL
try rival 'Nobody else asks: the token must hold the purpose' toms_purpose_not_in_token <<'SQL'
SELECT * FROM toms.statistic('illness');
SQL
try deploy 'A developer makes the function answer more' 'CREATE FUNCTION' <<'SQL'
CREATE OR REPLACE FUNCTION hr.sick_days(employee integer, year integer) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(last_day - first_day + 1), 0) FROM hr.absence WHERE toms.reveal(sick)
$$;
SQL
try dba 'It has lost its purpose until an officer has looked at it' '= f' <<'SQL'
SELECT intact FROM toms.access_functions;
SQL

chapter 'The audit trail: who changed what'

# The sick note of chapter 3, its entries in the trail, and the last of them
note=$(as_dba -c "SET toms.reason = 'what the demo looks for'" -c "SELECT absence_id FROM hr.absence
	WHERE tenant_id = 'acme' AND employee_id = 17 AND first_day = '2026-02-02'" | tail -n 1)
entries=$(as_dba -c "SELECT string_agg(id::text, ', ' ORDER BY id) FROM toms.audit_trail(relation => 'hr.absence', tenant => 'acme', subject => '17')
	WHERE row_key ->> 'absence_id' = '$note'")
entry=${entries##*, }
as_dba -c 'SELECT toms.seal_audit()' -c 'SELECT toms.audit_key()' | tail -n 1 >"$box/key"

try auditor 'Who changed this sick note? Columns have names in the trail, and no values' '2 rows' <<SQL
SELECT actor, role, kind, columns, new_values AS values
FROM toms.audit_trail(tenant => 'acme', subject => '17')
WHERE relation = 'hr.absence' AND row_key ->> 'absence_id' = '$note';
SQL
try hr "An employee's HR, who made one of these entries, cannot read it" toms_permission_missing <<SQL
SELECT * FROM toms.audit_trail(subject => '17');
SQL
try watch "ACME's data protection officer can, for that purpose, and of ACME only" '= acme' <<'SQL'
SELECT DISTINCT tenant FROM toms.audit_trail();
SQL
try auditor 'Every few seconds what is new is sealed in a signed block; or when one asks' '= t' <<'SQL'
SELECT toms.seal_audit() > 0 AS sealed;
SQL
try watch 'ACME takes a proof home: the entry, who did it, and hashes up to the signed root' 'COPY 1' <<SQL
\\copy (SELECT toms.audit_proof($entry)) TO 'proof.json'
SQL
try controller 'There it needs no database, and tells nothing of anybody else' whole <<'SH'
toms-verify proof proof.json --key-file key --log outside/*.log
SH
try dba 'A superuser edits the trail' toms_trail_append_only <<SQL
UPDATE toms.audit_entry SET verb = 'd' WHERE id = $entry;
SQL
try dba 'He knows how toms tells that the trail is in use, and gets round it …' 'UPDATE 1' <<SQL
SET LOCAL allow_system_table_mods = on;
UPDATE pg_class SET relname = 'not_in_use' WHERE oid = 'toms.audit_use'::regclass;
UPDATE toms.audit_entry SET verb = 'd' WHERE id = $entry;
UPDATE pg_class SET relname = 'audit_use' WHERE relname = 'not_in_use';
SQL
try auditor '… and the trail names the entry' "= changed, entry $entry" <<'SQL'
SELECT fault || ', entry ' || entry AS found FROM toms.verify_audit();
SQL
try dba 'Employee 17 is erased: the entries stay, whose row it was does not' '2 rows' <<SQL
SELECT toms.record_instruction('acme', 'erase', given_by => 'D. Weber',
                               wording => 'Please erase employee 17.', subject => '17') AS instruction \\gset
SELECT toms.confirm_instruction(:instruction) \\g /dev/null
SELECT toms.destroy_keys('acme', :instruction, subject => '17') \\g /dev/null
SELECT id, actor, subject, row_key, kind, erased
FROM toms.audit_trail(relation => 'hr.absence', tenant => 'acme')
WHERE id IN ($entries) AND erased AND subject IS NULL AND row_key IS NULL;
SQL

chapter 'Who read, who was refused, who logged in'

try hr 'HR opens a sick note of employee 18, and takes everything back' 'ROLLBACK' <<'SQL'
SELECT toms.reveal(sick) FROM hr.absence WHERE employee_id = 18 LIMIT 1 \g /dev/null
ROLLBACK;
SQL
try auditor 'It is in the trail all the same: a transaction does not matter to who has read' '= reveal by 3' <<'SQL'
SELECT kind || ' by ' || actor AS last FROM toms.audit_trail(tenant => 'acme', subject => '18', kind => 'reads')
ORDER BY id DESC LIMIT 1;
SQL
try auditor 'So is every refusal of this demo, also of a forged or expired token' '= t' <<SQL
SELECT sum(times) >= $refused AS all_of_them FROM toms.audit_trail(kind => 'refusals');
SQL
try dba 'Employees may see what was done with their own data' '= 1' <<'SQL'
SELECT toms.permit('employee', 'toms.audit_entry', '{select}', '{subject_rights}', 'own') > 0 \g /dev/null
SELECT count(*) FROM toms.permission WHERE role::regrole::text = 'employee' AND scope = 'own' AND 'subject_rights' = ANY (purposes);
SQL
try curious 'Employee 18 does: when, what for, and in which role; names are for two officers to release' '= reveal by hr' <<'SQL'
SELECT kind || ' by ' || role AS last FROM toms.subject_access_log() ORDER BY at DESC LIMIT 1;
SQL
try curious '… and of nobody else' toms_row_other_subject <<'SQL'
SELECT * FROM toms.audit_trail(subject => '17');
SQL
try dba 'An administrator says who he is, and why' '= t' <<'SQL'
SELECT toms.open_admin_session('Ada Lovelace', 'T-4711', 'an absence is missing') \g /dev/null
SELECT count(*) > 0 AS some FROM hr.absence WHERE tenant_id = 'acme' AND employee_id = 18;
SQL
try auditor 'That is told, too: person, ticket, and which table' '= Ada Lovelace, T-4711: hr.absence' <<'SQL'
SELECT details ->> 'person' || ', ' || (details ->> 'ticket') || ': ' || relation AS last
FROM toms.audit_trail(kind => 'admin_access') ORDER BY id DESC LIMIT 1;
SQL
try auditor 'And who has logged in since this began' '= t' <<'SQL'
SELECT count(*) > 50 AS many FROM toms.audit_trail(kind => 'login');
SQL

chapter 'How long: periods, restriction, holds'

try deploy 'A migration adds messages and invoices, some of them old' 'INSERT 0 3' <<'SQL'
CREATE TABLE hr.message (
    tenant_id text, message_id integer, employee_id integer NOT NULL, sent_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id));
CREATE TABLE hr.invoice (
    tenant_id text, invoice_id integer, issued_on date NOT NULL, euros integer NOT NULL,
    PRIMARY KEY (tenant_id, invoice_id));
INSERT INTO hr.message VALUES
    ('acme', 1, 17, now() - interval '106 days'), ('acme', 2, 18, now() - interval '106 days'),
    ('acme', 3, 19, now() - interval '104 days');
INSERT INTO hr.invoice VALUES
    ('acme', 1, current_date - interval '10 years', 4200), ('acme', 2, current_date - interval '4 years', 700),
    ('acme', 3, current_date, 90);
SQL
try dba 'They are protected. Employee 18 is at law with ACME: nothing about him is to be deleted' '= t' <<'SQL'
SELECT toms.protect('hr.message', tenant => 'tenant_id', subject => 'employee_id'),
       toms.protect('hr.invoice', tenant => 'tenant_id', category => 'billing') \g /dev/null
SELECT toms.add_purpose('tax_audit', description => 'audits by the tax office', legal_basis => '§ 147(6) AO'),
       toms.permit('hr', 'hr.message', '{select,insert}', '{absence_management}', scope => 'tenant'),
       toms.permit('hr', 'hr.invoice', '{select}', '{absence_management,tax_audit}', scope => 'tenant') \g /dev/null
SELECT toms.hold(tenant => 'acme', subject => '18', reason => 'law suit 4 O 17/26') > 0 AS held;
SQL
try dba 'Messages are kept for 105 days, invoices as the law says; after two years for tax audits alone' '= t' <<'SQL'
SELECT toms.retain('hr.message', keep => '105 days', since => 'sent_at', basis => 'Art. 5(1)(e) GDPR') \g /dev/null
SELECT toms.retain('hr.invoice', period => 'de_invoice', since => 'issued_on',
                   restrict_after => '2 years', purposes => '{tax_audit}') > 0 AS declared;
SQL
try hr 'What is past its period is not there any more, from this moment' '= 3' <<'SQL'
SELECT message_id FROM hr.message;
SQL
try hr 'Older invoices are restricted' '= 3' <<'SQL'
SELECT invoice_id FROM hr.invoice;
SQL
try taxman 'For a tax audit they are there; but for the one that is past its period' '2 rows' <<'SQL'
SELECT invoice_id, issued_on FROM hr.invoice ORDER BY 1;
SQL
try hr 'Nobody writes what is past its period already' toms_past_period <<'SQL'
INSERT INTO hr.message VALUES ('acme', 4, 19, now() - interval '1 year');
SQL

# the worker, in the background
for _ in $(seq 100); do
	[ "$(as_dba -c "SELECT sum(rows) FROM toms.deletion_log" | tail -n 1)" != 2 ] || break
	sleep 0.2
done
try dba 'The worker has deleted it meanwhile: a log of how many, and nobody' '2 rows' <<'SQL'
SELECT relation, tenant, action, rows FROM toms.deletion_log ORDER BY relation;
SQL
try dba 'The message under the hold is still on disk, and a superuser cannot delete it' toms_held <<'SQL'
SET LOCAL toms.reason = 'ticket 4712: old messages';
DELETE FROM hr.message WHERE sent_at < now() - interval '105 days';
SQL
try dba 'What of ACME will be due in ten years?' '3 rows' <<'SQL'
SELECT relation, tenant, due FROM toms.run_retention(as_of => now() + interval '10 years', dry_run => true)
WHERE tenant = 'acme' ORDER BY relation;
SQL
try auditor 'The deletion concept, from the rules that run' '7 rows' <<'SQL'
SELECT relation, start_event, standard_period, implementation FROM toms.deletion_concept()
WHERE rule IS NOT NULL;
SQL

chapter 'Whose right: access, erasure, a certificate'

try dba 'Employee 19 asks what there is about him. ACME instructs its processor, and confirms it' '= f' <<'SQL'
SELECT toms.record_instruction('acme', 'export', given_by => 'Ms Berg, ACME', wording => 'his request of today', subject => '19') AS id \gset
SELECT toms.confirm_instruction(:id), toms.record_request('acme', '19', 'access', now()) \g /dev/null
SELECT overdue FROM toms.requests WHERE closed_at IS NULL;
SQL
try dba 'One call, and a copy of everything that is about him; the trail knows that he got it' '4 rows' <<'SQL'
SELECT i.id FROM toms.instruction i WHERE i.kind = 'export' \gset
SELECT t.key AS relation, jsonb_array_length(t.value) AS rows
FROM jsonb_each(toms.export_subject('acme', '19', instruction => :id) -> 'data') t
WHERE jsonb_array_length(t.value) > 0 ORDER BY 1;
SQL
try dba 'That instruction is used up' 55000 <<'SQL'
SELECT i.id FROM toms.instruction i WHERE i.kind = 'export' \gset
SELECT toms.export_subject('acme', '19', instruction => :id);
SQL
try dba 'Nor does personal data go to whom ACME does not know' toms_recipient_unknown <<'SQL'
SELECT toms.record_instruction('acme', 'export', given_by => 'Ms Berg, ACME', wording => 'give it to them', subject => '17') AS id \gset
SELECT toms.confirm_instruction(:id) \g /dev/null
SELECT toms.export_subject('acme', '17', instruction => :id, recipient => 'Data Broker Ltd');
SQL
try dba 'He leaves, and is to be erased. What the database does not know to be his would stop it' '4 rows' <<'SQL'
SELECT toms.record_instruction('acme', 'erase', given_by => 'Ms Berg, ACME', wording => 'he has left', subject => '19') AS id \gset
SELECT toms.confirm_instruction(:id) \g /dev/null
SELECT relation, deleted, held FROM toms.erase_subject('acme', '19', instruction => :id) WHERE deleted > 0;
SQL
try hr 'He is gone, in one transaction' '= 0' <<'SQL'
SELECT count(*) FROM hr.employee WHERE employee_id = 19;
SQL
try dba 'Employee 18 is at law with ACME: an erasure waits until his hold is released' '= waiting' <<'SQL'
SELECT toms.record_instruction('acme', 'erase', given_by => 'Ms Berg, ACME', wording => 'he has left', subject => '18') AS id \gset
SELECT toms.confirm_instruction(:id) \g /dev/null
SELECT sum(held) > 0 FROM toms.erase_subject('acme', '18', instruction => :id) \g /dev/null
SELECT e.state FROM toms.erasure e WHERE e.instruction = :id;
SQL
as_dba -c 'SELECT toms.seal_audit()' >/dev/null
try dba 'ACME gets a certificate: what was erased, by whose order, and until when a backup may hold it' 'COPY 1' <<'SQL'
SELECT toms.declare_backup_tier('daily', every => '1 day', keep => '2 months') \g /dev/null
\copy (SELECT toms.certificate(min(id)) FROM toms.erasure WHERE state = 'done' AND kind = 'subject') TO 'certificate.json'
SQL
try controller 'It names nobody, and is checked without the database' whole <<'SH'
toms-verify certificate certificate.json --key-file key --log outside/*.log
SH
try controller 'One figure changed, and it is none any more' '1 fault' <<'SH'
sed 's/"deleted": *[0-9]*/"deleted": 0/' certificate.json >forged.json
toms-verify certificate forged.json --key-file key --log outside/*.log
SH

chapter 'A new table: observe, then enforce'

try deploy 'A migration adds a table' 'INSERT 0 1' <<'SQL'
CREATE TABLE hr.bonus (
    tenant_id text, employee_id integer, euros integer NOT NULL,
    PRIMARY KEY (tenant_id, employee_id));
GRANT SELECT ON hr.bonus TO hr;
INSERT INTO hr.bonus VALUES ('acme', 17, 500);
SQL
try dba 'It is protected on trial' '1 row' <<'SQL'
SELECT toms.protect('hr.bonus', tenant => 'tenant_id', subject => 'employee_id',
                    category => 'billing', mode => 'observe') \g /dev/null
SELECT mode, tenant, subject, category FROM toms.protected_tables
WHERE relation = 'hr.bonus'::regclass;
SQL
try hr 'The application goes on reading it' '1 row' <<'SQL'
SELECT * FROM hr.bonus;
SQL
try dba 'A week later: what would have been refused, and what would permit it?' '= SELECT toms.permit(*' <<'SQL'
SELECT remedy FROM toms.would_refuse WHERE relation = 'hr.bonus'::regclass;
SQL
try dba 'Nobody wants to permit that' '= 1' <<'SQL'
SELECT toms.enforce('hr.bonus');
SQL
try hr 'From now on it is refused' toms_permission_missing <<'SQL'
SELECT * FROM hr.bonus;
SQL
try dba 'Every refusal has been counted' "= $refused" <<'SQL'
SELECT refusals FROM toms.status;
SQL
try dba 'No token has got into the server log' '= 0' <<'SQL'
SELECT count(*) FROM regexp_matches(pg_read_file('../log'), 'eyJ', 'g');
SQL

echo
if [ -n "$broken" ]; then
	echo "${red}demo: $steps steps, not as promised:$broken$plain"
	exit 1
fi
echo "${green}demo: $steps steps, all as promised$plain"
