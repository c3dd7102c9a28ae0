# unfreed: one non-recursive makefile. `make help` lists the targets, docs/hacking.md explains them.
#
#   O=build                      where everything built goes
#   V=1                          print the commands
#   SANITIZE=address,undefined   build the C code with sanitizers (into its own folder)
#   DESTDIR= prefix=/usr/local   where `make install` puts things

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

CC ?= cc
ifeq ($(origin CC),default)
CC := cc
endif
CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
prefix ?= /usr/local
sbindir ?= $(prefix)/sbin
mandir ?= $(prefix)/share/man
unitdir ?= $(prefix)/lib/systemd/system

VERSION := $(shell cat VERSION)
SANITIZE ?=
O ?= build
B := $(O)$(if $(SANITIZE),/sanitize)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
endif

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wvla -Wundef -Wpointer-arith -Wwrite-strings -Wno-unused-parameter
CPPFLAGS_ALL := -I. -I$(B) -D_GNU_SOURCE -DUNFREED_VERSION='"$(VERSION)"' $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 -fno-strict-aliasing -fno-omit-frame-pointer $(WARNINGS) $(CFLAGS) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
LDFLAGS_ALL := $(LDFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE))
DEPFLAGS = -MMD -MP -MF $@.d

# Asked of pkg-config only when something is to be built: a bare machine can still `make deps`.
CORE_PKGS := libelf zlib json-c
UNIT_PKGS := libdw
LIVE_PKGS := libbpf
pkg = $(shell $(PKG_CONFIG) $(1) $(2))

# --- what is built from what -------------------------------------------------------------------

CORE_ROOMS := base wire model detect unwind symbol sink
# The part of the source room that needs libbpf; the rest of it is core, so that tests and replay have
# it without.
LIVE_SRC := $(wildcard user/source/live*.c user/source/features*.c) user/source/tracepoints.c \
	user/source/file_probes.c user/source/probe_stub.c user/source/programs.c
CORE_SRC := $(foreach room,$(CORE_ROOMS),$(wildcard user/$(room)/*.c)) \
	$(filter-out $(LIVE_SRC),$(wildcard user/source/*.c))
MAIN_SRC := $(wildcard user/*.c)
# maps.bpf.c first: the linker of libbpf 1.1 gets the places of maps wrong when it meets their extern
# declarations before their definitions.
BPF_SRC := bpf/maps.bpf.c $(filter-out bpf/maps.bpf.c,$(wildcard bpf/*.bpf.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)

CORE_OBJ := $(CORE_SRC:%.c=$(B)/%.o)
LIVE_OBJ := $(LIVE_SRC:%.c=$(B)/%.o)
MAIN_OBJ := $(MAIN_SRC:%.c=$(B)/%.o)
BPF_OBJ := $(BPF_SRC:%.c=$(B)/%.o)
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)

.PHONY: all
all: $(B)/unfreed

$(B)/unfreed: $(MAIN_OBJ) $(B)/liblive.a $(B)/libcore.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(call pkg,--libs,$(LIVE_PKGS) $(CORE_PKGS)) -liberty -lm

$(B)/libcore.a: $(CORE_OBJ)
$(B)/liblive.a: $(LIVE_OBJ)
$(B)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(CORE_OBJ) $(LIVE_OBJ) $(MAIN_OBJ): $(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(DEPFLAGS) -c -o $@ $<

# The generated skeleton; everything that includes it waits for it.
$(LIVE_OBJ): | $(B)/bpf/unfreed.skel.h

BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
BPF_CFLAGS := -target bpf -mcpu=v2 -g -O2 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter \
	 -D__TARGET_ARCH_$(BPF_ARCH) -I. -Ivmlinux

$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(B)/bpf/unfreed.bpf.o: $(BPF_OBJ)
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/bpf/unfreed.skel.h: $(B)/bpf/unfreed.bpf.o
	$(call say,GEN,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name unfreed_bpf > $@

# --- tests -------------------------------------------------------------------------------------

$(UNIT_BIN): $(B)/tests/unit/%: tests/unit/%.c $(B)/libcore.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(DEPFLAGS) $(LDFLAGS_ALL) -o $@ $< $(filter %.o,$^) \
		$(B)/libcore.a -lcmocka $(call pkg,--libs,$(UNIT_PKGS) $(CORE_PKGS)) -liberty -lm

# What is no part of the library.
$(B)/tests/unit/test_memory_file: $(B)/user/memory_file.o

# Tests of the BPF side, which tests/bpf/*.sh call.
BPFTEST_BIN := $(B)/tests/bpf/load

$(BPFTEST_BIN): $(B)/tests/bpf/%: tests/bpf/%.c $(B)/liblive.a $(B)/libcore.a | $(B)/bpf/unfreed.skel.h
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(DEPFLAGS) -o $@ $< $(B)/liblive.a $(B)/libcore.a \
		$(call pkg,--libs,$(LIVE_PKGS) $(CORE_PKGS))

.PHONY: unit bpf-tests
unit: $(UNIT_BIN)
bpf-tests: $(BPFTEST_BIN)

include $(wildcard tests/*/*.mk)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	$(Q)rm -rf $(O)

# --- what people run ---------------------------------------------------------------------------
# The packages may be missing when make starts, so `demo` and `check` install them first and then
# call make again, which finds pkg-config, clang and the libraries in their places.

# Ubuntu's /usr/sbin/bpftool is a wrapper that may not run: ask for one that does.
ifeq ($(origin BPFTOOL),file)
BPFTOOL = $(shell packaging/install-deps.sh bpftool 2>/dev/null || echo bpftool)
endif

# Where the distribution's libbpf is too old, install-deps.sh has put a newer one.
NEWER_LIBBPF := $(patsubst %/lib/libbpf.a,%,$(wildcard /usr/local/lib/unfreed/lib/libbpf.a))
ifneq ($(NEWER_LIBBPF),)
PKG_CONFIG := env PKG_CONFIG_PATH=$(NEWER_LIBBPF)/lib/pkgconfig $(PKG_CONFIG)
CPPFLAGS_ALL += -isystem $(NEWER_LIBBPF)/include
BPF_CFLAGS += -isystem $(NEWER_LIBBPF)/include
endif

PROGRAM_SRC := $(filter-out tests/programs/tiny32.c,$(wildcard tests/programs/*.c))
PROGRAM_BIN := $(PROGRAM_SRC:%.c=$(B)/%)
PROGRAM_JAVA := $(wildcard tests/programs/java/*.java)
PROGRAM_JAR := $(if $(PROGRAM_JAVA),$(B)/tests/programs/java.stamp)

# Without frame pointers, as distributions build: the stacks must be complete all the same.
PROGRAM_CFLAGS := -std=gnu11 -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls $(WARNINGS)

$(PROGRAM_BIN): $(B)/tests/programs/%: tests/programs/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(PROGRAM_CFLAGS) -D_GNU_SOURCE -I. $(DEPFLAGS) -o $@ $< -Wl,--as-needed -lz -pthread -ldl

# Class files of Java 11, the oldest that a supported distribution has: every JDK runs them.
$(B)/tests/programs/java.stamp: $(PROGRAM_JAVA)
	$(call say,JAVAC,$(@D)/java)
	$(Q)mkdir -p $(@D)/java
	$(Q)javac=$$(ls -d /usr/bin/javac /usr/lib/jvm/*/bin/javac 2>/dev/null | head -n 1); \
	test -n "$$javac" || { echo 'no javac: sudo make deps-test' >&2; exit 1; }; \
	"$$javac" --release 11 -d $(@D)/java $(PROGRAM_JAVA)
	$(Q)touch $@

# Neither libc nor libgcc, so that no 32-bit library is needed. Only x86 compilers can do it.
PROGRAM_32 := $(if $(filter x86_64,$(shell uname -m)),$(B)/tests/programs/tiny32)

$(B)/tests/programs/tiny32: tests/programs/tiny32.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 -std=gnu11 -O1 -ffreestanding -fno-pic -fno-stack-protector -nostdlib -static \
		$(WARNINGS) -o $@ $<

.PHONY: programs
programs: $(PROGRAM_BIN) $(PROGRAM_32) $(PROGRAM_JAR)

# What the demo needs of these, without a JDK.
.PHONY: demo-build
demo-build: $(B)/unfreed $(B)/tests/programs/leaky

.PHONY: deps deps-test
deps:
	@packaging/install-deps.sh build
deps-test:
	@packaging/install-deps.sh test

# $(call as_root,target): one line instead of a failure in the middle.
as_root = @test "$$(id -u)" -eq 0 || \
	{ echo 'make $(1) loads BPF programs and installs packages: run it as root: sudo make $(1)' >&2; exit 1; }

.PHONY: demo
demo:
	$(call as_root,demo)
	@packaging/install-deps.sh build
	@$(MAKE) --no-print-directory -j$$(nproc) demo-build
	@chown -R --reference=Makefile $(O)
	@UNFREED=$(B)/unfreed LEAKY=$(B)/tests/programs/leaky tests/demo.sh

# Every test: see tests/run for what that is.
.PHONY: check
check:
	$(call as_root,check)
	@packaging/install-deps.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) all unit programs bpf-tests bench-build detector \
		fuzz-build-if-there
	@$(MAKE) --no-print-directory -j$$(nproc) SANITIZE=address,undefined unit
	@chown -R --reference=Makefile $(O)
	@tests/run --build $(O)

.PHONY: lint
lint: $(B)/unfreed
	@tests/run --build $(B) --only 'tests/lint/*'

.PHONY: install uninstall
install: $(B)/unfreed
	install -D -m 0755 $(B)/unfreed $(DESTDIR)$(sbindir)/unfreed
	install -D -m 0644 docs/unfreed.8 $(DESTDIR)$(mandir)/man8/unfreed.8
	install -d $(DESTDIR)$(unitdir)
	sed 's|/usr/sbin/unfreed|$(sbindir)/unfreed|' packaging/unfreed.service \
		> $(DESTDIR)$(unitdir)/unfreed.service
	chmod 0644 $(DESTDIR)$(unitdir)/unfreed.service
uninstall:
	rm -f $(DESTDIR)$(sbindir)/unfreed $(DESTDIR)$(mandir)/man8/unfreed.8 \
		$(DESTDIR)$(unitdir)/unfreed.service

.PHONY: help
help:
	@echo 'sudo make demo     install what is missing, build, find a leak in a bundled program'
	@echo 'sudo make check    install what is missing, build, run every test'
	@echo 'sudo make check-verify   DURATION=60: verify beside real programs at work, so long each'
	@echo 'sudo make check-kafka    the Kafka broker that leaks and the one that does not, with a large log'
	@echo 'sudo make check-long     MINUTES=30: healthy programs that grow, so long, none called a leak'
	@echo 'sudo make bench-probes bench-java   what watching costs the watched (docs/overhead.md)'
	@echo 'make               build $(B)/unfreed'
	@echo 'make unit          build the unit tests ($(B)/tests/unit)'
	@echo 'make programs      build the programs that the live tests watch'
	@echo 'make check-kernels boot every kernel of tests/vm/KERNELS in a virtual machine'
	@echo 'make detector      build what judges labelled traces: $(B)/tests/detector/evaluate FILE (docs/detector.md)'
	@echo 'make detector-quality    how good the detector is on seeds nothing was tuned on'
	@echo 'make lint          check the sources, the man page and the unit file'
	@echo 'sudo make deps     install what is missing to build (deps-test: and to test)'
	@echo 'make install       DESTDIR=, prefix=$(prefix); make uninstall takes it away again'
	@echo 'make clean         remove $(O)'
	@echo
	@echo 'O=DIR, V=1, SANITIZE=address,undefined: see the head of Makefile'
