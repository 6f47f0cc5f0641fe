/* test_placed.c - which part of which matrix lies on which node, for made-up machines: every row once, every worker's
 * outputs in its own node's block, nothing overlapping; and copies that have the bits of what they replace. */
#include "model/placed.h"

#include "base/bytes.h"
#include "base/thread_pool.h"
#include "kernel/panel.h"
#include "support/node_tree.h"
#include "support/packed_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct node_plan plan;

static void good(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

struct fixture {
    struct scratch scratch;
    struct packed_source source;
    struct packing_backend backend;
    struct packed packed;
    struct placed placed;
};

static void copy(struct backend *backend, const void *from, void *to, int64_t bytes) {
    (void)backend;
    memcpy(to, from, (size_t)bytes);
}

/* The weights of a small model, arranged in memory where `packs` is set. */
static void open_fixture(struct fixture *fixture, enum dtype type, bool tied, bool packs) {
    memset(fixture, 0, sizeof *fixture);
    scratch_open(&fixture->scratch);
    const char *path = scratch_path(&fixture->scratch, "model.gguf");
    packed_source_write(path, type, tied, 1);
    packed_source_open(&fixture->source, path);
    packing_backend_make(&fixture->backend);
    fixture->backend.ops.copy = copy;
    if (!packs) return;
    struct packed_source *source = &fixture->source;
    struct packed_options options = {.mode = PACK_MEMORY, .available = INT64_C(1) << 40};
    good(packed_prepare(&fixture->packed, &source->weights, &source->desc, &source->checkpoint, &options));
    good(packed_arrange(&fixture->packed, &source->weights, &source->checkpoint, &fixture->backend.base));
}

static void close_fixture(struct fixture *fixture) {
    char command[128];
    placed_close(&fixture->placed);
    packed_close(&fixture->packed);
    packed_source_close(&fixture->source);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->scratch.directory);
    assert_int_equal(system(command), 0);
}

static void read_plan(struct fixture *fixture, int nodes, int threads) {
    static const struct made_node made[] = {
        {0, "0-5", NULL, NULL}, {1, "6-7", NULL, NULL}, {3, "8-11", NULL, NULL}, {4, "12-23", NULL, NULL}};
    static int trees;
    char name[32], online[8];
    snprintf(name, sizeof name, "tree%d", trees++);
    snprintf(online, sizeof online, "%s", nodes == 1 ? "0" : nodes == 2 ? "0-1" : "0-1,3-4");
    const char *root = node_tree_write(&fixture->scratch, name, online, made, nodes);
    good(nodes_read(&plan, &(struct node_source){.root = root}, threads));
}

/* ---- the plan ---- */

/* Every worker's share of the outputs, in slices of either kind, lies in the part of its node. */
static void check_matrix(const struct placed_part *part, int64_t outs) {
    for (int each = SLICES_WHOLE; each <= SLICES_FINE; each += SLICES_FINE - SLICES_WHOLE) {
        for (int worker = 0; worker < plan.threads; worker++) {
            const struct placed_part *own = &part[nodes_of_worker(&plan, worker)];
            for (int slice = worker * each; slice < (worker + 1) * each; slice++) {
                int64_t begin, end;
                slice_share(outs, PANEL_OUTS, slice, plan.threads * each, &begin, &end);
                if (begin == end) continue;
                if (begin < own->row || end > own->row + own->rows)
                    fail_msg("outputs %d to %d of worker %d are not on its node", (int)begin, (int)end,
                             worker);
            }
        }
    }
}

static void check_layout(struct fixture *fixture) {
    struct placed *placed = &fixture->placed;
    int64_t end_of[NODES_MOST + 1] = {0}, matrices = 0;
    for (int64_t i = 0; i < placed->parts; i++) {
        const struct placed_part *part = &placed->part[i];
        int block = part->node == NODES_ALL ? placed->nodes : part->node;
        assert_true(part->offset >= end_of[block] &&
                    part->offset % PANEL_ALIGNMENT == 0); /* one after the other */
        end_of[block] = part->offset + part->bytes;
        assert_true(end_of[block] <= placed->block_bytes[block]);
        if (part->node != 0) continue;
        const struct tensor *w = &fixture->source.weights.slot[part->slot];
        int64_t row = 0;
        for (int node = 0; node < placed->nodes; node++) {
            assert_int_equal(part[node].node, node);
            assert_int_equal(part[node].slot, part->slot);
            if (part[node].rows) assert_int_equal(part[node].row, row);
            row += part[node].rows;
        }
        assert_int_equal(row, w->shape[0]);
        check_matrix(part, w->shape[0]);
        matrices++;
    }
    assert_true(matrices > 10);
}

