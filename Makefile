# What there is to do here: `make help`.

include scripts/versions.env

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# ENVOY_PATH stands for the newest Envoy.
NEWEST := $(or $(ENVOY_PATH),$(CURDIR)/.tools/envoy/$(ENVOY_NEWEST)/envoy)
OLDEST := $(CURDIR)/.tools/envoy/$(ENVOY_OLDEST)/envoy
# The shell's quotes are make's text.
MATRIX := $(subst ",,$(ENVOY_MATRIX))

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: wasm ## Show one account as five scopes, through a real Envoy
	@scripts/envoy.sh $(ENVOY_NEWEST)
	@cargo build --quiet --locked --example demo --example customer-api
	@target/debug/examples/demo

.PHONY: up
up: wasm ## The same, and leave it running for you to try
	@scripts/envoy.sh $(ENVOY_NEWEST)
	@cargo build --quiet --locked --example demo --example customer-api
	@target/debug/examples/demo up

.PHONY: test
test: lint unit policies browser envoy ## Everything that a change must pass

.PHONY: lint
lint: ## Formatting and lints, native and wasm
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	scripts/wasm.sh lint

.PHONY: unit
unit: ## Unit, table and property tests: all that needs no Envoy
	@scripts/crds.sh
	cargo test --locked --lib --bins --example customer-api
	cargo test --locked $(addprefix --test ,$(filter-out envoy browser platform,$(basename $(notdir $(wildcard tests/*.rs))) $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs))))
	cargo test --locked --doc

.PHONY: policies
policies: ## The shipped policies: check, and their suites
	@# The command as the tests build it: `cargo run` would build its dependencies once more, with other features.
	cargo test --quiet --locked --test cli --no-run
	target/debug/fieldgate check policies
	target/debug/fieldgate test policies

.PHONY: browser
browser: ## The command's pages in a real headless browser; the studio's too, once `make studio` has made it
	@scripts/browser.sh
	cargo test --locked --test browser

.PHONY: studio
studio: ## The page of `fieldgate studio` (needs npm), and its rows in a real headless browser
	@scripts/studio.sh
	@scripts/browser.sh
	cargo test --locked --test browser -- studio

.PHONY: envoy
envoy: wasm trap ## Rows in a real Envoy: the newest, and in the oldest that is tested those that a version may decide
	@scripts/envoy.sh
	@scripts/ratelimit.sh
	ENVOY_PATH=$(NEWEST) cargo test --locked --test envoy
	ENVOY_PATH=$(OLDEST) FIELDGATE_ROWS=versions cargo test --locked --test envoy

# PROFILE=dev is quick to build.
MODULE = target/$(if $(filter dev,$(PROFILE)),debug,$(or $(PROFILE),module))/libfieldgate_module.so
.PHONY: module
module: ## The dynamic module, target/module/libfieldgate_module.so: native, for the newest Envoy (FEATURES=envoy-1-39 for 1.39)
	cargo build --locked --profile $(or $(PROFILE),module) -p fieldgate-module $(if $(FEATURES),--features $(FEATURES))

# The Envoy that the module is built for.
OF_MODULE = $(if $(filter envoy-1-39,$(FEATURES)),$(filter 1.39.%,$(MATRIX)),$(ENVOY_NEWEST))
.PHONY: envoy-module
envoy-module: wasm module ## The rows of `make envoy` with the module in the plugin's place (ROWS="part of a claim", PROFILE=dev, FEATURES=envoy-1-39)
	@scripts/envoy.sh $(OF_MODULE)
	ENVOY_PATH=$(or $(ENVOY_PATH),$(CURDIR)/.tools/envoy/$(OF_MODULE)/envoy) FIELDGATE_HOST=module FIELDGATE_MODULE=$(CURDIR)/$(MODULE) \
	  cargo test --locked --test envoy $(if $(ROWS),-- "$(ROWS)")

.PHONY: matrix
matrix: wasm trap ## All rows, the long ones too, on each Envoy of ENVOY_MATRIX
	@scripts/envoy.sh $(MATRIX)
	@scripts/ratelimit.sh
	for version in $(MATRIX); do \
	  ENVOY_PATH=$(CURDIR)/.tools/envoy/$$version/envoy FIELDGATE_ROWS=all cargo test --locked --test envoy; \
	done

.PHONY: descriptions
descriptions: ## Descriptions of public APIs: no field of one is lost without a word (needs Go and npm)
	@scripts/descriptions.sh
	cargo test --locked --test descriptions -- --nocapture

.PHONY: alerts
alerts: wasm ## Alerts and dashboard: promtool tests the alerts, a real Prometheus fires one over a real Envoy, and takes each query
	@scripts/envoy.sh $(ENVOY_NEWEST)
	@scripts/prometheus.sh
	ENVOY_PATH=$(NEWEST) cargo test --locked --test envoy -- "Prometheus"

.PHONY: dashboard
dashboard: ## The dashboard, read strictly by Grafana's own types (needs Go)
	@scripts/dashboard.sh

.PHONY: otel
otel: wasm ## Decision records and metrics to a real OpenTelemetry collector (builds one with Go)
	@scripts/envoy.sh $(ENVOY_NEWEST)
	@scripts/otel.sh
	ENVOY_PATH=$(NEWEST) cargo test --locked --test envoy -- "OpenTelemetry"

.PHONY: soak
soak: wasm ## The long forms: bodies of 100 MB, policies swapped for a minute, mixed load for SOAK_MINUTES (2; 30 is the claim), a siege of SIEGE_RESPONSES (20000)
	@scripts/envoy.sh $(ENVOY_NEWEST)
	ENVOY_PATH=$(NEWEST) FIELDGATE_LONG_MB=100 cargo test --locked --test envoy -- "long bodies"
	ENVOY_PATH=$(NEWEST) FIELDGATE_RELOAD_SECONDS=$(or $(RELOAD_SECONDS),60) cargo test --locked --test envoy -- "swapped under load"
	@scripts/ratelimit.sh
	ENVOY_PATH=$(NEWEST) FIELDGATE_HARVEST=all cargo test --locked --test envoy -- "never releases more than max" --nocapture
	ENVOY_PATH=$(NEWEST) FIELDGATE_HARVEST=all cargo test --locked --test envoy -- "take of memory is bounded" --nocapture
	ENVOY_PATH=$(NEWEST) cargo test --locked --test envoy -- "what a policy costs" --nocapture
	ENVOY_PATH=$(NEWEST) SOAK_MINUTES=$(or $(SOAK_MINUTES),2) cargo test --locked --test envoy -- "mixed load" --nocapture
	ENVOY_PATH=$(NEWEST) SIEGE_RESPONSES=$(or $(SIEGE_RESPONSES),20000) cargo test --locked --test envoy -- "hostile upstream" --nocapture

.PHONY: platform
platform: wasm ## What `fieldgate render` writes, in a real Envoy Gateway and Istio, and before istioctl, egctl and a Kubernetes API: nothing opens, whatever comes late, breaks or goes (ROW="Istio: " chooses)
	@scripts/envoy.sh $(ENVOY_NEWEST)
	@scripts/platform.sh
	ENVOY_PATH=$(NEWEST) FIELDGATE_PLATFORM=1 cargo test --locked --test platform -- $(if $(ROW),"$(ROW)")

.PHONY: gateway
gateway: wasm ## The rows of `make platform` with Envoy Gateway and resources from files, which is the quickest of them to build
	@scripts/envoy.sh $(ENVOY_NEWEST)
	@scripts/platform.sh envoy-gateway
	ENVOY_PATH=$(NEWEST) FIELDGATE_PLATFORM=1 cargo test --locked --test platform -- "Envoy Gateway: "

.PHONY: dist
dist: ## What a release consists of, in target/dist/: plugin, image, command, SBOM, checksums; read back by other programs (RELEASING.md)
	@scripts/dist.sh

.PHONY: image
image: ## The plugin's OCI image alone: the same digest twice, and read back from a registry
	@FIELDGATE_DIST_IMAGE_ONLY=1 scripts/dist.sh

.PHONY: replay
replay: wasm ## The breach of 2022/23 under the shipped policy: simulated at full scale, then in a real Envoy, a second for a day
	@scripts/envoy.sh $(ENVOY_NEWEST)
	cargo run --quiet --release --locked -- replay -p policies/telco.yaml --clients 1 --max-share 0.1%
	@cargo run --quiet --release --locked --example replay

.PHONY: deny
deny: ## Licences, sources and bans of all dependencies (deny.toml); advisories where they can be fetched
	@scripts/deny.sh

.PHONY: reproducible
reproducible: ## Build the plugin again in another place: the same bytes
	@scripts/reproducible.sh

.PHONY: bench
bench: ## Measure the engine next to what else could do its work, natively, in V8 and in Envoy: which targets hold
	@scripts/bench.sh

.PHONY: bench-envoy
bench-envoy: ## The head-to-head in one Envoy: no filter, echo, plugin, module, a naive plugin, Lua, ext_proc (docs/performance.md)
	@scripts/bench.sh versus

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZ_SECONDS (60)
	@scripts/fuzz.sh

.PHONY: mutants
mutants: ## Break each guard of tests/mutants/guards.txt: a test must notice (ONLY="A7, caller" chooses)
	@scripts/envoy.sh $(ENVOY_NEWEST)
	ENVOY_PATH=$(NEWEST) ONLY="$(ONLY)" cargo test --locked --test mutants -- --ignored --nocapture

.PHONY: wasm
wasm: ## Build the plugin: target/wasm32-wasip1/release/fieldgate.wasm
	@scripts/wasm.sh build

.PHONY: trap
trap: ## Build the tests' plugin, which traps where a request tells it to: never the one that is shipped
	@scripts/wasm.sh trap

.PHONY: clean
clean: ## Remove what was built; .tools stays (rm -rf .tools to fetch anew)
	cargo clean
	rm -rf .demo
