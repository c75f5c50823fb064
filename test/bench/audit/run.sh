#!/bin/bash
# Measures what the audit trail costs those who change rows, and what it takes to verify it, in a
# throw-away cluster: beside a hand-written policy without audit, and with the usual plpgsql trigger.
#
#     make bench-audit                on any Debian machine: six minutes
#     make bench-audit BENCH=-q       half a minute, to see that everything runs
#
#     make bench-audit BENCH=-s       three rounds, three minutes
#
#     run.sh [-q|-s]                  with the programs of a PostgreSQL that has toms
#
# Variants take turns, a slice each, and the ratio is the median over the rounds. Nothing else should
# be at work on the machine.
. "$(dirname "$0")/../begin.sh" bench-audit
rows=100000 seconds=3 rounds=7 many=1000000
case ${1:-} in
-q) rows=5000 seconds=1 rounds=1 many=20000 ;;
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
as_job() { PGUSER=bench_job PGOPTIONS="-c app.tenant=acme -c toms.token=$token -c synchronous_commit=${commit:-off}" "$@"; }

# Rows a statement: one, of a table, by two clients. Prints transactions per second.
for table in hand trigger toms; do
	printf '\\set id random(1, %d)\nUPDATE bench.%s SET hours = :id WHERE id = :id;\n' "$rows" $table >"$box/update.$table"
	printf "\\\\set id random(1000000, 2000000000)\\nINSERT INTO bench.%s VALUES (:id, 'acme', :id %% 2000, '2026-01-01', 8, 'some words about it') ON CONFLICT DO NOTHING;\\n" $table >"$box/insert.$table"
done
one() { as_job pgbench -n -M prepared -c 2 -T $seconds -f "$box/$1.$2" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# The ratio of each variant to the first, by rounds: name of the figure, bar of toms, then lines "hand trigger toms".
report() {
	local lines
	lines=$(cat)
	printf '%-42s  hand %9.0f   trigger %.2f   toms %.2f   (bar %s)\n' "$1" "$(awk '{ print $1 }' <<<"$lines" | median)" \
		"$(awk '{ print $2 / $1 }' <<<"$lines" | median)" "$(awk '{ print $3 / $1 }' <<<"$lines" | median)" "$2"
}
# pages of the current month that are not summed up, and keys that every person has, as on any but the first day
as_job psql -c "UPDATE bench.toms SET hours = 1 WHERE true" >/dev/null

for commit in on off; do
	[ $commit = on ] && bar=0.93 || bar=0.85
	for what in update insert; do
		for _ in $(seq $rounds); do
			echo "$(one $what hand) $(one $what trigger) $(one $what toms)"
		done | report "one row, $what, synchronous_commit $commit" ">= $bar"
	done
done

commit=off
bulk() {
	as_job psql -c '\timing on' -c "BEGIN" -c "UPDATE bench.$1 SET hours = hours + 1 WHERE id <= $rows" -c ROLLBACK | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | sed -n 2p
}
for _ in $(seq $rounds); do
	echo "$(bulk hand) $(bulk trigger) $(bulk toms)"
done | report "$rows rows at once, update, time (ms)" "<= 1.60"

# A trail of its own: what an entry takes, and how fast it is verified by one core.
partition="toms.audit_change_$(date -u +%Y_%m)"
before=$(psql -c "SELECT pg_total_relation_size('$partition') || ' ' || (SELECT count(*) FROM $partition)")
as_job psql -c "INSERT INTO bench.toms SELECT 2000000000 + n, 'acme', n % 2000, '2026-01-01', 8, '' FROM generate_series(1, $many) n"
after=$(psql -c "SELECT pg_total_relation_size('$partition') || ' ' || (SELECT count(*) FROM $partition)")
echo "$before $after" | awk '{ printf "bytes of an entry, indexes included: %.0f   (bar <= 150)\n", ($3 - $1) / ($4 - $2) }'
psql -c 'SELECT toms.seal_audit()' >/dev/null
psql -c 'VACUUM (ANALYZE)'
entries=$(psql -c 'SELECT count(*) FROM toms.audit_entry')
for _ in 1 2 3; do
	psql -c 'SET max_parallel_workers_per_gather = 0' -c '\timing on' -c 'SELECT count(*) FROM toms.verify_audit()' | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
done | median | awk -v n="$entries" '{ printf "verify_audit(), %d entries, one core: %.0f entries a second   (bar >= 500000)\n", n, n / $1 * 1000 }'
echo "faults found: $(psql -c 'SELECT count(*) FROM toms.verify_audit()')"
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
