#!/bin/bash
# Runs a command in a throw-away copy of this source tree, beside a private copy of
# PostgreSQL that "make install" may write to:
#
#     test/sandbox.sh COMMAND...
#
# Packages that are missing are installed first (as root): those of clients only for commands that
# test them, and only if apt has them, since their tests are skipped where they lack. The command
# runs as an ordinary user, because PostgreSQL refuses to run as root. Whatever happens, every
# process that was started in the sandbox is ended and its folder removed; what stays is
# demo-output/, dist/ and, after a failure, the logs in test-output/.
#
# PG_MAJOR chooses another version of PostgreSQL. If the machine's Debian does not have it the copy
# is a small system of the first suite of Debian's that does, with its compilers, in which the
# command is locked up; that needs root. Exit status 3: this version cannot be had here.
set -euo pipefail

major=${PG_MAJOR:-15}
packages="gcc make libc6-dev libsodium-dev postgresql-$major postgresql-server-dev-$major
	perl libipc-run-perl libcrypt-jwt-perl pgbouncer python3-jwt python3-cryptography"
clients=
case " $* " in *' check-all '*|*' check-tap '*|*' check-coverage '*|*' check-nightly '*)
	clients="openjdk-17-jdk-headless libhikaricp-java libpostgresql-jdbc-java libhibernate3-java libjavassist-java
		ruby-activerecord ruby-pg ruby-database-cleaner
		postgresql-$major-pgaudit postgresql-$major-cron postgresql-$major-partman postgresql-$major-repack
		postgresql-$major-hypopg postgresql-$major-plproxy
		python3-sqlalchemy python3-psycopg2 python3-psycopg python3-psycopg-pool"
	# node-pg is for Debian's node alone; beside another one, npm brings pg
	command -v node >/dev/null || clients+=" nodejs node-pg" ;;
esac

# PostgreSQL's own tests are in its source, which apt has where it has the package; it may be wanted whole.
case " $* " in *' check-core '*) core='*/src/test/regress' ;; *' check-sanitize '*|*' check-memcheck '*|*' check-nightly '*) core='*' ;; *) core= ;; esac
case " $* " in *' check-memcheck '*|*' check-sanitize '*|*' check-nightly '*) packages+=" valgrind libicu-dev libssl-dev libxml2-dev pkg-config" ;; esac
case " $* " in *' check-analyze '*|*' check-nightly '*) packages+=" cppcheck clang-tidy" ;; esac
case " $* " in *' check-smith '*) packages+=" sqlsmith" ;; esac
case " $* " in *' check-version '*) version_tests=yes packages+=" clang" ;; *) version_tests= ;; esac
case " $* " in *' check-beside '*|*' check-compilers '*|*' check-candidate '*) packages+=" clang" ;; esac
case " $* " in *' check-all '*|*' check-fuzz '*) clients+=" clang libclang-rt-14-dev" ;; esac
case " $* " in *' check-bench '*|*' check-bench-gdpr '*|*' check-bench-read '*) clients+=" postgresql-$major-pgaudit postgresql-$major-cron" ;; esac
case " $* " in *' check-deb '*) installed=yes packages+=" build-essential debhelper dpkg-dev lintian postgresql-server-dev-all" ;; *) installed= ;; esac

top=$(cd "$(dirname "$0")/.." && pwd)
data=data/absenteeism_at_work.csv
shared=${TOMS_SHARED:-$top/../shared}
certificates=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}

suites="stable testing unstable experimental"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { echo "sandbox: $*" >&2; }
cannot_be_had() { say "PostgreSQL $major cannot be had: $*"; exit 3; }

missing() {
	local p
	for p; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || echo "$p"
	done
}

known_to_apt() {
	local p
	for p; do
		if apt-cache show "$p" >/dev/null 2>&1; then echo "$p"; else say "apt does not have $p"; fi
	done
}

# Where the machine's own apt gets Debian from, or Debian-Security.
mirror() { apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" "Origin: Debian" "Label: $1" | sed 1q; }

# Whether the machine's Debian has this version; its apt may not have read anything yet.
is_native() (
	package=postgresql-server-dev-$major
	[ -n "$(missing "$package")" ] || exit 0
	exec 9</var/lib/dpkg
	flock 9
	[ "$(id -u)" != 0 ] || [ -n "$(mirror Debian)" ] || apt-get -q update >&2 || say "not all of apt's sources could be read"
	apt-cache show "$package" >/dev/null 2>&1
)

# One sandbox at a time installs. No service that comes with a package is started.
install_packages() (
	exec 9</var/lib/dpkg
	flock 9
	absent=$(missing "$@")
	wanted=$(missing $clients)
	[ -n "$absent$wanted" ] || exit 0
	if [ "$(id -u)" != 0 ]; then
		say "packages are missing; as root: apt-get install" $absent $wanted
		[ -z "$absent" ] && exit 0 || exit 1
	fi
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	apt-get -q update || say "not all of apt's sources could be read"
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install $absent $(known_to_apt $wanted) 9<&-
)

# PostgreSQL finds its files from where its programs are: a copy is an installation.
copy_postgresql() (
	cd /
	cp -a --parents -t "$box" "usr/lib/postgresql/$major" "usr/share/postgresql/$major" \
		usr/include/postgresql
)

# The lines of apt's sources for a suite. Experimental is made to lie upon unstable; Security has no suite for these two.
archives() {
	local from="deb [signed-by=$keyring]" security
	echo "$from $(mirror Debian) $1 main"
	case $1 in
		experimental) echo "$from $(mirror Debian) unstable main" ;;
		stable) security=$(mirror Debian-Security); [ -z "$security" ] || echo "$from $security $1-security main" ;;
	esac
}

