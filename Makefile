# hadal: one build directory per configuration.
#
#   make                        build/hadal, build/libhadal.a, build/libhadal.so.*
#   make run [MODEL=path]       install what is missing, build, chat in the terminal and on a page
#   make test                   install what is missing, build, run every test
#   make test-long              the same under sanitizers and valgrind, fuzzing, clang
#   make install PREFIX= DESTDIR=   and make uninstall
#   make lint, make format      structure and format checks; clang-format in place
#
#   make DEBUG=1                build-debug/
#   make SAN=address,undefined  build-address-undefined/
#   make CC=clang               build-clang/
#   make FUZZ=1                 build-fuzz/tests/fuzz/fuzz_* (clang's libFuzzer); make fuzz runs them
#   make MPI=1                  build-mpi/: hadal train under mpirun; make MPI=1 test starts several ranks, too
#   make WERROR=1               warnings are errors; always so where the environment says CI
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
ifeq ($(origin CC),default)
CC := $(if $(FUZZ),clang,gcc)
endif
comma := ,
override SAN := $(if $(FUZZ),fuzzer-no-link$(comma)address$(comma)undefined,$(SAN))
WERROR ?= $(CI)

COMPILER := $(filter-out gcc cc,$(notdir $(CC)))
B := build$(if $(MPI),-mpi)$(if $(DEBUG),-debug)$(if $(FUZZ),-fuzz,$(COMPILER:%=-%)$(if $(SAN),-$(subst $(comma),-,$(SAN))))
VERSION := $(shell sed -n 's/^.define HADAL_VERSION "\(.*\)"/\1/p' src/base/version.h)
SONAME := libhadal.so.$(firstword $(subst ., ,$(VERSION)))

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man

# Asked once, and only by a goal that compiles: make test may have to install these first.
PACKAGES := jansson libpcre2-8 libutf8proc libsodium libxxhash libedit
# What the server alone needs: the library that others link does without.
SERVER_PACKAGES := libevent libevent_openssl openssl sqlite3 libpq libcurl libxml-2.0
packages_ask = $(if $(shell pkg-config --exists $(PACKAGES) $(SERVER_PACKAGES) || echo missing),$(error libraries are missing: run tools/setup.sh),$(shell \
	pkg-config $1 $(PACKAGES)))
headers_ask = $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $1))
server_ask = $(shell pkg-config --libs $(SERVER_PACKAGES)) -lhttp_parser
PACKAGES_CFLAGS = $(eval PACKAGES_CFLAGS := $(call packages_ask,--cflags) $(call headers_ask,libxml-2.0))$(PACKAGES_CFLAGS)
PACKAGES_LIBS = $(eval PACKAGES_LIBS := $(call packages_ask,--libs))$(PACKAGES_LIBS)

# Only the file that speaks MPI sees its headers; what links the library needs its library.
MPI_CFLAGS = $(call headers_ask,ompi-c)
MPI_LIBS = $(if $(MPI),$(eval MPI_LIBS := $(shell pkg-config --libs ompi-c || echo missing))$(if \
	$(filter missing,$(MPI_LIBS)),$(error MPI is missing: run tools/setup.sh mpi),$(MPI_LIBS)))

CFLAGS_STRICT := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wno-missing-field-initializers $(if $(WERROR),-Werror)
# Contraction would let the compiler decide where a multiply-add rounds once: kernels say it themselves.
CFLAGS_MODE := $(if $(DEBUG)$(SAN),-O1 -g,-O2 -g) -ffp-contract=off -fno-math-errno -fno-trapping-math
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -Isrc -Iinclude -fPIC -fvisibility=hidden -pthread $(CFLAGS_STRICT) $(CFLAGS_MODE) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer) \
	$(PACKAGES_CFLAGS) $(CFLAGS)
SERVER_LIBS = $(eval SERVER_LIBS := $(server_ask))$(SERVER_LIBS)
LIBS = $(PACKAGES_LIBS) $(MPI_LIBS) -lm -pthread
ALL_LIBS = $(SERVER_LIBS) $(LIBS)

# The vector kernels are for x86-64; elsewhere the scalar ones are all there is.
FAMILY := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
SOURCES := $(filter-out $(if $(filter x86_64,$(FAMILY)),,src/kernel/x86/%) $(if $(MPI),,src/comm/mpi.c),$(shell find src -name '*.c'))
CLI_SOURCES := $(filter src/cli/%,$(SOURCES))
LIB_SOURCES := $(filter-out src/cli/%,$(SOURCES))
LIB_OBJECTS := $(LIB_SOURCES:%.c=$B/%.o) $B/src/server/account/price_history.o $B/web/assets.o
SHARED_OBJECTS := $(filter-out $B/src/server/% $B/src/hub/% $B/web/%,$(LIB_OBJECTS))
CLI_OBJECTS := $(CLI_SOURCES:%.c=$B/%.o)
SHARED_LIB := $B/libhadal.so.$(VERSION)

