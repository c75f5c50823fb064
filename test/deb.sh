#!/bin/bash
# Builds the Debian packages of the installed versions of PostgreSQL, and sees that they are what
# README.md says: the same bytes from another folder, without a complaint of lintian, and that
# once installed they are enough to create the extension and to run a test, and nothing of them
# stays when they are removed. Run by "make check-deb" in the sandbox; dpkg installs them beside
# a copy of PostgreSQL.
set -euo pipefail

top=$PWD
# without links: compilers take the path that leads here for the folder, dpkg the one that is
work=$(realpath "$(mktemp -d "$TOMS_SANDBOX/tmp/deb.XXXXXX")")
server=$work/server
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

# As the administrator does it, but for a database of packages of its own, which knows of no others.
dpkg_here() {
	dpkg --admindir="$work/dpkg" --instdir="$server" --log="$work/dpkg.log" --force-not-root,script-chrootless,depends "$@"
}

files() { (cd "$server" && find usr ! -type d | sort); }

install_packages() {
	mkdir -p "$work"/dpkg/{info,updates} "$server"
	touch "$work/dpkg/status"
	(cd / && cp -a --parents -t "$server" usr/lib/postgresql usr/share/postgresql)
	files >"$work/before"
	dpkg_here --install $(ls "$work"/one/*.deb | grep -v -- -dbgsym_)
}

base_passes() {
	local bin=$server/usr/lib/postgresql/$1/bin
	PATH=$server/usr/bin:$bin:$PATH make -s check-regress REGRESS=base PG_CONFIG="$bin/pg_config"
}

remove_packages() {
	dpkg_here --purge $(dpkg_here --get-selections | cut -f1)
	files | diff "$work/before" -
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
try 'they are installed beside PostgreSQL' install_packages
for major in $(pg_buildext supported-versions); do
	try "base passes with what postgresql-$major-toms brought" base_passes "$major"
done
try 'they are removed, and leave nothing behind' remove_packages

# libraries that they need differ from suite to suite
dist=dist/$(. /etc/os-release && echo "$VERSION_CODENAME")
mkdir -p "$dist"
cp "$work"/one/*.deb "$work"/one/*.dsc "$work"/one/*.tar.* "$work"/one/*.buildinfo "$work"/one/*.changes "$dist/"
exit $failed
