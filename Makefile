PYTHON ?= python3.11
UV ?= uv
BIN := .venv/bin
INSTALLED := .venv/.installed
# A process for each core; tests/conftest.py tells which tests stay in one, and which of them begin.
PYTEST := $(BIN)/pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder

.PHONY: help venv demo test test-long test-browser fast format lock soak bench-train bench-decode bench-serve bench-preprocess bench-preprocess-memory bench-models bench-time-to-bleu bench-gpu bench-trace bench-scale bench-plan bench-ablation bench-costs bench-weights bench-tables docs-gradients docs-replies
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## set up .venv from the lock file

$(INSTALLED): requirements.lock setup.py pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: venv ## the whole way on a synthetic corpus: data, training, evaluation, export, service
	$(BIN)/nmt demo

test: venv ## format, lint, types and the tests but for those of minutes and of the browser
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST)

fast: venv ## the tests that take seconds
	$(PYTEST) -m "not slow and not browser and not long"

test-long: venv ## the tests that take minutes each
	$(PYTEST) -m long

test-browser: venv ## the tests of the web page, in Chromium; it and chromedriver have to be there
	$(BIN)/pytest -m browser tests/serving/browser

format: venv ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## renew requirements.lock from setup.py; needs uv
	$(UV) pip compile setup.py --extra dev --extra grpc --python-version 3.11 --upgrade \
		--custom-compile-command "make lock" --output-file requirements.lock

soak: venv ## half an hour of load on a server, whose memory has to stay where it is
	$(BIN)/python -m benchmarks.soak $(ARGS)

bench-train: venv ## training speed beside OpenNMT-py and Keras's own layers
	$(BIN)/python -m benchmarks.train $(ARGS)

bench-decode: venv ## decoding speed beside OpenNMT-py, on the models of bench-models
	$(BIN)/python -m benchmarks.decode $(ARGS)

bench-serve: venv ## speed of nmt serve under load, beside calls of the exported model (six minutes)
	$(BIN)/python -m benchmarks.serve $(ARGS)

bench-preprocess: venv ## time and memory of nmt preprocess beside the same steps as one loop (half an hour; ARGS="--large 0" a third of it)
	$(BIN)/python -m benchmarks.preprocess $(ARGS)

bench-preprocess-memory: venv ## memory of nmt preprocess for a byte of text and a pair that is compared, beside its estimate
	$(BIN)/python -m benchmarks.preprocess_memory $(ARGS)

bench-models: venv ## train ours and OpenNMT-py once, for bench-decode and bench-time-to-bleu (an hour or more)
	$(BIN)/python -m benchmarks.models $(ARGS)

bench-time-to-bleu: venv ## minutes to OpenNMT-py's quality, as bench-models measured them
	$(BIN)/python -m benchmarks.time_to_bleu $(ARGS)

bench-gpu: venv ## training speed on a GPU, ours on JAX beside PyTorch
	$(BIN)/python -m benchmarks.gpu $(ARGS)

bench-trace: venv ## a trace of training steps, and how long they wait for their batches
	$(BIN)/python -m benchmarks.trace $(ARGS)

bench-scale: venv ## how the cost of a step grows with its sizes
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-plan: venv ## hours, machines and money for large corpora, from the measured rates
	$(BIN)/python -m benchmarks.plan $(ARGS)

bench-ablation: venv ## what each part of the attention recipe is worth (half an hour a row)
	$(BIN)/python -m benchmarks.ablation $(ARGS)

docs-gradients: venv ## draw docs/gradients.svg: how much of a gradient comes through time, by cell
	$(BIN)/python -m docs.gradients

docs-replies: venv ## train the recipe `replies` on synthetic messages, and write docs/replies.md
	$(BIN)/python -m docs.replies

bench-costs: venv ## what settings of a training cost: average, accumulation, precision, checkpoints, processes
	$(BIN)/python -m benchmarks.costs $(ARGS)

bench-weights: venv ## what an export loses and gains by bfloat16 and int8; ARGS="--run RUN"
	$(BIN)/python -m benchmarks.weights $(ARGS)

bench-tables: venv ## write docs/performance.md from benchmarks/results.jsonl
	$(BIN)/python -m benchmarks.results $(ARGS)
