# make demo and make test need only Python 3.11, make and a package index.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test checks soak lint types imports docs unit bench clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
		--constraint constraints.txt --editable '.[dev,docs,export,landmark-model,litert,mlflow,search,timm]'
	touch $@

demo: install
	rm -rf runs/demo
	$(BIN)/faceml demo --config configs/demo.yaml

test: checks unit

# At the same time; the output of each stays together.
checks: install
	$(MAKE) --jobs --output-sync=target lint types imports docs

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(VENV)/chromium/chromium: tests/browser/install.py | install
	$(BIN)/python -m tests.browser.install $(VENV)/chromium

# Much of what tests of jobs do is to wait: for Ray to start, for a process to be missed. Each file stays whole.
unit: install $(VENV)/chromium/chromium
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# Before a release: every round of kills, lost nodes, several workers and stores in every job, all pages of the
# documentation. `make test` has each proof once.
soak: install $(VENV)/chromium/chromium
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m soak --timeout 3000

bench: install
	$(BIN)/python benchmarks/synthetic.py
	$(BIN)/python benchmarks/extraction.py --seed-way
	$(BIN)/python benchmarks/extraction_memory.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/scaling.py --rounds 1
	$(BIN)/python benchmarks/large_photos.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/recognition.py
	$(BIN)/python benchmarks/backbones.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/small_maps.py

clean:
	rm -rf $(VENV) runs/demo build *.egg-info

include benchmarks/studies.mk
