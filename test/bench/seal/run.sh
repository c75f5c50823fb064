#!/bin/bash
# Measures what sealing costs, against libsodium's bare call and pgcrypto, in a throw-away cluster.
#
#     make bench-seal                on any Debian machine: some minutes, a million values
#     make bench-seal BENCH=-q       a few seconds, to see that everything runs
#
#     run.sh [-q]                    with the programs of a PostgreSQL that has toms and pgcrypto
#
# Nothing else should be at work on the machine.
. "$(dirname "$0")/../begin.sh" bench-seal
[ -x "$here/sodium" ] || die "make check-bench-seal builds what measures libsodium first"
rows=1000000 few=2000 rounds=5 transactions=20000
[ "${1:-}" != -q ] || rows=20000 few=200 rounds=2 transactions=500

psql() { command psql -Xqt -v rows=$rows -v few=$few -v rounds=$rounds "$@"; }

initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	shared_buffers = 2GB
	autovacuum = off
	jit = off
	max_parallel_workers_per_gather = 0
	fsync = off
	max_wal_size = 8GB
	checkpoint_timeout = 1h
CONF
pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null
psql -f "$here/setup.sql" -o /dev/null
psql -U bench_job -f "$here/rounds.sql" -o /dev/null

# The median of five interleaved runs of one client, one row a transaction.
one_row() {
	cat >"$box/$1.pgbench" <<-SQL
		\set person random(1, 2000)
		BEGIN;
		SELECT toms.enter('acme', '1', 'bench_hr', 'bench');
		INSERT INTO bench.$1 VALUES (1, 'acme', :person, $2);
		COMMIT;
	SQL
	pgbench -n -M prepared -t $transactions -U bench_job -f "$box/$1.pgbench" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}
read -r sodium_seal sodium_open < <("$here/sodium")
psql -v sodium_seal="$sodium_seal" -v sodium_open="$sodium_open" -P tuples_only=off -f "$here/report.sql"
for _ in 1 2 3 4 5; do
	echo "$(one_row protected true) $(one_row sealed "'true'")"
done | awk '{ print $2 / $1 }' | sort -n | sed -n 3p | xargs printf 'one row a transaction, sealed : plain, transactions per second: %.2f\n'
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
