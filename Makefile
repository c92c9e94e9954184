# Everything people type. `make` alone lists the targets.
# The first one that needs .venv makes it; it is made anew when what it is made of has changed.

.DEFAULT_GOAL := help
# Another folder for the environment: make VENV=FOLDER.
VENV := .venv
BIN := $(VENV)/bin
# What Attractor needs to run, and also what its developers need.
RUNS := $(VENV)/ready
READY := $(VENV)/ready-dev
# An environment that was moved with its clone does not work any more.
MOVED := $(shell [ "$$(cat $(RUNS) 2>/dev/null)" = "$$(pwd -P)" ] || echo moved)
# Twice as many workers as cores: tests that wait for a process or a moment leave room for others.
# Each takes up to 1 GB of memory; WORKERS=2 on the command line is another number.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) \* 2)
# Tests make thousands of small files: in memory where there is room.
FILES := $(or $(PYTEST_DEBUG_TEMPROOT),$(shell scripts/room-in-memory))
# What is compiled is kept, whatever a person told Python: the workers load the same modules.
PYTEST := $(if $(FILES),PYTEST_DEBUG_TEMPROOT=$(FILES)) PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --workers $(WORKERS)
OFFLINE := not live and not agents
# Coverage is measured by the workers of pytest-xdist.
MEASURE := $(subst --workers,-n,$(PYTEST))
PYTHON_FILES := attractor tests benchmarks docs examples plugin
PAGES := README.md CONTRIBUTING.md $(shell find docs -name '*.md')

.PHONY: tables help demo agents-demo mission-demo pr-demo grow-demo e2e test test-slow costs check fmt docs site pictures bench mutants coverage build thorough crash chaos agents local-model live clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(RUNS) ## set up, and play the main job offline (LIVE=1: with a real model)
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python examples/demo.py $(if $(LIVE),--live)

agents-demo: $(RUNS) ## let two agents stay, kill them, and have both judged, offline
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python examples/agents_demo.py

mission-demo: $(RUNS) ## let a mission work without a person, kill it, and read its report, offline
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python examples/mission_demo.py

pr-demo: $(RUNS) ## let a labelled issue become a merged pull request, offline
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python examples/pr_demo.py

grow-demo: $(RUNS) ## grow an app from desires offline (LIVE=1: with a real model)
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python examples/grow_demo.py $(if $(LIVE),--live)

e2e: $(RUNS) ## play the demo, and check what the factory promises
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python examples/exit_criteria.py

# The `python3` of commands is that of .venv: one of a version manager takes 60 ms to start.
test test-slow costs coverage thorough crash: export PATH := $(CURDIR)/$(BIN):$(PATH)
test: $(READY) ## run the quick tests of all rooms, offline, at small counts (AREA=engine: those of one room)
	@paths="$(if $(AREA),$$($(BIN)/python -m tests.areas $(AREA)))" && $(PYTEST) -m "$(OFFLINE) and not slow" $$paths

# The words that name the tests, for tests.areas.
CHOICE := $(if $(SINCE),--since $(SINCE),$(AREA))
test-slow: $(READY) ## run the other tests (AREA=engine: those of one room; SINCE=COMMIT: of what changed)
	@paths="$(if $(CHOICE),$$($(BIN)/python -m tests.areas --slow $(CHOICE)),tests)" && \
		if [ -z "$$paths" ]; then echo "no slow tests for this choice"; else $(PYTEST) -m "$(OFFLINE) and slow" $$paths; fi

costs: $(READY) ## measure each test, and choose those of `make test` anew (as root; NEW=1: only new ones)
	@$(if $(FILES),PYTEST_DEBUG_TEMPROOT=$(FILES)) PYTHONDONTWRITEBYTECODE= $(BIN)/python -m tests.costs $(if $(NEW),--new)

check: $(READY) ## check format, lint, types and the generated docs
	@$(BIN)/ruff format --check $(PYTHON_FILES)
	@$(BIN)/ruff check $(PYTHON_FILES)
	@$(BIN)/pyright
	@$(BIN)/python -m cogapp --verbosity=1 --check -c $(PAGES)

fmt: $(READY) ## format the code and apply the safe fixes
	@$(BIN)/ruff check --fix-only --quiet $(PYTHON_FILES)
	@$(BIN)/ruff format $(PYTHON_FILES)

tables: $(READY) ## make the tables of the grammar and of the known models anew
	@$(BIN)/python -m attractor.language.parsing.build_table
	@$(BIN)/python -m attractor.llm.prepare_catalogue

docs: $(READY) ## write the generated parts of the docs anew, schemas, stale drawings, and the skill of the plug-in
	@$(BIN)/python -m cogapp --verbosity=1 -r -c $(PAGES)
	@$(BIN)/python -m docs.file_formats
	@$(BIN)/python -m docs.pictures.drawn_pipelines
	@$(BIN)/attractor skill --force plugin/skills/pipelines > /dev/null

# The theme warns at each start that it ends in 2027.
site: $(READY) ## make a static site of the docs in site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --clean

pictures: $(READY) ## make the pictures of pages and terminal in the documentation anew
	@PICTURES=docs/pictures/desk $(PYTEST) tests/server/test_attention_page.py \
		tests/tui/test_app.py -k "question_of_another or answered_by_its_key"

bench: $(READY) ## run the benchmarks, write benchmarks/RESULTS.md, fail if a bound is missed
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m benchmarks

mutants: export PATH := $(CURDIR)/$(BIN):$(PATH)
mutants: $(READY) ## change the code of the core in small ways: the tests must notice (AREA=engine/routing)
	@$(if $(FILES),PYTEST_DEBUG_TEMPROOT=$(FILES)) $(BIN)/python -m tests.mutants $(AREA)

coverage: $(READY) ## run the tests, and fail if they reach too few lines or branches
	@$(MEASURE) -m "$(OFFLINE)" --cov --cov-report=json --cov-report=
	@$(BIN)/python -m tests.coverage_floors

build: $(READY) ## make the wheel and the sdist in dist/
	@$(BIN)/python -m hatchling build

thorough: $(READY) ## run everything at full counts, then the benchmarks
	@COUNTS=full $(PYTEST) -m "$(OFFLINE)"
	@$(MAKE) --no-print-directory bench
	@if git diff --quiet HEAD; then echo "$$(date -u +%F) $$(git rev-parse HEAD)" > .ci/last-whole; fi

crash: $(READY) ## kill real processes, at full counts
	@COUNTS=full $(PYTEST) -m crash

chaos: $(READY) ## let faults befall a fleet of four workers and 150 runs for five minutes
	@COUNTS=full CHAOS_S=300 CHAOS_RUNS=150 $(PYTEST) --workers 0 -k postgres tests/fleet/test_chaos.py

# Where scripts/external-agents has installed both sets.
AGENTS := .cache/agents
agents: $(READY) ## let the outside coding agents, newest and as on node 20, work against the twin
	@for set in newest node20; do echo "$$set:"; PATH="$(abspath $(AGENTS))/$$set/node_modules/.bin:$$PATH" $(PYTEST) -m agents || exit 1; done

local-model: ## build a real server with a small real model, which thorough then tests too
	@scripts/local-model make

live: $(READY) ## run what needs the network or a key
	@$(PYTEST) -m live

clean: ## remove what was set up and built
	@rm -rf .venv dist site .pytest_cache .ruff_cache .hypothesis
	@find attractor tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

$(RUNS): pyproject.toml constraints.txt scripts/set-up $(MOVED)
	@scripts/set-up "$(VENV)"

$(READY): $(RUNS)
	@scripts/set-up "$(VENV)" dev

.PHONY: moved
moved:
