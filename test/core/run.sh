#!/bin/bash
# Runs PostgreSQL's own regression tests three times, in throw-away clusters: without toms, with toms
# loaded, and with the extension in the database.  What differs from the first run is shown, and is
# a failure unless test/core/differences names it with a reason.
#
#     make test-core                  on any Debian machine whose apt has PostgreSQL's source: some minutes
#
#     run.sh SOURCE                   with the programs of a PostgreSQL that has toms; SOURCE is the folder
#                                     src/test/regress of a source tree of the same major version
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source=${1:?the folder src/test/regress of a source tree}
bin=$("${PG_CONFIG:-pg_config}" --bindir)
regress=$(dirname "$("${PG_CONFIG:-pg_config}" --pgxs)")/../test/regress/pg_regress
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT

cc -shared -fPIC -O1 -w -I"$("${PG_CONFIG:-pg_config}" --includedir-server)" -I"$source" "$source/regress.c" -o "$box/regress.so"
printf "fsync = off\n" >"$box/bare.conf"
printf "fsync = off\nshared_preload_libraries = 'toms'\nlog_min_messages = warning\n" >"$box/toms.conf"

# NAME CONFIGURATION OPTION...; what differs from PostgreSQL's expected output is not asked here
play() {
	local name=$1 config=$2
	shift 2
	mkdir "$box/$name"
	(cd "$box/$name" && "$regress" --temp-instance="$box/$name/instance" --temp-config="$config" --inputdir="$source" --bindir="$bin" \
		--dlpath="$box" --outputdir="$box/$name" --schedule="$source/parallel_schedule" --max-connections=10 "$@" >"$box/$name/said" 2>&1) || true
	echo "$name: $(grep -oE '[0-9]+ of [0-9]+ tests failed|All [0-9]+ tests passed' "$box/$name/said" || echo 'no result')"
	[ -s "$box/$name/results/boolean.out" ] || { tail -n 20 "$box/$name/said"; exit 1; }
}

play bare "$box/bare.conf"
play loaded "$box/toms.conf"
play installed "$box/toms.conf" --load-extension=toms

# TEST RUN LINES; prints why it is as it should be
explanation() {
	awk -v test="$1" -v run="$2" -v lines="$3" '$1 == test && $2 == run && ($3 == lines || $3 == "*") {
		$1 = $2 = $3 = ""; print substr($0, 4); found = 1 } END { exit !found }' "$here/differences"
}

failed=0 passed=0
for run in loaded installed; do
	for expected in "$box"/bare/results/*.out; do
		test=$(basename "$expected" .out)
		if diff "$expected" "$box/$run/results/$test.out" >"$box/diff"; then
			passed=$((passed + 1))
		elif why=$(explanation "$test" "$run" "$(grep -c '^[<>]' "$box/diff")"); then
			echo "ok - $test ($run) differs: $why"
			passed=$((passed + 1))
		else
			echo "not ok - $test ($run)"
			head -n 60 "$box/diff"
			failed=$((failed + 1))
		fi
	done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
