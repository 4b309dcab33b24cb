# `make demo` and `make test` need nothing but a clone; `make help` lists the rest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PIP_TOOLS := pip-tools==7.6.2
PIP_COMPILE := ../build/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

# The interpreter that makes $(VENV); `make PYTHON=/path/to/python3.12 …` chooses another.
SUPPORTED := 3.11 3.12 3.13
PYTHON ?= $(shell scripts/interpreters.sh --choose $(SUPPORTED) | cut -d " " -f 3-)
IS_SUPPORTED := import sys; sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv)

##@ The two commands

.PHONY: demo
demo: $(VENV)/.base  ## Watch the worker judge simulated rooms; needs neither Java nor Docker (ARGS="--rooms 30")
	$(BIN)/stream-audit demo $(ARGS)

# Chosen tests need Java only if one of them starts a Kafka: tests/conftest.py looks.
.PHONY: test
test: $(if $(ARGS),,java test-versions) $(VENV)/.dev  ## Run every test, those on a real Kafka too; needs Java ≥ 17 and Maven (ARGS="-k label")
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

##@ For those who change things

.PHONY: test-versions
test-versions: $(VENV)/.dev  ## Run golden and contract tests under the lowest and the newest supported Python found
	@scripts/interpreters.sh $(SUPPORTED) | sed -n '1p;$$p' | uniq | while read -r version full path; do \
		if $(BIN)/python -c '$(IS_SUPPORTED)' $$version; then \
			echo "Golden and contract tests under Python $$full: with the others, in $(VENV)"; continue; fi; \
		echo "Golden and contract tests under Python $$full ($$path), in build/py$$version"; \
		$(MAKE) VENV=build/py$$version PYTHON="$$path" build/py$$version/.dev </dev/null; \
		build/py$$version/bin/pytest -n 2 tests/golden tests/contracts \
			tests/audit/test_numbers.py tests/audit/test_characters.py </dev/null; done

LOWEST := build/lowest

.PHONY: test-lowest
test-lowest: $(LOWEST)/.made  ## Run golden, contract and command tests on the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/pytest -n 2 --dist loadfile -m "not kafka and not slow" \
		tests/golden tests/contracts tests/ingress tests/egress tests/policy tests/cli tests/lab/importers \
		tests/test_health.py tests/test_metrics.py tests/test_settings.py $(ARGS)

$(LOWEST)/.made: $(VENV)/.made requirements/lowest.txt pyproject.toml
	$(BIN)/python -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/lowest.txt
	$(LOWEST)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
	$(LOWEST)/bin/python -m pip --disable-pip-version-check check
	@touch $@

.PHONY: wheel
wheel: $(VENV)/.base  ## Build dist/*.whl, with contracts and rules in it
	rm -rf build/lib build/bdist.* dist
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

.PHONY: test-fast
test-fast: $(VENV)/.dev  ## Run the tests that are quick, in less than two minutes; needs no Java (ARGS="-k label")
	$(BIN)/pytest -n 2 --dist loadfile -m "not kafka and not slow" $(ARGS)

CHECKS := "ruff check ." "ruff format --check ." "mypy" "lint-imports --no-cache" "vulture" "pytest tests/test_tidy.py tests/test_documents.py"

.PHONY: check
check: $(VENV)/.dev  ## Lint, formatting, types, layers and the rules of the house; runs all, then says what failed
	@failed=0; told=; for check in $(CHECKS); do \
		echo "── $$check"; \
		if $(BIN)/$$check; then told+="passed  $$check"$$'\n'; else told+="FAILED  $$check"$$'\n'; failed=1; fi; \
	done; \
	printf '\n%s' "$$told"; exit $$failed

.PHONY: format
format: $(VENV)/.dev  ## Format the code
	$(BIN)/ruff format .

.PHONY: golden
golden: $(VENV)/.dev  ## Write the golden files again (review the diff before you commit it)
	$(BIN)/pytest tests/golden --rewrite-golden
	git --no-pager diff --stat -- tests/golden

.PHONY: bench
bench: java $(VENV)/.dev  ## Measure the worker beside its peers on a real Kafka, an hour; writes docs/BENCHMARKS.md
	$(BIN)/python -m tests.bench all

.PHONY: bench-gate
bench-gate: java $(VENV)/.dev  ## Every ratio bar on fewer events, in ten minutes; fails when one is missed or not measured
	$(BIN)/python -m tests.bench gate $(ARGS)

