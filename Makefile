# SPDX-License-Identifier: BSD-3-Clause
# A thin front of meson, for hands and for .ci/run. BUILD=dir builds elsewhere; DEMO holds the demo's options.
BUILD ?= build
DEMO ?=
SIM ?= --pairs --seconds 180
MESON_TEST ?= meson test -C $(BUILD) --no-rebuild --print-errorlogs

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

# One file without shared libraries, for copying to any host: $(BUILD)/static/godwit.
static: $(BUILD)/static/build.ninja
	@ninja -C $(BUILD)/static godwit

$(BUILD)/static/build.ninja:
	meson setup $(BUILD)/static -Dstatic=true -Ddefault_library=static

deps:
	@script/install-deps

demo: deps
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) godwit
	@$(BUILD)/godwit demo $(DEMO)

# The count decides, not meson's exit code: it counts single cases.
check: deps
	@$(MAKE) --no-print-directory all
	@rm -f $(BUILD)/meson-logs/testlog.json
	@$(MESON_TEST) || true
	@script/summarize-tests $(BUILD)

lab:
	@script/install-deps lab
	@$(MAKE) --no-print-directory $(BUILD)/static/build.ninja
	@ninja -C $(BUILD)/static
	@test/lab/run $(BUILD)/static

bench: all
	@test/bench/run $(BUILD)

# SIM holds its options: SIM="--seconds 600", or SIM="SEED MODE K" to see one schedule again.
sim: all
	@$(BUILD)/test/sim/sim $(SIM)

# DESTDIR=dir to install below it, PREFIX=/usr for another place than /usr/local: it becomes the build's own.
install: $(BUILD)/build.ninja
	@$(if $(PREFIX),meson configure $(BUILD) -Dprefix=$(PREFIX))
	@ninja -C $(BUILD)
	meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

clean:
	rm -rf $(BUILD)

.PHONY: all static deps demo check lab bench sim install clean
