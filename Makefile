# Each target installs what it needs into $(VENV); only a Python is needed.
#
#   make demo           the quick start, on the embedded broker
#   make test           the quick tests, side by side
#   make test-all       the slow ones as well (marked "slow", each with its reason)
#   make coverage       the same with a coverage report and its limit, in twice the time, as CI does with one Python
#   make test-core      the tests of the core and the examples, which need few packages: for PyPy
#   make test-brokers   the tests against real brokers: up, test, down (see scripts/brokers); BROKERS="rabbitmq artemis"
#                       for some of them
#   make test-foreign   client libraries of others, in eight languages, against the embedded broker: installs and runs
#                       them (see scripts/foreign-clients); FOREIGN="stompjs go-stomp" for some of them
#   make soak           the long form of tests: SOAK=30000 messages while brokers of clusters are killed, 1000 kills of the
#                       embedded broker; half an hour
#   make test-packaging environments made by pip from a package index: the shim, stomp.py over stompkit, PyInstaller
#   make native         build the native codec and install it into $(VENV); make test-native: its tests, and all that
#                       both codecs must pass
#   make lint types     ruff, and zizmor for the workflows; mypy and pyright
#   make mutation       the mutation score of the core; ARGS='frames/decoder session' for some of its modules
#   make bench docs     benchmarks, side by side with stomp.py (see bench/README.md); the HTML documentation
#   make dist           what a release uploads, except the native wheels, see RELEASING.md
#   make clean          remove what the targets made
#
# PYTHON=python3.12 VENV=.venv-3.12 uses another Python beside the first one.
# ARGS='-k heartbeat -x' is passed to pytest, ARGS=--quick to the benchmarks. WORKERS=0 runs tests in one process,
# BROKER_WORKERS=0 those of test-brokers.

PYTHON  ?= python3
VENV    ?= .venv
BROKERS ?= all
FOREIGN ?=
ARGS    ?=
SOAK    ?= 30000
# Most tests wait most of the time: three on each of two cores.
WORKERS ?= 6
# Beside the brokers, which take time, too.
BROKER_WORKERS ?= 3

PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

# Stamps: an extra is installed again only after pyproject.toml has changed.
BASE := $(VENV)/.installed-base
DEV  := $(VENV)/.installed-dev
CORE := $(VENV)/.installed-core
DOCS := $(VENV)/.installed-docs
NATIVE := $(VENV)/.installed-native
MUTATION := $(VENV)/.installed-mutation

# Data files in each environment, so that runs under two Pythons do not mix.
export COVERAGE_FILE = $(abspath $(VENV)/.coverage)

# Bytecode is written also where the environment forbids it: otherwise each worker, and each program that a test starts,
# compiles the package again, and pytest rewrites every test file in each worker.
unexport PYTHONDONTWRITEBYTECODE

SIDE_BY_SIDE = -n $(WORKERS) --dist worksteal
# Tests that need neither brokers, nor clients of others, nor a package index.
WITHOUT_OTHERS = not broker and not foreign and not index and not soak
QUICK = $(WITHOUT_OTHERS) and not slow

.PHONY: help demo test test-all coverage test-core test-brokers test-foreign soak test-packaging native test-native lint types mutation bench docs dist clean
.DELETE_ON_ERROR:

help:
	@sed -n '/^# /s/^# //p; /^$$/q' Makefile

demo: $(BASE)
	@$(PY) examples/quickstart_demo.py

test: $(DEV)
	@$(PY) -m pytest $(SIDE_BY_SIDE) --durations=20 --durations-min=2 -m '$(QUICK)' $(ARGS)

test-all: $(DEV)
	@$(PY) -m pytest $(SIDE_BY_SIDE) --durations=20 --durations-min=2 -m '$(WITHOUT_OTHERS)' $(ARGS)

# Measured in the processes that run tests, see tests/conftest.py. With ARGS it need not reach the limit.
coverage: $(DEV)
	@$(PY) -m coverage erase
	@COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml $(PY) -m pytest $(SIDE_BY_SIDE) -m '$(WITHOUT_OTHERS)' $(ARGS)
	@$(PY) -m coverage combine -q
	@$(PY) -m coverage report $(if $(ARGS),--fail-under=0)

