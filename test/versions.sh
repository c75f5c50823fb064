#!/bin/bash
# Tests with one major version of PostgreSQL after the other, each in a sandbox of its own:
#
#     test/versions.sh GOAL MAJOR...
#
# GOAL is what make does there. What the tests print is printed, to be counted. A version that no suite
# of Debian's has is skipped, but for those that toms promises; so is one that only root can unpack.
set -uo pipefail
cd "$(dirname "$0")/.."

promised=" 15 17 "
goal=$1
shift

for major; do
	echo "=== PostgreSQL $major"
	if [ "$major" -ge 19 ]; then
		echo "ok - PostgreSQL $major # SKIP it has no get_relation_info_hook, by which toms hides from EXPLAIN how many rows others have"
		continue
	fi
	PG_MAJOR=$major test/sandbox.sh make "$goal" 2>&1 |
		perl -pe 'BEGIN { $| = 1 } $counted += s/^(?=\d+ passed, )/=== PostgreSQL '"$major"': /; END { $? = !$counted }'
	status=("${PIPESTATUS[@]}")
	case ${status[0]}$promised in
		3*" $major "*) echo "not ok - PostgreSQL $major cannot be had" ;;
		3*) echo "ok - PostgreSQL $major # SKIP it cannot be had" ;;
		4*) echo "ok - PostgreSQL $major # SKIP only root can unpack it" ;;
		*) [ ${status[1]} = 0 ] || echo "not ok - PostgreSQL $major could not be tried" ;;
	esac
done
