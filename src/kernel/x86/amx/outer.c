/* outer.c - sums of outer products of floats with matrix tiles. Factors are rounded to bf16 while they are laid out in
 * the order of tiles; sums stay in float: two by two tiles of 16 x 16 while 32 keys an instruction pass by.
 *
 * Keys are taken in blocks of KEYS and columns in blocks of COLUMNS, counted from the first; rows do not know of each
 * other. So the bits of a value depend on its own row, its own column and the number of keys. */
#include "kernel/level.h"
#include "kernel/x86/amx/tile.h"

#include <immintrin.h>
#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    TILE = 16,
    TILE_KEYS = 32,
    TILE_BYTES = TILE_ROWS * TILE_ROW_BYTES,
    KEYS = 512,
    COLUMNS = 512,
    BLOCK = 2 * TILE, /* rows and columns of the sums that tiles hold together */
    KEY_TILES = KEYS / TILE_KEYS
};

/* What scratch holds: both factors of a block, tile after tile. */
struct packed {
    uint8_t a[2][KEY_TILES][TILE_BYTES];              /* rows of 32 keys */
    uint8_t b[COLUMNS / TILE][KEY_TILES][TILE_BYTES]; /* pairs of keys by 16 columns */
    float edge[BLOCK][BLOCK];                         /* of sums that reach beyond the result */
};
_Static_assert(sizeof(struct packed) <= (size_t)OUTER_SCRATCH_FLOATS * sizeof(float),
               "scratch is large enough");

INLINE int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

INLINE __mmask16 first_lanes(int64_t count) {
    return count >= TILE ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/* To nearest, ties to even, in the upper half of each lane; the lower half is of no meaning. */
INLINE __m512i rounded(__m512 x) {
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
}

/* Pairs of keys: `first` below, `second` above. */
INLINE __m512i pairs(__m512 first, __m512 second) {
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    return _mm512_or_si512(_mm512_srli_epi32(rounded(first), 16), _mm512_and_si512(rounded(second), upper));
}

/* Keys [0, keys) by `lanes` values that lie together: pair k / 2 of the tile. Missing ones are zero. */
INLINE __m512i load_pair(const float *from, int64_t stride, int64_t key, int64_t keys, __mmask16 lanes) {
    __m512 first = key < keys ? _mm512_maskz_loadu_ps(lanes, from + key * stride) : _mm512_setzero_ps();
    __m512 second =
        key + 1 < keys ? _mm512_maskz_loadu_ps(lanes, from + (key + 1) * stride) : _mm512_setzero_ps();
    return pairs(first, second);
}

static void pack_columns(const float *from, int64_t stride, int64_t keys, int64_t columns, uint8_t *tile) {
    __mmask16 lanes = first_lanes(columns);
    for (int64_t k = 0; k < TILE_KEYS; k += 2)
        _mm512_store_si512(tile + k / 2 * TILE_ROW_BYTES, load_pair(from, stride, k, keys, lanes));
}

/* Rows whose keys lie together. */
static void pack_rows(const float *from, int64_t stride, int64_t rows, int64_t keys, uint8_t *tile) {
    const __m512i odd_words = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33,
                                               31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    for (int64_t r = 0; r < TILE; r++) {
        __m512i low = _mm512_setzero_si512(), high = low;
        if (r < rows) {
            low = rounded(_mm512_maskz_loadu_ps(first_lanes(keys), from + r * stride));
            high = rounded(_mm512_maskz_loadu_ps(first_lanes(keys - TILE), from + r * stride + TILE));
        }
        _mm512_store_si512(tile + r * TILE_ROW_BYTES, _mm512_permutex2var_epi16(low, odd_words, high));
    }
}

/* One step of a transposition: four rows of 16 become four whose 128-bit parts are columns. */
INLINE void turn_four(__m512i *v) {
    __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm512_unpacklo_epi64(a, c);
    v[1] = _mm512_unpackhi_epi64(a, c);
    v[2] = _mm512_unpacklo_epi64(b, d);
    v[3] = _mm512_unpackhi_epi64(b, d);
}

/* Keys whose rows lie together: pairs as in pack_columns(), then 16 x 16 of them transposed. */
static void pack_transposed(const float *from, int64_t stride, int64_t rows, int64_t keys, uint8_t *tile) {
    __m512i v[TILE];
    __mmask16 lanes = first_lanes(rows);
#pragma GCC unroll 16
    for (int k = 0; k < TILE; k++) v[k] = load_pair(from, stride, 2 * k, keys, lanes);
#pragma GCC unroll 4
    for (int i = 0; i < TILE; i += 4) turn_four(v + i);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) { /* v[4 i + j] holds columns j, j + 4, ... of rows 4 i to 4 i + 3 */
        __m512i a = _mm512_shuffle_i32x4(v[j], v[4 + j], 0x88),
                b = _mm512_shuffle_i32x4(v[j], v[4 + j], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0x88),
                d = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], 0xdd);
        _mm512_store_si512(tile + (j + 0) * TILE_ROW_BYTES, _mm512_shuffle_i32x4(a, c, 0x88));
        _mm512_store_si512(tile + (j + 4) * TILE_ROW_BYTES, _mm512_shuffle_i32x4(b, d, 0x88));
        _mm512_store_si512(tile + (j + 8) * TILE_ROW_BYTES, _mm512_shuffle_i32x4(a, c, 0xdd));
        _mm512_store_si512(tile + (j + 12) * TILE_ROW_BYTES, _mm512_shuffle_i32x4(b, d, 0xdd));
    }
}

