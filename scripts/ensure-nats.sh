#!/bin/sh
# Makes sure that a NATS server is here for the workers' tests: an installed one wins, otherwise apt-get installs Debian's.
# No server is left running.
set -eu

fail() {
    echo "ensure-nats: $1" >&2
    exit 1
}

installed() {
    [ -x /usr/sbin/nats-server ] || command -v nats-server >/dev/null
}

installed && exit 0
command -v apt-get >/dev/null ||
    fail "nats-server is not installed and this system has no apt-get; install it."
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    fail "nats-server is not installed and installing it needs root; run 'apt-get install nats-server' as root."
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends nats-server; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "apt-get could not install nats-server (see above)."
fi
installed || fail "apt-get installed the package nats-server, but there is no such program."