test-core: $(CORE)
	@$(PY) -m pytest -n 2 -m 'not slow' tests/core tests/examples $(ARGS)

test-brokers: $(DEV)
	@$(call with_brokers,$(if $(BROKERS),$(BROKERS),all),-n $(BROKER_WORKERS) --dist loadgroup -m 'broker and not soak' tests/brokers)

test-foreign: $(DEV)
	@names=$$(echo $(if $(FOREIGN),$(FOREIGN),$$(scripts/foreign-clients list))); \
	scripts/foreign-clients install $$names; \
	STOMP_REQUIRE_FOREIGN="$$names" $(PY) -m pytest $(SIDE_BY_SIDE) -m foreign tests/foreign tests/broker/http $(ARGS)

soak: $(DEV)
	@export STOMP_SOAK=$(SOAK); $(call with_brokers,clusters,-m soak -rA)

define with_brokers
trap 'scripts/brokers down $1' EXIT; trap 'exit 1' HUP INT TERM; \
scripts/brokers up $1 && eval "$$(scripts/brokers env)" && \
STOMP_REQUIRE_BROKERS="$$(scripts/brokers members $1 | xargs)" $(PY) -m pytest $2 $(ARGS)
endef

test-packaging: $(DEV)
	@STOMP_REQUIRE_INDEX=1 $(PY) -m pytest -m index tests/packaging $(ARGS)

native: $(NATIVE)

test-native: $(NATIVE)
	@STOMP_REQUIRE_NATIVE=1 $(PY) -m pytest $(SIDE_BY_SIDE) -m 'not broker and not soak' \
	tests/core tests/properties tests/client tests/conformance tests/classic/test_base_transport.py \
	tests/test_protocol.py tests/classic/test_frames.py tests/test_transport.py $(ARGS)

lint: $(DEV)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) scripts/generate_sync.py --check
	@$(VENV)/bin/zizmor --offline --quiet --min-severity medium .github/workflows

types: $(DEV)
	@$(PY) -m mypy
	@$(PY) -m pyright --pythonpath $(PY)

mutation: $(MUTATION)
	@$(PY) scripts/mutation $(ARGS)

# It measures src/ as it lies here, so nothing is installed into $(VENV).
bench: | $(PY)
	@$(PY) -m bench.run $(ARGS)

docs: $(DOCS)
	@$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

dist: $(DEV)
	@PYTHON=$(abspath $(PY)) scripts/dist

clean:
	rm -rf .venv .venv-* .bench .foreign .mutation .pythons build dist native/build native/src/*.egg-info docs/_build htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests examples bench docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BASE): pyproject.toml | $(PY)
	@echo "installing stompkit into $(VENV)"
	@$(PIP_INSTALL) -e .
	@touch $@

$(DEV): pyproject.toml | $(PY)
	@echo "installing stompkit[dev] into $(VENV)"
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@ $(BASE)

# The cryptography that other tests need has no wheel for PyPy.
$(CORE): $(BASE)
	@$(PIP_INSTALL) 'pytest>=9' 'pytest-timeout>=2.4' 'pytest-xdist>=3.6' 'hypothesis>=6.100'
	@touch $@

$(NATIVE): $(DEV) native/pyproject.toml $(wildcard native/src/stomp_native/*)
	@echo "building stompkit-native into $(VENV)"
	@$(PIP_INSTALL) ./native
	@touch $@

$(MUTATION): $(DEV)
	@echo "installing stompkit[mutation] into $(VENV)"
	@$(PIP_INSTALL) -e '.[mutation]'
	@touch $@

$(DOCS): pyproject.toml | $(PY)
	@echo "installing stompkit[docs] into $(VENV)"
	@$(PIP_INSTALL) -e '.[docs]'
	@touch $@ $(BASE)

# Debian splits venv off; a half-made environment must not pass for a good one.
$(PY):
	@$(PYTHON) -m venv $(VENV) || { rm -f $(PY); \
	echo "cannot make $(VENV) with $(PYTHON): on Debian, apt-get install python3-venv"; exit 1; }