.PHONY: lock
lock: build/lock/.made  ## Pin requirements/*.in again, keeping what still fits (ARGS="--upgrade" renews all)
	cd requirements && $(PIP_COMPILE) $(ARGS) --output-file base.txt base.in
	cd requirements && $(PIP_COMPILE) $(ARGS) --output-file dev.txt dev.in
	cd requirements && $(PIP_COMPILE) $(ARGS) --output-file sbom.txt sbom.in
	cd requirements && $(PIP_COMPILE) $(ARGS) --output-file deploy.txt deploy.in
	cd requirements && $(PIP_COMPILE) $(ARGS) --output-file lowest.txt lowest.in
	cd requirements && for name in quix bytewax faststream pathway arroyo; do \
		$(PIP_COMPILE) $(ARGS) --output-file bench/$$name.txt bench/$$name.in; done

.PHONY: clean
clean:  ## Remove everything that make, tests and demo have made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- what the targets stand on ---------------------------------------------------------------------------------

$(VENV)/.made:
	@[ -n "$(PYTHON)" ] || { echo "stream-audit needs Python $(SUPPORTED) with its venv module: no such python3 or" \
		"python3.x runs on PATH or below \`pyenv root\`. Install one (on Debian and Ubuntu, python3-venv too), or name" \
		"it: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@"$(PYTHON)" -c '$(IS_SUPPORTED)' $(SUPPORTED) || { \
		echo "$(PYTHON) does not run, or is not one of Python $(SUPPORTED)" >&2; exit 1; }
	@echo "Using $(PYTHON) ($$("$(PYTHON)" -c 'import platform; print(platform.python_version())')) for $(VENV)"
	@"$(PYTHON)" -m venv $(VENV) || { echo "$(PYTHON) cannot make $(VENV): on Debian and Ubuntu, install" \
		"python3-venv" >&2; exit 1; }
	@touch $@

# Requirements hold setuptools, so that the package itself is built without fetching anything unpinned.
$(VENV)/.base: $(VENV)/.made requirements/base.txt pyproject.toml
	@echo "Installing requirements/base.txt into $(VENV); the first time takes a minute"
	@$(PIP) install --require-hashes -r requirements/base.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements/dev.txt pyproject.toml
	@echo "Installing requirements/dev.txt into $(VENV); the first time takes a minute"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.base

build/lock/.made: Makefile $(VENV)/.made
	$(BIN)/python -m venv --clear build/lock
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install $(PIP_TOOLS)
	@touch $@

.PHONY: java
java:
	@command -v java >/dev/null || { echo "This starts a real Kafka, which needs Java 17 or newer: \`java\` is not on" \
		"PATH. \`make demo\`, \`make test-fast\` and \`make check\` do without." >&2; exit 1; }
	@major=$$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1); [ "$${major:-0}" -ge 17 ] || { \
		echo "This starts a real Kafka, which needs Java 17 or newer; \`java\` on PATH is $${major:-unknown}" >&2; exit 1; }
	@command -v mvn >/dev/null || { echo "This fetches Kafka's jars through Maven: \`mvn\` is not on PATH" >&2; exit 1; }

# --- deployment ------------------------------------------------------------------------------------------------

DEPLOY_BIN := build/deploy/bin
GO_INSTALL := GOBIN=$(CURDIR)/$(DEPLOY_BIN) GOFLAGS="-buildvcs=false -mod=mod -trimpath" go install
KUSTOMIZE := sigs.k8s.io/kustomize/kustomize/v5@v5.8.2
PROMETHEUS := github.com/prometheus/prometheus/cmd
PROMETHEUS_VERSION := v0.316.0
KUBERNETES := 1.34.4
KWOK := sigs.k8s.io/kwok/cmd/kwok@v0.8.0
KEDA := github.com/kedacore/keda/v2@v2.18.1
PROMETHEUS_OPERATOR := github.com/prometheus-operator/prometheus-operator@v0.85.0

.PHONY: check-deploy
check-deploy: $(VENV)/.deploy $(addprefix $(DEPLOY_BIN)/,kustomize promtool prometheus kubernetes kwok) build/deploy/crds  ## Check deploy/: manifests, alerts, boards, image, a cluster; needs Go, Java and Maven
	CHECK_DEPLOY=1 $(BIN)/pytest -W "ignore:Prefer using dashboardv2:DeprecationWarning" tests/deploy $(ARGS)

