#!/bin/bash
# Loads each reference system of this folder into a database of its own, in a PostgreSQL cluster that lives as long as this
# script, and leaves what an auditor of its controller would be handed: demo-output/<system>/report.html, in German.
#
#     make demo                  on any Debian machine, after examples/absence/demo.sh
#     examples/report.sh         with the programs of a PostgreSQL 15 that has toms
#
# PG_CONFIG names that PostgreSQL; by default the programs on the PATH are taken.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$here/../demo-output
if bin=$("${PG_CONFIG:-pg_config}" --bindir 2>/dev/null); then
	PATH=$bin:$PATH
fi
die() {
	echo "report: $*" >&2
	exit 1
}
[ "$(id -u)" != 0 ] || die "PostgreSQL refuses to run as root: be another user, or use make demo"

leave() {
	local status=$?
	trap '' INT TERM HUP
	[ $status = 0 ] || cat "$box/start" "$box/log" >&2 2>/dev/null || true
	[ ! -e "$box/data/postmaster.pid" ] || pg_ctl -D "$box/data" -m immediate stop >/dev/null || true
	rm -rf "$box"
	exit $status
}
box=$(mktemp -d)
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Nobody else gets into the folder, which makes its socket as private as its files.
unset "${!PG@}"
export PGHOST=$box PGPORT=5432 PGCLIENTENCODING=UTF8 LC_ALL=C.UTF-8 PGOPTIONS='-c client_min_messages=error'
{
	initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync
	mkdir -m 700 "$box/keyring" "$box/outside"
	toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" --kid app
	cat >>"$box/data/postgresql.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$box'
		fsync = off
		max_worker_processes = 32
		shared_preload_libraries = 'toms'
		toms.jwks_file = '$box/jwks.json'
		toms.audience = 'examples'
		toms.keyring = '$box/keyring'
		toms.outside = '$box/outside'
		toms.environment = 'demo'
	CONF
	pg_ctl -D "$box/data" -l "$box/log" -w start
} >"$box/start" 2>&1

# Measures that are not fulfilled: README.md says of each why.
compare() {
	perl -0ne 'while (/<th scope="row"><span class="id">([^<]+)<.*?<span class="badge (\w+)"/gs) { print "$1\n" if $2 !~ /^(pass|not_applicable)$/ }' "$out/$1/report.html" | sort >"$box/$1.open"
	sed -n "s/^| $1 | \([^|]*\) |.*/\1/p" "$here/README.md" | tr -d ' ' | tr ',' '\n' | sort >"$box/$1.told"
	[ -z "$(comm -13 "$box/$1.open" "$box/$1.told")" ] || die "fulfilled, though examples/README.md says why it is not: $(comm -13 "$box/$1.open" "$box/$1.told" | xargs)"
	[ -z "$(comm -23 "$box/$1.open" "$box/$1.told")" ] || echo "not fulfilled here beside what examples/README.md says: $(comm -23 "$box/$1.open" "$box/$1.told" | xargs)"
}

# The controller whose report it is: the first one that was registered.
report() {
	local system=$1 file controller
	export PGDATABASE=$system
	for file in schema protect data; do
		psql -XqAt -v ON_ERROR_STOP=1 -U postgres -f "$here/$system/$file.sql" >/dev/null
	done
	psql -XqAt -v ON_ERROR_STOP=1 -v system="$system" -U postgres -f "$here/review.sql" >/dev/null
	controller=$(psql -XqAtU postgres -c 'SELECT tenant FROM toms.tenant ORDER BY added_at, tenant LIMIT 1')
	mkdir -p "$out/$system"
	psql -XqAt -v ON_ERROR_STOP=1 -v tenant="$controller" -U postgres >"$out/$system/report.html" <<-'SQL'
		SELECT toms.seal_audit() > 0 AS sealed \gset
		SELECT toms.report('html', :'tenant', 'de');
	SQL
	grep -q '</html>' "$out/$system/report.html"
	echo "report of $system, for $controller: demo-output/$system/report.html"
	compare "$system"
}

# One after the other: with its first database the extension makes roles for all. Then the absence example, which has most
# rows, and beside it the others.
systems=$(cd "$here" && for protect in */protect.sql; do echo "${protect%/*}"; done | grep -v '^clients$')
for system in $systems; do
	psql -XqU postgres -d postgres -c "CREATE DATABASE $system"
	psql -XqU postgres -d "$system" -c 'CREATE EXTENSION toms' -c 'CREATE EXTENSION pgcrypto'
done
for system in $systems; do
	[ "$system" = absence ] || report "$system"
done &
report absence
wait $! || die "a report is not whole"
