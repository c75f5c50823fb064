#!/bin/sh
# Prints a signed token, for tests; psql's backticks call it:
#   \set token `test/mint.sh '{"tenant":"acme","sub":"17","role":"hr","purpose":"audit","exp":NOW+300}'`
#
#   mint.sh PAYLOAD [HEADER]       the token, without a newline
#   mint.sh --raw HEADER PAYLOAD   the same; both are signed as they stand
#   mint.sh --other PAYLOAD        signed with a key of no JWKS, which bears the same kid: a forgery
#   mint.sh --jwks                 the path of the JWKS file, for toms.jwks_file
#
# The words NOW, NOW+n and NOW-n stand for epoch seconds everywhere. The private key is
# $TOMS_TEST_KEY (default: keys/app.jwk beside this script); it and the JWKS file beside it
# are made when they are missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
key=${TOMS_TEST_KEY:-$here/keys/app.jwk}
keys=$(dirname "$key")
tool=$here/../src/bin/toms-keys
[ -x "$tool" ] || tool=toms-keys

die() {
	echo "mint.sh: $*" >&2
	exit 1
}

both_there() {
	[ -s "$1" ] && [ -s "$2" ]
}

# make JWKS PRIVATE [KID]: a key pair, unless both files are there. toms-keys lets one of several
# at a time add a key and never overwrites one, so whoever fails finds what the first has made.
make() {
	both_there "$1" "$2" && return
	mkdir -p "$(dirname "$2")"
	error=$("$tool" new --jwks "$1" --private "$2" ${3:+--kid "$3"} 2>&1 >/dev/null) ||
		both_there "$1" "$2" || die "$error"
}

# Prints TEXT byte by byte, its NOW words replaced.
replace_now() {
	TEXT=$1 NOW=$(date +%s) awk 'BEGIN {
		rest = ENVIRON["TEXT"]
		while (match(rest, /[A-Za-z0-9_]+([+-][0-9]+)?/)) {
			word = substr(rest, RSTART, RLENGTH)
			if (word ~ /^NOW([+-][0-9]+)?$/)
				word = sprintf("%.0f", ENVIRON["NOW"] + substr(word, 4))
			printf "%s%s", substr(rest, 1, RSTART - 1), word
			rest = substr(rest, RSTART + RLENGTH)
		}
		printf "%s", rest
	}'
}

# mint PRIVATE PAYLOAD [HEADER]
mint() {
	if [ $# -gt 2 ]; then
		header=$(replace_now "$3"; echo .) # the dot saves newlines at its end
		token=$(replace_now "$2" | "$tool" mint --private "$1" --payload - --header "${header%.}")
	else
		token=$(replace_now "$2" | "$tool" mint --private "$1" --payload -)
	fi
	printf '%s' "$token"
}

[ $# -gt 0 ] || die "no payload, see the head of $0"
if [ "$1" = --jwks ] || [ ! -s "$key" ]; then
	make "$keys/jwks.json" "$key"
fi

case $1 in
	--jwks)
		echo "$keys/jwks.json"
		;;
	--raw)
		[ $# -eq 3 ] || die "--raw needs a header and a payload"
		mint "$key" "$3" "$2"
		;;
	--other)
		[ $# -eq 2 ] || die "--other needs a payload"
		kid=$(sed -n 's/.*"kid":"\([^"]*\)".*/\1/p' "$key")
		other=$keys/other/$kid
		make "$other.json" "$other.jwk" "$kid"
		mint "$other.jwk" "$2"
		;;
	-*)
		die "$1: no such option"
		;;
	*)
		[ $# -le 2 ] || die "an argument too many"
		mint "$key" "$@"
		;;
esac
