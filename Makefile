# hadal: one build directory per configuration.
#   make                        build/hadal, build/libhadal.a
#   make SAN=address,undefined  build-address-undefined/hadal
#   make DEBUG=1                build-debug/hadal
CC ?= gcc
B := build$(if $(DEBUG),-debug)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
comma := ,

PACKAGES := jansson libpcre2-8 libutf8proc libsodium libxxhash libedit
CFLAGS_STRICT := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wno-missing-field-initializers $(if $(WERROR),-Werror)
# Contraction would let the compiler decide where a multiply-add rounds once: kernels say it themselves.
CFLAGS_MODE := $(if $(DEBUG)$(SAN),-O1 -g,-O2 -g) -ffp-contract=off -fno-math-errno -fno-trapping-math
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -Isrc -Iinclude -fPIC -fvisibility=hidden -pthread $(CFLAGS_STRICT) $(CFLAGS_MODE) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer) \
	$(shell pkg-config --cflags $(PACKAGES)) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lm -pthread

SOURCES := $(shell find src -name '*.c')
CLI_SOURCES := $(filter src/cli/%,$(SOURCES))
LIB_SOURCES := $(filter-out src/cli/%,$(SOURCES))
LIB_OBJECTS := $(LIB_SOURCES:%.c=$B/%.o)
CLI_OBJECTS := $(CLI_SOURCES:%.c=$B/%.o)

all: $B/hadal $B/libhadal.a

$B/src/kernel/x86/avx2/%.o: LEVEL_FLAGS := -mavx2 -mfma -mf16c
$B/src/kernel/x86/avx512/%.o: LEVEL_FLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LEVEL_FLAGS) -MMD -MP -c $< -o $@

$B/libhadal.a: $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$B/hadal: $(CLI_OBJECTS) $B/libhadal.a
	$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS)

# Every tests/**/test_*.c is one program that ends with a cmocka summary.
TEST_SOURCES := $(shell find tests -name 'test_*.c')
TESTS := $(TEST_SOURCES:%.c=$B/%)
TEST_SUPPORT := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
$B/tests/%: $B/tests/%.o $(TEST_SUPPORT) $B/libhadal.a
	$(CC) $(CFLAGS_ALL) $^ -o $@ $(LIBS) -lcmocka
$(TESTS:%=%.o) $(TEST_SUPPORT): CFLAGS_STRICT += -Itests

tests: $(TESTS)

clean:
	rm -rf build build-*

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all tests clean
.SECONDARY:
