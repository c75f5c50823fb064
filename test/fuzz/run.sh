#!/bin/bash
# Fuzzes the parsers of what comes from outside, each so many seconds:
#
#     make fuzz                       ten minutes each; "make test" does 15 seconds each
#     run.sh SECONDS                  with PG_CONFIG, in the root of the source
#
# envelope: what a client sends as a sealed value; token: tokens, the key set, lines of the log
# outside; proof: what toms-verify reads. Linked without a server (test/fuzz/server.c). It begins
# with what is in corpus/; what is found stays in test-output/fuzz. A line for each tells
# how many inputs were tried.
set -euo pipefail

seconds=$1
from=$PWD/test/fuzz to=$PWD/test-output/fuzz
config=${PG_CONFIG:-pg_config}
checks="-g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Wno-ignored-attributes"
lib=$("$config" --pkglibdir)

mkdir -p "$to/proofs"
if ! clang $checks -x c - -o "$to/none" 2>/dev/null <<<'int LLVMFuzzerTestOneInput(const char *a, long b) { return a && b ? 0 : 0; }'; then
	echo "ok - parsers are fuzzed # SKIP clang with libFuzzer is not there"
	exit 0
fi

server=(-DTOMS_VERSION='"fuzz"' -Isrc -I"$("$config" --includedir-server)" -I"$("$config" --includedir)" -ffunction-sections
	"$from/server.c" src/base/crypto.c -Wl,--gc-sections)
libraries=("$lib/libpgcommon.a" "$lib/libpgport.a" -lsodium)
clang $checks "${server[@]}" "$from/envelope.c" src/seal/envelope.c "${libraries[@]}" -o "$to/envelope"
clang $checks "${server[@]}" "$from"/{token,absent}.c src/context/{token,claims}.c src/base/json.c src/audit/outside.c "${libraries[@]}" -o "$to/token"
clang $checks -Isrc/bin/verify "$from/proof.c" $(ls src/bin/verify/*.c | grep -v toms-verify.c) -lsodium -o "$to/proof"
# of its own making, from proofs, logs, chains and archives that are whole
test/verify/verify samples "$to/proofs"

status=0
cd "$to"
for parser in envelope token proof; do
	mkdir -p "new/$parser"
	begin=$from/corpus/$parser
	[ -e "$begin" ] || begin=$to/proofs
	if ./"$parser" -max_total_time="$seconds" -max_len=8192 -use_value_profile=1 -dict="$from/$parser.dict" -close_fd_mask=1 \
		"new/$parser" "$begin" >/dev/null 2>"$parser.log"; then
		echo "ok - $parser: $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$parser.log") inputs, nothing found"
	else
		echo "not ok - $parser: see test-output/fuzz"
		tail -n 40 "$parser.log"
		status=1
	fi
done
exit $status