/* A part of the product: rows, keys and columns from `row`, `key` and `column` on. */
struct part {
    int64_t row, rows, key, keys, column, columns;
};

static void pack_a(const struct outer *op, const struct part *part, struct packed *packed) {
    for (int64_t r = 0; r < part->rows; r += TILE)
        for (int64_t k = 0; k < part->keys; k += TILE_KEYS) {
            const float *from = op->a + (part->row + r) * op->a_row + (part->key + k) * op->a_key;
            uint8_t *tile = packed->a[r / TILE][k / TILE_KEYS];
            if (op->a_key == 1)
                pack_rows(from, op->a_row, part->rows - r, part->keys - k, tile);
            else
                pack_transposed(from, op->a_key, part->rows - r, part->keys - k, tile);
        }
}

static void pack_b(const struct outer *op, const struct part *part, struct packed *packed) {
    for (int64_t c = 0; c < part->columns; c += TILE)
        for (int64_t k = 0; k < part->keys; k += TILE_KEYS)
            pack_columns(op->b + (part->key + k) * op->b_stride + part->column + c, op->b_stride,
                         part->keys - k, part->columns - c, packed->b[c / TILE][k / TILE_KEYS]);
}

/* tmm 0 to 3: sums, rows by columns; 4, 5: rows; 6, 7: columns. `below`, `beside`: the second tiles are there. */
INLINE void add_tiles(const struct packed *packed, int64_t column, int64_t key_tiles, bool below, bool beside,
                      float *y, int64_t stride) {
    const uint8_t(*a0)[TILE_BYTES] = packed->a[0], (*a1)[TILE_BYTES] = packed->a[1];
    const uint8_t(*b0)[TILE_BYTES] = packed->b[column / TILE], (*b1)[TILE_BYTES] = b0 + KEY_TILES;
    int64_t bytes = stride * (int64_t)sizeof(float);
    TILE_LOAD(0, y, bytes);
    if (beside) TILE_LOAD(1, y + TILE, bytes);
    if (below) TILE_LOAD(2, y + TILE * stride, bytes);
    if (below && beside) TILE_LOAD(3, y + TILE * stride + TILE, bytes);
    for (int64_t k = 0; k < key_tiles; k++) {
        TILE_LOAD(4, a0[k], TILE_ROW_BYTES);
        TILE_LOAD(6, b0[k], TILE_ROW_BYTES);
        TILE_ADD_BF16(0, 4, 6);
        if (beside) {
            TILE_LOAD(7, b1[k], TILE_ROW_BYTES);
            TILE_ADD_BF16(1, 4, 7);
        }
        if (below) {
            TILE_LOAD(5, a1[k], TILE_ROW_BYTES);
            TILE_ADD_BF16(2, 5, 6);
        }
        if (below && beside) TILE_ADD_BF16(3, 5, 7);
    }
    TILE_STORE(0, y, bytes);
    if (beside) TILE_STORE(1, y + TILE, bytes);
    if (below) TILE_STORE(2, y + TILE * stride, bytes);
    if (below && beside) TILE_STORE(3, y + TILE * stride + TILE, bytes);
}

