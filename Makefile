# Everything a developer runs. `make` alone lists it.

GO ?= go

# Tools run at these versions from the module proxy; nothing has to be installed.
GOFUMPT := $(GO) run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0
APIDIFF := $(GO) run golang.org/x/exp/cmd/apidiff@v0.0.0-20261113113407-e3970619a1a4

# The modules inside the repository; the library itself is the one in this folder.
MODULES := $(patsubst %/go.mod,%,$(wildcard */go.mod))

.DEFAULT_GOAL := help
.PHONY: help demo test race bench integration lint golangci vuln api fuzz nightly features fmt

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## records from a file to Kafka and back (INPUT=file.ndjson, KAFKA_BOOTSTRAP_SERVERS=host:port)
	@$(GO) run ./cmd/demo $(if $(INPUT),-input "$(INPUT)")

# TESTFLAGS are more of gotest's own, such as -count=3 or -cpu=1,8.
test: ## all tests in both builds; no server, no Docker
	@$(GO) run ./internal/gotest $(TESTFLAGS)

race: ## the same under the race detector (needs a C compiler)
	@command -v "$$(set -- $$($(GO) env CC); echo "$$1")" >/dev/null || { \
		echo "make race: the race detector needs a C compiler, and $$($(GO) env CC) is not here" >&2; exit 1; }
	@CGO_ENABLED=1 $(GO) run ./internal/gotest -race $(TESTFLAGS)

bench: ## speed beside plain franz-go (ONLY=name for one scenario)
	@cd bench && $(GO) run . $(if $(ONLY),-only "$(ONLY)")

# One package at a time, as each starts a Kafka of its own. VICUNA_BROKER=docker (or environment,
# distribution, embedded) takes that one or fails; VICUNA_KAFKA_IMAGE is Docker's image.
integration: ## the suites on a real Kafka (KAFKA_BOOTSTRAP_SERVERS, KAFKA_HOME, Docker, else the embedded broker)
	@$(GO) run ./internal/gotest -v -C integration -- -count=1 -p=1 -timeout=15m ./...

# What only another system compiles is vetted too, which compiles it and its tests; cgo is left out,
# as there is no C compiler for them here.
lint: ## formatting, go vet (for other systems too) and staticcheck, in both builds and all modules
	@unformatted="$$($(GOFUMPT) -l .)" || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'not formatted (make fmt):\n%s\n' "$$unformatted"; exit 1; fi
	@for tags in '' -tags=synctests; do \
		echo "vet and staticcheck $$tags"; $(GO) vet $$tags ./... && $(STATICCHECK) $$tags ./... || exit 1; done
	@for m in $(MODULES); do \
		echo "vet and staticcheck in $$m"; (cd $$m && $(GO) vet ./... && $(STATICCHECK) ./...) || exit 1; done
	@for os in darwin windows; do for tags in '' -tags=synctests; do for m in . $(MODULES); do \
		echo "vet for $$os $$tags in $$m"; \
		(cd $$m && CGO_ENABLED=0 GOOS=$$os $(GO) vet $$tags ./...) || exit 1; done; done; done

golangci: ## golangci-lint, in both builds and all modules; .golangci.yml says what and why
	@for m in . $(MODULES); do for tags in '' synctests; do \
		echo "golangci-lint in $$m $$tags"; \
		(cd $$m && $(GOLANGCI) run --config $(CURDIR)/.golangci.yml --build-tags "$$tags" ./...) || exit 1; done; done

# Its database is at vuln.go.dev.
vuln: ## known vulnerabilities in what is called (asks vuln.go.dev)
	@for m in . $(MODULES); do echo "govulncheck in $$m"; (cd $$m && $(GOVULNCHECK) ./...) || exit 1; done

# Before v1 what the API loses is told and no more; the changelog has it under Changed. Release
# candidates promise nothing, so their tags are passed over.
api: ## what the API has lost since the last tag (BASE=v0.1.0, or any commit)
	@base="$(BASE)"; \
	[ -n "$$base" ] || base="$$(git describe --tags --abbrev=0 --match 'v[0-9]*' --exclude '*-*' 2>/dev/null)"; \
	if [ -z "$$base" ]; then \
		echo "make api: there is no tag yet, so there is no API to keep; BASE names another commit"; exit 0; fi; \
	work="$$(mktemp -d)" && trap 'rm -rf "$$work"' EXIT && mkdir "$$work/base" && \
	git archive "$$base" | tar -x -C "$$work/base" && module="$$($(GO) list -m)" && \
	(cd "$$work/base" && $(APIDIFF) -m -w "$$work/api" "$$module") && \
	lost="$$($(APIDIFF) -m -incompatible "$$work/api" "$$module")" || exit 1; \
	if [ -z "$$lost" ]; then echo "the API has lost nothing since $$base"; exit 0; fi; \
	printf 'the API has lost since %s:\n%s\n' "$$base" "$$lost"; \
	case "$$base" in v[1-9]*) exit 1;; esac

# FUZZTIME is for each; only one can run at a time. What breaks one is written to its testdata.
FUZZTIME ?= 1m
fuzz: ## each fuzz test for a minute (FUZZTIME=10s)
	@for m in . $(MODULES); do (cd $$m && \
		grep -rl --include='*_test.go' $(addprefix --exclude-dir=,$(MODULES)) '^func Fuzz' . | while read -r file; do \
			for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
				echo "$$m: $$file: $$name for $(FUZZTIME)"; \
				$(GO) test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) "./$$(dirname "$$file")" </dev/null || exit 1; \
			done || exit 1; done) || exit 1; done

# Each test three times, on one processor and on eight: what depends on who is first shows itself.
nightly: ## what takes hours: all tests again and again, fuzzing, all linters, vulnerabilities
	@$(MAKE) --no-print-directory -k lint golangci vuln features fuzz test race TESTFLAGS='-count=3 -cpu=1,8'

features: ## check the feature table and count what is done
	@$(GO) run ./internal/features

fmt: ## format all code
	@$(GOFUMPT) -w .
