# MedusaXD API: `make up` runs it, `make test` proves it. `make help` lists the rest.
PY := .venv/bin/python
PYTHON ?= python3
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
UI_SOURCES := $(shell find admin_ui/src admin_ui/public admin_ui/index.html admin_ui/vite.config.ts admin_ui/package-lock.json -type f 2>/dev/null)
TESTS ?= tests
JOBS ?= auto
KILLS ?= 100

.DEFAULT_GOAL := help
.PHONY: help up test soak check bench fmt lock ui screenshots

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: .venv/.ready ## run the gateway on http://127.0.0.1:3000 (PORT, SQL_DSN, REDIS_CONN_STRING, DATA_DIR are honoured)
	@$(MAKE) --no-print-directory ui || echo "medusa: the admin UI could not be built; the API works without it." >&2
	@exec $(PY) -m medusa.cli up

test: .venv/.dev ## run every test; databases whose binaries are missing are skipped unless CI is set
	$(PY) -m pytest $(TESTS) -n $(JOBS) --dist loadgroup -q

soak: .venv/.dev ## kill edge, worker and Valkey a hundred times each under load (KILLS=100), about half an hour
	MEDUSA_KILLS=$(KILLS) $(PY) -m pytest tests/crash/test_kill9.py -q -s

check: .venv/.dev ## format, lint, types, import direction; the UI too where Node is found
	$(PY) -m ruff format --check schema edge workers medusa bench tests
	$(PY) -m ruff check schema edge workers medusa bench tests
	$(PY) -m mypy
	.venv/bin/lint-imports
	sh deploy/ui.sh check

bench: .venv/.dev ## measure against nginx in one run; writes bench/results
	$(PY) -m bench

fmt: .venv/.dev ## format and fix
	$(PY) -m ruff format schema edge workers medusa bench tests
	$(PY) -m ruff check --fix schema edge workers medusa bench tests

lock: .venv/.dev ## refresh both lock files from pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(PY) -m uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q -o requirements.lock
	$(PY) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q -o requirements-dev.lock

screenshots: .venv/.dev ui ## pictures of every screen into docs/screenshots; needs Chromium
	$(PY) -m tests.browser.screenshots

ui: admin_ui/dist/index.html ## build the admin UI where its sources changed

admin_ui/dist/index.html: $(UI_SOURCES) | .venv/.ready
	@sh deploy/ui.sh build
	@touch $@

.venv/.ready: requirements.lock
	@$(PYTHON) deploy/make_venv.py $(if $(filter file,$(origin PYTHON)),,--as-given)
	@$(PIP) -r requirements.lock
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s/.venv/bin/python" -m medusa.cli "$$@"\n' "$(CURDIR)" "$(CURDIR)" > .venv/bin/medusa
	@chmod +x .venv/bin/medusa
	@touch $@

.venv/.dev: .venv/.ready requirements-dev.lock
	@$(PIP) -r requirements-dev.lock
	@touch $@