static void every_row_lies_beside_its_worker(void **state) {
    (void)state;
    static const struct {
        int nodes, threads;
    } machines[] = {{2, 2}, {2, 8}, {2, 7}, {4, 24}, {4, 4}, {4, 5}, {4, 61}};
    for (int packs = 0; packs < 2; packs++) {
        for (size_t i = 0; i < COUNT_OF(machines); i++) {
            struct fixture fixture;
            open_fixture(&fixture, DTYPE_Q4_0, false, packs);
            read_plan(&fixture, machines[i].nodes, machines[i].threads);
            good(placed_layout(&fixture.placed, &fixture.source.weights, &fixture.source.desc, &plan));
            check_layout(&fixture);
            close_fixture(&fixture);
        }
    }
}

/* ---- the copies ---- */

static int64_t row_bytes(const struct tensor *w) {
    int64_t bytes;
    if (w->panels) return panel_row_bytes((enum panel_format)w->panel_format, w->shape[1]) / PANEL_OUTS;
    assert_true(dtype_row_bytes(w->dtype, w->shape[1], &bytes));
    return bytes;
}

/* Row r of a matrix, or the sixteenth of a panel that is counted as one. */
static const uint8_t *row_at(const struct tensor *w, int64_t row) {
    int64_t bytes = row_bytes(w);
    const uint8_t *data = w->panels ? w->panels : w->data;
    for (int i = 0; i < w->pieces; i++)
        if (row >= w->piece[i].row) data = (const uint8_t *)w->piece[i].data - w->piece[i].row * bytes;
    return data + row * bytes;
}

/* The source is gone when it was copied: it is read before. */
static void copies_have_the_same_bits(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct fixture fixture;
        open_fixture(&fixture, kind == 2 ? DTYPE_BF16 : DTYPE_Q8_0, kind == 1, kind < 2);
        read_plan(&fixture, 4, 13);
        fixture.backend.base.nodes = &plan;
        struct weights *weights = &fixture.source.weights;
        const struct model_desc *desc = &fixture.source.desc;
        good(placed_layout(&fixture.placed, weights, desc, &plan));
        int64_t parts = fixture.placed.parts, slots = 0;
        for (int64_t i = 0; i < parts; i++) slots = max_i64(slots, fixture.placed.part[i].slot + 1);
        uint8_t **kept = calloc((size_t)slots, sizeof *kept);
        assert_non_null(kept);
        for (int64_t i = 0; i < parts; i++) {
            const struct placed_part *part = &fixture.placed.part[i];
            const struct tensor *w = &weights->slot[part->slot];
            if (part->node != 0) continue;
            kept[part->slot] = malloc((size_t)(w->shape[0] * row_bytes(w)));
            assert_non_null(kept[part->slot]);
            memcpy(kept[part->slot], w->panels ? w->panels : w->data, (size_t)(w->shape[0] * row_bytes(w)));
        }
        placed_close(&fixture.placed);
        good(placed_arrange(&fixture.placed, weights, desc, &fixture.backend.base, NULL, NULL));
        for (int64_t slot = 0; slot < slots; slot++) {
            const struct tensor *w = &weights->slot[slot];
            if (!kept[slot]) continue;
            assert_int_equal(w->pieces, 4);
            for (int64_t row = 0; row < w->shape[0] / PANEL_OUTS * PANEL_OUTS; row++)
                assert_memory_equal(row_at(w, row), kept[slot] + row * row_bytes(w), (size_t)row_bytes(w));
            free(kept[slot]);
        }
        free(kept);
        close_fixture(&fixture);
    }
}

static bool stop(void *context, int64_t done, int64_t total) {
    int *calls = context;
    assert_true(done > 0 && done <= total);
    return ++*calls < 3;
}

static void placing_can_be_stopped(void **state) {
    (void)state;
    struct fixture fixture;
    int calls = 0;
    open_fixture(&fixture, DTYPE_Q8_0, false, true);
    read_plan(&fixture, 2, 4);
    fixture.backend.base.nodes = &plan;
    assert_int_equal(placed_arrange(&fixture.placed, &fixture.source.weights, &fixture.source.desc,
                                    &fixture.backend.base, stop, &calls),
                     STATUS_CANCELLED);
    assert_int_equal(calls, 3);
    close_fixture(&fixture);
}

static void one_node_places_nothing(void **state) {
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, DTYPE_Q8_0, false, true);
    good(placed_arrange(&fixture.placed, &fixture.source.weights, &fixture.source.desc, &fixture.backend.base,
                        NULL, NULL));
    assert_int_equal(fixture.placed.nodes, 0);
    assert_int_equal(fixture.placed.parts, 0);
    close_fixture(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_lies_beside_its_worker),
        cmocka_unit_test(copies_have_the_same_bits),
        cmocka_unit_test(placing_can_be_stopped),
        cmocka_unit_test(one_node_places_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
