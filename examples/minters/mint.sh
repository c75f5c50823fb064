#!/bin/sh
# A shell and toms-keys, for jobs: sh mint.sh app.jwk
# Only values that you know: a shell does not escape what it puts into JSON.
now=$(date +%s)
toms-keys mint --private "$1" --payload - <<JSON
{"tenant":"acme","sub":"17","role":"hr","purpose":"absence_management",
 "iat":$now,"exp":$((now + 300)),"jti":"$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"}
JSON
