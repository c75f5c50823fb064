#!/bin/bash
# Tests with one major version of PostgreSQL after the other, each in a sandbox of its own:
#
#     test/versions.sh GOAL MAJOR...
#
# GOAL is what make does there. What the tests print is printed, to be counted. A version that cannot be
# had is skipped, unless it is one of REQUIRED; so is one that takes longer than LIMIT. Of one that
# PostgreSQL has not released yet, check-version tries less.
set -uo pipefail
cd "$(dirname "$0")/.."

goal=$1
shift

for major; do
	echo "=== PostgreSQL $major"
	stage=$goal
	[ "$goal" != check-version ] || [ "$major" -lt 19 ] || stage=check-candidate
	PG_MAJOR=$major timeout --foreground "${LIMIT:-0}" test/sandbox.sh make "$stage" 2>&1 |
		perl -pe 'BEGIN { $| = 1 } $counted += s/^(?=\d+ passed, )/=== PostgreSQL '"$major"': /; END { $? = !$counted }'
	status=("${PIPESTATUS[@]}")
	case ${status[0]}:" ${REQUIRED-} " in
		3:*" $major "*) echo "not ok - PostgreSQL $major cannot be had" ;;
		3:*) echo "ok - PostgreSQL $major # SKIP it cannot be had" ;;
		124:*) echo "ok - PostgreSQL $major # SKIP it took longer than $LIMIT" ;;
		*) [ ${status[1]} = 0 ] || echo "not ok - PostgreSQL $major could not be tried" ;;
	esac
done
