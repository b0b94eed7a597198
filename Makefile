# The tasks of this project; `make` lists them.
PYTHON ?= python3
# The number of processes that run the tests. Each test file runs in one process.
PROCESSES ?= 2
# The port of `make run`.
PORT ?= 5000
BIN := .venv/bin
# The first stamp exists if .venv has the packages for serving, the second one if it has all.
SERVING_STAMP := .venv/.serving
STAMP := .venv/.installed
# Without the cached bytecode of the tests, each process spends five seconds on rewriting assertions.
PYTEST_PARALLEL = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile
CLIENTS := .venv-clients
CLIENTS_STAMP := $(CLIENTS)/.installed
NPM = PATH="$(CURDIR)/$(CLIENTS)/bin:$$PATH" npm --prefix tests/system/clients
PEERS := .venv-bench
PEERS_STAMP := $(PEERS)/.installed

SITE := .venv-site
SITE_STAMP := $(SITE)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test test-slow test-system docs docs-site screenshot conformance test-clients test-hostile test-faults mutation bench bench-smoke wrk check check-all coverage format \
	audit wheel lock lock-clients lock-bench lock-site test-long test-spreadsheets test-galera test-patroni

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: $(STAMP) ## build .venv with everything needed to run, test and check

# The steps of an installation. A .venv without pip is incomplete.
PIP := $(BIN)/python -m pip install --disable-pip-version-check
CREATE_VENV = @$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"Roster needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12, for example")' \
	&& { $(BIN)/python -m pip --version > /dev/null 2>&1 \
	|| { echo "Creating .venv ..." && $(PYTHON) -m venv .venv; }; }
# Shows the packages that pip downloads. pip prints errors on standard error.
SHOW_PACKAGES := { last=; while read -r word name rest; do case "$$word $$name" in \
	"Collecting "*) printf ' %s' "$${name%%==*}" ;; \
	"Installing collected") printf '\nUnpacking them into .venv ...\n'; last=yes ;; \
	FAILED*) exit 1 ;; esac; done; [ "$$last" ] || echo " nothing is missing"; }
INSTALL_COMMAND := @echo "Installing the command $(BIN)/roster ..." \
	&& $(PIP) --quiet --no-build-isolation --no-deps --editable .

$(SERVING_STAMP): serving-requirements.txt pyproject.toml
	$(CREATE_VENV)
	@printf "Installing the packages for serving (about 130 MB):"
	@{ $(PIP) --no-compile --require-hashes -r $< || echo FAILED; } | $(SHOW_PACKAGES)
	$(INSTALL_COMMAND)
	@touch $@

$(STAMP): requirements.txt pyproject.toml
	$(CREATE_VENV)
	@printf "Installing all packages, with tests and checks (about 450 MB):"
	@{ $(PIP) --require-hashes -r $< || echo FAILED; } | $(SHOW_PACKAGES)
	$(INSTALL_COMMAND)
	@touch $(SERVING_STAMP) $@

# First the Python clients and Node, which comes as a wheel; then the npm clients.
$(CLIENTS)/.programs: tests/system/clients/requirements.txt
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(CLIENTS_STAMP): $(CLIENTS)/.programs tests/system/clients/package-lock.json
	$(NPM) ci --no-audit --no-fund
	touch $@

run: $(SERVING_STAMP) ## start the service on http://127.0.0.1:5000 with the database roster.db; PORT= sets the port
	@echo "Starting Roster ..."
	@$(BIN)/roster serve --port $(PORT)

conformance: install ## test Roster against each sentence of JSON:API, and write docs/conformance.md
	$(BIN)/python -m pytest tests/http/conformance --proof
	$(PYTEST_PARALLEL) tests/http/conformance --resource tests/http/conformance/groups.toml -k SQLite

docs: install ## generate the reference, the tables of settings and limits, and the diagram of the packages
	$(BIN)/python -m docs.generator

