#!/bin/bash
# Tests with one major version of PostgreSQL after the other, each in a sandbox of its own:
#
#     test/versions.sh GOAL MAJOR...
#
# GOAL is what make does there. Results are printed as the tests print them, to be counted. A version that
# no suite of Debian's has is skipped, but for those that toms promises.
set -uo pipefail
cd "$(dirname "$0")/.."

promised=" 15 17 "
goal=$1
shift

for major; do
	echo "=== PostgreSQL $major"
	PG_MAJOR=$major test/sandbox.sh make "$goal" 2>&1 | sed "s/^[0-9]* passed, /=== PostgreSQL $major: &/"
	status=${PIPESTATUS[0]}
	case $status$promised in
		0*) ;;
		3*" $major "*) echo "not ok - PostgreSQL $major cannot be had" ;;
		3*) echo "ok - PostgreSQL $major # SKIP it cannot be had" ;;
		*) echo "not ok - PostgreSQL $major" ;;
	esac
done