static void add_any(const struct packed *packed, int64_t column, int64_t key_tiles, int64_t rows,
                    int64_t columns, float *y, int64_t stride) {
    bool below = rows > TILE, beside = columns > TILE;
    if (below && beside)
        add_tiles(packed, column, key_tiles, true, true, y, stride);
    else if (below)
        add_tiles(packed, column, key_tiles, true, false, y, stride);
    else if (beside)
        add_tiles(packed, column, key_tiles, false, true, y, stride);
    else
        add_tiles(packed, column, key_tiles, false, false, y, stride);
}

/* Sums that are no whole tiles go through memory of their own. */
static void add_edge(struct packed *packed, int64_t column, int64_t key_tiles, int64_t rows, int64_t columns,
                     float *y, int64_t stride) {
    __mmask16 left = first_lanes(columns), right = first_lanes(columns - TILE);
    for (int64_t r = 0; r < BLOCK; r++) {
        __mmask16 l = r < rows ? left : 0, m = r < rows ? right : 0;
        _mm512_storeu_ps(packed->edge[r], _mm512_maskz_loadu_ps(l, y + r * stride));
        _mm512_storeu_ps(packed->edge[r] + TILE, _mm512_maskz_loadu_ps(m, y + r * stride + TILE));
    }
    add_any(packed, column, key_tiles, rows, columns, packed->edge[0], BLOCK);
    for (int64_t r = 0; r < rows; r++) {
        _mm512_mask_storeu_ps(y + r * stride, left, _mm512_loadu_ps(packed->edge[r]));
        _mm512_mask_storeu_ps(y + r * stride + TILE, right, _mm512_loadu_ps(packed->edge[r] + TILE));
    }
}

static void add_block(const struct outer *op, const struct part *part, struct packed *packed) {
    int64_t key_tiles = (part->keys + TILE_KEYS - 1) / TILE_KEYS;
    for (int64_t c = 0; c < part->columns; c += BLOCK) {
        int64_t columns = least(BLOCK, part->columns - c);
        float *y = op->y + part->row * op->y_stride + part->column + c;
        if (part->rows % TILE || columns % TILE)
            add_edge(packed, c, key_tiles, part->rows, columns, y, op->y_stride);
        else
            add_any(packed, c, key_tiles, part->rows, columns, y, op->y_stride);
    }
}

static void outer(const struct outer *op, float *scratch) {
    struct packed *packed =
        (struct packed *)(((uintptr_t)scratch + TILE_ROW_BYTES - 1) / TILE_ROW_BYTES * TILE_ROW_BYTES);
    struct tile_config config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.rows[t] = TILE_ROWS;
        config.row_bytes[t] = TILE_ROW_BYTES;
    }
    TILE_CONFIGURE(config);
    for (int64_t column = 0; column < op->n; column += COLUMNS)
        for (int64_t key = 0; key < op->keys; key += KEYS) {
            struct part part = {
                0, 0, key, least(KEYS, op->keys - key), column, least(COLUMNS, op->n - column)};
            pack_b(op, &part, packed);
            for (; part.row < op->rows; part.row += BLOCK) {
                part.rows = least(BLOCK, op->rows - part.row);
                pack_a(op, &part, packed);
                add_block(op, &part, packed);
            }
        }
    TILE_RELEASE();
}

void amx_add_outer(struct kernels *kernels) {
    kernels->outer = outer;
}
