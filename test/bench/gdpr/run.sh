#!/bin/bash
# Measures the four personas of GDPRbench (controller, customer, processor, regulator; 100,000 records) on six servers that
# take turns, with the same operations in the same order:
#
#     bare        the records with an index on each column of metadata; nothing is enforced or recorded, nor is there a log to ask
#     told        the same, and the customer's operations tell PostgreSQL who asks, by set_config(); it does nothing with it
#     retrofit    what is usual: a plpgsql trigger that keeps each change, log_statement = all into csvlog, filters by person,
#                 period and objection in the statements, a job of pg_cron (where it is installed) that deletes what has expired;
#                 the regulator is shown the lines of the whole log that name a person
#     tail        the same server, whose regulator looks at the last 64 kB of the log alone: his answers are not complete
#     pgaudit     the retrofit with pgaudit (read, write, parameters) in the place of log_statement
#     pgcrypto    the retrofit with the data encrypted by pgcrypto
#     toms        signed token in each operation, scope own for customers, permissions and policies by purpose, period, objections,
#                 every change and read on the sealed trail; the regulator asks toms.audit_trail() for all of a person
#
#     make bench-gdpr                 on any Debian machine: ten minutes
#     make bench-gdpr BENCH=-q        half a minute, to see that everything runs
#
#     run.sh [-q] [PERSONA...]        with the programs of a PostgreSQL that has toms
#
# The records are brought by the application, a statement each, so that the log or the trail that the regulator asks tells
# of each. One client; an operation is one message and one answer. Commits are synchronous. The controller comes last, since what
# he changes lengthens the log and the trail. pg_partman has no part: a record's period is its own. Nothing else should be at work
# on the machine.
. "$(dirname "$0")/../begin.sh" bench-gdpr
turns=$here/../turns/turns
[ -x "$turns" ] || die "make check-bench-gdpr builds the driver first"
records=100000
declare -A operations=([load]=$records [controller]=800 [customer]=10000 [processor]=5000 [regulator]=400) batch=([controller]=20 [customer]=50 [processor]=50 [regulator]=20)
if [ "${1:-}" = -q ]; then
	operations=([controller]=20 [customer]=200 [processor]=100 [regulator]=20)
	records=10000 operations[load]=10000
	shift
fi

leave() {
	local status=$?
	[ $status = 0 ] || tail -n 5 "$box"/*.log >&2 || true
	for side in $sides; do
		[ ! -e "$box/$side/postmaster.pid" ] || pg_ctl -D "$box/$side" -m immediate stop >/dev/null || true
	done
	rm -rf "$box"
	exit $status
}
library=$(pg_config --pkglibdir)
sides='bare told retrofit pgcrypto toms'
[ ! -e "$library/pgaudit.so" ] || sides='bare told retrofit pgaudit pgcrypto toms'
cron=''
[ ! -e "$library/pg_cron.so" ] || cron=pg_cron
psql() { command psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

toms-keys new --jwks "$box/jwks.json" --private "$box/app.jwk" >/dev/null

# What a side's server has beyond that of bare.
log_of_statements="logging_collector = on
	log_destination = csvlog
	log_rotation_size = 0
	log_rotation_age = 0
	cron.use_background_workers = on"
settings() {
	case $1 in
	bare | told) ;;
	retrofit | pgcrypto) printf '%s\n' "shared_preload_libraries = '$cron'" "$log_of_statements" 'log_statement = all' ;;
	pgaudit) printf '%s\n' "shared_preload_libraries = 'pgaudit${cron:+,}$cron'" "$log_of_statements" "pgaudit.log = 'read, write'" 'pgaudit.log_parameter = on' ;;
	toms) printf '%s\n' "shared_preload_libraries = 'toms'" "toms.keyring = '$box/keyring'" "toms.jwks_file = '$box/jwks.json'" ;;
	esac
}

port() { case $1 in bare) echo 5441 ;; told) echo 5446 ;; retrofit) echo 5442 ;; pgaudit) echo 5443 ;; pgcrypto) echo 5444 ;; toms) echo 5445 ;; esac; }

start() {
	initdb -D "$box/$1" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
	cat >>"$box/$1/postgresql.conf" <<-CONF
		port = $(port "$1")
		listen_addresses = ''
		unix_socket_directories = '$box'
		shared_buffers = 512MB
		max_wal_size = 4GB
		checkpoint_timeout = 1h
		autovacuum = off
		jit = off
		max_parallel_workers_per_gather = 0
		$(settings "$1")
	CONF
	pg_ctl -D "$box/$1" -l "$box/$1.log" -w start >/dev/null
	psql -p "$(port "$1")" -f "$here/setup.sql" -o /dev/null
	case $1 in
	retrofit) psql -p "$(port "$1")" -f "$here/retrofit.sql" -o /dev/null ;;
	pgaudit) psql -p "$(port "$1")" -f "$here/retrofit.sql" -o /dev/null ;;
	pgcrypto) psql -p "$(port "$1")" -f "$here/pgcrypto.sql" -f "$here/retrofit.sql" -o /dev/null ;;
	toms) psql -p "$(port "$1")" -f "$here/toms.sql" -o /dev/null ;;
	esac
	prepare load "$1" "options='-c synchronous_commit=off'"
	"$turns" -b 1000 load "$1=$box/load.$1" >/dev/null
	psql -p "$(port "$1")" -c 'VACUUM (ANALYZE)' -c CHECKPOINT
}

# Processes whose time is a side's too: of the log, of toms.
helpers() {
	local parent child
	parent=$(head -n 1 "$box/$1/postmaster.pid")
	for child in $(cat "/proc/$parent/task/$parent/children"); do
		! { tr "\0" " " <"/proc/$child/cmdline"; } 2>/dev/null | grep -qE 'logger|toms' || printf 'also\t%s\n' "$child"
	done
}

# The file of a side for turns: persona, side, what its connection has beside.
prepare() {
	local side=$2 login=bench_job
	[ "$1 $2" != 'regulator tail' ] || side=retrofit
	{
		printf 'connect\thost=%s port=%s dbname=postgres user=%s %s\n' "$box" "$(port $side)" "$login" "${3:-}"
		helpers $side
		perl "$here/operations.pl" "$1" $side "${operations[$1]}" $records "$box/app.jwk" |
			if [ "$2" = tail ]; then sed 's/1000000000/65536/'; else cat; fi
	} >"$box/$1.$2"
}

for side in $sides; do
	start $side
done
printf '%-40s %-24s %9s %9s %7s %13s %7s %9s\n' persona side 'ops/s' 'cpu us' ratio p10-p90 'of cpu' rows
for persona in ${*:-customer processor regulator controller}; do
	arguments=()
	for side in $sides; do
		[ "$persona" = customer ] || [ $side != told ] || continue
		prepare $persona $side
		arguments+=("$side=$box/$persona.$side")
	done
	if [ $persona = regulator ]; then
		prepare $persona tail
		arguments+=("tail=$box/regulator.tail")
	fi
	"$turns" -b "${batch[$persona]}" $persona "${arguments[@]}"
done
echo "$(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1); load $(cut -d ' ' -f 1-3 /proc/loadavg); $(date -u '+%Y-%m-%d %H:%M UTC')"
