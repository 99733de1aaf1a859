# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make              builds the programs
#   make demo         shows the main job on 16 simulated drives
#   make check        runs every test that needs no machine of its own; check-unit, check-golden,
#                     check-sim, check-mutants and check-integration run one kind
#   make check-vm     runs the tests on a rig of emulated USB drives, in a guest of QEMU
#   make lint         checks the rules of the house
#   make sim          runs the simulator: SEED= of the first world, RUNS= worlds
#   make fuzz         feeds random input to the parsers: TARGET= one of them, SECONDS= for each
#   make bench        measures; ONLY= some of memory independence late cost hash
#   make install      installs below PREFIX=, into DESTDIR= when packaging; make uninstall
#   make clean        removes build/
#
#   CC=clang, SANITIZE=address,undefined and SANITIZE=thread build variants beside each other.
#   DEPS=no never installs packages, V=1 shows the commands.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
SEED    ?= 1
RUNS    ?= 20000
TARGET  ?=
ONLY    ?=
SECONDS ?= 60

ifeq ($(origin CC),default)
CC := gcc
endif
SANITIZE ?=
export TSAN_OPTIONS := suppressions=$(CURDIR)/tests/support/tsan.suppressions
DEPS     ?= yes
V        ?=

comma   := ,
VARIANT := $(notdir $(CC))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
BUILD   := build/$(VARIANT)

MAKEFLAGS += --no-builtin-rules -j$(shell nproc)
.DELETE_ON_ERROR:
.SECONDARY:

Q := $(if $(V),,@)
say = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-5s %s\n' '$(1)' '$(2)')

.PHONY: all
all:

# --- Packages: installed before anything is compiled ----------------------------------------------

# Only what the goals ask for is installed: the programs and the demo need less than the tests.
GOALS          := $(or $(MAKECMDGOALS),all)
BUILD_GOALS    := all install uninstall clean help
NEEDS          := $(if $(filter check-vm,$(GOALS)),vm,$(if \
                       $(filter-out $(BUILD_GOALS) demo,$(GOALS)),tests,$(if \
                       $(filter demo,$(GOALS)),demo,build)))
PACKAGES_READY := build/packages-for-$(NEEDS)

$(PACKAGES_READY): .ci/packages .ci/install-packages
	@DEPS=$(DEPS) .ci/install-packages $(NEEDS)
	@mkdir -p $(@D) && touch $@

# pkg-config is asked once, when the first file is compiled: only then is it sure to be there.
packages_of    = $(shell awk '/^[^\#]/ && $$2 != "-" && $$3 == "$(1)" { print $$2 }' .ci/packages)
LIBRARIES     := $(call packages_of,build)
TEST_LIBRARIES := $(call packages_of,tests)
ask_once       = $(eval $(1) := $$(shell $(2)))$($(1))
LIBRARY_CFLAGS = $(call ask_once,LIBRARY_CFLAGS,pkg-config --cflags $(LIBRARIES))
LIBRARY_LIBS   = $(call ask_once,LIBRARY_LIBS,pkg-config --libs $(LIBRARIES))
TEST_CFLAGS    = $(call ask_once,TEST_CFLAGS,pkg-config --cflags $(LIBRARIES) $(TEST_LIBRARIES))
TEST_LIBS      = $(call ask_once,TEST_LIBS,pkg-config --libs $(LIBRARIES) $(TEST_LIBRARIES))

