#!/bin/bash
# SQLsmith makes up statements, as two log-ins of an application with a context of one tenant, of tables protected in every
# form, for SMITH_SECONDS (an hour by default).  No row, error or notice may hold what the log-in must not see, no statement
# may raise an internal error of toms or go unanswered for a minute, no process of the server may crash; afterwards every row is
# what it was and the trail is whole.
#
#     make smith                      on a Debian machine
#     make smith SMITH_SECONDS=60     to see that everything runs
#
# First a table is left open, and the same statements must find that: what finds nothing then proves nothing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-3600}
if bin=$("${PG_CONFIG:-pg_config}" --bindir 2>/dev/null); then
	PATH=$bin:$PATH
fi
leave() {
	local status=$?
	[ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null || true
	[ ! -e "$box/data/postmaster.pid" ] || pg_ctl -D "$box/data" -m immediate stop >/dev/null || true
	[ $status = 0 ] || { mkdir -p log && cp "$box"/log "$box"/report.* log/ 2>/dev/null; } || true
	rm -rf "$box"
	exit $status
}
box=$(mktemp -d)
trap leave EXIT
trap 'exit 130' INT TERM
unset "${!PG@}"
export PGHOST=$box PGDATABASE=postgres PGUSER=postgres PGCLIENTENCODING=UTF8 LC_ALL=C.UTF-8
psql() { PGOPTIONS='-c client_min_messages=warning -c toms.reason=test' command psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
say() { echo "smith: $*"; }

mkdir -m 700 "$box/keyring" "$box/outside"
toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" >/dev/null
initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	toms.outside = '$box/outside'
	toms.jwks_file = '$box/jwks.json'
	toms.max_token_age = 1d
	toms.audit_logins = none
	toms.retention_interval = 1d
	temp_file_limit = 1GB
	fsync = off
	jit = off
CONF
pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null
psql -f "$here/setup.sql" -o /dev/null

# start_relay CLIENT CANARY SEEN: a relay for it, in a folder of its own; what it must not see, and what it may
sources=$(cd "$here/../../src" && ls ./*.c ./*/*.c | sed 's|.*/||; s|\.|\\.|' | paste -sd '|')
start_relay() {
	mkdir "$box/$1"
	perl "$here/relay.pl" "$box/$1/.s.PGSQL.5432" "$box/.s.PGSQL.5432" "$box/report.$1" "$2" "$3" "$sources" &
	relays+=" $!"
}
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
start_relays() {
	local globex="canary_of_globex|$(hex canary_of_globex)|canary_of_nobody|987654321|1887-07-07"
	rm -rf "$box/hr" "$box/employee"
	relays=
	start_relay hr "$globex" 'word_of_17|canary_of_18'
	start_relay employee "$globex|canary_of_18|$(hex canary_of_18)|876543210|1888-08-08" word_of_17
}
stop_relays() {
	kill $relays
	wait $relays || true
}

# smith CLIENT SECONDS [found]: again and again with other seeds, since SQLsmith itself may crash; found: until something is
smith() {
	local end=$((SECONDS + $2)) now seed=$((10#$(date +%N) % 100000)) token sqlsmith
	now=$(date +%s)
	token=$(toms-keys mint --private "$box/app.jwk" --payload \
		"{\"tenant\":\"acme\",\"sub\":\"17\",\"role\":\"$1\",\"purpose\":\"work\",\"iat\":$now,\"exp\":$((now + 86000))}")
	while [ $SECONDS -lt $end ]; do
		seed=$((seed + 1))
		sqlsmith --exclude-catalog --seed=$seed --target="host=$box/$1 user=smith_$1 options='-c toms.token=$token'" >"$box/smith.$1" 2>&1 &
		sqlsmith=$!
		while kill -0 $sqlsmith 2>/dev/null && [ $SECONDS -lt $end ]; do
			[ "${3:-}" != found ] || ! grep -q '^canary: ' "$box/report.$1" || end=0
			sleep 1
		done
		kill $sqlsmith 2>/dev/null || true
		wait $sqlsmith || true
	done
}
both() {
	local pids=()
	for client in hr employee; do
		smith $client "$@" 2>/dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
}
found() { cat "$box"/report.* 2>/dev/null | grep -E "$1" || true; }

# what is open is found
start_relays
both 300 found
stop_relays
for client in hr employee; do
	grep -q '^canary: ' "$box/report.$client" || { say "an open table was not found by $client: $(tail -n 3 "$box/smith.$client")"; exit 1; }
	say "$client: an open table was found"
	mv "$box/report.$client" "$box/open.$client"
done
psql -c "SELECT toms.enforce('hr')" -o /dev/null
before=$(psql -c 'SELECT public.contents()')
since=$(psql -c 'SELECT now()')

start_relays
both "$seconds"
stop_relays

failed=0
check() { if [ "$2" = "$3" ]; then say "ok - $1"; else say "not ok - $1: $2"; failed=1; fi; }
crashes=$(grep -E 'terminated by signal|PANIC|TRAP' "$box/log" || true)
check 'nothing was sent that the log-in must not see' "$(found '^canary: ' | head -n 5)" ''
check 'no internal error of toms' "$(found '^internal: ' | sort | uniq -c | head -n 20)" ''
check 'every statement was answered' "$(found '^silent: ' | head -n 5)" ''
check 'no process of the server has crashed' "$crashes" ''
check 'every row is what it was' "$(psql -c 'SELECT public.contents()')" "$before"
check 'no entry of the trail names the other tenant' "$(psql -c "SELECT count(*) FROM toms.audit_trail(since => '$since', tenant => 'globex')")" 0
psql -c 'SELECT toms.seal_audit()' -o /dev/null
check 'the trail is whole' "$(psql -c 'SELECT * FROM toms.verify_audit()')" ''
sum() { found "^$1: " | awk '{ n += $2 } END { print n + 0 }'; }
check "$(sum statements) statements were sent, $(sum seen) rows hold what the log-in may see" "$([ "$(sum seen)" -gt 0 ] || echo none)" ''
found '^foreign: ' | sort | uniq -c
say "errors: $(found '^error: ' | awk '{ n[$2] += $3 } END { for (e in n) print e, n[e] }' | sort -k2rn | head -n 12 | paste -sd ',')"
exit $failed
