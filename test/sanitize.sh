#!/bin/bash
# Builds and installs toms with gcc's sanitizers of addresses and of undefined behaviour, and runs a
# command with their libraries loaded. What they find ends the server, and is printed.
#
#     make sanitize                  on any Debian machine: regression, evidence and isolation tests
#     sanitize.sh COMMAND...         with a PostgreSQL of PG_CONFIG that is not linked with libldap, as
#                                    Debian's 15 is: with that libasan waits for ever (test/asserted.sh)
set -euo pipefail

findings=$PWD/test-output/sanitize
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
make -s clean
mkdir -p "$findings"
make -s -j"$(nproc)" check-build COPT="-O1 -fno-omit-frame-pointer -U_FORTIFY_SOURCE $sanitizers"

export ASAN_OPTIONS="detect_leaks=0:abort_on_error=1:log_path=$findings/address"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$findings/undefined"
status=0
LD_PRELOAD=$(realpath "$(gcc -print-file-name=libasan.so)"):$(realpath "$(gcc -print-file-name=libubsan.so)") "$@" || status=$?

found=$(find "$findings" -type f | wc -l)
find "$findings" -type f -exec cat {} +
echo "sanitize: $found findings"
[ "$found" = 0 ] || status=1
exit $status