ifdef FUZZ
all: fuzzers
else
all: $B/hadal $B/libhadal.a $(if $(SAN),,$(SHARED_LIB))
endif

$B/src/kernel/x86/avx2/%.o: LEVEL_FLAGS := -mavx2 -mfma -mf16c
$B/src/kernel/x86/avx512/%.o: LEVEL_FLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c
$B/src/kernel/x86/avx512/panel.o $B/src/kernel/x86/avx512/panel_low.o: LEVEL_FLAGS += -mavx512vnni
$B/src/kernel/x86/avx512/peak_products.o: LEVEL_FLAGS += -mavx512vnni -mavx512bf16
$B/src/kernel/x86/amx/%.o: LEVEL_FLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c \
	-mavx512vbmi -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16

$B/src/comm/mpi.o: CFLAGS_CHECKS = $(MPI_CFLAGS)
$B/src/comm/comm.o: CFLAGS_CHECKS := $(if $(MPI),-DHADAL_MPI)

# The history of prices as a string of the program.
$B/src/server/account/price_history.c: prices/deepseek.json
	@mkdir -p $(@D)
	{ echo '#include "server/account/price.h"'; echo 'const char price_history[] ='; \
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/    "&\\n"/' $<; echo '    ;'; } > $@
$B/src/server/account/price_history.o: $B/src/server/account/price_history.c
	$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# Checks of every pointer make compilers spend minutes on these unrolled loops; the address sanitizer sees what they read.
$B/src/kernel/x86/%/panel.o $B/src/kernel/x86/%/panel_low.o: CFLAGS_CHECKS := $(if $(findstring undefined,$(SAN)),\
	-fno-sanitize=null$(comma)alignment$(comma)object-size$(comma)pointer-overflow)

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LEVEL_FLAGS) $(CFLAGS_CHECKS) -MMD -MP -c $< -o $@

# The pages of the browser, as bytes of the program.
$B/web/assets.c: tools/embed.sh $(shell find web -type f)
	tools/embed.sh $@
$B/web/assets.o: $B/web/assets.c
	$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$B/libhadal.a: $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$B/hadal: $(CLI_OBJECTS) $B/libhadal.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@ $(ALL_LIBS)

$(SHARED_LIB): $(SHARED_OBJECTS) tools/hadal.map
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=tools/hadal.map -Wl,-z,defs \
		$(SHARED_OBJECTS) -o $@ $(LIBS)

