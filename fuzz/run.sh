#!/bin/sh
# Fuzzes every decoder for some seconds each (`fuzz/run.sh 60`), on the stable toolchain: the coverage
# instrumentation that libFuzzer needs is LLVM's own. A crash leaves its input in fuzz/artifacts.
set -eu
cd "$(dirname "$0")"

seconds=${1:-60}
host=$(rustc -vV | sed -n 's/^host: //p')
# Named targets keep build scripts free of the instrumentation.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks"
target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked --target "$host" --target-dir "$target"

for name in evidence bundle; do
    mkdir -p "corpus/$name" "artifacts/$name" "seeds/$name"
    "$target/$host/release/$name" -max_total_time="$seconds" -max_len=65536 \
        -artifact_prefix="artifacts/$name/" "corpus/$name" "seeds/$name"
done