# --- Flags: CPPFLAGS, CFLAGS and LDFLAGS are the user's -------------------------------------------

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wvla -Wcast-align -Wformat=2 -Wundef
HARDEN   := -fstack-protector-strong -fPIE -fno-strict-aliasing \
            $(if $(SANITIZE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# Sanitizers hide the ranges of values from gcc, which then errs about lengths.
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
                 -fno-omit-frame-pointer $(if $(findstring clang,$(CC)),,-Wno-format-truncation))

COMPILE := $(CC) -std=c17 -pthread -MMD -MP -I. -D_GNU_SOURCE \
           -DDRIVEPRESS_VERSION='"$(VERSION)"' $(WARNINGS) $(HARDEN) $(CPPFLAGS)
LINK    := $(CC) -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(CFLAGS) $(SANITIZER) $(LDFLAGS)

# --- Objects and archives -------------------------------------------------------------------------

OBJECTS := $(BUILD)/objects
objects  = $(patsubst %.c,$(OBJECTS)/%.o,$(wildcard $(1)))

$(OBJECTS)/%.o: %.c Makefile | $(PACKAGES_READY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(LIBRARY_CFLAGS) $(CFLAGS) $(SANITIZER) -c $< -o $@

$(OBJECTS)/tests/%.o: tests/%.c Makefile | $(PACKAGES_READY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(TEST_CFLAGS) $(CFLAGS) $(SANITIZER) -c $< -o $@

WITH_MAIN := $(shell grep -ls '^int main' tests/*/*.c)

# A program takes from an archive only what it uses. Who needs another comes before it.
ARCHIVES := support daemon tools lib
$(OBJECTS)/lib.a:     $(call objects,lib/*/*.c)
$(OBJECTS)/daemon.a:  $(filter-out %/main.o,$(call objects,daemon/*.c))
$(OBJECTS)/tools.a:   $(filter-out %/main.o,$(call objects,tools/*.c tools/*/*.c))
# What tests share: the files of tests/support that are not programs.
$(OBJECTS)/support.a: $(filter-out $(WITH_MAIN:%.c=$(OBJECTS)/%.o),$(call objects,tests/support/*.c))
$(ARCHIVES:%=$(OBJECTS)/%.a):
	@mkdir -p $(@D) && rm -f $@
	@ar rcsT $@ $(filter %.o,$^)

# --- Programs: those whose source exists ----------------------------------------------------------

PROGRAMS   := $(patsubst daemon/main.c,$(BUILD)/drivepressd,$(wildcard daemon/main.c)) \
              $(patsubst tools/main.c,$(BUILD)/drivepress,$(wildcard tools/main.c))
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*_test.c))
GOLDEN     := $(patsubst %.c,$(BUILD)/tests/golden,$(wildcard tests/golden/golden.c))
SIMULATOR  := $(if $(wildcard tests/sim/*.c),$(BUILD)/tests/simulator)
HELPERS    := $(patsubst %.c,$(BUILD)/%,$(filter tests/support/% tests/bench/%,$(WITH_MAIN)))

all: $(PROGRAMS)

.PHONY: tests
tests: all $(UNIT_TESTS) $(GOLDEN) $(SIMULATOR) $(HELPERS)

define link_with
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $^ $(1) -o $@
endef

$(BUILD)/drivepressd: $(OBJECTS)/daemon/main.o $(OBJECTS)/daemon.a $(OBJECTS)/lib.a
	$(call link_with,$(LIBRARY_LIBS))

$(BUILD)/drivepress: $(OBJECTS)/tools/main.o $(OBJECTS)/tools.a $(OBJECTS)/lib.a
	$(call link_with,$(LIBRARY_LIBS))

$(UNIT_TESTS) $(HELPERS): $(BUILD)/%: $(OBJECTS)/%.o $(ARCHIVES:%=$(OBJECTS)/%.a)
	$(call link_with,$(TEST_LIBS))

$(BUILD)/tests/golden: $(call objects,tests/golden/*.c) $(OBJECTS)/support.a $(OBJECTS)/lib.a
	$(call link_with,$(TEST_LIBS))

$(BUILD)/tests/simulator: $(call objects,tests/sim/*.c) $(OBJECTS)/support.a $(OBJECTS)/lib.a
	$(call link_with,$(TEST_LIBS))

# --- Tests ----------------------------------------------------------------------------------------

# Sanitizers make a program several times slower.
TIMEOUT_S := $(if $(SANITIZE),600,150)
RUN_TESTS  = BUILD=$(abspath $(BUILD)) tests/support/run-tests --timeout $(TIMEOUT_S)

INTEGRATION := $(wildcard tests/integration/*_test.py tests/integration/test_*.py)

KIND_unit        = $(UNIT_TESTS)
KIND_golden      = $(GOLDEN)
KIND_sim         = $(if $(SIMULATOR),'$(SIMULATOR) --tap --seed 1     --runs 10000' \
                                     '$(SIMULATOR) --tap --seed 10001 --runs 10000')
# The mutants are built by themselves, and the same whatever sanitizes the rest.
KIND_mutants     = $(if $(SANITIZE),,$(patsubst %,'% $(BUILD)/mutants', \
                                                $(wildcard tests/sim/mutants/run)))
KIND_integration = $(INTEGRATION)
KIND_lint        = 'tests/lint/lint fast' tests/lint/lint_test.py
KINDS           := unit golden sim mutants integration

kind = $(if $(strip $(KIND_$(1))),--kind $(1) $(KIND_$(1)))

.PHONY: check
check: tests
	@$(RUN_TESTS) $(foreach name,$(KINDS) lint,$(call kind,$(name)))

.PHONY: $(KINDS:%=check-%)
$(KINDS:%=check-%): check-%: tests
	@$(RUN_TESTS) $(call kind,$*)

# Emulated machines are slow, and the first test of all makes them.
.PHONY: check-vm
check-vm: all
	@BUILD_VM=$(abspath build/vm) BUILD=$(abspath $(BUILD)) tests/support/run-tests --timeout 900 --jobs 1 \
	    --kind vm $(wildcard tests/vm/test_*.py)

.PHONY: lint
lint: tests
	@$(RUN_TESTS) --kind lint 'tests/lint/lint fast' 'tests/lint/lint slow'

# --- The simulator, fuzzing, measurements, the demo -----------------------------------------------

.PHONY: sim
sim: $(SIMULATOR)
	@$(SIMULATOR) --seed $(SEED) --runs $(RUNS) --verbose

.PHONY: demo
demo: all
	@BUILD=$(abspath $(BUILD)) tests/demo/demo

.PHONY: bench
bench: all $(HELPERS)
	@BUILD=$(abspath $(BUILD)) tests/bench/run $(ONLY)

# Fuzz targets are tests/fuzz/fuzz_TARGET.c, built by clang with libFuzzer into a variant of their
# own. Known inputs are in tests/fuzz/corpus/TARGET; what is found anew stays below build/.
FUZZ_BUILD   := build/fuzz
FUZZ_FLAGS   := -std=c17 -pthread -MMD -MP -I. -D_GNU_SOURCE -DDRIVEPRESS_VERSION='"$(VERSION)"' \
                -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_ALL     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PARTS   := $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(filter-out %/main.c,$(wildcard lib/*/*.c daemon/*.c tools/*.c)))

$(FUZZ_BUILD)/%.o: %.c Makefile | $(PACKAGES_READY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined $(LIBRARY_CFLAGS) -c $< -o $@

$(FUZZ_BUILD)/parts.a: $(FUZZ_PARTS)
	@mkdir -p $(@D) && rm -f $@
	@ar rcsT $@ $^

$(FUZZ_ALL:%=$(FUZZ_BUILD)/fuzz_%): $(FUZZ_BUILD)/fuzz_%: $(FUZZ_BUILD)/tests/fuzz/fuzz_%.o \
                                    $(FUZZ_BUILD)/parts.a
	$(call say,LD,$@)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined $^ $(LIBRARY_LIBS) -o $@

FUZZ_RUNS := $(or $(TARGET),$(FUZZ_ALL))

.PHONY: fuzz
fuzz: $(FUZZ_RUNS:%=$(FUZZ_BUILD)/fuzz_%)
	@set -e; for target in $(FUZZ_RUNS); do \
	    mkdir -p $(FUZZ_BUILD)/corpus/$$target $(FUZZ_BUILD)/found; \
	    known=tests/fuzz/corpus/$$target; [ -d $$known ] || known=; \
	    echo "fuzzing $$target for $(SECONDS) s"; \
	    $(FUZZ_BUILD)/fuzz_$$target -max_total_time=$(SECONDS) -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=$(FUZZ_BUILD)/found/ $(FUZZ_BUILD)/corpus/$$target $$known; \
	done

# --- Installation ---------------------------------------------------------------------------------

# udev and systemd read rules and units below /usr/local as they do below /usr. What is configured
# is in /etc for both: there the daemon looks for it, and there the claim of the ports is.
SYSCONFDIR ?= /etc
LIBEXECDIR := $(PREFIX)/libexec/drivepress
CONFIG_DIR := $(SYSCONFDIR)/drivepress

MAN_PAGES := $(patsubst tools/man/%.scd,%,$(wildcard tools/man/*.scd))
UNITS     := $(notdir $(wildcard systemd/*.service systemd/*.socket))

# Each as source:directory/name:mode.
INSTALLED := $(BUILD)/drivepress:bin/drivepress:755 \
             $(BUILD)/drivepressd:libexec/drivepress/drivepressd:755 \
             $(foreach unit,$(UNITS),$(BUILD)/units/$(unit):lib/systemd/system/$(unit):644) \
             $(foreach rules,$(notdir $(wildcard udev-rules/*.rules)),udev-rules/$(rules):lib/udev/rules.d/$(rules):644) \
             systemd/drivepress.sysusers.conf:lib/sysusers.d/drivepress.conf:644 \
             systemd/drivepress.tmpfiles.conf:lib/tmpfiles.d/drivepress.conf:644 \
             $(foreach page,$(MAN_PAGES),$(BUILD)/man/$(page):share/man/man$(subst .,,$(suffix $(page)))/$(page):644) \
             $(patsubst %,%:share/bash-completion/completions/drivepress:644,$(wildcard tools/completions/drivepress.bash)) \
             $(patsubst %,%:share/zsh/site-functions/_drivepress:644,$(wildcard tools/completions/_drivepress)) \
             $(patsubst %,%:share/fish/vendor_completions.d/drivepress.fish:644,$(wildcard tools/completions/drivepress.fish))

$(BUILD)/man/%: tools/man/%.scd | $(PACKAGES_READY)
	$(call say,MAN,$<)
	@mkdir -p $(@D)
	$(Q)scdoc <$< >$@

# Written anew each time, for PREFIX may be another one.
$(BUILD)/units/%: systemd/% FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's|@libexecdir@|$(LIBEXECDIR)|g' -e 's|@sysconfdir@|$(SYSCONFDIR)|g' $< >$@

.PHONY: FORCE
FORCE:

# The configuration is the administrator's: it is installed once, and never taken away.
.PHONY: install
install: all $(MAN_PAGES:%=$(BUILD)/man/%) $(UNITS:%=$(BUILD)/units/%)
	@set -e; for entry in $(INSTALLED); do \
	    source=$${entry%%:*}; rest=$${entry#*:}; \
	    target="$(DESTDIR)$(PREFIX)/$${rest%:*}"; \
	    echo "  install $$target"; \
	    install -D -m "$${rest##*:}" "$$source" "$$target"; \
	done
	@set -e; config="$(DESTDIR)$(CONFIG_DIR)/drivepress.conf"; \
	install -d -m 755 "$${config%/*}/conf.d"; \
	if [ -e "$$config" ]; then \
	    echo "  keep    $$config"; \
	else \
	    echo "  install $$config"; \
	    install -m 644 systemd/drivepress.conf "$$config"; \
	fi

.PHONY: uninstall
uninstall:
	@set -e; for entry in $(INSTALLED); do \
	    rest=$${entry#*:}; \
	    target="$(DESTDIR)$(PREFIX)/$${rest%:*}"; \
	    echo "  remove $$target"; \
	    rm -f "$$target"; \
	done
	@rmdir "$(DESTDIR)$(LIBEXECDIR)" 2>/dev/null || true
	@[ ! -d "$(DESTDIR)$(CONFIG_DIR)" ] || echo "  keep   $(DESTDIR)$(CONFIG_DIR)"

.PHONY: clean
clean:
	@rm -rf build

.PHONY: help
help:
	@sed -n -e '3,/^[^#]*$$/s/^# \{0,1\}//p' Makefile

-include $(shell find $(OBJECTS) $(FUZZ_BUILD) -name '*.d' 2>/dev/null)
