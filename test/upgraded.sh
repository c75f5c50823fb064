#!/bin/sh
# Runs a command twice: with CREATE EXTENSION making databases of the previous version and upgrading
# them at once, and making databases of the previous version alone.
#
#     test/upgraded.sh 1.0 1.1 COMMAND...
set -eu
from=$1 to=$2
shift 2
folder=$("${PG_CONFIG:-pg_config}" --sharedir)/extension
put_back() {
	[ ! -e "$folder/toms--$to.sql.away" ] || mv "$folder/toms--$to.sql.away" "$folder/toms--$to.sql"
	[ ! -e "$folder/toms.control.away" ] || mv "$folder/toms.control.away" "$folder/toms.control"
}
trap put_back EXIT
trap 'exit 130' INT TERM HUP

echo "# upgraded from $from to $to"
mv "$folder/toms--$to.sql" "$folder/toms--$to.sql.away"
"$@"
put_back

echo "# the library of $to with the SQL of $from"
cp "$folder/toms.control" "$folder/toms.control.away"
sed -i "s/^default_version = .*/default_version = '$from'/" "$folder/toms.control"
"$@"
