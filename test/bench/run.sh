#!/bin/bash
# Measures what toms costs: starts a server with protected tables and two others, of which one has
# loaded toms, loads the data, and runs the driver.
#
#     make bench-tenant                           on any Debian machine: 20 minutes, 8 GB of disk
#     make bench-tenant BENCH=-q                  a minute, small data: to see that everything runs
#     make bench-tenant BENCH='own parent'        the shapes whose names begin so
#
#     make bench-tenant BENCH='-s point'   small data, all rounds
#
#     run.sh [-q|-s] [-d FOLDER] [NAME...] with the programs of a PostgreSQL that has toms
#
# -d keeps the data in FOLDER for the next time; the extension and what it protects are made anew
# in any case. PG_CONFIG names that PostgreSQL; by default the programs on the PATH are taken.
# Nothing else should be at work on the machine; its load is printed at the end.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if bin=$("${PG_CONFIG:-pg_config}" --bindir 2>/dev/null); then
	PATH=$bin:$PATH
fi
die() {
	echo "bench: $*" >&2
	exit 1
}
[ "$(id -u)" != 0 ] || die "PostgreSQL refuses to run as root: be another user, or use make bench-tenant"
[ -x "$here/bench" ] || die "make check-bench builds the driver first"

quick='' box='' servers=() rows=5000000 few=200000
while getopts qsd: option; do
	case $option in
	q) quick=-q rows=200000 few=20000 ;;
	s) rows=200000 few=20000 ;;
	d) box=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

leave() {
	local status=$?
	trap '' INT TERM HUP
	[ $status = 0 ] || grep -hE 'ERROR|FATAL|PANIC' "$box"/*.log | tail -n 5 >&2 || true
	for server in with loaded without; do
		[ ! -e "$box/$server/postmaster.pid" ] || pg_ctl -D "$box/$server" -m fast stop >/dev/null || true
	done
	[ -n "$keep" ] || rm -rf "$box"
	exit $status
}
keep=$box
box=${box:-$(mktemp -d)}
mkdir -p -m 700 "$box"
exec 9>"$box/lock"
flock -n 9 || die "somebody else measures in $box"
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
unset "${!PG@}"
export PGHOST=$box PGDATABASE=bench PGUSER=postgres PGCLIENTENCODING=UTF8 LC_ALL=C.UTF-8

# All tables fit into memory, and none is so large a part of it that PostgreSQL would read it
# around its buffers: 6 GB hold the 5 million rows four times. Half of what is free otherwise.
megabytes() { awk -v name="$1:" '$1 == name { print int($2 / 1024) }' /proc/meminfo; }
buffers=$(($(megabytes MemAvailable) / 2))
[ $buffers -le 6144 ] || buffers=6144
[ -z "$quick" ] || buffers=512

configure() {
	cat >"$box/$1/bench.conf" <<-CONF
		port = $2
		listen_addresses = ''
		unix_socket_directories = '$box'
		shared_preload_libraries = '$3'
		shared_buffers = ${buffers}MB
		effective_cache_size = ${buffers}MB
		work_mem = 64MB
		autovacuum = off
		jit = off
		max_parallel_workers_per_gather = 0
		fsync = off
		wal_level = minimal
		max_wal_senders = 0
		max_wal_size = 2GB
		checkpoint_timeout = 1h
	CONF
	[ -z "$3" ] || printf "toms.jwks_file = '%s'\ntoms.keyring = '%s'\n" "$box/jwks.json" "$box/keyring" >>"$box/$1/bench.conf"
	mkdir -p -m 700 "$box/keyring"
}

as_dba() {
	local port=$1
	shift
	psql -XqAt -v ON_ERROR_STOP=1 -p "$port" "$@"
}

# start NAME PORT [LIBRARY]
start() {
	configure "$1" "$2" "${3:-}"
	pg_ctl -D "$box/$1" -l "$box/$1.log" -w start >/dev/null 9>&-
}

# create NAME PORT: a server without data
create() {
	rm -rf "${box:?}/$1"
	initdb -D "$box/$1" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
	echo "include 'bench.conf'" >>"$box/$1/postgresql.conf"
	start "$1" "$2"
	as_dba "$2" -d postgres -c 'CREATE DATABASE bench' -c 'CREATE ROLE bench_hr; CREATE ROLE bench_employee;
		CREATE ROLE bench_app LOGIN IN ROLE bench_hr, bench_employee;
		CREATE ROLE bench_hand LOGIN; CREATE ROLE bench_setting LOGIN; CREATE ROLE bench_subselect LOGIN;
		CREATE ROLE bench_constant LOGIN;
		CREATE ROLE bench_again LOGIN BYPASSRLS'
}

# load PORT ROWS SCHEMAS
load() {
	echo "bench: loading $2 rows into each of $3" >&2
	as_dba "$1" -v rows="$2" -v schemas="$3" -f "$here/data.sql"
}

# finish NAME PORT
finish() {
	as_dba "$2" -c 'VACUUM (ANALYZE, FREEZE)' -c CHECKPOINT
	echo $rows >"$box/$1/rows"
}

is_loaded() { [ "$(cat "$box/$1/rows" 2>/dev/null)" = $rows ]; }

start_with() {
	if is_loaded with; then
		start with 5441
		as_dba 5441 -f "$here/forget.sql"
	else
		create with 5441
		load 5441 $rows '{hand,setting,toms_tenant,toms_subject,toms_kept}'
		as_dba 5441 -f "$here/policies.sql"
		finish with 5441
	fi
	pg_ctl -D "$box/with" -m fast stop >/dev/null
	start with 5441 toms
	as_dba 5441 -f "$here/functions.sql"
	as_dba 5441 -f "$here/protect.sql"
}

# Two that differ in the library alone: the place of a table on disk and in memory is worth a few percent.
start_others() {
	if ! is_loaded without; then
		create without 5443
		load 5443 $few '{plain}'
		finish without 5443
		pg_ctl -D "$box/without" -m fast stop >/dev/null
	fi
	rm -rf "$box/loaded"
	cp -a "$box/without" "$box/loaded"
	start loaded 5442 toms
	start without 5443
	as_dba 5442 -f "$here/functions.sql"
	as_dba 5443 -f "$here/functions.sql"
	as_dba 5442 -o /dev/null -c 'CREATE EXTENSION toms' -c "SELECT toms.protect('plain.team', tenant => 'tenant_id')"
}

warm() {
	as_dba "$1" -o /dev/null <<-'SQL'
		SET client_min_messages = warning;
		CREATE EXTENSION IF NOT EXISTS pg_prewarm;
		SELECT pg_prewarm(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'i') AND n.nspname IN ('hand', 'plain', 'setting', 'toms_tenant', 'toms_subject', 'toms_kept');
	SQL
}

machine() {
	echo
	echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(megabytes MemTotal) MB, $(uname -sr)"
	as_dba 5441 -c "SELECT 'PostgreSQL ' || current_setting('server_version') || ', shared_buffers ' || current_setting('shared_buffers')
	                  || ', toms ' || extversion || ', ' || $rows || ' rows' FROM pg_extension WHERE extname = 'toms'"
	echo "load average before: $before; $(date -u '+%Y-%m-%d %H:%M UTC')"
}

before=$(cut -d ' ' -f 1-3 /proc/loadavg)
[ -e "$box/jwks.json" ] || toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" >/dev/null
start_with
start_others
for port in 5441 5442 5443; do
	warm $port
	servers+=("host=$box port=$port dbname=bench")
done
"$here/bench" $quick "${servers[@]}" "$box/app.jwk" "$@"
machine
