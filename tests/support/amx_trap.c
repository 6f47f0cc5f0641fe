/* amx_trap.c - the handler: decodes the instruction, checks it, carries it out, goes on behind it.
 *
 * The rules and operations are those of the instructions' pages in Intel's Software Developer's Manual, volume 2. The
 * subtlety is TDPBF16PS: even and odd elements have sums of their own that begin at zero in each instruction, by fused
 * operations that take denormals for zero and flush them, and are added to the tile last. */
#include "support/amx_trap.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, TILE_ROWS = 16, TILE_BYTES = 64 };

struct tile {
    uint8_t row[TILE_ROWS][TILE_BYTES];
};

struct config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* of tiles 0 to 7; the others reserved */
    uint8_t rows[16];
};
_Static_assert(sizeof(struct config) == 64, "the processor's layout");

static _Thread_local struct {
    struct config config;
    struct tile tile[TILES];
    bool configured;
    int64_t instructions;
    const char *broken; /* the rule */
    sigjmp_buf *back;
} state;

enum prefix { PREFIX_NONE, PREFIX_66, PREFIX_F3, PREFIX_F2 };

struct instruction {
    const greg_t *registers;
    enum prefix prefix;
    uint8_t opcode;
    bool in_memory; /* the operand */
    int reg, rm, v; /* register numbers */
    uint64_t address, stride;
    bool has_stride; /* an operand with base and index */
    int bytes;
};

static void refuse(const char *rule) {
    state.broken = rule;
    if (state.back) siglongjmp(*state.back, 1);
    fprintf(stderr, "tile instruction refused: %s\n", rule);
    abort();
}

static void require(bool fulfilled, const char *rule) {
    if (!fulfilled) refuse(rule);
}

/* ---- decoding ---- */

static uint64_t register_value(const struct instruction *in, int number) {
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)in->registers[places[number]];
}

/* Operand in memory behind the ModRM byte at code[4]; x and b extend index and base. */
static void decode_memory(const uint8_t *code, int x, int b, struct instruction *in) {
    int mod = code[4] >> 6, rm = code[4] & 7, at = 5;
    bool relative = mod == 0 && rm == 5, no_base = false;
    uint64_t address = 0;
    if (rm == 4) {
        int sib = code[at++], index = (sib >> 3 & 7) | x << 3, base = (sib & 7) | b << 3;
        in->has_stride = true;
        in->stride = index == 4 ? 0 : register_value(in, index) << (sib >> 6);
        no_base = mod == 0 && (sib & 7) == 5;
        if (!no_base) address = register_value(in, base);
    } else if (!relative) {
        address = register_value(in, rm | b << 3);
    }
    int displacement_bytes = mod == 1 ? 1 : mod == 2 || relative || no_base ? 4 : 0;
    int32_t displacement = displacement_bytes == 1 ? (int8_t)code[at] : 0;
    if (displacement_bytes == 4) memcpy(&displacement, code + at, 4);
    in->bytes = at + displacement_bytes;
    if (relative) address = (uint64_t)(uintptr_t)code + (uint64_t)in->bytes;
    in->address = address + (uint64_t)(int64_t)displacement;
}

/* False when it is no instruction of this kind. */
static bool decode(const uint8_t *code, const greg_t *registers, struct instruction *in) {
    if (code[0] != 0xc4 || (code[1] & 31) != 2) return false;
    if (code[3] != 0x49 && code[3] != 0x4b && code[3] != 0x5c && code[3] != 0x5e) return false;
    int r = !(code[1] >> 7 & 1), x = !(code[1] >> 6 & 1), b = !(code[1] >> 5 & 1);
    *in = (struct instruction){.registers = registers,
                               .prefix = (enum prefix)(code[2] & 3),
                               .opcode = code[3],
                               .in_memory = code[4] >> 6 != 3,
                               .reg = (code[4] >> 3 & 7) | r << 3,
                               .v = ~(code[2] >> 3) & 15,
                               .bytes = 5};
    require(!(code[2] & 0x80) && !(code[2] & 4), "VEX.W and VEX.L are 0");
    if (in->in_memory) {
        decode_memory(code, x, b, in);
        if (in->has_stride == false) in->stride = 0;
    } else {
        in->rm = (code[4] & 7) | b << 3;
    }
    return true;
}

/* ---- configuration ---- */

static bool all_zero(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (((const uint8_t *)bytes)[i]) return false;
    return true;
}

static void release(void) {
    memset(&state.config, 0, sizeof state.config);
    memset(state.tile, 0, sizeof state.tile);
    state.configured = false;
}

