#!/bin/bash
# Breaks the protection in one place after the other and sees that the tests named for it
# fail: a test that passes without the protection proves nothing.
#
# mutants.sh [WORDS]: only those whose line holds WORDS. Run by "make mutants" in a
# throw-away copy. Each line of test/mutants.txt is
#   NAME | FILE | PERL SUBSTITUTION | TESTS THAT MUST FAIL
# with blanks around the bars, where a file is C or SQL, and a test is a pg_regress test,
# a TAP script as test/t/NAME.pl, or an isolation test as isolation/NAME. Each test has to pass before anything is broken.
set -u
cd "$(dirname "$0")/.."
passed=0 failed=0

build() {
	make -s with_llvm=no 2>&1 | grep -E 'error|warning'
	make -s install with_llvm=no >/dev/null
}

# One test with what it needs before it; true if it fails.
fails() {
	case $1 in
	isolation/*) ! make -s check-isolation ISOLATION="${1#isolation/}" >mutant.log 2>&1 ;;
	*.pl) ! make -s check-tap PROVE_TESTS="$1" >mutant.log 2>&1 ;;
	*)	local before=base; case $1 in base) before= ;; evidence*) before='base guard' ;; esac
		make -s check-regress REGRESS="$before $1" >mutant.log 2>&1
		grep -qE "^test $1 +\.\.\. FAILED" mutant.log ;;
	esac
}

selected=$(grep -v '^#' test/mutants.txt | grep ' | ' | grep -F -- "${1:-}")
for test in $(sed 's/.* | //' <<<"$selected" | tr ' ' '\n' | sort -u); do
	if fails "$test"; then
		echo "not ok - $test fails before anything is broken"; failed=$((failed + 1))
	fi
done

while read -r line; do
	name=${line%% | *} tests=${line##* | } line=${line#* | } file=${line%% | *}
	line=${line#* | } substitution=${line% | *}
	cp "$file" mutant.saved
	perl -0pi -e "$substitution" "$file"
	if cmp -s "$file" mutant.saved; then
		echo "not ok - $name: the substitution does not apply to $file"; failed=$((failed + 1)); continue
	fi
	build
	for test in $tests; do
		if fails "$test"; then
			echo "ok - $name: $test fails"; passed=$((passed + 1))
		else
			echo "not ok - $name: $test passes all the same"; failed=$((failed + 1))
		fi
	done
	cp mutant.saved "$file"
done <<<"$selected"
build
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
