/* panel.c - integer products over panels with matrix tiles: sixteen rows times sixteen outputs an instruction. The bits
 * are those of ref/panel.c.
 *
 * Every block of 32 inputs (half block of 16 in PANEL_Q6_K) needs an integer sum of its own, and an instruction gives
 * 256 sums in 16 cycles however few inputs they have. Turning 256 sums into floats takes the vector units at least 24
 * cycles (convert, scale, add; a fourth operation for minima), so they are the limit and not the tiles: tiles hold
 * just the inputs of a sum, which loads the fewest lines, and the accumulators of sixteen rows stay in registers for a
 * span of 256 inputs.
 *
 * Sums pass from tiles to vectors through a ring of slots in the first cache level. The products of an item (sixteen
 * rows, one panel, one span) are computed while the sums of the item before are added up: the slots of two sums are
 * refilled as soon as they have been read. */
#include "kernel/level.h"
#include "kernel/x86/amx/stage.h"
#include "kernel/x86/amx/tile.h"

enum {
    FEW_ROWS = 4,    /* up to here vectors alone keep up with memory */
    CHUNK_TILES = 8, /* row tiles that meet a span while it is ready */
    CHUNK_ROWS = CHUNK_TILES * TILE_ROWS,
    MEMBERS = 2 /* panels whose products share the preparation of a row tile */
};

/* What the formats differ in. */
struct recipe {
    stage_function *stage;
    panel_multiply *vectors; /* for a few rows */
    int unit_inputs, unit_bytes;
    int sum_inputs; /* 32 or 16 */
    bool minima;
};

/* Scales of sixteen rows in a span; rows and blocks that are not there have zero. */
struct row_scales {
    _Alignas(LINE) float scale[TILE_ROWS][SPAN_BLOCKS];
    _Alignas(LINE) float of_sum[TILE_ROWS][SPAN_BLOCKS]; /* scale times the sum of the block's numbers */
};

/* A row tile times a span of a panel. */
struct item {
    int64_t panel, span; /* panel: first one of the members */
    int member, tile;
};

struct work {
    _Alignas(LINE) int32_t slot[SPAN_STEPS][TILE_ROWS][PANEL_OUTS];
    _Alignas(LINE) float sum[MEMBERS][CHUNK_TILES][TILE_ROWS][PANEL_OUTS];
    struct stage stage[2][MEMBERS]; /* of the item in hand and of the next one */
    struct row_scales scales;
    const struct panel_product *product;
    int64_t end, spans; /* panels end here */
    int64_t row;        /* first one of the chunk */
    int rows, tiles, members;
    int turn; /* which stages the next item's products take */
};

INLINE int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- what lies where ---- */

INLINE int rows_of(const struct work *w, int tile) {
    return (int)least(TILE_ROWS, w->rows - tile * TILE_ROWS);
}

INLINE int blocks_of(const struct work *w, int64_t span) {
    return (int)least(SPAN_BLOCKS, w->product->w->in / PANEL_BLOCK - span * SPAN_BLOCKS);
}

/* Members side by side, then row tiles, spans, panels: what a stage holds is used up before the next one. */
static bool advance(const struct work *w, struct item *item) {
    int64_t members = least(w->members, w->end - item->panel);
    if (++item->member < members) return true;
    item->member = 0;
    if (++item->tile < w->tiles) return true;
    item->tile = 0;
    if (++item->span < w->spans) return true;
    item->span = 0;
    item->panel += members;
    return item->panel < w->end;
}

INLINE void fill_stages(struct work *w, const struct recipe *recipe, const struct item *item) {
    const struct panels *panels = w->product->w;
    int64_t panel_bytes = panels->in / recipe->unit_inputs * recipe->unit_bytes;
    int64_t before = item->span * (SPAN / recipe->unit_inputs) * recipe->unit_bytes;
    for (int m = 0; m < least(w->members, w->end - item->panel); m++)
        recipe->stage(panels->data + (item->panel + m) * panel_bytes + before, blocks_of(w, item->span),
                      &w->stage[w->turn][m]);
}

/* ---- products: tiles 0, 1 the sums, 2 the activations of sixteen rows; 3, 4, 5 of the rows that are left over; 6, 7
 * the weights ---- */

static struct tile_config config_for(int sum_inputs, int rows) {
    struct tile_config config = {.palette = 1};
    int full = rows < TILE_ROWS ? 0 : TILE_ROWS, rest = rows % TILE_ROWS;
    for (int t = 0; t < 6; t++) {
        int tile_rows = t < 3 ? full : rest, row_bytes = t % 3 == 2 ? sum_inputs : PANEL_OUTS * 4;
        config.rows[t] = (uint8_t)tile_rows;
        config.row_bytes[t] = (uint16_t)(tile_rows ? row_bytes : 0);
    }
    config.rows[6] = config.rows[7] = (uint8_t)(sum_inputs / 4);
    config.row_bytes[6] = config.row_bytes[7] = PANEL_OUTS * 4;
    return config;
}

