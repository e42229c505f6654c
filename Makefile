# The front door of Truce. `make demo` and `make test` need nothing but a fresh Debian 12 and this repository:
# what is missing is installed first, as root or with sudo, and said. Meson does the building.

BUILD ?= build
PREFIX ?= /usr/local
DUCKDB := .deps/duckdb/libduckdb.so
MESON_TEST = meson test --no-rebuild --print-errorlogs

.PHONY: help deps build demo test test-long bench install packages fuzz format check clean

help:
	@echo 'make demo       install what is missing, build, and let three parties get one verified answer'
	@echo 'make test       all tests (under 20 minutes); make test-long: the long ones too'
	@echo 'make build      the programs, in $(BUILD)/src/main'
	@echo 'make bench      ratios against peers measured in the same run'
	@echo 'make fuzz       one minute of libFuzzer per target (Clang); SECONDS=n for longer; doc/fuzzing.md'
	@echo 'make install    into DESTDIR/PREFIX (PREFIX=/usr/local)'
	@echo 'make packages   Debian packages, in packages.out'
	@echo 'make check      layers, sizes and format of the sources'

deps:
	@tools/install-deps

$(BUILD)/build.ninja: | deps
	@test -f $@ || meson setup $(BUILD) -Dduckdb=$(CURDIR)/$(DUCKDB)

build: deps $(BUILD)/build.ninja
	@meson compile -C $(BUILD) | tail -n 1

demo: build
	@TRUCE_BUILD=$(BUILD) tools/demo

test:
	@tools/install-deps --packages
	@tools/run-tests

test-long:
	@tools/install-deps --packages
	@tools/run-tests --long

bench: build
	@TRUCE_BUILD=$(BUILD) tools/bench

fuzz: deps
	@tools/fuzz $(or $(SECONDS),60)

install: deps
	@tools/install "$(BUILD)" "$(PREFIX)" "$(DESTDIR)"

packages:
	@tools/install-deps --packages
	@tools/packages

format:
	@git ls-files 'src/*.c' 'src/*.h' 'test/*.c' | xargs clang-format -i

check:
	@tools/layers

clean:
	rm -rf build build-clang build-sanitize build-thread build-fuzz demo.out bench.out packages.out
