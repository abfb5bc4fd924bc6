#!/bin/sh
# Builds the browser verifier into web/verifier/src/pkg, and the one for training certificates beside it: wasm-pack, wasm-bindgen, then wasm-opt from npm.
# Installs the tools that are missing (into $TARGET/tools), and does nothing when the result is
# newer than its sources. `scripts/build-wasm.sh --force` builds anyway.
set -eu

WASM_PACK_VERSION=0.15.1

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
tools=$target/tools
pkg=$root/web/verifier/src/pkg
wasm_opt=$root/web/node_modules/.bin/wasm-opt
jobs=${CARGO_BUILD_JOBS:-$(nproc 2>/dev/null || echo 2)}
PATH=$tools/bin:$PATH

fail() {
    echo "build-wasm: $1" >&2
    exit 1
}

# 1. Up to date? The stamp is a digest of everything that the module is made from.
stamp=$(
    {
        find shared verifier-wasm -type f \( -name '*.rs' -o -name Cargo.toml -o -name '*.d.ts' \)
        printf '%s\n' Cargo.toml Cargo.lock rust-toolchain.toml scripts/build-wasm.sh web/build/snip-panics.mjs web/package-lock.json
    } | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1
)
if [ "${1:-}" != --force ] && [ -f "$pkg/.stamp" ] && [ "$(cat "$pkg/.stamp")" = "$stamp" ]; then
    echo "build-wasm: web/verifier/src/pkg is up to date"
    exit 0
fi

# 2. Tools.
[ -x "$wasm_opt" ] || fail "wasm-opt is missing; run 'npm ci' in web/ first."

if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx wasm32-unknown-unknown; then
    rustup target add wasm32-unknown-unknown
fi

has_version() { [ "$("$1" --version 2>/dev/null)" = "$1 $2" ]; }

has_version wasm-pack "$WASM_PACK_VERSION" ||
    cargo install wasm-pack --locked --version "$WASM_PACK_VERSION" -j "$jobs" --root "$tools" --target-dir "$target/tools-build"

# The command line tool must be of the very version of the library in Cargo.lock.
bindgen_version=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/"/, "", $3); print $3 }' Cargo.lock)
[ -n "$bindgen_version" ] || fail "Cargo.lock names no wasm-bindgen; run 'cargo update --workspace'."
has_version wasm-bindgen "$bindgen_version" ||
    cargo install wasm-bindgen-cli --version "$bindgen_version" -j "$jobs" --root "$tools" --target-dir "$target/tools-build"

# 3. Build. Paths of this machine are kept out of the module, so that two machines get the same bytes.
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$root=clearproof"
export RUSTFLAGS

# What browsers load: the verifier, and apart from it the one that knows training certificates too.
make_module() { # name, folder of the result, features
    stage=$target/web-pkg/$1
    rm -rf "$stage"
    CARGO_BUILD_JOBS=$jobs wasm-pack build verifier-wasm --mode no-install --target web --no-pack --no-opt \
        --out-dir "$stage" --out-name "$1" --profile wasm -- --locked --features "$3"
    # Shrink, then move the whole folder into place at once.
    node web/build/snip-panics.mjs "$stage/$1_bg.wasm" "$stage/$1_bg.wasm"
    "$wasm_opt" -Oz --one-caller-inline-max-function-size=0 --converge --strip-debug --strip-producers \
        --enable-bulk-memory --enable-bulk-memory-opt --enable-mutable-globals --enable-nontrapping-float-to-int \
        --enable-sign-ext --enable-multivalue --enable-reference-types --enable-extended-const \
        "$stage/$1_bg.wasm" -o "$stage/$1_bg.opt.wasm"
    mv "$stage/$1_bg.opt.wasm" "$stage/$1_bg.wasm"
    rm -f "$stage/.gitignore"
    printf '%s\n' "$stamp" >"$stage/.stamp"
    rm -rf "$2"
    cp -R "$stage" "$2"
    echo "build-wasm: $1: $(wc -c <"$2/$1_bg.wasm") bytes"
}
# The first one last: its stamp says that all is there.
make_module clearproof_training "$root/web/verifier/src/training-pkg" training
make_module clearproof_verifier "$pkg" ""
