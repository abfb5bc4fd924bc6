# `make demo` and `make test` do all their set-up themselves; they need Rust and Node.

CARGO ?= cargo
# Seconds that `make fuzz` spends on each decoder.
FUZZ_SECONDS ?= 60

TARGET = $(or $(CARGO_TARGET_DIR),target)
# Hand-written field arithmetic where there is some; a fifth of the proving time.
ASM = $(if $(filter x86_64,$(shell uname -m)),--features asm)
COMMAND = $(CARGO) run --release --quiet --locked --package clearproof $(ASM) --
# The models of docs/performance.md, where they are at hand.
ANCHORS = $(wildcard $(foreach m,anchor_mlp_small anchor_mlp_large anchor_mlp_100k anchor_mlp_1m anchor_rf_skl \
	anchor_gbdt_skl logreg_bc_scaled anchor_mnist_cnn torch_mlp_dyn_fix1 q_mlp_qdq_u8s8 q_cnn_qdq_s8s8_pc \
	torch_lstm_dyn_fix1 torch_transformer_dyn_fix1,../shared/models/$(m)/model.onnx))

.PHONY: help demo test bench fuzz lint fmt clippy unit doc web page deny schemathesis

help:
	@echo "make demo   compile the example model, prove trades, verify them, build the page"
	@echo "make test   every check that a change must pass"
	@echo "make bench  the performance tables, measured here and now"
	@echo "make fuzz   the decoders, FUZZ_SECONDS=$(FUZZ_SECONDS) each"
	@echo "make lint   format and lints"
	@echo "make schemathesis   the service against its own OpenAPI document (needs Python)"
	@echo "make deny   licences, advisories and sources (needs cargo-deny)"

demo: page
	$(CARGO) build --release --locked --package clearproof $(ASM)
	$(COMMAND) demo --out out/demo --page web/dist/index.html

# One step after the other, also under `make -j`: each of them uses every core.
test:
	@mkdir -p $(TARGET)
	@scripts/check-tree.sh save $(TARGET)/tree-before
	$(MAKE) fmt
	$(MAKE) clippy
	$(MAKE) unit
	$(MAKE) doc
	$(MAKE) web
	@scripts/check-tree.sh compare $(TARGET)/tree-before
	@echo "make test: all steps passed"

schemathesis:
	$(CARGO) build --locked --package clearproof
	scripts/schemathesis.sh $(TARGET)/debug/clearproof

lint: fmt clippy

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

unit:
	@scripts/ensure-postgresql.sh
	@scripts/ensure-program.sh nats-server nats-server
	@scripts/ensure-program.sh openssl openssl
	$(CARGO) test --workspace --locked

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

web: web/node_modules/.package-lock.json
	cd web && npm run verifier
	cd web && npm run typecheck
	cd web && npm run lint
	cd web && npm test

page: web/node_modules/.package-lock.json
	cd web && npm run build

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund

bench:
	$(COMMAND) bench --batch 1,1000
	$(if $(ANCHORS),$(COMMAND) bench --runs 3 $(ANCHORS))
	$(CARGO) bench --locked --package clearproof-prover $(ASM)
	$(MAKE) web/node_modules/.package-lock.json
	cd web && npm run bench

fuzz:
	fuzz/run.sh $(FUZZ_SECONDS)

deny:
	$(CARGO) deny check
