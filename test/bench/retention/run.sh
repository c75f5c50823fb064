#!/bin/bash
# Measures what retention costs those who read and write meanwhile, in a throw-away cluster: one client
# at full speed (four point reads to one update by key) while a fifth of the rows is deleted, by the
# worker and, beside it, by one plain DELETE without toms.  Then partitions that are due as a whole,
# and a run of many tenants that finds nothing.
#
#     make bench-retention            on any Debian machine: ten minutes
#     make bench-retention BENCH=-q   a minute, to see that everything runs
#
#     run.sh [-q]                     with the programs of a PostgreSQL that has toms
#
# Variants take turns, and figures are medians over the rounds; a latency is that of the window in
# which rows are deleted, compared with the same client beside a session that only computes: an idle
# core answers later than a busy one.  Nothing else should be at work on the machine.
. "$(dirname "$0")/../begin.sh" bench-retention
rows=5000000 rounds=4 control=10 tenants=1000 tables=20 few=1000 many=100000 patience=600
[ "${1:-}" != -q ] || rows=50000 rounds=1 control=2 tenants=20 tables=3 few=10 many=1000 patience=300

leave() {
	local status=$?
	[ $status = 0 ] || tail -n 5 "$box/log" >&2 || true
	[ -z "${jobs:-}" ] || kill $jobs 2>/dev/null || true
	[ ! -e "$box/data/postmaster.pid" ] || pg_ctl -D "$box/data" -m immediate stop >/dev/null || true
	rm -rf "$box"
	exit $status
}
jobs=''
export PGOPTIONS='-c client_min_messages=warning -c toms.reason=bench'
psql() { command psql -XqAt -v ON_ERROR_STOP=1 -v rows=$rows -v tenants=$tenants -v tables=$tables "$@"; }

toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" >/dev/null
initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	toms.jwks_file = '$box/jwks.json'
	toms.session_context = on
	toms.max_token_age = 1d
	toms.retention_interval = 1s
	toms.retention_limit = -1
	toms.audit_queue_size = 16MB
	synchronous_commit = off
	shared_buffers = 2GB
	max_wal_size = 8GB
	max_locks_per_transaction = 256
	checkpoint_timeout = 1h
	autovacuum = off
	jit = off
CONF
pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null
psql -f "$here/setup.sql" -o /dev/null

now=$(date +%s)
token=$(toms-keys mint --private "$box/app.jwk" --payload \
	"{\"tenant\":\"acme\",\"sub\":\"1\",\"role\":\"bench_hr\",\"purpose\":\"bench\",\"iat\":$now,\"exp\":$((now + 80000))}")
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.2f\n", to - from }'; }
clock() { date +%s.%N; }

# Waits until the query answers true, in one session: to start programs meanwhile would be felt by the client.
await() {
	psql -c "DO \$\$ BEGIN
		FOR i IN 1 .. $patience * 20 LOOP IF ($1) THEN RETURN; END IF; COMMIT; PERFORM pg_sleep(0.05); END LOOP;
		RAISE EXCEPTION 'bench-retention: not within $patience s'; END \$\$" >/dev/null || { psql -x -c 'SELECT * FROM toms.retention_progress' >&2; return 1; }
}

# The client, of a table; its latencies go to files of that name, until it is stopped.
start_client() {
	cat >"$box/script" <<-SQL
		\\set id random($((rows / 5 + 1)), $rows)
		\\set turn random(1, 5)
		\\if :turn = 1
		UPDATE bench.$1 SET hits = hits + 1 WHERE id = :id;
		\\else
		SELECT * FROM bench.$1 WHERE id = :id;
		\\endif
	SQL
	rm -f "$box"/latency.*
	PGUSER=bench_job PGOPTIONS="-c toms.token=$token" pgbench -n -M prepared -c 1 -T 3600 -f "$box/script" -l --log-prefix="$box/latency" >/dev/null 2>&1 &
	jobs=$!
	sleep 1
}
stop_client() {
	psql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bench_job'" >/dev/null
	wait $jobs 2>/dev/null || true
	jobs=''
}
# Latencies between two times: p50, p99, p99.9, maximum, in microseconds, and transactions per second.
latencies() {
	cat "$box"/latency.* | awk -v from="$1" -v to="$2" 'NF >= 6 { at = $5 + $6 / 1e6; if (at >= from && at <= to) print $3 }' | sort -n |
		awk -v span="$(seconds "$1" "$2")" '{ v[NR] = $1 } END { print v[int(NR * 0.5) + 1], v[int(NR * 0.99) + 1], v[int(NR * 0.999) + 1], v[NR], int(NR / span) }'
}