/* The products of an item, two sums at a time. */
struct products {
    const int8_t *x; /* first row of the tile, first input of the span */
    int64_t in;
    const void *const *step;
    int steps;  /* 0: there are none */
    bool whole; /* sixteen rows */
};

static struct products products_of(const struct work *w, const struct item *item) {
    const struct stage *stage = &w->stage[w->turn][item->member];
    int64_t row = w->row + item->tile * TILE_ROWS, in = w->product->w->in;
    return (struct products){w->product->x->value + row * in + item->span * SPAN, in, stage->step,
                             stage->steps, rows_of(w, item->tile) == TILE_ROWS};
}

INLINE void begin_products(const struct products *p, int step, int sum_inputs) {
    const int8_t *x = p->x + step * sum_inputs;
    TILE_LOAD(6, p->step[step], TILE_ROW_BYTES);
    TILE_LOAD(7, p->step[step + 1], TILE_ROW_BYTES);
    if (p->whole) {
        TILE_ZERO(0);
        TILE_LOAD(2, x, p->in);
        TILE_ADD_INT8(0, 2, 6);
        TILE_ZERO(1);
        TILE_LOAD(2, x + sum_inputs, p->in);
        TILE_ADD_INT8(1, 2, 7);
    } else {
        TILE_ZERO(3);
        TILE_LOAD(5, x, p->in);
        TILE_ADD_INT8(3, 5, 6);
        TILE_ZERO(4);
        TILE_LOAD(5, x + sum_inputs, p->in);
        TILE_ADD_INT8(4, 5, 7);
    }
}

INLINE void end_products(const struct products *p, int step, struct work *w) {
    if (p->whole) {
        TILE_STORE(0, w->slot[step], TILE_ROW_BYTES);
        TILE_STORE(1, w->slot[step + 1], TILE_ROW_BYTES);
    } else {
        TILE_STORE(3, w->slot[step], TILE_ROW_BYTES);
        TILE_STORE(4, w->slot[step + 1], TILE_ROW_BYTES);
    }
}

/* ---- sums ---- */

static void read_scales(struct work *w, const struct item *item, bool minima) {
    const struct rounded_rows *x = w->product->x;
    int rows = rows_of(w, item->tile);
    __mmask8 blocks = (__mmask8)((1u << blocks_of(w, item->span)) - 1);
    for (int r = 0; r < TILE_ROWS; r++) {
        int64_t at = (w->row + item->tile * TILE_ROWS + r) * x->in + item->span * SPAN;
        __m256 scale = _mm256_setzero_ps(), of_sum = scale;
        if (r < rows) scale = _mm256_maskz_loadu_ps(blocks, x->scale + at / PANEL_BLOCK);
        if (r < rows && minima) {
            __m512i halves = _mm512_loadu_si512(x->sum + at / (PANEL_BLOCK / 2));
            __m512i both = _mm512_add_epi64(halves, _mm512_srli_epi64(halves, 32));
            of_sum = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm512_cvtepi64_epi32(both)));
        }
        _mm256_store_ps(w->scales.scale[r], scale);
        _mm256_store_ps(w->scales.of_sum[r], of_sum);
    }
}

INLINE void add_step(const struct work *w, const struct stage *stage, const struct recipe *recipe, int step,
                     int rows, __m512 *sum) {
    int block = step * recipe->sum_inputs / PANEL_BLOCK;
    __m512 w_scale = _mm512_load_ps(stage->scale[step]);
    __m512 w_minimum = recipe->minima ? _mm512_load_ps(stage->minimum[block]) : _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        __m512 dot = _mm512_cvtepi32_ps(_mm512_load_si512((const void *)w->slot[step][r]));
        __m512 scale = _mm512_mul_ps(w_scale, _mm512_set1_ps(w->scales.scale[r][block]));
        sum[r] = _mm512_fmadd_ps(dot, scale, sum[r]);
        if (recipe->minima)
            sum[r] = _mm512_fnmadd_ps(w_minimum, _mm512_set1_ps(w->scales.of_sum[r][block]), sum[r]);
    }
}

/* The results of a tile: sums of the last span, and the bias. */
static void store_results(const struct work *w, const struct item *item) {
    const struct panel_product *product = w->product;
    int64_t out = (item->panel + item->member) * PANEL_OUTS, outs = product->w->outs - out;
    __mmask16 mask = outs >= PANEL_OUTS ? 0xffff : (__mmask16)((1u << outs) - 1);
    __m512 bias = product->bias ? _mm512_maskz_loadu_ps(mask, product->bias + out) : _mm512_setzero_ps();
    float *y = product->y + (w->row + item->tile * TILE_ROWS) * product->y_stride + out;
    for (int r = 0; r < rows_of(w, item->tile); r++, y += product->y_stride) {
        __m512 sum = _mm512_load_ps(w->sum[item->member][item->tile][r]);
        _mm512_mask_storeu_ps(y, mask, product->bias ? _mm512_add_ps(sum, bias) : sum);
    }
}

/* Adds up the sums of an item while the products of the next one are made. `rows` is a constant, at least the item's:
 * what further rows of the slots hold is added up and thrown away. */
