# Every target sets itself up: a virtual environment in .venv with the pinned dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
PARALLEL := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
LOWEST := .venv-lowest
COMPILE := $(BIN)/uv pip compile --python-version 3.11 --extra dev --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links

# the whole of Spark beside the rest: it can't share an environment with Connect's client alone
SPARK := .venv-spark
SPARK_READY := $(SPARK)/.ready
SPARK_SETTINGS := --conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=4 \
	--conf spark.default.parallelism=4 --driver-memory 1g pyspark-shell

.PHONY: setup app demo test test-fast test-spark lint check docs pins lowest picture sample clean

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
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PARALLEL)

test-fast: $(READY)  ## without what starts and kills processes
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" $(PARALLEL)

$(SPARK_READY): $(READY)
	$(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/pip install --quiet --no-deps "pyspark==4.2.0" "py4j==0.10.9.9"
	$(BIN)/python -c 'import site; print("import site; site.addsitedir(%r)" % site.getsitepackages()[0])' \
		> "$$(echo $(SPARK)/lib/python*/site-packages)/shelfsure.pth"
	touch $@

test-spark: $(SPARK_READY)  ## on Spark itself, with two worker processes; needs Java 17 or newer
	OMP_NUM_THREADS=1 SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_HOSTNAME=localhost \
	PYSPARK_PYTHON=$(CURDIR)/$(SPARK)/bin/python PYSPARK_SUBMIT_ARGS="$(SPARK_SETTINGS)" \
	SHELFSURE_SPARK_MASTER="local-cluster[2,1,1200]" \
	$(SPARK)/bin/python -m pytest tests/spark/test_cluster.py tests/spark/test_finetuning.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tools
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/deptry tests benchmarks tools --exclude '\.venv' --extend-exclude build --ignore DEP002,DEP004

check: lint test
	if command -v java >/dev/null; then $(MAKE) test-spark; \
	else echo "There is no Java here, so the tests on Spark itself are skipped." >&2; fi

docs: $(READY)  ## the API reference, from the docstrings, into build/docs
	rm -rf build/docs
	$(BIN)/python tools/reference.py build/docs

pins: $(READY)  ## compile requirements/dev.txt anew, without URLs
	$(COMPILE) --universal --upgrade pyproject.toml --output-file requirements/dev.txt

lowest: $(READY)  ## install every lower bound of pyproject.toml (6 GB) and run the fast tests on them
	mkdir -p build
	$(COMPILE) --quiet --resolution lowest-direct pyproject.toml --output-file build/lowest.txt
	$(BIN)/uv venv --quiet --clear --python 3.11 --no-python-downloads $(LOWEST)
	$(BIN)/uv pip sync --quiet --python $(LOWEST)/bin/python build/lowest.txt
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --editable .
	OMP_NUM_THREADS=1 $(LOWEST)/bin/pytest -W default -m "not slow" $(PARALLEL)

clean:
	rm -rf $(VENV) $(SPARK) $(LOWEST) demo build dist
