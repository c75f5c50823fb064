#!/bin/bash
# The whole table of what toms costs, a part for each subject, each in turns with what it is compared with: row security and
# retention (shapes of run.sh), sealing, changes and reads on the trail, GDPRbench's personas, and how cost grows with the work.
#
#     make bench                      on any Debian machine: about half an hour
#     make bench BENCH=-q             some minutes, to see that everything runs
#
# Each part has a target of its own (make bench-tenant, bench-seal, ...) that measures longer and says more.
# Nothing else should be at work on the machine.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
short=-s
[ "${1:-}" != -q ] || short=-q

part() { # TITLE COMMAND...
	printf '\n=== %s\n' "$1"
	shift
	"$@"
}
part 'row security, retention' "$here/run.sh" $short 'point read, prepared' 'range of 5,000 rows, prepared' 'kept: point read, prepared'
part sealing "$here/seal/run.sh" "$@"
part 'audit of changes' "$here/audit/run.sh" $short
part 'audit of reads' "$here/read/run.sh" $short
part GDPRbench "$here/gdpr/run.sh" "$@"
part growth "$here/growth/run.sh" "$@"
