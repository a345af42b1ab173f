# Refrain
#
#   make demo              set up, build, train an LSTM and a GRU on reviews, compare, draw
#   make demo DATA=FOLDER  the same on FOLDER/train.tsv and FOLDER/valid.tsv
#   make test              set up, build, run every test
#   make bench             the workloads held against this machine's limits (BENCH_THREADS=1)
#   make bench-peers       the same work in PyTorch, TensorFlow, JAX, ONNX Runtime, OpenVINO
#   make install           PREFIX=/usr/local DESTDIR=; make uninstall
#   make help              all targets

VERSION := $(shell sed -n 's/^\#define REFRAIN_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\)/\2/p' include/refrain.h | paste -sd.)
SONAME  := librefrain.so.1

PREFIX  ?= /usr/local
DESTDIR ?=
THREADS ?= $(shell nproc)
DATA    ?=
OUT     ?= demo
SHELL   := bash
CC      ?= cc
CFLAGS  ?= -O2
C_FLAGS := -std=c11 -Wall -Wextra -pedantic -Werror -Iinclude $(CFLAGS)
PYTHON  := .venv/bin/python
LIB     := build/lib/$(SONAME)

.PHONY: all help setup build demo test test-swift test-c test-python test-examples test-install test-readme \
        test-sanitized test-counts bench bench-peers examples wheel install uninstall clean
.DEFAULT_GOAL := all

all: build

help:
	@sed -n '3,9s/^#   //p' Makefile
	@printf '%s\n' 'make build             build/lib/$(SONAME)' \
	  'make examples          build/bin/…' 'make wheel             build/wheel/refrain-….whl' \
	  'make test-swift | test-c | test-python | test-examples | test-install | test-readme | test-sanitized | test-counts' \
	  'make clean'

setup:
	@.ci/setup

# ---- the library ---------------------------------------------------------------------------------

build: setup
	swift build -c release --product refrain
	@mkdir -p build/lib
	@cp .build/release/librefrain.so build/lib/$(SONAME).new
	@strip build/lib/$(SONAME).new
	@cmp -s build/lib/$(SONAME).new $(LIB) || cp build/lib/$(SONAME).new $(LIB)
	@rm build/lib/$(SONAME).new
	@ln -sf $(SONAME) build/lib/librefrain.so
	@cp $(LIB) bindings/python/refrain/librefrain.so

$(LIB): build

# ---- examples ------------------------------------------------------------------------------------

