#!/bin/bash
# Makes the archive for PGXN of what is committed, dist/toms-VERSION.zip, and sees that it is
# whole: META.json is as PGXN wants it and names what is there, and what the archive holds, and
# nothing else, builds and passes a test. What .gitattributes leaves out is for who has a checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

# PGXN wants three numbers
version=$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->{version}' META.json)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p dist
git archive --format=zip --prefix="toms-$version/" -o "$work/toms.zip" HEAD
unzip -q "$work/toms.zip" -d "$work"
cd "$work/toms-$version"

perl test/meta.pl META.json
left=$(find . -mindepth 1 \( -name '.*' -o -path ./debian -o -path ./test/bench \) -prune -print)
[ -z "$left" ] || { echo "the archive holds what nobody needs:" $left >&2; exit 1; }
test/sandbox.sh make -s check-build check-regress REGRESS=base

cd - >/dev/null
mv "$work/toms.zip" "dist/toms-$version.zip"
echo "dist/toms-$version.zip"
