#!/bin/bash
# Looks at the C source without running it, in some minutes: cppcheck, clang-tidy with the checks of
# .clang-tidy, and gcc's analyzer. A finding of any of them is a failure: it is mended, or silenced
# where it stands with the reason.
#
#     make analyze                   on any Debian machine
#     analyze.sh                     with PG_CONFIG, in the root of the source
set -uo pipefail

config=${PG_CONFIG:-pg_config}
# Assertions are compiled in: they tell the analyzers, too, what always holds.
flags="$("$config" --cppflags) -Isrc -I$("$config" --includedir-server) -DUSE_ASSERT_CHECKING -DTOMS_VERSION='\"0\"' -DTOMS_PREVIOUS='\"0\"'"
files=$(ls src/*.c src/*/*.c src/bin/*/*.c)
status=0

# NAME COMMAND...; for one file after the other, as many at a time as there are processors
each() {
	local name=$1 findings
	shift
	if findings=$(xargs -P "$(nproc)" -n 1 "$@" <<<"$files" 2>&1); then
		echo "ok - $name"
	else
		printf '%s\n' "not ok - $name" "$findings"
		status=1
	fi
}

# legacyUninitvar takes a member's name for the variable that is given a value.
each cppcheck cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability --suppress=legacyUninitvar \
	--include=test/cppcheck.h -Isrc
each clang-tidy sh -c 'clang-tidy --quiet "$1" -- '"$flags"' 2>/dev/null' sh
each 'gcc -fanalyzer' sh -c "gcc $flags"' -O1 -fanalyzer -Werror -c -o /dev/null "$1"' sh
exit $status
