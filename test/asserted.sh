#!/bin/bash
# Runs a command with a PostgreSQL that is built from source with assertions, and with marks for
# valgrind: pfree() overwrites what it frees, and a byte written beyond a palloc() is noticed.
#
#     asserted.sh COMMAND...         in a sandbox that has the source in core/; builds it once (five minutes)
set -euo pipefail

to=$TOMS_SANDBOX/asserted
if [ ! -e "$to/complete" ]; then
	(
		# below another make, PostgreSQL's would wait for headers that nobody makes
		unset MAKELEVEL MAKEFLAGS
		cd "$TOMS_SANDBOX/core" &&
		./configure -q --prefix="$to" --enable-cassert --enable-debug --enable-tap-tests --with-openssl --with-libxml \
			--with-icu --without-readline --without-zlib CFLAGS='-O1 -g -fno-omit-frame-pointer -DUSE_VALGRIND' &&
		make -s -j"$(nproc)" &&
		make -s -j"$(nproc)" -C contrib &&
		make -s install &&
		make -s -C contrib install
	) >"$TOMS_SANDBOX/core.log" 2>&1 || { tail -n 40 "$TOMS_SANDBOX/core.log"; exit 1; }
	touch "$to/complete"
fi
PG_CONFIG=$to/bin/pg_config PATH=$to/bin:$PATH exec "$@"