static void load_config(const struct instruction *in) {
    struct config config;
    memcpy(&config, (const void *)(uintptr_t)in->address, sizeof config);
    require(config.palette <= 1, "palette is 0 or 1");
    if (config.palette == 0) {
        release();
        return;
    }
    require(all_zero(config.reserved, sizeof config.reserved), "reserved bytes 2 to 15 are zero");
    require(all_zero(config.row_bytes + TILES, 16), "reserved bytes 32 to 47 are zero");
    require(all_zero(config.rows + TILES, 8), "reserved bytes 56 to 63 are zero");
    for (int t = 0; t < TILES; t++) {
        require(config.row_bytes[t] <= TILE_BYTES, "a row has at most 64 bytes");
        require(config.rows[t] <= TILE_ROWS, "a tile has at most 16 rows");
        require(!config.rows[t] == !config.row_bytes[t], "a tile has both rows and bytes, or neither");
    }
    release();
    state.config = config;
    state.configured = true;
}

static void store_config(const struct instruction *in) {
    memcpy((void *)(uintptr_t)in->address, &state.config, sizeof state.config);
}

static int rows_of(int tile) {
    require(tile < TILES, "there are eight tiles");
    require(state.configured, "tiles are configured");
    require(state.config.rows[tile] > 0, "the tile is configured");
    return state.config.rows[tile];
}

/* ---- moving ---- */

static uint8_t *row_address(const struct instruction *in, int row) {
    return (uint8_t *)(uintptr_t)(in->address + (uint64_t)row * in->stride);
}

static void load_tile(const struct instruction *in) {
    int rows = rows_of(in->reg);
    struct tile loaded = {0};
    require(in->has_stride, "a tile's address has a base and an index");
    for (int r = 0; r < state.config.start_row; r++)
        memcpy(loaded.row[r], state.tile[in->reg].row[r], TILE_BYTES);
    for (int r = state.config.start_row; r < rows; r++)
        memcpy(loaded.row[r], row_address(in, r), state.config.row_bytes[in->reg]);
    state.tile[in->reg] = loaded;
    state.config.start_row = 0;
}

static void store_tile(const struct instruction *in) {
    int rows = rows_of(in->reg);
    require(in->has_stride, "a tile's address has a base and an index");
    for (int r = state.config.start_row; r < rows; r++)
        memcpy(row_address(in, r), state.tile[in->reg].row[r], state.config.row_bytes[in->reg]);
    state.config.start_row = 0;
}

/* ---- products ---- */

#define WIDE __attribute__((target("avx512f,avx512bw"), noinline)) static

WIDE __m512i low_bytes(__m512i bytes, bool is_signed) {
    return is_signed ? _mm512_srai_epi16(_mm512_slli_epi16(bytes, 8), 8)
                     : _mm512_and_si512(bytes, _mm512_set1_epi16(255));
}
WIDE __m512i high_bytes(__m512i bytes, bool is_signed) {
    return is_signed ? _mm512_srai_epi16(bytes, 8) : _mm512_srli_epi16(bytes, 8);
}

/* sums[16] += the products of four inputs; sums wrap around. Columns that a tile lacks are zero and stay so. */
WIDE void add_bytes(const struct tile *a, bool a_signed, const struct tile *b, bool b_signed, int rows,
                    int steps, struct tile *to) {
    for (int m = 0; m < rows; m++) {
        __m512i sum = _mm512_loadu_si512(to->row[m]);
        for (int k = 0; k < steps; k++) {
            int four;
            memcpy(&four, a->row[m] + 4 * k, 4);
            __m512i x = _mm512_set1_epi32(four), w = _mm512_loadu_si512(b->row[k]);
            sum = _mm512_add_epi32(sum, _mm512_madd_epi16(low_bytes(x, a_signed), low_bytes(w, b_signed)));
            sum = _mm512_add_epi32(sum, _mm512_madd_epi16(high_bytes(x, a_signed), high_bytes(w, b_signed)));
        }
        _mm512_storeu_si512(to->row[m], sum);
    }
}

WIDE __m512 even_floats(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}
WIDE __m512 odd_floats(__m512i pairs) {
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
}

WIDE void add_bf16(const struct tile *a, const struct tile *b, int rows, int steps, struct tile *to) {
    for (int m = 0; m < rows; m++) {
        __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
        for (int k = 0; k < steps; k++) {
            int pair;
            memcpy(&pair, a->row[m] + 4 * k, 4);
            __m512i x = _mm512_set1_epi32(pair), w = _mm512_loadu_si512(b->row[k]);
            even = _mm512_fmadd_ps(even_floats(x), even_floats(w), even);
            odd = _mm512_fmadd_ps(odd_floats(x), odd_floats(w), odd);
        }
        __m512 sum = _mm512_add_ps(_mm512_loadu_ps(to->row[m]), _mm512_add_ps(even, odd));
        _mm512_storeu_ps(to->row[m], sum);
    }
}