# ---- recipes ----
# The generator of the exercises that recipes/reasoner learns from.
$B/reasoner-tasks: $(patsubst %.c,$B/%.o,$(wildcard recipes/reasoner/tasks/*.c))
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@ $(ALL_LIBS)
# Of recipes/zero.
$B/zero-parity: $B/recipes/zero/parity.o
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@
recipes: $B/reasoner-tasks $B/zero-parity

# ---- measuring ----
# Masks of tokens over files of schemas: docs/BENCHMARKS.md.
$B/masks: $B/bench/masks.o $B/libhadal.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@ $(ALL_LIBS)
benches: $B/masks

# ---- tests ----
# tests/**/test_*.c are programs that end with a cmocka summary; those under unit/cli may use the command line's parts.
TEST_SOURCES := $(shell find tests -name 'test_*.c')
TESTS := $(TEST_SOURCES:%.c=$B/%)
TEST_SUPPORT := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
FUZZ_TARGETS := $(patsubst %.c,$B/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_SCRIPTS := $(wildcard tests/cli/test_*.sh tests/api/test_*.sh tests/web/test_*.sh $(if $(MPI),tests/ranks/test_*.sh))
CHECKS := $(wildcard tools/check_*.sh)

$B/tests/%: $B/tests/%.o $(TEST_SUPPORT) $B/libhadal.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@ $(ALL_LIBS) -lcmocka
$B/tests/unit/cli/%: $B/tests/unit/cli/%.o $(TEST_SUPPORT) $B/libcli.a $B/libhadal.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@ $(ALL_LIBS) -lcmocka
# One that refuses memory: what this code asks for goes through the test.
$B/tests/unit/train/test_rank_memory: LDFLAGS += $(foreach name,malloc calloc realloc aligned_alloc,-Wl$(comma)--wrap=$(name))
$B/libcli.a: $(filter-out $B/src/cli/main.o,$(CLI_OBJECTS))
	@rm -f $@
	ar rcs $@ $^
# Without libFuzzer a fuzz target replays the inputs that it is given.
$B/tests/fuzz/fuzz_%: $B/tests/fuzz/fuzz_%.o $(if $(FUZZ),,$B/tests/fuzz/replay.o) $(TEST_SUPPORT) $B/libhadal.a
	$(CC) $(CFLAGS_ALL) $(if $(FUZZ),-fsanitize=fuzzer) $(LDFLAGS) $^ -o $@ $(ALL_LIBS) -lcmocka
$(TESTS:%=%.o) $(TEST_SUPPORT) $(FUZZ_TARGETS:%=%.o) $B/tests/fuzz/replay.o: CFLAGS_STRICT += -Itests

tests: $(TESTS)
fuzzers: $(FUZZ_TARGETS)

# What make test runs once the packages are there.
run-tests: all tests fuzzers recipes benches
	tools/run_tests.sh $B $(CHECKS) $(TESTS) $(FUZZ_TARGETS) $(TEST_SCRIPTS)

test:
	tools/setup.sh build test $(if $(MPI),mpi)
	+$(MAKE) --no-print-directory run-tests

# Of these only what starts several ranks.
test-ranks:
	tools/setup.sh build mpi
	+$(MAKE) --no-print-directory MPI=1 all
	tools/run_tests.sh build-mpi $(wildcard tests/ranks/test_*.sh)

test-long:
	tools/setup.sh build test long
	+tools/test_long.sh

FUZZ_SECONDS ?= 60
fuzz:
	tools/setup.sh build test long
	+$(MAKE) --no-print-directory FUZZ=1 fuzzers
	tools/fuzz.sh build-fuzz $(FUZZ_SECONDS)

run:
	tools/setup.sh build
	+$(MAKE) --no-print-directory all
	tools/run.sh $B $(MODEL)

lint:
	+$(MAKE) --no-print-directory all
	tools/run_tests.sh $B $(CHECKS)

format:
	find src include tests examples recipes bench -name '*.[ch]' -print0 | xargs -0 clang-format -i

# ---- installing ----
$B/hadal.1: $B/hadal
	$B/hadal --man > $@

# One relocatable object in which everything but the interface is local: a program that links the archive may have a
# fail() of its own.
$B/install/libhadal.a: $(SHARED_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(CC) -r -nostdlib $(SHARED_OBJECTS) -o $B/install/hadal.o
	objcopy --localize-hidden $B/install/hadal.o
	ar rcs $@ $B/install/hadal.o

install: all $B/hadal.1 $B/install/libhadal.a
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(MANDIR)/man1
	install $B/hadal $(DESTDIR)$(BINDIR)/hadal
	install -m 644 $B/install/libhadal.a $(DESTDIR)$(LIBDIR)/libhadal.a
	install $(SHARED_LIB) $(DESTDIR)$(LIBDIR)/$(notdir $(SHARED_LIB))
	ln -sf $(notdir $(SHARED_LIB)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libhadal.so
	install -m 644 include/hadal.h $(DESTDIR)$(INCLUDEDIR)/hadal.h
	sed -e 's|@prefix@|$(PREFIX)|' -e 's|@libdir@|$(LIBDIR)|' -e 's|@includedir@|$(INCLUDEDIR)|' \
		-e 's|@version@|$(VERSION)|' -e 's|@packages@|$(PACKAGES)$(if $(MPI), ompi-c)|' tools/hadal.pc.in \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/hadal.pc
	install -m 644 $B/hadal.1 $(DESTDIR)$(MANDIR)/man1/hadal.1
	install -d $(DESTDIR)$(DATADIR)/hadal/reasoner
	install -m 644 models/reasoner/* $(DESTDIR)$(DATADIR)/hadal/reasoner
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then PATH=$$PATH:/sbin ldconfig; fi

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/hadal $(DESTDIR)$(LIBDIR)/libhadal.a $(DESTDIR)$(LIBDIR)/libhadal.so \
		$(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(notdir $(SHARED_LIB)) \
		$(DESTDIR)$(LIBDIR)/pkgconfig/hadal.pc $(DESTDIR)$(INCLUDEDIR)/hadal.h $(DESTDIR)$(MANDIR)/man1/hadal.1
	rm -rf $(DESTDIR)$(DATADIR)/hadal

clean:
	rm -rf build build-*

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all recipes benches tests fuzzers run-tests test test-ranks test-long fuzz run lint format install uninstall clean
.SECONDARY:
