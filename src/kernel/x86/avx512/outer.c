/* outer.c - sums of outer products with 512-bit registers: eight rows by three vectors of columns stay in registers while
 * the keys pass by.
 *
 * Both factors are laid out anew, rows of a in groups of eight and columns of b in groups of 48, so that a group of columns
 * stays in the first cache level and a block of rows in the second. A value is one chain of fused multiply-adds, keys in
 * ascending order, which goes through memory between blocks of keys: the bits of mix(), whatever the shape of the call. */
#include "kernel/level.h"
#include "kernel/x86/avx512/lanes.h"

#include <string.h>

enum {
    ROWS = 8,
    VECTORS = 3,
    COLUMNS = VECTORS * LANES,
    KEYS = 128,       /* 24 KiB with the columns of a group */
    BLOCK_ROWS = 128, /* 64 KiB with the keys */
    BLOCK_COLUMNS = 19 * COLUMNS
};

struct packed {
    float a[BLOCK_ROWS / ROWS][KEYS][ROWS];
    float b[BLOCK_COLUMNS / COLUMNS][KEYS][COLUMNS];
};
_Static_assert(sizeof(struct packed) + 64 <= (size_t)OUTER_SCRATCH_FLOATS * sizeof(float),
               "scratch is large enough");

INLINE int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

INLINE __mmask16 first_lanes(int64_t count) {
    return count >= LANES ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/* Rows that lie together for each key; missing ones are zero. */
static void pack_columns_of_a(const float *from, int64_t stride, int64_t rows, int64_t keys,
                              float (*to)[ROWS]) {
    __mmask8 mask = rows >= ROWS ? 0xff : (__mmask8)((1u << rows) - 1);
    for (int64_t k = 0; k < keys; k++)
        _mm256_storeu_ps(to[k], _mm256_maskz_loadu_ps(mask, from + k * stride));
}

/* Four rows of 16 keys: afterwards the k-th part of v[j] holds the rows' key 4 k + j. */
INLINE void turn_four(__m512 *v) {
    __m512 a = _mm512_unpacklo_ps(v[0], v[1]), b = _mm512_unpackhi_ps(v[0], v[1]);
    __m512 c = _mm512_unpacklo_ps(v[2], v[3]), d = _mm512_unpackhi_ps(v[2], v[3]);
    v[0] = _mm512_shuffle_ps(a, c, 0x44);
    v[1] = _mm512_shuffle_ps(a, c, 0xee);
    v[2] = _mm512_shuffle_ps(b, d, 0x44);
    v[3] = _mm512_shuffle_ps(b, d, 0xee);
}

/* Rows whose keys lie together. */
static void pack_rows_of_a(const float *from, int64_t stride, int64_t rows, int64_t keys, float (*to)[ROWS]) {
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    for (int64_t k = 0; k < keys; k += LANES) {
        __mmask16 mask = first_lanes(keys - k);
        __m512 v[ROWS];
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++)
            v[r] = _mm512_maskz_loadu_ps(r < rows ? mask : 0, from + (r < rows ? r : 0) * stride + k);
        turn_four(v);
        turn_four(v + 4);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m512d above = _mm512_castps_pd(v[j]), below = _mm512_castps_pd(v[j + 4]);
            __m512 first = _mm512_castpd_ps(_mm512_permutex2var_pd(above, low, below)),
                   second = _mm512_castpd_ps(_mm512_permutex2var_pd(above, high, below));
            _mm256_storeu_ps(to[k + j], _mm512_castps512_ps256(first));
            _mm256_storeu_ps(to[k + 4 + j], _mm512_extractf32x8_ps(first, 1));
            _mm256_storeu_ps(to[k + 8 + j], _mm512_castps512_ps256(second));
            _mm256_storeu_ps(to[k + 12 + j], _mm512_extractf32x8_ps(second, 1));
        }
    }
}

static void pack_b(const float *from, int64_t stride, int64_t keys, int64_t columns, float (*to)[COLUMNS]) {
    for (int64_t k = 0; k < keys; k++)
#pragma GCC unroll 3
        for (int c = 0; c < VECTORS; c++)
            _mm512_storeu_ps(to[k] + c * LANES, _mm512_maskz_loadu_ps(first_lanes(columns - c * LANES),
                                                                      from + k * stride + c * LANES));
}

/* A group of rows, from `first` on, meets a group of columns. The numbers of rows and vectors are constants where this
 * is expanded; the last vector is masked. */
struct sums {
    const float (*a)[ROWS];
    const float (*b)[COLUMNS];
    float *y;
    int64_t y_stride, keys, columns;
};

INLINE void add_sums(const struct sums *s, int first, int rows, int vectors) {
    __m512 sum[ROWS * VECTORS];
    float *y = s->y + first * s->y_stride;
    __mmask16 last = first_lanes(s->columns - (vectors - 1) * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int c = 0; c < vectors; c++)
            sum[r * vectors + c] =
                _mm512_maskz_loadu_ps(c + 1 < vectors ? 0xffff : last, y + r * s->y_stride + c * LANES);
    for (int64_t k = 0; k < s->keys; k++) {
        __m512 column[VECTORS];
#pragma GCC unroll 3
        for (int c = 0; c < vectors; c++) column[c] = _mm512_loadu_ps(s->b[k] + c * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            __m512 factor = _mm512_set1_ps(s->a[k][first + r]);
#pragma GCC unroll 3
            for (int c = 0; c < vectors; c++)
                sum[r * vectors + c] = _mm512_fmadd_ps(factor, column[c], sum[r * vectors + c]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int c = 0; c < vectors; c++)
            _mm512_mask_storeu_ps(y + r * s->y_stride + c * LANES, c + 1 < vectors ? 0xffff : last,
                                  sum[r * vectors + c]);
}

INLINE void add_rows(const struct sums *s, int64_t rows, int vectors) {
    int first = 0;
    if (rows >= ROWS) {
        add_sums(s, 0, ROWS, vectors);
        return;
    }
    if (rows & 4) add_sums(s, 0, 4, vectors), first = 4;
    if (rows & 2) add_sums(s, first, 2, vectors), first += 2;
    if (rows & 1) add_sums(s, first, 1, vectors);
}

static void add_group(const struct sums *s, int64_t rows) {
    if (s->columns > 2 * LANES)
        add_rows(s, rows, 3);
    else if (s->columns > LANES)
        add_rows(s, rows, 2);
    else
        add_rows(s, rows, 1);
}

/* A part of the product: rows, keys and columns from `row`, `key` and `column` on. */
struct part {
    int64_t row, rows, key, keys, column, columns;
};

static void pack_a(const struct outer *op, const struct part *part, struct packed *packed) {
    const float *from = op->a + part->row * op->a_row + part->key * op->a_key;
    for (int64_t r = 0; r < part->rows; r += ROWS, from += ROWS * op->a_row) {
        if (op->a_key == 1)
            pack_rows_of_a(from, op->a_row, part->rows - r, part->keys, packed->a[r / ROWS]);
        else
            pack_columns_of_a(from, op->a_key, part->rows - r, part->keys, packed->a[r / ROWS]);
    }
}

static void add_block(const struct outer *op, const struct part *part, const struct packed *packed) {
    for (int64_t c = 0; c < part->columns; c += COLUMNS)
        for (int64_t r = 0; r < part->rows; r += ROWS) {
            struct sums sums = {packed->a[r / ROWS],
                                packed->b[c / COLUMNS],
                                op->y + (part->row + r) * op->y_stride + part->column + c,
                                op->y_stride,
                                part->keys,
                                part->columns - c};
            add_group(&sums, part->rows - r);
        }
}

static void outer(const struct outer *op, float *scratch) {
    struct packed *packed = (struct packed *)(((uintptr_t)scratch + 63) / 64 * 64);
    for (int64_t column = 0; column < op->n; column += BLOCK_COLUMNS)
        for (int64_t key = 0; key < op->keys; key += KEYS) {
            struct part part = {
                0, 0, key, least(KEYS, op->keys - key), column, least(BLOCK_COLUMNS, op->n - column)};
            for (int64_t c = 0; c < part.columns; c += COLUMNS)
                pack_b(op->b + key * op->b_stride + column + c, op->b_stride, part.keys, part.columns - c,
                       packed->b[c / COLUMNS]);
            for (; part.row < op->rows; part.row += BLOCK_ROWS) {
                part.rows = least(BLOCK_ROWS, op->rows - part.row);
                pack_a(op, &part, packed);
                add_block(op, &part, packed);
            }
        }
}

void avx512_add_outer(struct kernels *kernels) {
    kernels->outer = outer;
}