SOURCES  := $(wildcard examples/c/*.c)
PROGRAMS := $(basename $(notdir $(shell grep -l "^int main" $(SOURCES))))
SHARED_SOURCES := $(filter-out $(PROGRAMS:%=examples/c/%.c),$(SOURCES))

examples: build
	@mkdir -p build/bin
	@$(MAKE) --no-print-directory $(PROGRAMS:%=build/bin/%)

build/bin/reviews_%: examples/c/reviews_%.c $(SHARED_SOURCES) $(wildcard examples/c/*.h) include/refrain.h $(LIB)
	$(CC) $(C_FLAGS) -D_GNU_SOURCE $< $(SHARED_SOURCES) -o $@ -Lbuild/lib -lrefrain -lm \
	  -Wl,-rpath,'$$ORIGIN/../lib'

build/bin/%: examples/c/%.c include/refrain.h $(LIB)
	$(CC) $(C_FLAGS) $< -o $@ -Lbuild/lib -lrefrain -lm -Wl,-rpath,'$$ORIGIN/../lib'

# ---- the demo ------------------------------------------------------------------------------------

ifeq ($(DATA),)
REVIEWS := "The plot is dull but the acting is superb." "The acting is superb but the plot is dull." \
           "The story is neither good nor bad."
else
REVIEWS := "An utterly charming film, moving and very funny." \
           "Not good. The plot is dull and the acting is worse." \
           "It is neither good nor bad, just a film about a dog."
endif

demo: examples
	@mkdir -p $(OUT)
	build/bin/reviews_train $(if $(DATA),--train $(DATA)/train.tsv --valid $(DATA)/valid.tsv) \
	  --out $(OUT) --threads $(THREADS)
	@$(PYTHON) examples/python/plot_history.py $(OUT)/history.json --out $(OUT)/curves.png
	@echo; echo "A second program loads the GRU and classifies lines of text:"
	@printf '%s\n' $(REVIEWS) | build/bin/reviews_classify $(OUT)/gru.refrain
	@echo; echo "The same from Python:"
	@printf '%s\n' $(REVIEWS) | PYTHONPATH=bindings/python $(PYTHON) examples/python/reviews.py \
	  classify $(OUT)/gru.refrain

# ---- tests ---------------------------------------------------------------------------------------

test: test-swift test-c test-python test-examples test-install test-readme
	@echo; echo "All tests passed."

test-swift: build
	swift test -q 2>&1

test-c: examples
	Tests/Scripts/check_header.sh
	Tests/Scripts/check_symbols.sh $(LIB)
	$(PYTHON) Tests/KernelTests/check_levels.py .build/release
	$(PYTHON) Tests/KernelTests/check_loops.py .build/release/librefrain.so
	$(MAKE) -C Tests/C LIB_DIR=$(CURDIR)/build/lib run

# What is computed is tested on every instruction-set level, all else on the best.
test-python: examples
	PYTHONPATH=bindings/python $(PYTHON) -m pytest -q Tests/Python
	@for level in baseline x86-64-v3; do \
	  printf '%s: ' $$level; \
	  REFRAIN_ISA=$$level PYTHONPATH=bindings/python $(PYTHON) -m pytest -q -p no:warnings \
	    Tests/Python/test_conformance.py Tests/Python/test_against_oracle.py Tests/Python/test_cells.py \
	    Tests/Python/test_windows.py Tests/Python/test_training.py Tests/Python/test_binding_session.py \
	    Tests/Python/test_cells_in_use.py Tests/Python/test_generation.py \
	    | tail -n 1; \
	  [ $${PIPESTATUS[0]} -eq 0 ] || exit 1; \
	done

test-examples: examples
	Tests/Scripts/check_examples.sh

test-install: build
	Tests/Scripts/check_install.sh

test-readme: build
	PYTHONPATH=bindings/python $(PYTHON) Tests/Scripts/check_readme.py

test-sanitized: build
	$(MAKE) -C Tests/C LIB_DIR=$(CURDIR)/build/lib SANITIZE=address run

# Instructions counted by valgrind, and the memory of a start: no more of either without a reason.
test-counts: build
	$(MAKE) -C Tests/Benchmarks LIB_DIR=$(CURDIR)/build/lib counts

# ---- benchmarks ----------------------------------------------------------------------------------

BENCH_THREADS ?= 1
BENCH_ROUNDS  ?= 7
PEERS         := .venv-peers/bin/python

bench: build
	$(MAKE) -C Tests/Benchmarks LIB_DIR=$(CURDIR)/build/lib
	build/bench/bench --threads $(BENCH_THREADS) --rounds $(BENCH_ROUNDS)
	build/bench/start

# The frameworks are large: some 7 GB in an environment of their own.
bench-peers: build
	$(MAKE) -C Tests/Benchmarks LIB_DIR=$(CURDIR)/build/lib
	@cmp -s Tests/Benchmarks/requirements-peers.txt .venv-peers/requirements || { \
	  echo "setup: installing the other frameworks into .venv-peers"; \
	  python3 -m venv .venv-peers && missing= && \
	  for package in $$(grep -v '^#' Tests/Benchmarks/requirements-peers.txt); do \
	    $(PEERS) -m pip install -q --disable-pip-version-check "$$package" < /dev/null || \
	      { missing=1; echo "setup: $$package was not installed; the comparison leaves it out"; }; \
	  done && \
	  { [ -n "$$missing" ] || cp Tests/Benchmarks/requirements-peers.txt .venv-peers/requirements; }; }
	$(PEERS) Tests/Benchmarks/peers/compare.py --threads $(BENCH_THREADS) --rounds $(BENCH_ROUNDS) \
	  --markdown build/bench/peers-$(BENCH_THREADS).md

# ---- shipping ------------------------------------------------------------------------------------

wheel: build
	$(PYTHON) -m pip wheel -q --no-deps --no-build-isolation -w build/wheel bindings/python

install: build
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(LIB) $(DESTDIR)$(PREFIX)/lib/librefrain.so.$(VERSION)
	ln -sf librefrain.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/librefrain.so
	install -m 644 include/refrain.h $(DESTDIR)$(PREFIX)/include/refrain.h
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' pkgconfig/refrain.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/refrain.pc

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/lib/librefrain.so $(DESTDIR)$(PREFIX)/lib/$(SONAME) \
	  $(DESTDIR)$(PREFIX)/lib/librefrain.so.$(VERSION) $(DESTDIR)$(PREFIX)/include/refrain.h \
	  $(DESTDIR)$(PREFIX)/lib/pkgconfig/refrain.pc

clean:
	rm -rf build .build demo bindings/python/refrain/librefrain.so
