#!/bin/bash
# Measures how long toms.export_subject() and toms.erase_subject() take, in a throw-away cluster: of a
# person with 10,000 rows in 50 tables of 10 million rows in all, of one with 1,000 rows there, and of
# both among 1 million rows.  The time is to grow with the person's rows, not with the tables'.
#
#     make bench-rights               on any Debian machine: two minutes
#     make bench-rights BENCH=-q      ten seconds, to see that everything runs
#
#     run.sh [-q]                     with the programs of a PostgreSQL that has toms
#
# Each call is a session of its own, as an officer's is; figures are medians over as many persons of
# a kind.  Nothing else should be at work on the machine.
. "$(dirname "$0")/../begin.sh" bench-rights
rows=200000 many=200 persons=5		# of a table; persons of each kind
[ "${1:-}" != -q ] || rows=2000 many=20 persons=1

export PGOPTIONS='-c client_min_messages=error -c toms.reason=bench'
psql() { command psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	wal_level = minimal
	max_wal_senders = 0
	shared_buffers = 2GB
	max_wal_size = 8GB
	max_locks_per_transaction = 256
	checkpoint_timeout = 1h
	autovacuum = off
	jit = off
CONF
pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null
psql -f "$here/setup.sql" -o /dev/null

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$(median <"$box/$1")" -v b="$(median <"$box/$2")" 'BEGIN { printf "%.2f", a / b }'; }

# FILE EXPECTED QUERY: how many milliseconds it took, if it answers as expected.
measure() {
	local said
	said=$(PGUSER=officer psql -c '\timing on' -c "$3")
	[ "${said%%$'\n'*}" = "$2" ] || { echo "bench-rights: $2 rows were expected, not $said" >&2; return 1; }
	sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' <<<"$said" >>"$box/$1"
}
instruction() {
	local id
	id=$(psql -c "SELECT instruct('$1', $2)")
	psql -c "SELECT toms.confirm_instruction($id)" -o /dev/null
	echo "$id"
}
# SIZE: rows in a table
measure_all() {
	psql -c "SELECT renew($1, $many, $persons)" -c 'VACUUM (ANALYZE)' -c CHECKPOINT -c 'SELECT protect_all()' -o /dev/null
	for what in export erase; do
		for who in $(seq 0 $((2 * persons - 1))); do
			local rows=$((50 * many + 1))
			[ "$who" -lt $persons ] || rows=$((5 * many + 1))
			case $what in
				export) query="SELECT sum(jsonb_array_length(value)) FROM jsonb_each(toms.export_subject('acme', '$who', $(instruction export "$who")) -> 'data')" ;;
				erase) query="SELECT sum(deleted) FROM toms.erase_subject('acme', '$who', $(instruction erase "$who"))" ;;
			esac
			measure $what.$1.$rows $rows "$query"
		done
	done
	psql -c 'DROP SCHEMA bench CASCADE' -o /dev/null
}

large=$((50 * many + 1)) small=$((5 * many + 1)) tenth=$((rows / 10))
for size in $rows $tenth; do
	measure_all $size
done
printf '%-44s %12s %12s\n' "milliseconds, $((50 * rows)) rows in 50 tables" export erase
printf '%-44s %12.0f %12.0f\n' "a person with $large rows" "$(median <"$box/export.$rows.$large")" "$(median <"$box/erase.$rows.$large")" \
	"a person with $small rows" "$(median <"$box/export.$rows.$small")" "$(median <"$box/erase.$rows.$small")" \
	"a person with $large rows, of $((50 * tenth))" "$(median <"$box/export.$tenth.$large")" "$(median <"$box/erase.$tenth.$large")"  \
	"a person with $small rows, of $((50 * tenth))" "$(median <"$box/export.$tenth.$small")" "$(median <"$box/erase.$tenth.$small")"
printf '%-44s %12s %12s\n' \
	"ten times the rows of others (1: none)" "$(ratio export.$rows.$large export.$tenth.$large)" "$(ratio erase.$rows.$large erase.$tenth.$large)" \
	"ten times the person's rows (bar 10)" "$(ratio export.$rows.$large export.$rows.$small)" "$(ratio erase.$rows.$large erase.$rows.$small)"
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