INLINE void add_item(struct work *w, const struct item *item, const struct stage *stage,
                     const struct products *next, const struct recipe *recipe, int rows) {
    float(*total)[PANEL_OUTS] = w->sum[item->member][item->tile];
    __m512 sum[TILE_ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) sum[r] = item->span ? _mm512_load_ps(total[r]) : _mm512_setzero_ps();
    for (int step = 0; step < stage->steps || step < next->steps; step += 2) {
        if (step < next->steps) begin_products(next, step, recipe->sum_inputs);
        if (step < stage->steps) {
            add_step(w, stage, recipe, step, rows, sum);
            add_step(w, stage, recipe, step + 1, rows, sum);
        }
        if (step < next->steps) end_products(next, step, w);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) _mm512_store_ps(total[r], sum[r]);
}

/* ---- walking ---- */

INLINE void run_chunk(struct work *w, const struct recipe *recipe, int64_t begin) {
    struct item item = {.panel = begin};
    w->turn = 0;
    fill_stages(w, recipe, &item);
    struct products products = products_of(w, &item);
    for (int step = 0; step < products.steps; step += 2) {
        begin_products(&products, step, recipe->sum_inputs);
        end_products(&products, step, w);
    }
    for (bool more = true; more;) {
        struct item next = item;
        const struct stage *stage = &w->stage[w->turn][item.member];
        more = advance(w, &next);
        if (item.member == 0) read_scales(w, &item, recipe->minima);
        if (more && next.member == 0 && next.tile == 0) {
            w->turn ^= 1;
            fill_stages(w, recipe, &next);
        }
        products = more ? products_of(w, &next) : (struct products){0};
        if (rows_of(w, item.tile) > 8)
            add_item(w, &item, stage, &products, recipe, 16);
        else
            add_item(w, &item, stage, &products, recipe, 8);
        if (item.span == w->spans - 1) store_results(w, &item);
        item = next;
    }
}

INLINE void multiply(const struct panel_product *product, int64_t begin, int64_t end,
                     const struct recipe *recipe) {
    struct work w;
    if (product->rows <= FEW_ROWS || begin >= end || product->w->in == 0) {
        recipe->vectors(product, begin, end);
        return;
    }
    __builtin_memset(w.slot, 0, sizeof w.slot);
    w.product = product;
    w.end = end;
    w.spans = (product->w->in + SPAN - 1) / SPAN;
    for (w.row = 0; w.row < product->rows; w.row += CHUNK_ROWS) {
        w.rows = (int)least(CHUNK_ROWS, product->rows - w.row);
        w.tiles = (w.rows + TILE_ROWS - 1) / TILE_ROWS;
        w.members =
            w.tiles > 1 ? MEMBERS : 1; /* one tile: panels one after the other, as they lie in memory */
        struct tile_config config = config_for(recipe->sum_inputs, w.rows);
        TILE_CONFIGURE(config);
        run_chunk(&w, recipe, begin);
    }
    TILE_RELEASE();
}

static void multiply_i8(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, &(struct recipe){stage_i8, avx512_panel_multiply, I8_UNIT, I8_BYTES, 32, false});
}
static void multiply_i4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, &(struct recipe){stage_i4, avx512_panel_multiply, I4_UNIT, I4_BYTES, 32, false});
}
static void multiply_i5(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, &(struct recipe){stage_i5, avx512_panel_multiply, I4_UNIT, I5_BYTES, 32, false});
}
static void multiply_q4_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){stage_q4_k, avx512_panel_multiply, K_UNIT, Q4_K_BYTES, 32, true});
}
static void multiply_q5_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){stage_q5_k, avx512_panel_multiply, K_UNIT, Q5_K_BYTES, 32, true});
}
static void multiply_q6_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){stage_q6_k, avx512_panel_multiply, K_UNIT, Q6_K_BYTES, 16, false});
}

static void multiply_iq4_nl(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){stage_iq4_nl, avx512_low_panel_multiply, I4_UNIT, I4_BYTES, 32, false});
}
static void multiply_iq4_xs(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){stage_iq4_xs, avx512_low_panel_multiply, K_UNIT, IQ4_XS_BYTES, 32, false});
}
static void multiply_mxfp4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){stage_mxfp4, avx512_low_panel_multiply, MXFP4_UNIT, MXFP4_BYTES, 32, false});
}

void amx_add_panels(struct kernels *kernels) {
    kernels->panel_multiply[PANEL_I8] = multiply_i8;
    kernels->panel_multiply[PANEL_I4] = multiply_i4;
    kernels->panel_multiply[PANEL_I5] = multiply_i5;
    kernels->panel_multiply[PANEL_Q4_K] = multiply_q4_k;
    kernels->panel_multiply[PANEL_Q5_K] = multiply_q5_k;
    kernels->panel_multiply[PANEL_Q6_K] = multiply_q6_k;
    kernels->panel_multiply[PANEL_IQ4_NL] = multiply_iq4_nl;
    kernels->panel_multiply[PANEL_IQ4_XS] = multiply_iq4_xs;
    kernels->panel_multiply[PANEL_MXFP4] = multiply_mxfp4;
}
