#!/bin/sh
# Fuzzes every decoder for some seconds each (`fuzz/run.sh 60`), on the stable toolchain: the coverage
# instrumentation that libFuzzer needs is LLVM's own. The seeds are the repository's own vectors and
# models. A crash, an input of more than 20 seconds or one that takes more than 4 GB ends the run with a
# failing status and leaves its input in fuzz/artifacts.
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

# Copies FILES into the corpus of NAME, each under the digest of its content.
seed() {
    name=$1
    shift
    mkdir -p "corpus/$name" "artifacts/$name"
    for file in "$@"; do
        cp "$file" "corpus/$name/$(cksum <"$file" | tr ' ' '-')"
    done
}
seed evidence ../tests/vectors/*.evidence
seed bundle ../tests/vectors/*.verifier.bin
seed training ../tests/vectors/training/certificate.bin
seed onnx ../tests/models/*.onnx ../tests/models/*/*.onnx

mkdir -p corpus/log artifacts/log

for name in evidence bundle onnx log training; do
    "$target/$host/release/$name" -max_total_time="$seconds" -max_len=131072 -timeout=20 \
        -rss_limit_mb=4096 -artifact_prefix="artifacts/$name/" "corpus/$name"
done