# The first suite that has this version, on the mirrors that the machine's own apt reads.
find_suite() {
	[ -n "$(mirror Debian)" ] || cannot_be_had "apt reads no archive of Debian's"
	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache"
	for suite in $suites; do
		archives "$suite" >"$apt/parts/suite.list"
		private_apt get update >&2 || continue
		[ -z "$(private_apt cache madison "postgresql-server-dev-$major")" ] || return 0
	done
	cannot_be_had "no suite of Debian's has it"
}

# Packages are unpacked and none is configured: of what their scripts do, users alone are needed. Who
# builds packages asks for those that are installed.
unpack_suite() {
	local accounts=$box/usr/share/base-passwd from variant=extract own='getent passwd postgres >>"$1/etc/passwd"; getent group postgres >>"$1/etc/group"'
	[ ! "$installed" ] || variant=essential
	mapfile -t from < <(archives "$suite")
	say "PostgreSQL $major comes from Debian's $suite"
	printf 'Package: %s\nPin: release a=%s\nPin-Priority: 990\n' "postgresql*-$major libpq*" "$suite" >"$apt/preferences"
	mmdebstrap --quiet --mode=root --variant=$variant --include='?essential' --essential-hook="$own" --include="mawk procps tzdata $(echo $packages)" \
		--setup-hook="cp '$apt/preferences' \"\$1/etc/apt/preferences.d/\"" --aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/llvm-*/lib/*.a' \
		"$suite" "$box" "${from[@]}" >&2 || cannot_be_had "its packages could not be unpacked"
	if [ ! "$installed" ]; then
		{ cat "$accounts/passwd.master" && getent passwd postgres; } >"$box/etc/passwd"
		{ cat "$accounts/group.master" && getent group postgres; } >"$box/etc/group"
		ln -s mawk "$box/usr/bin/awk"
	fi
	echo '127.0.0.1 localhost' >"$box/etc/hosts"
	# paths are the same, seen from within
	mkdir -p "$box${box%/*}"
	ln -s / "$box$box"
}

# The machine's own PostgreSQL beside it, to upgrade from, with those of its libraries that have another name there.
copy_older() {
	local file
	older=/usr/lib/postgresql/15
	[ -x "$older/bin/postgres" ] && [ -d /usr/include/postgresql/15/server ] || { older=; return 0; }
	(cd / && cp -a --parents -t "$box" "${older#/}" usr/share/postgresql/15 usr/include/postgresql/15)
	ldd "$older"/bin/{postgres,psql,pg_dump} | sed -n 's|.* => \(/[^ ]*\) .*|\1|p' | sort -u | while read -r file; do
		[ -e "$box$file" ] || install -D "$file" "$box$file"
	done
}

# Everything but what git ignores. Others may be editing: a file that has gone, or changes
# while it is read (tar's exit status 1), is no failure.
copy_source() {
	local tar=(tar -C "$top" -c --ignore-failed-read --warning=no-failed-read --warning=no-file-changed)
	mkdir "$box/toms"
	if [ -e "$top/.git" ] && git -C "$top" -c safe.directory='*' \
		ls-files -z --cached --others --exclude-standard >"$box/files" 2>/dev/null; then
		"${tar[@]}" --null -T "$box/files" || [ $? = 1 ]
	else
		"${tar[@]}" --exclude-vcs --exclude-vcs-ignores . || [ $? = 1 ]
	fi | tar -C "$box/toms" -x
	[ ! -r "$shared/$data" ] || install -D -m 644 "$shared/$data" "$box/shared/$data"
}

# apt with the sources in $apt/parts alone; the machine's own is not changed. A mirror may stand still.
private_apt() {
	local tool=apt-$1
	shift
	"$tool" -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts" -o "Dir::State::lists=$apt/lists" \
		-o "Dir::Cache=$apt/cache" -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false "$@"
}

# The newest source of this major version that can be had.
copy_core() (
	cd "$box"
	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial" core
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[ -r "$file" ] || continue
		case $file in
			*.sources) sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/parts/${file##*/}" ;;
			*.list) sed -n 's/^deb /deb-src /p' "$file" >"$apt/parts/${file##*/}" ;;
		esac
	done
	private_apt get update >&2 || say "not all of apt's sources could be read"
	for version in $(private_apt cache showsrc "postgresql-$major" | sed -n 's/^Version: //p' | sort -rVu); do
		private_apt get source --download-only "postgresql-$major=$version" >&2 || continue
		tar -C core -xf "postgresql-${major}_"*.orig.tar.* --strip-components=1 --wildcards "$core"
		exit 0
	done
	say "apt does not have the source of PostgreSQL $major"
	exit 1
)

