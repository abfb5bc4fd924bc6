#!/bin/sh
# Makes sure that PostgreSQL's programs are here for the store's tests: an installed version wins, otherwise
# apt-get installs Debian's. No server is left running.
set -eu

fail() {
    echo "ensure-postgresql: $1" >&2
    exit 1
}

installed() {
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ] && return 0
    done
    return 1
}

installed && exit 0
command -v apt-get >/dev/null ||
    fail "PostgreSQL is not under /usr/lib/postgresql and this system has no apt-get; install it there."
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    fail "PostgreSQL is not installed and installing it needs root; run 'apt-get install postgresql' as root."
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends postgresql; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "apt-get could not install PostgreSQL (see above)."
fi
installed || fail "apt-get installed the package postgresql, but its programs are not under /usr/lib/postgresql."
