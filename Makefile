# Every target sets itself up: a virtual environment in .venv with the pinned dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2

.PHONY: setup app demo test lint check pins picture sample clean

setup: $(READY)

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Shelfsure needs Python 3.11 or newer, got " + sys.version'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

app: $(READY)  ## the demo in a browser, with the starter bundle: no data and no training needed
	$(BIN)/python app.py

demo: $(READY)  ## unpack a catalogue, train on it, compare fusion with photo and text alone
	rm -rf demo
	$(BIN)/shelfsure sample demo/shop --sheet demo/sample.png
	$(BIN)/shelfsure split demo/shop/catalogue.csv --out demo/shop
	$(BIN)/shelfsure train demo/shop/train.csv --out demo/bundle --levels 2 --mlflow sqlite:///demo/mlflow.db
	$(BIN)/shelfsure evaluate demo/bundle demo/shop/test.csv --out demo/report --mlflow sqlite:///demo/mlflow.db

picture: demo  ## redraw the README's pictures
	cp demo/sample.png docs/sample.png
	cp demo/report/comparison.png docs/comparison.png
	$(BIN)/python benchmarks/screenshot.py

sample: $(READY)  ## draw the sample catalogue that ships anew
	$(BIN)/python -m tools.sample_catalogue --out src/catalog/sample.zip

test: $(READY)  ## each file in one of WORKERS processes
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tools
	$(BIN)/lint-imports

check: lint test

pins: $(READY)  ## compile requirements/dev.txt anew, without URLs
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --upgrade pyproject.toml --output-file requirements/dev.txt

clean:
	rm -rf $(VENV) demo build dist
