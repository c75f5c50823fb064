#!/bin/bash
# Builds toms with gcc's counters, runs a command, and prints what part of the lines of C was
# run: of each file, and of all. Fails if it is less than 90 percent of all. The lines that were
# not run stand in test-output/coverage/*.gcov, marked with #####.
#
#     make coverage                  on any Debian machine: regression, evidence, isolation and TAP tests
#     coverage.sh COMMAND...         with PG_CONFIG, in a copy of the source that the server may write to
#
# A process writes its counters when it ends: what is killed, by a test or an immediate stop, is not seen.
set -uo pipefail

report=$PWD/test-output/coverage
# what the TAP tests build of the library has counters, too
export COPT='--coverage -O0 -U_FORTIFY_SOURCE'
make -s clean
find src -name '*.gcda' -delete
make -s -j"$(nproc)" check-build || exit 1

status=0
"$@" || status=$?

rm -rf "$report"
mkdir -p "$report"
gcov -r -p $(find src -name '*.gcno') 2>/dev/null |
	sed -n "/^File 'src.*\.c'/ { s/^File '\(.*\)'/\1/; N; s/\nLines executed:\(.*\)% of \(.*\)/ \1 \2/p }" | sort |
	awk '{ printf "%6.1f %% of %4d  %s\n", $2, $3, $1; run += $2 * $3 / 100; all += $3 }
		END { short = run < 0.9 * all; printf "%s - %.1f percent of %d lines of C were run\n", short ? "not ok" : "ok", 100 * run / all, all; exit short }' || status=1
mv ./*.gcov "$report"
exit $status
