#!/bin/bash
# Runs regression tests with every process of the server under valgrind, and reports what it finds
# in code of toms:
#
#     make memcheck                           on any Debian machine, as a sandbox: an hour or two
#     make memcheck REGRESS='base keyring'    those tests alone
#
#     memcheck.sh COMMAND...                  with a PostgreSQL whose programs may be replaced
#
# A finding counts if a function of toms was at work and it is not one that PostgreSQL has by itself
# (test/valgrind.supp). With a PostgreSQL that is built with marks for valgrind (test/asserted.sh), which
# Debian's is not, it sees reads of freed palloc() memory, too.
set -euo pipefail

bin=$("${PG_CONFIG:-pg_config}" --bindir)
server=$bin/postgres
findings=$PWD/test-output/memcheck
command -v valgrind >/dev/null || { echo "memcheck: valgrind is missing; as root: apt-get install valgrind" >&2; exit 1; }
[ -w "$bin" ] || { echo "memcheck: $bin cannot be written to: make memcheck uses a copy" >&2; exit 1; }

make -s clean
mkdir -p "$findings"
make -s -j"$(nproc)" check-build
mv "$server" "$server.plain"
trap 'mv "$server.plain" "$server"' EXIT
cat >"$server" <<-WRAPPER
	#!/bin/sh
	case " \$* " in *" --boot "*|*" --single "*|*" -V "*|*" -C "*) exec "$server.plain" "\$@" ;; esac
	exec valgrind --quiet --trace-children=yes --leak-check=no --suppressions="$PWD/test/valgrind.supp" --error-limit=no --num-callers=40 \\
		--fullpath-after="$PWD/" --log-file="$findings/%p" "$server.plain" "\$@"
WRAPPER
chmod 755 "$server"

status=0
PGCTLTIMEOUT=600 TOMS_TEST_SLOWER=20 "$@" || status=$?

# A finding is what stands between two lines without text.
cat "$findings"/* | perl -00 -ne 's/^==\d+== ?//mg; for (split /\n\s*\n/) { $n++, print "$_\n\n" if m{\(src/} } END { print "memcheck: ", $n || 0, " findings\n"; $? = $n ? 1 : 0 }' || status=1
exit $status
