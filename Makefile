PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test bench bench-quality bench-multifidelity bench-earlystopping bench-spark bench-sklearn clean

# Tune three kinds of model on real data, with all cores. Ctrl-C it, or kill it, and start it again.
demo: $(VENV)/.demo
	$(BIN)/manyhands demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses 2 --no-loadscope-reorder

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

# How good the suggested points are, beside other libraries: hours, since some of those think for long.
bench-quality: $(VENV)/.bench-quality
	$(BIN)/python -m benchmarks.quality --samplers auto gp tpe random --peers
	$(BIN)/python -m benchmarks.quality --samplers auto gp tpe random --peers --p 8 --seeds 2
	$(BIN)/python -m benchmarks.quality --samplers auto gp tpe random --peers --p 32 --seeds 1
	$(BIN)/python -m benchmarks.quality.parallel --samplers auto gp tpe random --peers optuna-tpe hyperopt optuna-gp
	$(BIN)/python -m benchmarks.quality.cost --samplers auto gp tpe random --peers optuna-tpe hyperopt optuna-gp smac

# Early stopping on learning curves in simulated time, beside other libraries: hours, as some of those think for long.
bench-multifidelity: $(VENV)/.bench-multifidelity
	$(BIN)/python -m benchmarks.multifidelity

# Early stopping of real models, with local processes and on Spark: some ten minutes.
bench-earlystopping: $(VENV)/.bench
	$(BIN)/python -m benchmarks.earlystopping

# A cluster of workers on this machine, beside SparkTrials, joblib-spark and plain Spark jobs: half an hour.
bench-spark: $(VENV)/.bench
	$(BIN)/python -m benchmarks.spark --cluster

# Searches by scikit-learn's contract, beside scikit-learn's own, joblib-spark and Hyperopt: half an hour.
bench-sklearn: $(VENV)/.bench
	$(BIN)/python -m benchmarks.sklearn

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Dependency groups need a recent pip, also in an environment that was there before.
$(VENV)/.pip: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.pip
	$(BIN)/pip install --quiet --editable ".[sklearn]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.pip
	$(BIN)/pip install --quiet --editable ".[all]" --group dev
	touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/.pip
	$(BIN)/pip install --quiet --editable ".[all]" --group dev --group bench
	touch $@

$(VENV)/.bench-quality: pyproject.toml | $(VENV)/.pip
	$(BIN)/pip install --quiet --editable ".[all]" --group dev --group bench-quality
	touch $@

$(VENV)/.bench-multifidelity: pyproject.toml | $(VENV)/.pip
	$(BIN)/pip install --quiet --editable ".[all]" --group dev --group bench-multifidelity
	touch $@
