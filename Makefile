.DEFAULT_GOAL := help
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build ./anomalystream for this machine
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o anomalystream .

.PHONY: demo
demo: ## Run everything in one process: embedded broker and database, simulators, API on :8000
	go run . demo

.PHONY: test
test: ## Run the tests that need nothing but Go
	go test ./...

.PHONY: race
race: ## Run the same tests under the race detector
	go test -race ./...

.PHONY: lint
lint: ## Check formatting and vet
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || (gofmt -l $$(git ls-files '*.go'); exit 1)
	go vet ./...

.PHONY: cross
cross: ## Build for every platform without cgo
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -ldflags "$(LDFLAGS)" -o dist/anomalystream-$${p%/*}-$${p#*/} . || exit 1; \
	done

.PHONY: ci
ci: ## Run everything that CI runs
	bash .ci/run

.PHONY: quality
quality: ## Measure detection quality on labelled data, five seeds: EVAL_DIR=folder with data/
	EVAL_DIR="$(abspath $(EVAL_DIR))" QUALITY=full go test -tags fixtures -v -timeout 90m -run "TestQuality|TestSpikes" ./internal/backtest

.PHONY: bench
bench: ## Run every benchmark once
	go test -run '^$$' -bench . -benchtime 1x ./...
