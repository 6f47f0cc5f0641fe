/* check_columns.c - matrices that are rounded into panels as they lie by inputs: the bytes of the scalar level, numbers near
 * what they stand for, and nothing beyond the panels. */
#include "base/bytes.h"
#include "kernel/check_parts.h"
#include "kernel/panel_layout.h"
#include "tensor/block.h"

#include <math.h>
#include <string.h>

struct columns_case {
    struct guarded x, panels;
    int64_t in, outs, stride;
};

static bool take_columns(struct check *check, enum check_values kind, struct columns_case *one) {
    one->stride = one->outs + check_random(check) % 3;
    one->x = guarded_take(check, (size_t)(one->in * one->stride) * sizeof(float),
                          check_random(check) % 16 * sizeof(float));
    one->panels = guarded_take(check, (size_t)panels_bytes(PANEL_I8, one->outs, one->in), 0);
    if (check->out_of_memory) return false;
    check_fill(check, kind, one->x.data, one->in * one->stride);
    if (kind == VALUES_EXTREME) /* not every block */
        check_fill(check, VALUES_ORDINARY, one->x.data, one->in * one->stride / 2);
    return true;
}

/* How far a number is from what was rounded, in parts of half a step. */
static double distance(const struct columns_case *one, int64_t in, int64_t out) {
    const uint8_t *unit = (const uint8_t *)one->panels.data +
                          out / PANEL_OUTS * panel_row_bytes(PANEL_I8, one->in) + in / I8_UNIT * I8_BYTES;
    int64_t at = in % I8_UNIT, lane = out % PANEL_OUTS;
    float scale = f16_to_f32(read_u16(unit + I8_SCALE + (at / PANEL_BLOCK * PANEL_OUTS + lane) * 2));
    float x;
    memcpy(&x, (const char *)one->x.data + (size_t)(in * one->stride + out) * sizeof x, sizeof x);
    if (isnan(scale)) return 0;
    double value = (double)scale * (int8_t)unit[at / 4 * 64 + lane * 4 + at % 4];
    return scale > 0 ? fabs(value - (double)x) / (0.5 * (double)scale) : x != 0;
}

static double compare_columns(struct check *check, const struct columns_case *one, bool *intact) {
    struct guarded wanted = guarded_take(check, one->panels.bytes, 0);
    if (check->out_of_memory) return 0;
    check->tested.panel_from_columns(one->x.data, one->stride, one->in, one->outs, one->panels.data);
    check->truth.panel_from_columns(one->x.data, one->stride, one->in, one->outs, wanted.data);
    *intact = *intact && guarded_intact(&one->panels);
    return memcmp(one->panels.data, wanted.data, one->panels.bytes) != 0;
}

static double farthest(const struct columns_case *one) {
    double most = 0;
    for (int64_t i = 0; i < one->in; i++)
        for (int64_t o = 0; o < one->outs; o++) most = fmax(most, distance(one, i, o));
    return most;
}

void check_columns(struct check *check) {
    static const int64_t outs[] = {1, 8, 9, 15, 16, 17, 40, 64}, ins[] = {64, 192};
    bool intact = true;
    if (!check_wants(check, "panel_from_columns",
                     check->tested.panel_from_columns != check->below.panel_from_columns))
        return;
    for (int kind = 0; kind < VALUES_KINDS; kind++) {
        double different = 0, most = 0;
        for (size_t i = 0; i < COUNT_OF(outs) * COUNT_OF(ins); i++) {
            struct columns_case one = {.in = ins[i % 2], .outs = outs[i / 2]};
            if (!take_columns(check, (enum check_values)kind, &one)) return;
            different += compare_columns(check, &one, &intact);
            if (kind == VALUES_ORDINARY) most = fmax(most, farthest(&one));
        }
        check_say(check, check_values_name((enum check_values)kind), different, 0);
        if (kind == VALUES_ORDINARY) check_say(check, "half a step", most, 1.001);
        arena_free(&check->arena);
    }
    check_say(check, "guard", intact ? 0 : 1, 0);
}
