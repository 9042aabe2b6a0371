VENV := .venv
PYTHON := $(VENV)/bin/python
export PYTHON

.PHONY: run schema venv frontend
run: venv frontend
	@$(PYTHON) manage.py migrate --verbosity 0
	@port=$$($(PYTHON) manage.py serve --check-port) && exec $(VENV)/bin/honcho start --port $$port

schema: venv frontend/node_modules/.stamp
	$(PYTHON) manage.py schema
	node frontend/scripts/types.mjs

venv: $(VENV)/.stamp
$(VENV)/.stamp: requirements.txt
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

frontend: frontend/dist/index.html
frontend/node_modules/.stamp: frontend/package.json frontend/package-lock.json
	npm --prefix frontend ci --no-audit --no-fund
	@touch $@
frontend/dist/index.html: frontend/node_modules/.stamp frontend/index.html frontend/vite.config.ts \
		$(shell find frontend/src frontend/public -type f 2>/dev/null)
	npm --prefix frontend run build
