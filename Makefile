VENV := .venv
PYTHON := $(VENV)/bin/python
export PYTHON

.PHONY: run test check lock lock-check schema bench soak demo-models demo-report screenshot venv dev frontend chromium
run:
	@python3 lock/alone.py $(MAKE) --no-print-directory venv frontend
	@$(PYTHON) manage.py prepare
	@port=$$($(PYTHON) manage.py serve --check-port) && exec $(VENV)/bin/honcho start --port $$port

schema: venv frontend/node_modules/.stamp
	$(PYTHON) manage.py schema
	$(PYTHON) -m analysis.loading.config_classes
	node frontend/scripts/types.mjs

venv: $(VENV)/.stamp
$(VENV)/.stamp: requirements.txt
	@test -f $@ || echo "First start: installing Python packages (2 GB; several GB more with the GPU build of torch) and packages of the page (0.2 GB). This takes 2 to 15 minutes, once."
	@test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

frontend: frontend/dist/index.html
frontend/node_modules/.stamp: frontend/package.json frontend/package-lock.json
	npm --prefix frontend ci --no-audit --no-fund
	@touch $@
frontend/dist/index.html: frontend/node_modules/.stamp frontend/index.html frontend/vite*.config.ts \
		$(shell find frontend/src frontend/public -type f 2>/dev/null)
	npm --prefix frontend run build

# All tests, including those in the browser. PYTEST selects: make test PYTEST="-k writer".
WORKERS ?= 2
test: dev frontend chromium
	npm --prefix frontend test
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile $(PYTEST)

check: dev frontend/node_modules/.stamp
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) -m words
	$(PYTHON) manage.py makemigrations --check --dry-run
	npm --prefix frontend run check
	npm --prefix frontend run lint

dev: venv $(VENV)/.dev-stamp
$(VENV)/.dev-stamp: requirements.txt requirements-dev.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Compares with peers, which are installed in a separate environment. BENCH selects subjects.
bench: dev frontend $(VENV)-bench/.stamp
	$(PYTHON) -m bench $(BENCH)
$(VENV)-bench/.stamp: requirements-bench.txt
	test -x $(VENV)-bench/bin/python || python3 -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

# Pins what the ranges in requirements*.in allow; keeps existing pins. LOCK=--upgrade takes the
# newest versions.
lock: $(VENV)-lock/.stamp
	$(VENV)-lock/bin/python -m lock.pin $(LOCK)

# To be scheduled: checks for wheels of every pinned requirement on each platform, then tests the
# newest versions that the ranges allow. PYTEST selects.
lock-check: $(VENV)-lock/.stamp frontend
	$(VENV)-lock/bin/python -m lock.wheels
	$(VENV)-lock/bin/python -m lock.newest $(PYTEST)
$(VENV)-lock/.stamp: lock/requirements.txt
	test -x $(VENV)-lock/bin/python || python3 -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check -r lock/requirements.txt
	@touch $@

# Stress tests of the running product, on loopback only. SOAK selects: make soak SOAK=kills.
soak: dev frontend $(VENV)-soak/.stamp
	$(PYTHON) -m bench.soak $(SOAK)
$(VENV)-soak/.stamp: requirements-soak.txt
	test -x $(VENV)-soak/bin/python || python3 -m venv $(VENV)-soak
	$(VENV)-soak/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-soak.txt
	@touch $@

demo-models: venv
	$(PYTHON) -m analysis.training.train_lm
	$(PYTHON) -m analysis.training.train_diffusion
	$(PYTHON) -m analysis.training.train_vlm
	$(PYTHON) -m analysis.training.train_t2i

demo-report: venv
	$(PYTHON) -m analysis.training.report

# Records the picture in the README from the running product.
screenshot: dev frontend chromium
	$(PYTHON) docs/screenshot.py

# The system's Chromium, else the one that Playwright installs.
chromium: dev
	@$(PYTHON) -c "import sys; from tests.e2e.chromium import chromium_path as path; sys.exit(path() is None)" \
		|| $(PYTHON) -m playwright install chromium
