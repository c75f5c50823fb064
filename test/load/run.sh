#!/bin/bash
# The five examples at work in one server: 8 clients, with its workers that write and seal the trail and delete what is past its
# period, for LOAD_SECONDS (an hour by default).  After two fifths of that the clients end, and the books must balance exactly;
# after three the whole server is killed under them, and goes on.  At the end the books balance again - rows, entries of the trail,
# keys, ledger - and no process has grown.
#
#     make load                       on a Debian machine
#     make load LOAD_SECONDS=60       to see that everything runs
#
# Each script of scripts/ is a kind of transaction, does.tsv says what it leaves in the trail, balance.sql compares.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-3600}
grows=1024		# by so many kB at most a process may grow after it has warmed up
if bin=$("${PG_CONFIG:-pg_config}" --bindir 2>/dev/null); then
	PATH=$bin:$PATH
fi
leave() {
	local status=$?
	[ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null || true
	[ ! -e "$box/data/postmaster.pid" ] || pg_ctl -D "$box/data" -m immediate stop >/dev/null || true
	[ $status = 0 ] || { mkdir -p log && cp "$box"/log "$box"/pgbench.* "$box"/memory log/ 2>/dev/null; } || true
	rm -rf "$box"
	exit $status
}
box=$(mktemp -d)
trap leave EXIT
trap 'exit 130' INT TERM
unset "${!PG@}"
export PGHOST=$box PGUSER=postgres PGCLIENTENCODING=UTF8 LC_ALL=C.UTF-8
psql() { PGOPTIONS='-c client_min_messages=warning' command psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
say() { echo "load: $*"; }

# example, log-in of its jobs, clients, and how often each script is run beside the others
work='absence absence_job 2 ask=4 decide=4 sick_days=1
messenger messenger_job 2 write=4 answer=4 expire=1 take_back=1 register=1
timeclock timeclock_job 1 book=5 correct=3 immunise=1 refuse=1
processor office_job 1 open=1 look=1
remote_support support_job 1 help=2 bill=1'
examples() { echo "$work" | cut -d' ' -f1; }
clients=8		# these, and the officer

mkdir -m 700 "$box/keyring" "$box/outside"
initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	toms.outside = '$box/outside'
	toms.seal_interval = 2s
	toms.retention_interval = 2s
	toms.audit_logins = none
	max_worker_processes = 40
	log_checkpoints = off
	fsync = off
	jit = off
CONF
start() { pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null; }
start
psql -d postgres -c 'CREATE ROLE load_officer LOGIN'
while read -r example login _; do
	createdb "$example"
	psql -d "$example" -c 'CREATE EXTENSION toms'
	for part in schema protect data; do
		psql -d "$example" -f "$here/../../examples/$example/$part.sql" -o /dev/null
	done
	psql -d "$example" -v login="$login" -f "$here/setup.sql"
	for script in "$here/scripts/$example"/*.sql $([ "$example" != messenger ] || ls "$here/scripts/officer"/*.sql); do
		grep -hP "^$(basename "$script" .sql)\t" "$here/does.tsv" || true
	done | psql -d "$example" -c 'COPY load.does FROM STDIN'
	[ "$example" != messenger ] || grep -P '^greet\t' "$here/does.tsv" | psql -d "$example" -c 'COPY load.does FROM STDIN'
	psql -d "$example" -c "SET toms.reason = 'balance'" -c 'CREATE TABLE load.began AS SELECT * FROM load.count()'
	psql -d "$example" -c "SELECT now()" >"$box/since.$example"
done <<<"$work"

# Memory of each process that is its own, in kB, every few seconds.  Of shared memory Linux calls private what no other process happens to use.
sample() {
	local every=$((seconds / 300 + 1)) pid kb
	while sleep $every; do
		for pid in $(pgrep -P "$(head -n 1 "$box/data/postmaster.pid" 2>/dev/null || echo 0)"); do
			kb=$(awk '/^Anonymous:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null) || continue
			echo "$pid $kb $(tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's/ \[local\].*//')"
		done
	done >>"$box/memory" 2>/dev/null
}

# run SECONDS NAME: all clients; they log what they hear that has been done
run() {
	local pids=() seed=0 example login n scripts
	while read -r example login n scripts; do
		seed=$((seed + 1))
		pgbench -n -M prepared -c "$n" -T "$1" --random-seed=$seed -U "$login" -l --log-prefix="$box/log.$example.$2" \
			$(for s in $scripts; do echo "-f $here/scripts/$example/${s%=*}.sql@${s#*=}"; done) "$example" >"$box/pgbench.$example.$2" 2>&1 &
		pids+=($!)
	done <<<"$work"
	pgbench -n -c 1 -T "$1" -U load_officer -f "$here/scripts/officer/erase.sql" messenger >"$box/pgbench.officer.$2" 2>&1 &
	pids+=($!)
	for pid in "${pids[@]}"; do wait "$pid" || true; done
}
# collect NAME: what they have logged, into the books
collect() {
	local example login n scripts
	while read -r example login n scripts; do
		cat "$box/log.$example.$1".* | awk -v names="$scripts" 'BEGIN { split(names, part, " ") }
			{ script = part[$4 + 1]; sub(/=.*/, "", script); printf "%s\t%d.%06d\n", script, $5, $6 }' |
			psql -d "$example" -c 'COPY load.logged FROM STDIN'
	done <<<"$work"
}

failed=0
check() { if [ "$2" = "$3" ]; then say "ok - $1"; else say "not ok - $1:"; echo "$2" | sed 's/^/    /' | head -n 30; failed=1; fi; }
await() {
	for _ in {1..120}; do
		[ "$(psql -d "$1" -c "SELECT $2" 2>/dev/null)" != t ] || return 0
		sleep 1
	done
	say "not ok - $1: not within two minutes: $2"
	failed=1
}
# balance KILLED WHEN: what the workers have still to do is awaited; then everything must be there, and nothing else
balance() {
	local example log
	await messenger "(SELECT coalesce(sum(rows), 0) FROM toms.deletion_log WHERE rule IS NOT NULL) = (SELECT count(*) FROM load.done WHERE script = 'expire')"
	psql -d messenger -c 'SELECT toms.audit_key()' >"$box/audit.key"
	for example in $(examples); do
		check "$2, $example: $(psql -d "$example" -c 'SELECT count(*) FROM load.logged') transactions balance" \
			"$(psql -d "$example" -v since="$(cat "$box/since.$example")" -v killed="$1" -v clients=$clients -f "$here/balance.sql" 2>&1)" ''
		log=$box/outside.log		# as it is now: sealing goes on
		cp "$box/outside/$(psql -d "$example" -c 'SELECT id FROM toms.dataset').log" "$log"
		psql -d "$example" -c "SELECT toms.export_blocks(1, $(grep -oP '"block":\K[0-9]+' "$log" | tail -n 1))" >"$box/chain"
		check "$2, $example: toms-verify finds the trail whole" "$(toms-verify chain "$box/chain" --key-file "$box/audit.key" --log "$log" >"$box/verified" 2>&1 || cat "$box/verified")" ''
		check "$2, $example: each erasure has its line in the ledger" "$(grep -c '"type":"erased"' "$log" || true)" "$(psql -d "$example" -c "SELECT count(*) FROM toms.erasure WHERE state = 'done'")"
	done
}
# What has run for long enough: how much more memory it had at least, in its last third, than at least in its second: what it needs
# for a while is no growth.
growth() {
	awk '{ pid = $1; kb = $2; $1 = $2 = ""; if (!(pid in name)) name[pid] = substr($0, 3); v[pid, ++n[pid]] = kb }
		function least(pid, from, to,   i, m) { m = v[pid, from]; for (i = from + 1; i <= to; i++) if (v[pid, i] < m) m = v[pid, i]; return m }
		END { for (pid in n) if (n[pid] >= 12) {
			third = int(n[pid] / 3)
			printf "%d %d %d %s\n", least(pid, n[pid] - third + 1, n[pid]) - least(pid, third + 1, 2 * third), v[pid, 1], v[pid, n[pid]], name[pid] } }' "$box/memory" | sort -rn
}

sample &
sampler=$!
run $((seconds * 2 / 5)) first
collect first
balance 0 'with all clients ended'
run $((seconds * 4 / 5)) second &
running=$!
sleep $((seconds / 5))
postmaster=$(head -n 1 "$box/data/postmaster.pid")
killed=$(date +%s.%N)
kill -KILL "$postmaster" $(pgrep -P "$postmaster") 2>/dev/null
wait $running
check "the server was killed under $(cat "$box"/pgbench.*.second | grep -c 'perhaps the backend died') transactions" "$(cat "$box"/pgbench.*.second | grep -q 'perhaps the backend died' || echo none)" ''
for _ in {1..60}; do		# what was killed may not be gone yet
	if start 2>/dev/null; then break; fi
	sleep 1
done
for example in $(examples); do await "$example" "gate = 'open' FROM toms.status"; done
collect second
run $((seconds * 2 / 5)) third
collect third
balance "$killed" 'after a crash and more work'
kill $sampler

growth >"$box/growth"
check 'no process has grown' "$(awk -v limit=$grows '$1 > limit' "$box/growth")" ''
say 'memory of its own in kB: growth, at first, at last'
head -n 12 "$box/growth" | sed 's/^/    /'
check 'no client was refused what it should not be' "$(grep -h 'ERROR' "$box"/pgbench.* | sort | uniq -c)" ''
check 'the server has said nothing of what should not be' "$(grep -E 'PANIC|TRAP|(WARNING|ERROR|FATAL):' "$box/log" | grep -vE 'terminating|starting up|not refused|lock file' | sed -E 's/^[^[]*\[[0-9]+\] //' | sort | uniq -c | sort -rn)" ''
exit $failed