.PHONY: manifests
manifests: $(VENV)/.deploy  ## Write what deploy/ generates: boards, topics, user, PrometheusRule (RUNBOOK_URL=https://… sets alerts' links)
	$(BIN)/python -m deploy.monitoring.dashboards
	$(BIN)/python -m deploy.generate $(RUNBOOK_URL)

.PHONY: boards
boards: $(VENV)/.deploy $(DEPLOY_BIN)/prometheus  ## Draw the boards into docs/boards-*.svg: a real Prometheus, Kafka and worker; needs what check-deploy needs
	$(BIN)/python -m tests.deploy.preview docs

.PHONY: sbom
sbom: $(VENV)/.deploy  ## Write build/sbom.cdx.json: what the image is made of (CycloneDX), from the pins and their hashes
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-file build/sbom.cdx.json requirements/base.txt

$(VENV)/.deploy: $(VENV)/.dev requirements/deploy.txt
	@echo "Installing requirements/deploy.txt into $(VENV)"
	@$(PIP) install --require-hashes -r requirements/deploy.txt
	@touch $@

$(DEPLOY_BIN)/kustomize: | go
	$(GO_INSTALL) $(KUSTOMIZE)

# Both share most of what they compile. Service discoveries are left out: they are half of the build.
$(DEPLOY_BIN)/promtool $(DEPLOY_BIN)/prometheus &: | go
	@echo "Building Prometheus; the first time takes minutes"
	$(GO_INSTALL) -tags netgo,remove_all_sd $(PROMETHEUS)/promtool@$(PROMETHEUS_VERSION) $(PROMETHEUS)/prometheus@$(PROMETHEUS_VERSION)

# A control plane and kubectl in one program: a quarter of an hour the first time.
$(DEPLOY_BIN)/kubernetes: $(wildcard tests/deploy/kubernetes/*) | go
	@echo "Building Kubernetes; the first time takes a quarter of an hour"
	cd tests/deploy/kubernetes && GOFLAGS="-buildvcs=false -mod=readonly -trimpath" go build -ldflags "-s -w \
		$(foreach part,gitVersion=v$(KUBERNETES) gitMajor=1 gitMinor=34,-X k8s.io/component-base/version.$(part))" \
		-o $(CURDIR)/$@ .

# The module carries how its nodes and pods behave.
$(DEPLOY_BIN)/kwok: | go
	$(GO_INSTALL) $(KWOK)
	for stage in $$(go env GOMODCACHE)/$(subst /cmd/kwok,,$(KWOK))/kustomize/stage/{node/fast/node,node/heartbeat/node,pod/fast/pod}-*.yaml; \
		do echo "---"; cat $$stage; done > build/deploy/kwok.yaml

# Definitions of others' kinds, from their own modules; Strimzi's come from no registry and are tests/deploy/strimzi.yaml.
build/deploy/crds: tests/deploy/strimzi.yaml | go
	@mkdir -p $@
	GOFLAGS=-mod=mod go mod download $(KEDA) $(PROMETHEUS_OPERATOR)
	cp --no-preserve=mode $$(go env GOMODCACHE)/$(KEDA)/config/crd/bases/keda.sh_{scaledobjects,triggerauthentications}.yaml \
		$$(go env GOMODCACHE)/$(PROMETHEUS_OPERATOR)/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml \
		$< $@
	@touch $@

.PHONY: go
go:
	@command -v go >/dev/null || { echo "check-deploy builds kustomize and Prometheus with Go 1.26 or newer: \`go\` is not on" \
		"PATH" >&2; exit 1; }

# --- reliability -----------------------------------------------------------------------------------------------

SEEDS ?= 20
HOURS ?= 2

.PHONY: faults
faults: java $(VENV)/.dev  ## Hurt the worker in every way, over seeds, on a real Kafka; writes docs/RELIABILITY.md (SEEDS=20)
	$(BIN)/python -m tests.faults --seeds $(SEEDS) $(ARGS)

.PHONY: soak
soak: java $(VENV)/.dev  ## Run the worker for HOURS=2 and tell how fast its memory grows (ARGS="--rate 300" runs beside other work)
	$(BIN)/python -m tests.faults.soak --hours $(HOURS) $(ARGS)
