# What scripts that measure begin with. They source it with the name of their target:
#
#     . "$(dirname "$0")/../begin.sh" bench-audit
#
# From then on $here is the script's folder and $box a new one, with a place for a keyring, which goes when the script ends, and
# with it the server in $box/data. Programs are those of PG_CONFIG, and nothing of our environment reaches them.
set -euo pipefail

target=$1
here=$(cd "$(dirname "$0")" && pwd)
if bin=$("${PG_CONFIG:-pg_config}" --bindir 2>/dev/null); then
	PATH=$bin:$PATH
fi
die() {
	echo "$target: $*" >&2
	exit 1
}
[ "$(id -u)" != 0 ] || die "PostgreSQL refuses to run as root: be another user, or use make $target"

leave() {
	local status=$?
	[ $status = 0 ] || [ ! -e "$box/log" ] || tail -n 5 "$box/log" >&2
	[ ! -e "$box/data/postmaster.pid" ] || pg_ctl -D "$box/data" -m immediate stop >/dev/null || true
	rm -rf "$box"
	exit $status
}
box=$(mktemp -d)
trap leave EXIT
unset "${!PG@}"
export PGHOST=$box PGDATABASE=postgres PGUSER=postgres PGCLIENTENCODING=UTF8 LC_ALL=C.UTF-8
mkdir -m 700 "$box/keyring"
