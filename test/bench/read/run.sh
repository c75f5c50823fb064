#!/bin/bash
# Measures what it costs to tell the audit trail of reads, in a throw-away cluster: reads of one row
# beside a hand-written policy without audit, and reads that wait until their entry is durable beside
# INSERTs of one row that are committed synchronously.  With pgaudit beside it where that is installed.
#
#     make bench-read                 on any Debian machine: six minutes
#     make bench-read BENCH=-q        a minute, to see that everything runs
#
#     make bench-read BENCH=-s        three rounds, two minutes
#
#     run.sh [-q|-s]                  with the programs of a PostgreSQL that has toms
#
# Variants take turns, a slice each, and the ratio is the median over the rounds. Nothing else should
# be at work on the machine.
. "$(dirname "$0")/../begin.sh" bench-read
rows=100000 seconds=3 rounds=7
case ${1:-} in
-q) rows=5000 seconds=1 rounds=1 ;;
-s) rounds=3 ;;
esac

psql() { command psql -XqAt -v ON_ERROR_STOP=1 -v rows=$rows "$@"; }

toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" >/dev/null
initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	toms.jwks_file = '$box/jwks.json'
	toms.session_context = on
	toms.audit_queue_size = 16MB
	shared_buffers = 2GB
	max_wal_size = 8GB
	checkpoint_timeout = 1h
	autovacuum = off
	jit = off
CONF
pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null
psql -f "$here/setup.sql" -o /dev/null

now=$(date +%s)
token=$(toms-keys mint --private "$box/app.jwk" --payload \
	"{\"tenant\":\"acme\",\"sub\":\"1\",\"role\":\"bench_hr\",\"purpose\":\"bench\",\"iat\":$now,\"exp\":$((now + 3600))}")
as_job() { PGUSER=bench_job PGOPTIONS="-c app.tenant=acme -c toms.token=$token ${options:-}" "$@"; }

for table in hand asynchronous strict; do
	printf '\\set id random(1, %d)\nSELECT * FROM bench.%s WHERE id = :id;\n' "$rows" $table >"$box/$table"
done
printf "\\\\set id random(1, %d)\\nINSERT INTO bench.log (relation, verb, row_id) VALUES ('bench.hand', 'select', :id);\\n" "$rows" >"$box/insert"

# Transactions per second of a script with so many clients.
one() { as_job pgbench -n -M prepared -c "$2" -j 2 -T $seconds -f "$box/$1" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# The second variant beside the first: name of the figure, bar, then lines of both.
report() {
	local lines
	lines=$(cat)
	printf '%-50s  %8.0f  %8.0f   %.2f   (%s)\n' "$1" "$(awk '{ print $1 }' <<<"$lines" | median)" "$(awk '{ print $2 }' <<<"$lines" | median)" \
		"$(awk '{ print $2 / $1 }' <<<"$lines" | median)" "$2"
}
compare() {
	for _ in $(seq $rounds); do
		echo "$(one "$1" "$3") $(one "$2" "$3")"
	done | report "$4" "$5"
}
# entries that others refer to are there, as on any but the first second of a month
one asynchronous 2 >/dev/null
one strict 2 >/dev/null

compare hand asynchronous 2 "read of a row: by hand, toms asynchronous, 2 clients" "toms by itself included"
for clients in 2 8 32; do
	compare insert strict $clients "synchronous INSERT, strict read, $clients clients" "bar 0.80"
done

if [ -e "$(pg_config --pkglibdir)/pgaudit.so" ]; then
	echo "shared_preload_libraries = 'toms,pgaudit'" >>"$box/data/postgresql.conf"
	pg_ctl -D "$box/data" -l "$box/log" -w restart >/dev/null
	for _ in $(seq $rounds); do
		psql -c "ALTER ROLE bench_job RESET ALL"
		bare=$(one hand 2)
		psql -c "ALTER ROLE bench_job SET pgaudit.log = 'read'"
		echo "$bare $(one hand 2)"
	done | report "read of a row: by hand, pgaudit (server log), 2 clients" "beside"
else
	echo "pgaudit is not installed: no figure of it"
fi
psql -c "SELECT 'entries of reads: ' || count(*) FROM toms.audit_entry WHERE kind = 'r'"
psql -c "SELECT 'queue: ' || q FROM toms.audit_queue q"
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
