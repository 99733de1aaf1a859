# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make            build everything            make demo     the main job on simulated drives
#   make check      every test                  make bench    every measurement
#   make lint       rules of the house          make sim      the simulator, SEED= RUNS=
#   make install    DESTDIR= PREFIX=            make clean
#
#   SANITIZE=address,undefined or SANITIZE=thread builds and tests with that sanitizer.
#   CC=clang builds with clang. DEPS=no never installs packages.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := gcc
endif
SANITIZE ?=
DEPS     ?= yes

comma   := ,
VARIANT := $(notdir $(CC))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
BUILD   := build/$(VARIANT)

# --- Dependencies: one list, installed before anything is compiled --------------------------------

PACKAGES_READY := build/packages-ready
LIBRARIES      := liburing libuv libxxhash jansson inih libsodium blkid libudev

$(PACKAGES_READY): .ci/packages .ci/install-packages
	@DEPS=$(DEPS) .ci/install-packages
	@mkdir -p $(@D) && touch $@

# --- Flags ----------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wcast-align -Wformat=2 -Wundef
HARDEN   := -fstack-protector-strong -fPIE -fno-strict-aliasing $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
CPPFLAGS += -I. -D_GNU_SOURCE -DDRIVEPRESS_VERSION='"$(VERSION)"'
CFLAGS   += -std=c17 -O2 -g $(WARNINGS) $(HARDEN) -MMD -MP -pthread
LDFLAGS  += -pie -Wl,-z,relro,-z,now -pthread
ifneq ($(SANITIZE),)
CFLAGS   += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=$(SANITIZE)
endif
# Asked when the first file is compiled, after the packages are there.
LIBRARY_CFLAGS = $(shell pkg-config --cflags $(LIBRARIES))
LIBRARY_LIBS   = $(shell pkg-config --libs $(LIBRARIES))

# --- What is built --------------------------------------------------------------------------------

BASE   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/base/*.c))
CORE   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/core/*.c))
IMAGE  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/image/*.c))
WIRE   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/wire/*.c))
DAEMON := $(patsubst %.c,$(BUILD)/%.o,$(filter-out daemon/main.c,$(wildcard daemon/*.c)))
TOOLS  := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tools/main.c,$(wildcard tools/*.c)))
LIB    := $(WIRE) $(IMAGE) $(CORE) $(BASE)

PROGRAMS   := $(BUILD)/drivepressd $(BUILD)/drivepress
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*_test.c))

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/%.o: %.c $(PACKAGES_READY) Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(LIBRARY_CFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/drivepressd: $(BUILD)/daemon/main.o $(DAEMON) $(LIB)
	$(CC) $(LDFLAGS) $^ $(LIBRARY_LIBS) -o $@

$(BUILD)/drivepress: $(BUILD)/tools/main.o $(TOOLS) $(LIB)
	$(CC) $(LDFLAGS) $^ $(LIBRARY_LIBS) -o $@

$(UNIT_TESTS): $(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(DAEMON) $(TOOLS) $(LIB)
	$(CC) $(LDFLAGS) $^ $(LIBRARY_LIBS) -lcmocka -o $@

.PHONY: clean
clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
