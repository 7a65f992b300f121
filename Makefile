# Everything a developer runs. `make` alone lists it.

GO ?= go

# Tools run at these versions from the module proxy; nothing has to be installed.
GOFUMPT := $(GO) run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The modules inside the repository; the library itself is the one in this folder.
MODULES := $(patsubst %/go.mod,%,$(wildcard */go.mod))

.DEFAULT_GOAL := help
.PHONY: help demo test race bench integration lint features fmt

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## records from a file to Kafka and back (INPUT=file.ndjson, KAFKA_BOOTSTRAP_SERVERS=host:port)
	@$(GO) run ./cmd/demo $(if $(INPUT),-input "$(INPUT)")

test: ## all tests in both builds; no server, no Docker
	@$(GO) run ./internal/gotest

race: ## the same under the race detector (needs a C compiler)
	@command -v "$$(set -- $$($(GO) env CC); echo "$$1")" >/dev/null || { \
		echo "make race: the race detector needs a C compiler, and $$($(GO) env CC) is not here" >&2; exit 1; }
	@CGO_ENABLED=1 $(GO) run ./internal/gotest -race

bench: ## speed beside plain franz-go (ONLY=name for one scenario)
	@cd bench && $(GO) run . $(if $(ONLY),-only "$(ONLY)")

# One package at a time, as each starts a Kafka of its own.
integration: ## the suites on a real Kafka (KAFKA_BOOTSTRAP_SERVERS, KAFKA_HOME, Docker, else the embedded broker)
	@$(GO) run ./internal/gotest -v -C integration -- -count=1 -p=1 -timeout=15m ./...

lint: ## formatting, go vet and staticcheck, in both builds and all modules
	@unformatted="$$($(GOFUMPT) -l .)" || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'not formatted (make fmt):\n%s\n' "$$unformatted"; exit 1; fi
	@for tags in '' -tags=synctests; do \
		echo "vet and staticcheck $$tags"; $(GO) vet $$tags ./... && $(STATICCHECK) $$tags ./... || exit 1; done
	@for m in $(MODULES); do \
		echo "vet and staticcheck in $$m"; (cd $$m && $(GO) vet ./... && $(STATICCHECK) ./...) || exit 1; done

features: ## check the feature table and count what is done
	@$(GO) run ./internal/features

fmt: ## format all code
	@$(GOFUMPT) -w .
