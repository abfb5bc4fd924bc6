#!/bin/sh
# Makes sure that a program is here for the tests: an installed one wins, otherwise apt-get installs Debian's package.
# ensure-program.sh PROGRAM PACKAGE
set -eu

program=$1
package=$2

fail() {
    echo "ensure-program: $1" >&2
    exit 1
}

# Servers stand in /usr/sbin, which users may not have on their PATH.
installed() {
    [ -x "/usr/sbin/$program" ] || command -v "$program" >/dev/null
}

installed && exit 0
command -v apt-get >/dev/null ||
    fail "$program is not installed and this system has no apt-get; install it."
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    fail "$program is not installed and installing it needs root; run 'apt-get install $package' as root."
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends "$package"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "apt-get could not install $package (see above)."
fi
installed || fail "apt-get installed the package $package, but there is no $program."