static void flush_and_add_bf16(const struct tile *a, const struct tile *b, int rows, int steps,
                               struct tile *to) {
    const unsigned flushed_masked_nearest = 0x9fc0;
    unsigned before = _mm_getcsr();
    _mm_setcsr(flushed_masked_nearest);
    add_bf16(a, b, rows, steps, to);
    _mm_setcsr(before);
}

static void multiply(const struct instruction *in) {
    const struct config *config = &state.config;
    int rows = rows_of(in->reg), steps = rows_of(in->v);
    require(rows == rows_of(in->rm), "the first factor has the rows of the result");
    require(in->reg != in->rm && in->reg != in->v && in->rm != in->v, "the three tiles are different ones");
    require(config->row_bytes[in->reg] % 4 == 0 && config->row_bytes[in->rm] % 4 == 0,
            "rows are whole words");
    require(config->row_bytes[in->reg] == config->row_bytes[in->v],
            "the second factor has the columns of the result");
    require(config->row_bytes[in->rm] / 4 == steps, "the first factor has a word for each row of the second");
    struct tile result = state.tile[in->reg];
    const struct tile *a = &state.tile[in->rm], *b = &state.tile[in->v];
    if (in->opcode == 0x5c) {
        require(in->prefix == PREFIX_F3, "the product of 16-bit numbers is TDPBF16PS");
        flush_and_add_bf16(a, b, rows, steps, &result);
    } else {
        bool a_signed = in->prefix == PREFIX_F2 || in->prefix == PREFIX_F3,
             b_signed = in->prefix == PREFIX_F2 || in->prefix == PREFIX_66;
        add_bytes(a, a_signed, b, b_signed, rows, steps, &result);
    }
    for (int r = 0; r < rows; r++)
        memcpy(state.tile[in->reg].row[r], result.row[r], config->row_bytes[in->reg]);
    state.config.start_row = 0;
}

/* ---- the signal ---- */

static void carry_out(const struct instruction *in) {
    bool product = in->opcode == 0x5c || in->opcode == 0x5e;
    require(product || in->v == 0, "VEX.vvvv is unused");
    require(!product || !in->in_memory, "factors are tiles");
    if (product) {
        multiply(in);
    } else if (in->opcode == 0x4b) {
        require(in->in_memory && in->prefix != PREFIX_NONE, "a tile is moved to or from memory");
        if (in->prefix == PREFIX_F3)
            store_tile(in);
        else
            load_tile(in);
    } else if (in->in_memory) {
        require(in->reg == 0 && (in->prefix == PREFIX_NONE || in->prefix == PREFIX_66),
                "a configuration is moved");
        if (in->prefix == PREFIX_NONE)
            load_config(in);
        else
            store_config(in);
    } else if (in->prefix == PREFIX_NONE) {
        require(in->reg == 0 && in->rm == 0, "TILERELEASE has no operand");
        release();
    } else {
        require(in->prefix == PREFIX_F2, "the last one is TILEZERO");
        rows_of(in->reg);
        memset(&state.tile[in->reg], 0, sizeof state.tile[in->reg]);
    }
}

static void handle(int number, siginfo_t *info, void *context) {
    ucontext_t *interrupted = context;
    greg_t *registers = interrupted->uc_mcontext.gregs;
    struct instruction in;
    (void)info;
    if (!decode((const uint8_t *)(uintptr_t)registers[REG_RIP], registers, &in)) {
        signal(number, SIG_DFL); /* another illegal instruction: it ends the program when it comes again */
        return;
    }
    carry_out(&in);
    state.instructions++;
    registers[REG_RIP] += in.bytes;
}

bool amx_trap_install(void) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vnni") ||
        !__builtin_cpu_supports("avx512vbmi") || !__builtin_cpu_supports("avx512bf16"))
        return false;
    return sigaction(SIGILL, &action, NULL) == 0;
}

int64_t amx_trap_instructions(void) {
    return state.instructions;
}

bool amx_trap_configured(void) {
    return state.configured;
}

const char *amx_trap_try(void (*work)(void *context), void *context) {
    sigjmp_buf back;
    state.broken = NULL;
    if (sigsetjmp(back, 1) == 0) {
        state.back = &back;
        work(context);
    }
    state.back = NULL;
    return state.broken;
}
#else
bool amx_trap_install(void) {
    return false;
}
int64_t amx_trap_instructions(void) {
    return 0;
}
bool amx_trap_configured(void) {
    return false;
}
const char *amx_trap_try(void (*work)(void *context), void *context) {
    work(context);
    return 0;
}
#endif
