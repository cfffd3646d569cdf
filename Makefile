# SPDX-License-Identifier: Apache-2.0
# Probity. `make help` lists the targets. Quiet unless V=1; everything made goes to build/.
#
# A new .c under user/ or tests/unit/ is picked up by itself. Sources with a main() are those
# in MAINS; all others go into one archive per variant, from which the linker takes what it needs.
# Variants: rel (hardened, what ships) and san (ASan + UBSan, what the unit tests link).

B := build
ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
PREFIX ?= /usr
DESTDIR ?=
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

PKGS := libbpf libcrypto libssl libprotobuf-c libevent libevent_openssl libcurl zlib libbrotlidec libbrotlienc libnghttp2 \
	libzstd libarchive yaml-0.1 jansson sqlite3 libseccomp libcap-ng libhs
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lZydis -lelf -lm -lpthread

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wno-unused-parameter -Wno-format-nonliteral
BASE := -std=gnu11 -D_GNU_SOURCE -DPROBITY_VERSION='"$(VERSION)"' -g -Iuser -I. -I$(B)/gen $(PKG_CFLAGS) $(WARN)
CFLAGS_rel := $(BASE) -O2 -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 \
	$(if $(filter x86,$(ARCH)),-fcf-protection)
CFLAGS_san := $(BASE) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_rel := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
LDFLAGS_san := -fsanitize=address,undefined -Wl,--as-needed

MAINS := user/agent/probityd.c user/collector/probity_collector.c user/cli/main.c user/classify/gen_catalog.c user/classify/price_gen.c \
	user/agent/discover/gen_signatures.c
SRCS := $(filter-out $(MAINS),$(shell find user -name '*.c' | LC_ALL=C sort))
PROTO := $(wildcard proto/*.proto)
PROTO_C := $(PROTO:proto/%.proto=$(B)/gen/proto/%.pb-c.c)
GEN_C := $(PROTO_C) $(B)/gen/catalog_data.c $(B)/gen/prices_data.c $(B)/gen/tls_signatures_data.c $(B)/gen/reports_data.c
GEN_H := $(PROTO_C:.c=.h)
BPF_SRCS := $(wildcard bpf/*.bpf.c)
SKEL := $(B)/gen/probity.skel.h

UNIT := $(shell find tests/unit -name 'test_*.c' 2>/dev/null | LC_ALL=C sort)
FUZZ := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_TARGETS := $(if $(TARGET),fuzz_$(TARGET:fuzz_%=%),$(FUZZ:tests/fuzz/%.c=%))
BENCH := $(wildcard tests/bench/bench_*.c)
PROGS := $(B)/probityd $(B)/probity-collector $(B)/probity

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help all deps run check unit system clients vmtest bench fuzz lint format install uninstall clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n",$$1,$$2}' Makefile

all: $(PROGS) ## build agent, collector and CLI into build/
	@:

deps: ## install what the build and the tests need (Debian packages)
	$(Q)packaging/deps.sh

run: deps ## install, build, start collector and agent on this host, show its AI calls until Ctrl-C
	$(Q)$(MAKE) --no-print-directory all
	$(Q)packaging/run.sh $(B)

check: deps ## install, build, run all tests
	$(Q)$(MAKE) --no-print-directory all tests-built
	$(Q)tests/run $(B)

unit: all unit-built ## build and run the unit tests only
	$(Q)tests/run $(B) unit

system: all sys-built ## run the system tests only
	$(Q)tests/run $(B) system

clients: ## run real AI clients (npm, Debian) under the agent, compare every call, deny every call
	$(Q)packaging/deps.sh clients
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/clients/run --build $(B) --warm --json $(B)/clients.json
	$(Q)tests/clients/run --build $(B) --mcp --json $(B)/clients-mcp.json
	$(Q)tests/clients/run --build $(B) --deny --json $(B)/clients-deny.json

vmtest: deps ## boot the supported kernels in QEMU; capture and every gate in each
	$(Q)$(MAKE) --no-print-directory all vm-progs sys-built
	$(Q)vmtests/run $(B)

bench: ## measure overhead and losses as ratios against a limit or a peer; VM=0 leaves out the guest
	$(Q)packaging/deps.sh bench
	$(Q)$(MAKE) --no-print-directory all bench-built vm-progs
	$(Q)tests/bench/run $(B) $(if $(filter 0,$(VM)),,beside)

SECS ?= 30
fuzz: $(FUZZ_TARGETS:%=$(B)/fuzz/%) ## run every fuzzer (or TARGET=name) for SECS seconds (default 30)
	$(Q)tests/fuzz/run $(B) $(SECS) $(FUZZ_TARGETS)

lint: ## formatting, include direction, shell syntax
	$(Q)tests/lint

format: ## rewrite sources with clang-format
	$(Q)find user bpf proto tests vmtests -name '*.[ch]' -not -path 'bpf/vmlinux/*' | xargs clang-format -i

install: all ## install into DESTDIR/PREFIX
	$(Q)packaging/install.sh $(B) "$(DESTDIR)" "$(PREFIX)"

uninstall: ## remove what install put there (keeps keys and records)
	$(Q)packaging/install.sh --remove $(B) "$(DESTDIR)" "$(PREFIX)"

clean: ## remove build/
	$(Q)rm -rf $(B)

# --- generated -------------------------------------------------------------------------------

$(B)/gen/proto/%.pb-c.c $(B)/gen/proto/%.pb-c.h: proto/%.proto
	$(call say,PROTO,$<)mkdir -p $(@D) && protoc-c -I proto --c_out=$(B)/gen/proto $<

$(B)/gen/gen_catalog: $(wildcard user/classify/gen_*.c) $(wildcard user/classify/gen_*.h) user/classify/catalog_data.h
	$(call say,HOSTCC,$<)mkdir -p $(@D) && $(CC) $(BASE) -O1 -o $@ $(filter %.c,$^) -lyaml -lcrypto -lhs

$(B)/gen/catalog_data.c: policies/catalog.yaml $(B)/gen/gen_catalog
	$(call say,GEN,$@)$(B)/gen/gen_catalog $< > $@

$(B)/gen/price_gen: $(addprefix user/classify/,price_gen.c price_load.c gen_load.c gen_yaml.c) $(wildcard user/classify/*.h)
	$(call say,HOSTCC,$<)mkdir -p $(@D) && $(CC) $(BASE) -O1 -o $@ $(filter %.c,$^) -lyaml -lhs

$(B)/gen/prices_data.c: policies/catalog.yaml policies/prices.yaml $(B)/gen/price_gen
	$(call say,GEN,$@)$(B)/gen/price_gen policies/catalog.yaml policies/prices.yaml > $@

# The resolver's own loader reads the file, so what it refuses stops the build.
$(B)/gen/gen_signatures: $(addprefix user/agent/discover/,gen_signatures.c signatures.c signatures_yaml.c) \
		user/policy/yaml_doc.c user/policy/arena.c $(wildcard user/agent/discover/*.h) proto/event.h
	$(call say,HOSTCC,$<)mkdir -p $(@D) && $(CC) $(BASE) -O1 -o $@ $(filter %.c,$^) -lyaml

$(B)/gen/tls_signatures_data.c: policies/tls-signatures.yaml $(B)/gen/gen_signatures
	$(call say,GEN,$@)$(B)/gen/gen_signatures $< > $@

# Frameworks and style sheet of reports, as they stand.
REPORTS := $(wildcard policies/reports/*.yaml) user/report/style.css
$(B)/gen/reports_data.c: $(REPORTS) user/report/embed.sh
	$(call say,GEN,$@)mkdir -p $(@D) && user/report/embed.sh $(REPORTS) > $@

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h bpf/lib/*.h proto/*.h)
	$(call say,BPF,$<)mkdir -p $(@D) && $(CLANG) -g -O2 -target bpf -D__TARGET_ARCH_$(ARCH) -D__bpf__ \
		-Wall -Werror -Wno-missing-declarations -Ibpf/vmlinux/$(ARCH) -Ibpf -I. -c $< -o $@

# What takes the verifier longest comes last: after a refusal the agent loads all it can do with anew.
BPF_LAST := $(filter bpf/tls%,$(BPF_SRCS)) bpf/net.bpf.c
BPF_ORDER := $(filter-out $(BPF_LAST),$(BPF_SRCS)) $(BPF_LAST)
$(B)/bpf/probity.o: $(BPF_ORDER:bpf/%.bpf.c=$(B)/bpf/%.bpf.o)
	$(call say,BPFLINK,$@)$(BPFTOOL) gen object $@ $^

$(SKEL): $(B)/bpf/probity.o
	$(call say,SKEL,$@)mkdir -p $(@D) && $(BPFTOOL) gen skeleton $< name probity_bpf > $@

# --- objects, one set per variant ------------------------------------------------------------

define variant
OBJS_$(1) := $(SRCS:%.c=$(B)/$(1)/%.o) $(GEN_C:$(B)/gen/%.c=$(B)/$(1)/gen/%.o)
$(B)/$(1)/%.o: %.c | $(GEN_H) $(SKEL)
	$$(call say,CC-$(1),$$<)mkdir -p $$(@D) && $(CC) $$(CFLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(B)/$(1)/gen/%.o: $(B)/gen/%.c | $(GEN_H)
	$$(call say,CC-$(1),$$<)mkdir -p $$(@D) && $(CC) $$(CFLAGS_$(1)) -Wno-error -w -c $$< -o $$@
$(B)/$(1)/libprobity.a: $$(OBJS_$(1))
	$$(call say,AR,$$@)rm -f $$@ && ar rcs $$@ $$^
endef
$(eval $(call variant,rel))
$(eval $(call variant,san))

link = $(call say,LD,$@)mkdir -p $(@D) && $(CC) $(LDFLAGS_$(1)) -o $@ $^ $(PKG_LIBS)

$(B)/probityd: $(B)/rel/user/agent/probityd.o $(B)/rel/libprobity.a
	$(call link,rel)
$(B)/probity-collector: $(B)/rel/user/collector/probity_collector.o $(B)/rel/libprobity.a
	$(call link,rel)
$(B)/probity: $(B)/rel/user/cli/main.o $(B)/rel/libprobity.a
	$(call link,rel)

# --- tests -----------------------------------------------------------------------------------

UNIT_BINS := $(UNIT:tests/unit/%.c=$(B)/unit/%)
FUZZ_BINS := $(FUZZ:tests/fuzz/%.c=$(B)/replay/%)
BENCH_BINS := $(BENCH:tests/bench/%.c=$(B)/bench/%)
SYS_PROGS := $(patsubst tests/system/%.c,$(B)/tests-system/%,$(wildcard tests/system/*.c))
.PHONY: tests-built unit-built bench-built sys-built
sys-built: $(SYS_PROGS) $(B)/bpf-tests/bpf_check $(B)/bpf-tests/layout_check $(B)/bpf-tests/gate_check $(B)/bpf-tests/net_check $(B)/bpf-tests/connect_check \
	$(B)/bpf-tests/sslstub.so $(B)/bpf-tests/layoutstub.so
unit-built: $(UNIT_BINS) $(FUZZ_BINS)
tests-built: unit-built sys-built
bench-built: $(BENCH_BINS) $(B)/bench/tlsstub.so $(B)/bench/empty.bpf.o

$(B)/unit/%: $(B)/san/tests/unit/%.o $(B)/san/libprobity.a
	$(call say,LD,$@)mkdir -p $(@D) && $(CC) $(LDFLAGS_san) -o $@ $^ $(PKG_LIBS) -lcmocka
$(B)/tests-system/%: $(B)/rel/tests/system/%.o $(B)/rel/libprobity.a
	$(call link,rel)
$(B)/bpf-tests/%: $(B)/rel/tests/bpf/%.o $(B)/rel/libprobity.a
	$(call link,rel)
$(B)/bpf-tests/%.so: tests/bpf/%.c
	$(call say,LD,$@)mkdir -p $(@D) && $(CC) -O2 -shared -fPIC -o $@ $<
# A fuzz target without libFuzzer: replays the files it is given.
$(B)/replay/%: $(B)/san/tests/fuzz/%.o $(B)/san/tests/fuzz/main.o $(B)/san/libprobity.a
	$(call link,san)
$(B)/bench/tlsstub.so: tests/bench/tlsstub.c
	$(call say,LD,$@)mkdir -p $(@D) && $(CC) -O2 -shared -fPIC -fcf-protection=none -o $@ $<
$(B)/bench/empty.bpf.o: tests/bench/empty.bpf.c
	$(call say,BPF,$@)mkdir -p $(@D) && $(CLANG) -g -O2 -target bpf -D__TARGET_ARCH_$(ARCH) -Ibpf/vmlinux/$(ARCH) -c $< -o $@
$(B)/bench/%: $(B)/rel/tests/bench/%.o $(B)/rel/libprobity.a
	$(call link,rel)

# With libFuzzer, sanitizers and counted lines: all sources once, then one link a target.
FUZZ_FLAGS := $(BASE) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fprofile-instr-generate -fcoverage-mapping -w
$(B)/fuzz/obj/%.o: %.c | $(GEN_H) $(SKEL)
	$(call say,CC-fuzz,$<)mkdir -p $(@D) && $(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@
$(B)/fuzz/obj/gen/%.o: $(B)/gen/%.c | $(GEN_H)
	$(call say,CC-fuzz,$<)mkdir -p $(@D) && $(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@
$(B)/fuzz/libprobity.a: $(SRCS:%.c=$(B)/fuzz/obj/%.o) $(GEN_C:$(B)/gen/%.c=$(B)/fuzz/obj/gen/%.o)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
$(B)/fuzz/fuzz_%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(B)/fuzz/libprobity.a
	$(call say,LD,$@)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -Wl,--as-needed -o $@ $^ $(PKG_LIBS)

# The resolver's unit test for aarch64, run under emulation by tests/system/test_tls_selftest. Only
# pure files and no library: tests/aarch64/cmocka.h stands in for cmocka.
CROSS := aarch64-linux-gnu-gcc
CROSS_SRCS := $(addprefix user/agent/discover/,arch.c arch_aarch64.c by_asm.c by_gopclntab.c by_methods.c by_reference.c \
	by_symbol.c elf_image.c elf_tables.c fixture.c resolve.c search.c selftest.c signatures.c texts.c)
$(B)/tests-system/test_resolve_aarch64: tests/unit/agent/discover/test_resolve.c tests/aarch64/cmocka.h \
		$(CROSS_SRCS) $(B)/gen/tls_signatures_data.c $(wildcard user/agent/discover/*.h)
	$(call say,CROSS,$@)mkdir -p $(@D) && $(CROSS) -std=gnu11 -D_GNU_SOURCE -DPROBITY_NO_X86 -g -O2 -static -Itests/aarch64 -Iuser -I. \
		$(WARN) -o $@ $(filter %.c,$^)
sys-built: $(B)/tests-system/test_resolve_aarch64

# Programs that run inside the test guests (vmtests/).
VM_PROGS := $(patsubst vmtests/progs/%.c,$(B)/vm/progs/%,$(wildcard vmtests/progs/*.c))
.PHONY: vm-progs
vm-progs: $(VM_PROGS)
$(B)/vm/progs/%: vmtests/progs/%.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(CFLAGS_rel) $(LDFLAGS_rel) -o $@ $< -lssl -lcrypto -ljansson

-include $(shell find $(B) -name '*.d' 2>/dev/null)
