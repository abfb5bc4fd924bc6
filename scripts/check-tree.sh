#!/bin/sh
# Tells whether the work tree is as it was: `check-tree.sh save FILE`, then `check-tree.sh compare FILE`.
# A test or build that rewrites a tracked file, or leaves a file that git does not ignore, fails here.
set -eu
cd "$(dirname "$0")/.."

git rev-parse --is-inside-work-tree >/dev/null 2>&1 || exit 0

state() {
    git status --porcelain --untracked-files=all
    git diff HEAD
}

case "$1" in
save) state >"$2" ;;
compare)
    if ! state | cmp -s "$2" -; then
        echo "check-tree: the run changed the work tree:" >&2
        state | diff "$2" - | head -n 40 >&2
        exit 1
    fi
    ;;
*)
    echo "usage: check-tree.sh save|compare FILE" >&2
    exit 64
    ;;
esac
