# Each target first creates the virtual environment .venv, and again when pyproject.toml has changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check docs trust kernels gpu bench accuracy clean

demo: $(READY)  ## labels to map on a small simulated scene
	@$(BIN)/bdgf demo demo --overwrite

test: $(READY)  ## run the tests on up to four cores
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: $(READY)  ## check formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

docs: $(READY)  ## build the manual in build/site; links that lead nowhere stop it
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@echo "running the examples whose output the manual shows; this takes a minute or two"
	@$(BIN)/python docs/pages.py build/manual
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html, or with search: $(BIN)/mkdocs serve"

trust: $(READY)  ## long robustness tests (bad inputs, faults, flipped bits, damaged files): half an hour; make test runs a short form
	@BDGF_TRIALS=$(or $(TRIALS),30) BDGF_FLIPS=120 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal \
	    tests/robustness tests/geo/test_gdal_env.py tests/geo/test_vector_worker.py tests/app/test_info.py

kernels: $(READY)  ## test the CUDA kernels in Triton's interpreter; installs Triton, 1 GB
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[triton]'
	@$(BIN)/python -m pytest tests/model/networks/test_scan.py

gpu: $(READY)  ## on a machine with a CUDA GPU: its tests, then speeds as a table, in about 8 minutes
	@$(BIN)/python benchmarks/gpu.py

bench: $(READY)  ## speed, memory, training time; accuracy against a random forest and an SVM if the real scenes are present
	@$(BIN)/python benchmarks/networks.py
	@$(BIN)/python benchmarks/mapping.py
	@$(BIN)/python benchmarks/training.py
	@$(BIN)/python benchmarks/polygons.py

accuracy: $(READY)  ## compute what benchmarks/accuracy.csv lacks, and print its tables; needs the real scenes; PART=potsdam-near SEEDS=2-4: a part
	@$(BIN)/python benchmarks/accuracy.py $(if $(PART),--only $(PART)) $(if $(SEEDS),--seeds $(SEEDS))

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "bdgf needs Python 3.11 or newer, this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	@echo "setting up .venv, once; this takes a minute or two"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $(READY)

clean:
	rm -rf .venv demo build *.egg-info