# What is done meanwhile: a session that only computes; one DELETE; the worker.
compute() { psql -c "SET statement_timeout = '${control}s'" -c 'SELECT count(*) FROM generate_series(1, 1000000000)' >/dev/null 2>&1 || true; }
delete() { psql -c "DELETE FROM bench.hand WHERE at <= now() - interval '305 days'"; }
retain() {
	psql -c "SELECT toms.retain('bench.toms', keep => '305 days', since => 'at')" >/dev/null
	await "SELECT NOT EXISTS (SELECT FROM bench.toms WHERE id = 1)"					# its interval is over
	from=$(clock)
	await "SELECT NOT EXISTS (SELECT FROM bench.toms WHERE id = $((rows / 5)))"		# the last one goes last
}
# TABLE DEED: a line "p50 p99 p99.9 maximum tps seconds" for the deed's window, of which it may move the beginning.
window() {
	local from to
	start_client "$1"
	from=$(clock)
	$2
	to=$(clock)
	sleep 0.1
	stop_client
	echo "$(latencies "$from" "$to") $(seconds "$from" "$to")" >>"$box/$1.$2"
}
field() { awk -v n="$2" '{ print $n }' "$box/$1" | median; }
ratio() { paste "$box/$1" "$box/$2" | awk -v n="$3" '{ print $n / $(n + 6) }' | median; }
line() { printf '%-52s %8.0f %8.0f %8.0f %9.0f %8.0f %8.2f\n' "$1" "$(field "$2" 1)" "$(field "$2" 2)" "$(field "$2" 3)" "$(field "$2" 4)" "$(field "$2" 5)" "$(field "$2" 6)"; }

for _ in $(seq $rounds); do
	psql -c "SELECT bench.renew('hand'), bench.renew('toms')" -c 'VACUUM (ANALYZE) bench.hand, bench.toms' -c CHECKPOINT \
		-c "SELECT toms.protect('bench.toms', tenant => 'tenant', subject => 'employee')" \
		-c "SELECT toms.permit('bench_hr', 'bench.toms', '{select,update}', '{bench}', 'tenant')" >/dev/null
	window hand compute
	window toms compute
	window hand delete
	window toms retain
	await "SELECT NOT EXISTS (SELECT FROM bench.toms WHERE id <= $((rows / 5)))"
	psql -c "SELECT toms.unretain(id, 'over') FROM toms.retention_rule WHERE relation = 'bench.toms'::regclass AND valid_until IS NULL" \
		-c "SELECT toms.unprotect('bench.toms', 'over')" -c 'DROP TABLE bench.hand, bench.toms' >/dev/null
done
printf '%-52s %8s %8s %8s %9s %8s %8s\n' "a client, microseconds" p50 p99 p99.9 maximum tps seconds
line "bare PostgreSQL, beside a session that computes" hand.compute
line "bare PostgreSQL, beside one DELETE of $((rows / 5)) rows" hand.delete
line "toms, beside a session that computes" toms.compute
line "toms, beside the worker that deletes as many" toms.retain
printf 'p99: one DELETE %.2f, the worker %.2f (bar 1.1)\n' "$(ratio hand.delete hand.compute 2)" "$(ratio toms.retain toms.compute 2)"
printf 'p99.9: one DELETE %.2f, the worker %.2f (bar 2)\n' "$(ratio hand.delete hand.compute 3)" "$(ratio toms.retain toms.compute 3)"
printf 'duration: %.2f times that of one DELETE (bar 3)\n' "$(ratio toms.retain hand.delete 6)"

# Sixty partitions that are due: by hand, and by the worker, with few rows each and with many.
for size in $few $many; do
	psql -c "SELECT bench.renew_days('days_by_hand', $size), bench.renew_days('days', $size)" -c "SELECT toms.protect('bench.days', tenant => 'tenant', subject => 'employee')" >/dev/null
	from=$(clock)
	psql >/dev/null <<-'SQL'
		SELECT format('ALTER TABLE bench.days_by_hand DETACH PARTITION bench.days_by_hand_%s', d), format('DROP TABLE bench.days_by_hand_%s', d) FROM generate_series(1, 60) d \gexec
	SQL
	by_hand=$(seconds "$from" "$(clock)")
	from=$(clock)
	psql -c "SELECT toms.retain('bench.days', keep => '1 day', since => 'day')" >/dev/null
	await "SELECT count(*) = 1 FROM pg_inherits WHERE inhparent = 'bench.days'::regclass"
	printf '60 partitions of %s rows: by hand %s s, the worker %s s, its second of waiting included\n' $size "$by_hand" "$(seconds "$from" "$(clock)")"
	psql -c "SELECT toms.unretain(id, 'over') FROM toms.retention_rule WHERE relation = 'bench.days'::regclass AND valid_until IS NULL" \
		-c "SELECT toms.unprotect('bench.days', 'over')" -c 'DROP TABLE bench.days, bench.days_by_hand' >/dev/null
done

# Nothing due
psql -f "$here/tenants.sql" -o /dev/null
for _ in $(seq $((rounds + 2))); do
	from=$(clock)
	psql -c 'SELECT count(*) FROM toms.run_retention()' >/dev/null
	seconds "$from" "$(clock)"
done >"$box/idle"
printf 'a run of %s tenants x %s rules that finds nothing due: %s s (bar 1)\n' $tenants $tables "$(tail -n +2 "$box/idle" | median)"
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
