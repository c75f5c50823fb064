#!/bin/bash
# Builds the Debian packages of the installed versions of PostgreSQL, and sees that they are what
# README.md says: the same bytes from another folder, without a complaint of lintian, and that
# what lies in them is enough to create the extension and to run a test. Run by "make check-deb"
# in the sandbox, whose private copy of PostgreSQL the packages are unpacked over.
set -euo pipefail

top=$PWD
work=$(mktemp -d "$TOMS_SANDBOX/tmp/deb.XXXXXX")
export PG_SUPPORTED_VERSIONS=installed

failed=0
try() {
	local what=$1
	shift
	if "$@" >"$work/log" 2>&1; then echo "ok - $what"; else echo "not ok - $what"; tail -n 60 "$work/log"; failed=1; fi
}

# A folder, and what the build may not tell from the other one.
build() (
	umask "$2"
	mkdir -p "$work/$1"
	cp -r "$top" "$work/$1/toms"
	cd "$work/$1/toms"
	rm -rf dist
	pg_buildext updatecontrol
	TZ=$3 DEB_BUILD_OPTIONS=$4 dpkg-buildpackage -us -uc
)

same_bytes() {
	local deb
	for deb in "$work"/one/*.deb; do cmp "$deb" "$work/another/folder/${deb##*/}" || return; done
}

# What each package is for, by what lies in it.
holds() {
	local deb=$1 path
	shift
	dpkg-deb --contents "$deb" >"$work/contents"
	for path; do grep -qE " \./$path\$" "$work/contents" || { echo "${deb##*/} lacks $path"; return 1; }; done
}

unpack() {
	local deb
	for deb in "$work"/one/*.deb; do case $deb in *-dbgsym_*) ;; *) dpkg-deb -x "$deb" "$TOMS_SANDBOX" || return ;; esac; done
}

try 'the packages are built, and base passes on each version' build one 022 UTC ''
try 'they are built in another folder' build another/folder 002 Asia/Tokyo nocheck
try 'both times the bytes are the same' same_bytes
try 'lintian has nothing to say against them' lintian --fail-on error,warning -i -I --pedantic "$work"/one/*.changes
for major in $(pg_buildext supported-versions); do
	try "postgresql-$major-toms has library, extension, places and what is to read" holds "$work/one/postgresql-$major-toms"_*.deb \
		"usr/lib/postgresql/$major/lib/toms.so" "usr/share/postgresql/$major/extension/toms.control" \
		"usr/lib/tmpfiles.d/postgresql-$major-toms.conf" "usr/share/doc/postgresql-$major-toms/README.Debian" \
		"usr/share/doc/postgresql-$major-toms/examples/server/toms.conf" "usr/share/doc/postgresql-$major-toms/examples/monitoring/queries.yaml"
done
try 'toms-tools has the programs and their pages' holds "$work/one/toms-tools"_*.deb \
	usr/bin/toms-keys usr/bin/toms-verify usr/share/man/man1/toms-keys.1.gz usr/share/man/man1/toms-verify.1.gz
try 'they are unpacked over PostgreSQL' unpack
export PATH=$TOMS_SANDBOX/usr/bin:$PATH
try 'base passes with what lies in them' make -s check-regress REGRESS=base

mkdir -p dist
cp "$work"/one/*.deb "$work"/one/*.dsc "$work"/one/*.tar.* "$work"/one/*.buildinfo "$work"/one/*.changes dist/
exit $failed
