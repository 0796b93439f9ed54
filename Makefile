# Everything a newcomer types. Each target makes .venv first when it is missing or stale.
#   make demo PYTHON=/path/to/python3.12     with another Python than the first one found
#   make test TESTS=tests/unit/cli           a part of the tests

PYTHON ?=
TESTS ?=
TEST_PROCESSES ?= 2
PYTEST_ARGS ?=
bin := .venv/bin

.PHONY: help install demo test check bench ui

help:
	@echo "make install   make .venv from constraints.txt"
	@echo "make demo      all eight stages on the embedded cohort, then look: make ui"
	@echo "make test      the tests"
	@echo "make check     style, types, architecture, documentation"
	@echo "make bench     figures on real data (needs VOXRAY_SHARED_DATA)"
	@echo "make ui        runs and models in the browser"

install:
	@scripts/make_venv.sh "$(PYTHON)"

demo: install
	$(bin)/voxray demo

test: install
	$(bin)/pytest -n $(TEST_PROCESSES) $(if $(TESTS),,--cov) $(PYTEST_ARGS) $(TESTS)

check: install
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict --quiet

bench: install
	$(bin)/pytest -m bench $(PYTEST_ARGS) $(TESTS)

ui: install
	$(bin)/voxray ui