# In a session of its own, without a terminal, and with nothing of our environment.
run() {
	local bin=$box/usr/lib/postgresql/$major/bin
	local environment=(
		TOMS_SANDBOX="$box" HOME="$box/home" TMPDIR="$box/tmp" USER="$user" LANG=C.UTF-8
		PATH="$bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH" PG_CONFIG="$bin/pg_config" ${CI:+CI="$CI"}
	)
	[ -z "$older" ] || environment+=(OLDER="$box$older")
	[ ! -e "$box/shared" ] || environment+=(TOMS_SHARED="$box/shared")
	# npm has certificates of its own; those of the machine count too
	[ ! -r "$certificates" ] || environment+=(NODE_EXTRA_CA_CERTS="$certificates")
	(cd "$box/toms" &&
		exec setsid "${enter[@]}" "${become[@]}" env -i --default-signal "${environment[@]}" "$@") </dev/null &
	wait $!
}

# Ids of the processes whose program or environment is the sandbox's.
inmates() {
	{
		find /proc/[0-9]*/exe -maxdepth 0 -lname "$box/*"
		grep -lF "TOMS_SANDBOX=$box" /proc/[0-9]*/environ
	} 2>/dev/null | cut -d/ -f3 | sort -u
}

# SIGQUIT is PostgreSQL's immediate shutdown, which leaves no shared memory behind.
stop_inmates() {
	local try signal pids
	for ((try = 0; try < 80; try++)); do
		pids=$(inmates)
		[ -n "$pids" ] || return 0
		case $try in 0) signal=TERM ;; ?|[1-5]?) signal=QUIT ;; *) signal=KILL ;; esac
		kill -s "$signal" $pids 2>/dev/null
		sleep 0.1
	done
}

keep_logs() {
	local to=$top/test-output/${box##*/}
	mkdir -p "$to" && cd "$box/toms" || return
	find . -type f \( -name 'regression.*' -o -path '*/results/*' -o -path '*/log/*' \) -print0 |
		xargs -0 -r cp --parents -t "$to"
	rmdir "$to" "$top/test-output" 2>/dev/null || say "logs are in $to"
}

leave() {
	local status=$?
	trap '' INT TERM HUP
	set +e
	stop_inmates
	[ $status = 0 ] || [ ! -d "$box/toms" ] || keep_logs
	for made in demo-output dist; do [ ! -e "$box/toms/$made" ] || cp -r "$box/toms/$made" "$top"; done
	chown -R --reference="$top" "$top"/{test-output,demo-output,dist} 2>/dev/null
	umount "$box/proc" 2>/dev/null		# where mounts propagate
	rm -rf "$box" "$apt"
	exit $status
}

[ $# -gt 0 ] || { say "usage: $0 COMMAND..."; exit 2; }
user=$(id -un) become=() enter=() native=yes older=
if is_native; then
	install_packages $packages
else
	native=
	[ "$user" = root ] || cannot_be_had "this Debian does not have it, and only root can unpack another one's"
	enter=(unshare --mount --pid --ipc --fork --kill-child)
	# a chroot is no mount point, of which propagation could be chosen
	"${enter[@]}" true 2>/dev/null || enter+=(--propagation unchanged)
	"${enter[@]}" true || cannot_be_had "no process may be locked up here"
	# the latter makes the user
	clients= install_packages mmdebstrap postgresql-common || cannot_be_had "mmdebstrap is missing"
fi
if [ "$user" = root ]; then
	user=postgres become=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi

# The path of a socket must be short, make knows no blanks, and the user must get there.
tmp=${TMPDIR:-/tmp}
[[ $tmp =~ ^[[:alnum:]/._-]{1,40}$ ]] && "${become[@]}" test -x "$tmp" || tmp=/tmp
box=$(mktemp -d "$tmp/toms.XXXXXX")
chmod 755 "$box"
apt=$box.apt
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ $native ]; then
	copy_postgresql
else
	find_suite
	unpack_suite
	[ ! "$version_tests" ] || copy_older
	enter+=(--root="$box" --wd="$box/toms" --mount-proc=/proc)
fi
mkdir -p "$box/home" "$box/tmp"
copy_source
[ -z "$core" ] || copy_core
# what is of another system stays root's
mine=("$box")
[ $native ] || mine=("$box"/{home,tmp,toms} "$box"/usr/*/postgresql)
chown -R "$user:" "${mine[@]}"
run "$@"
