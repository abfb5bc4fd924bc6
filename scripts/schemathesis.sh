#!/bin/sh
# Calls every route of a running service with what its own OpenAPI document allows and forbids; fails on an answer of 5xx.
# Usage: scripts/schemathesis.sh [PROGRAM [EXAMPLES]]; needs Python 3 with venv, curl and the package index.
set -eu
program=${1:-target/release/clearproof}
examples=${2:-25}
model=tests/models/compliance.onnx
port=18443
folder=$(mktemp -d)
service=
stop() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/python"
"$folder/python/bin/pip" --quiet --disable-pip-version-check install schemathesis==4.32.5

key() { sed -n "s/^ *$1  *\(clearproof_[^ ]*\)\$/\1/p" "$folder/init"; }
"$program" serve --init --dir "$folder/desk" --origin schemathesis.example/log >"$folder/init"
admin=$(key admin)
"$program" compile "$model" --batch 8 --out "$folder/desk/models/first"
"$program" serve --dir "$folder/desk" --listen "127.0.0.1:$port" >"$folder/log" 2>&1 &
service=$!
call() { curl --silent --show-error --fail-with-body -H "Authorization: Bearer $admin" --json "$2" "http://127.0.0.1:$port$1"; }
tries=0
until curl --silent --fail "http://127.0.0.1:$port/health" >/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat "$folder/log"; exit 1; }
    sleep 0.1
done
loaded=$(call /v1/models/load '{"folder": "first"}' | sed -n 's/.*"model": *"\([0-9a-f]*\)".*/\1/p')
call "/v1/models/$loaded/register" '{"note": "first"}' >/dev/null
call "/v1/models/$loaded/approve" '{}' >/dev/null

"$folder/python/bin/schemathesis" run "http://127.0.0.1:$port/v1/openapi.json" \
    --header "Authorization: Bearer $admin" --checks not_a_server_error \
    --max-examples "$examples" --workers 1 --exclude-path /v1/events --generation-database none
