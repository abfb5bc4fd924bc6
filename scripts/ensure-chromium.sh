#!/bin/sh
# Makes sure that a Chromium is here for the browser tests, and prints its path.
# An existing one wins: $CHROMIUM, then what is on PATH; otherwise apt-get installs Debian's.
set -eu

fail() {
    echo "ensure-chromium: $1" >&2
    exit 1
}

if [ -n "${CHROMIUM:-}" ]; then
    [ -x "$CHROMIUM" ] || fail "CHROMIUM names $CHROMIUM, which is no program; unset it or correct it."
    echo "$CHROMIUM"
    exit 0
fi

for name in chromium chromium-browser google-chrome; do
    if path=$(command -v "$name"); then
        echo "$path"
        exit 0
    fi
done

command -v apt-get >/dev/null ||
    fail "no Chromium is installed and this system has no apt-get; install Chromium and name it in CHROMIUM."

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    fail "no Chromium is installed and installing one needs root; run 'apt-get install chromium' as root."
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "apt-get could not install Chromium (see above); install it by hand or name one in CHROMIUM."
fi
command -v chromium || fail "apt-get installed the package chromium, but no program of that name is on PATH."