$(SITE_STAMP): docs/site-requirements.txt
	test -x $(SITE)/bin/python || $(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

docs-site: install $(SITE_STAMP) ## build the documentation site in build/site
	$(BIN)/python -m docs.site
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict

screenshot: install /usr/bin/chromium ## take the screenshot in the README, docs/docs-page.png
	$(BIN)/python -m docs.generator.screenshot

TESTS_IN_PROCESS := tests/unit tests/contract tests/http tests/project

test: install ## run the tests of rules, stores, HTTP and the repository
	$(PYTEST_PARALLEL) -m "not slow and not long" $(TESTS_IN_PROCESS)

test-slow: install ## run the tests of rules, stores and HTTP that take seconds each
	$(PYTEST_PARALLEL) -m "slow and not long" $(TESTS_IN_PROCESS)

test-system: install ## run the tests of the server, the command line and the deployment
	$(PYTEST_PARALLEL) tests/system

/usr/bin/chromium:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium

test-clients: install $(CLIENTS_STAMP) /usr/bin/chromium ## run third-party clients and a browser against the service
	$(BIN)/python -m pytest -m "clients and not long" tests/system/clients

test-hostile: install ## attack the running server at length, and compare the stores with a dictionary
	$(PYTEST_PARALLEL) -m "" --hypothesis-profile=thorough tests/system/hostile tests/contract/model

/usr/sbin/pgbouncer:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends pgbouncer

GALERA := /usr/lib/galera/libgalera_smm.so build/galera/wsrep_sst_rsync

/usr/lib/galera/libgalera_smm.so:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
		galera-4 mariadb-client-core mariadb-server-core rsync

# Only the scripts of the package, which itself would start a server.
build/galera/wsrep_sst_rsync: /usr/lib/galera/libgalera_smm.so
	rm -rf build/galera && mkdir -p build/galera
	cd build/galera && apt-get download -q mariadb-server && dpkg-deb --fsys-tarfile *.deb \
		| tar --extract --strip-components=3 --wildcards './usr/bin/wsrep_sst_*' && rm *.deb
	touch $@

test-galera: install $(GALERA) ## run Roster on a cluster of MariaDB Galera, break its nodes, and count lost data
	$(BIN)/python -m pytest -m "" tests/system/galera

POLICY := /usr/sbin/policy-rc.d
# Debian starts the services that it installs, unless this policy forbids it.
/usr/bin/patroni:
	apt-get update -q
	test -e $(POLICY) || { trap 'rm $(POLICY)' EXIT && printf '#!/bin/sh\nexit 101\n' > $(POLICY) && chmod +x $(POLICY); }; \
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends patroni etcd-server haproxy postgresql-15

/usr/sbin/nginx:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nginx-light

/usr/bin/systemd-analyze:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends systemd

/usr/bin/soffice:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends libreoffice-calc

test-spreadsheets: install /usr/bin/soffice ## open and save exports with LibreOffice, and import them again
	$(BIN)/python -m pytest -m "" tests/contract/books/test_spreadsheets.py

test-faults: install /usr/sbin/pgbouncer ## break databases and the service under load, and count lost data
	$(BIN)/python -m pytest -m "" tests/system/faults

test-patroni: install /usr/sbin/pgbouncer /usr/bin/patroni ## break a cluster of PostgreSQL with Patroni under load, and print the time to recover
	$(BIN)/python -m pytest -m "" tests/system/cluster/test_patroni.py

test-long: install ## run a mixed load with faults for half an hour, and report leaks and losses
	PYTHONPATH=tests:tests/system $(BIN)/python -m faults.long_run

mutation: install ## change the code at random, and print the changes that no test notices; ARGS='--seed 1 --number 50'
	PYTHONPATH=tests $(BIN)/python -m mutation $(ARGS)

$(PEERS_STAMP): bench/requirements.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

bench: install wrk $(PEERS_STAMP) ## compare Roster with its peers and with a minimal service, and write docs/performance.md
	$(BIN)/python -m bench --write

bench-smoke: install wrk ## check that the benchmark runs and gets correct responses, without comparing speed
	$(BIN)/python -m bench --servers floor,roster --users 2000 --rounds 1 --seconds 1 --no-warm-up

wrk:
	command -v wrk > /dev/null || (apt-get update -q && apt-get install -q -y --no-install-recommends wrk)

check: install ## check lint, types, import contracts, migration drift, prose and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/system/upgrades -k drift
	$(BIN)/python -m docs.prose
	$(BIN)/codespell $$(git ls-files)

check-all: check docs-site $(CLIENTS_STAMP) /usr/bin/chromium /usr/bin/soffice /usr/sbin/pgbouncer /usr/bin/patroni $(GALERA) /usr/sbin/nginx /usr/bin/systemd-analyze ## run all checks of CI, and the tests that take minutes
	$(PYTEST_PARALLEL) -m "" --hypothesis-profile=thorough

coverage: install ## run the tests and print the coverage of lines and branches; TESTS=tests/unit/domain runs only some
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(PROCESSES) --dist loadfile $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

format: install ## format the source
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --strict: fail if a package could not be audited.
audit: install ## query PyPI for known vulnerabilities of the dependencies; fails if it cannot be reached
	for each in $$(git ls-files '*requirements.txt'); do \
		$(BIN)/uv tool run --from pip-audit==2.10.1 pip-audit --strict --disable-pip --require-hashes -r $$each || exit; \
	done

wheel: install ## write the wheel and its pinned, hashed requirements to dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel
	cp docs/deploy/requirements.txt dist

lock: install ## pin and hash the requirements again
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --all-extras --group dev pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group build --constraint requirements.txt pyproject.toml \
		--output-file serving-requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --all-extras --constraint requirements.txt pyproject.toml \
		--output-file docs/deploy/requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group build --constraint requirements.txt \
		--output-file docs/deploy/build-requirements.txt

lock-clients: install $(CLIENTS)/.programs ## pin and hash the requirements of test-clients again
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group clients --output-file tests/system/clients/requirements.txt
	$(NPM) install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund
	$(CLIENTS)/bin/node tests/system/clients/without_urls.mjs

lock-site: install ## pin and hash the requirements of the documentation site again
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group site --output-file docs/site-requirements.txt

lock-bench: install ## pin and hash the requirements of the benchmark again
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group bench --output-file bench/requirements.txt
