#!/bin/bash
# Measures whether a statement costs more as work grows: by the number of tenants, of permissions, of roles that a connection
# serves in turn, of protected tables, of partitions, of entries on the audit trail, where a person's last week is asked too.
# Each is a pair of databases, or more, of one server, that differ in that number alone; they take turns, and the ratio of
# processor time tells: 0.91 is a tenth more. A session that touches each table in turn tells of what its memory grows.
#
#     make bench-growth               on any Debian machine: about five minutes, most of them to set up
#     make bench-growth BENCH=-q      a minute, to see that everything runs
#     make bench-growth BENCH='tables=10000 partitions=10000 entries=10000000'      the great numbers, which take long
#
#     run.sh [-q] [NUMBER=...]        with the programs of a PostgreSQL that has toms
#
# Nothing else should be at work on the machine.
. "$(dirname "$0")/../begin.sh" bench-growth
turns=$here/../turns/turns
[ -x "$turns" ] || die "make check-bench-growth builds the driver first"
tenants=100000 permissions=1000 tables=300 partitions=300 entries=1000000 operations=20000
for argument; do
	case $argument in
	-q) tenants=1000 permissions=100 tables=10 partitions=10 entries=10000 operations=1000 ;;
	tenants=* | permissions=* | tables=* | partitions=* | entries=* | operations=*) declare "$argument" ;;
	*) die "not known: $argument" ;;
	esac
done

psql() { command psql -XqAt -v ON_ERROR_STOP=1 -o /dev/null "$@"; }

toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" >/dev/null
initdb -D "$box/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
cat >>"$box/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$box'
	shared_preload_libraries = 'toms'
	toms.keyring = '$box/keyring'
	toms.jwks_file = '$box/jwks.json'
	max_worker_processes = 40
	max_locks_per_transaction = 4096
	shared_buffers = 2GB
	max_wal_size = 8GB
	checkpoint_timeout = 1h
	autovacuum = off
	fsync = off
	jit = off
	max_parallel_workers_per_gather = 0
CONF
pg_ctl -D "$box/data" -l "$box/log" -w start >/dev/null
psql -f "$here/roles.sql"

token() { # ROLE
	local now
	now=$(date +%s)
	toms-keys mint --private "$box/app.jwk" --payload \
		"{\"tenant\":\"acme\",\"sub\":\"1\",\"role\":\"$1\",\"purpose\":\"bench\",\"iat\":$now,\"exp\":$((now + 3600))}"
}

# create NAME [VARIABLE=NUMBER...]: a database of its own for each number, all else being 1
create() {
	local name=$1 argument set=()
	shift
	for argument; do set+=(-v "$argument"); done
	psql -c "CREATE DATABASE $name"
	psql -d "$name" -v tenants=1 -v permissions=1 -v tables=1 -v partitions=1 -v entries=1 "${set[@]}" -f "$here/setup.sql"
}

# file NAME STATEMENT [ROLES [OPERATIONS [SETTING]]]: who work in turn in a database, each operation with a token of its own
file() {
	local role tokens=() i
	for role in $(seq "${3:-1}"); do tokens+=("$(token "bench_$role")"); done
	printf 'connect\thost=%s dbname=%s user=bench_job\n' "$box" "$1"
	printf 'setup\tSET plan_cache_mode = %s\n' "${5:-auto}"
	printf 'prepare\tcontext\tSELECT set_config($$toms.token$$, $1, true)\n'
	printf 'prepare\tstatement\t%s\n' "$2"
	for i in $(seq "${4:-$operations}"); do
		printf 'do\tcontext\t%s\t;\tstatement\t%d\n' "${tokens[i % ${#tokens[@]}]}" $((i * 7 % 1000 + 1))
	done
}

read='SELECT * FROM bench.note WHERE id = $1'
write='UPDATE bench.note SET words = words WHERE id = $1'

week="SELECT * FROM toms.audit_trail(since => now() - interval '7 days', subject => \$1)"

# turns_of TITLE STATEMENT OPERATIONS NAME=NUMBER...: the same statement in these databases
turns_of() {
	local title=$1 statement=$2 count=$3 pair arguments=()
	shift 3
	for pair; do
		file "${pair%=*}" "$statement" 1 "$count" >"$box/${pair%=*}.turns"
		arguments+=("${pair#*=}=$box/${pair%=*}.turns")
	done
	"$turns" -r -b $((count / 50)) "$title" "${arguments[@]}"
}

# compare TITLE NAME=NUMBER...
compare() {
	local title=$1
	shift
	turns_of "read of a row, $title" "$read" "$operations" "$@"
	turns_of "write of a row, $title" "$write" $((operations / 2)) "$@"
}

# memory DATABASE TABLES: what a session has by itself once it has read a row of each of the first so many, in kB
memory() {
	{
		printf '%s\n' 'SET client_min_messages = error;' 'SELECT pg_backend_pid() AS pid \gset' '\setenv PID :pid'
		for i in $(seq 2 "$2"); do
			printf "BEGIN; SELECT set_config('toms.token', :'token', true) \\g /dev/null\nSELECT FROM bench.note_%s WHERE id = 1 \\g /dev/null\nCOMMIT;\n" "$i"
		done
		printf '%s\n' '\! sed -n "s/^RssAnon:[^0-9]*//p" /proc/$PID/status'
	} >"$box/memory.sql"
	command psql -XqAt -v ON_ERROR_STOP=1 -U bench_job -d "$1" -v token="$(token bench_1)" -f "$box/memory.sql"
}

create one
create tenants_few tenants=1000
create tenants_many tenants=$tenants
printf '%-40s %-24s %9s %9s %7s %13s %7s %9s\n' what number 'ops/s' 'cpu us' ratio p10-p90 'of cpu' rows
compare tenants one=10 tenants_few=1000 tenants_many=$tenants
psql -c 'DROP DATABASE tenants_few' -c 'DROP DATABASE tenants_many'

create permissions permissions=$permissions
compare permissions one=1 permissions=$permissions
for roles in 4 20 100; do
	file permissions "$read" $roles >"$box/roles.$roles"
done
"$turns" -r -b 100 'read of a row, roles in turn' 4="$box/roles.4" 20="$box/roles.20" 100="$box/roles.100"
psql -c 'DROP DATABASE permissions'

create tables tables=$tables
compare 'protected tables' one=1 tables=$tables
echo "memory of a session that has read a row of each table: $(memory tables 2) with 1, $(memory tables "$tables") with $tables"
psql -c 'DROP DATABASE tables'

create entry
create entries entries=$entries
compare 'entries on the trail' entry=1 entries=$entries
turns_of "a person's last week, entries on the trail" "$week" 50 entry=1 entries=$entries
psql -c 'DROP DATABASE entry' -c 'DROP DATABASE entries'

# beside the same table without toms: PostgreSQL's own cost grows with partitions
create partitions partitions=$partitions
for plan in force_custom_plan force_generic_plan; do
	file partitions "${read/note/bare}" 1 $((operations / 10)) $plan >"$box/bare"
	file partitions "${read/note/note_parted}" 1 $((operations / 10)) $plan >"$box/parted"
	"$turns" -r -b 100 "read of a row, $plan" "bare, $partitions partitions"="$box/bare" "toms, $partitions partitions"="$box/parted"
done
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
