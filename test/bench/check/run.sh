#!/bin/bash
# Measures how long toms.check() takes, in a throw-away cluster with 500 protected tables, 1,000 partitions and 1,000
# tenants: the first call after a start of the server, and further ones; and sees which locks it takes.
#
#     make bench-check                on any Debian machine: some minutes, most of them to set up
#     make bench-check BENCH=-q       half a minute, to see that everything runs
#
#     run.sh [-q]                     with the programs of a PostgreSQL that has toms
#
# It is called by an officer of duty auditor. Nothing else should be at work on the machine.
. "$(dirname "$0")/../begin.sh" bench-check
tables=500 partitions=1000 tenants=1000
[ "${1:-}" != -q ] || tables=50 partitions=100 tenants=100

export PGOPTIONS='-c client_min_messages=error -c toms.reason=bench'
psql() { command psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	shared_buffers = 1GB
	max_wal_size = 8GB
	max_locks_per_transaction = 1024
	checkpoint_timeout = 1h
	jit = off
CONF
pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null
began=$SECONDS
psql -v tables=$tables -v partitions=$partitions -v tenants=$tenants -f "$here/setup.sql" -o /dev/null
echo "$tables tables, $partitions partitions, $tenants tenants, set up in $((SECONDS - began)) s"

measure() {
	local began
	began=$(date +%s%N)
	PGUSER=officer psql -o /dev/null -c 'SELECT * FROM toms.check()'
	printf '%-40s  %6d ms\n' "$1" $((($(date +%s%N) - began) / 1000000))
}
pg_ctl -D "$box/data" -l "$box/log" -w restart >/dev/null
measure "toms.check(), after a start (bar 10,000)"
for _ in 1 2 3; do measure "toms.check()"; done

# Locks that are held to the end of the caller's transaction.
PGUSER=officer psql -o "$box/locks" <<-'SQL'
	BEGIN;
	SELECT * FROM toms.check() \g /dev/null
	SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode <> 'AccessShareLock';
	ROLLBACK;
SQL
echo "locks beyond AccessShareLock: $(paste -sd, "$box/locks" | grep . || echo none)"
echo "the slowest probes:"
psql -F ' ms  ' <<-'SQL'
	CREATE FUNCTION pg_temp.took(probe text) RETURNS integer LANGUAGE plpgsql AS $$
	DECLARE
	    began constant timestamptz := clock_timestamp();
	BEGIN
	    PERFORM toms.run_probe(probe);
	    RETURN extract(milliseconds FROM clock_timestamp() - began);
	END
	$$;
	SELECT * FROM (SELECT pg_temp.took(p.probe) AS ms, p.probe FROM (SELECT DISTINCT probe FROM toms.measure WHERE probe IS NOT NULL) p) t ORDER BY ms DESC LIMIT 8;
SQL
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
