/* test_crew.c - batches shared out among hands: one trainer's gradient but for rounding, the same bits for any number of
 * hands, loads and losses added up, and a failure's sentence brought back. */
#include "support/tiny_train.h"

#include "kernel/kernel.h"
#include "train/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 3 };

struct parts { /* each segment of the tiny batch as a batch of its own */
    struct train_segment segment[PARTS];
    struct train_batch batch[PARTS];
    const struct train_batch *order[PARTS];
};

static void cut(const struct train_batch *whole, struct parts *parts) {
    for (int s = 0; s < PARTS; s++) {
        int rows = whole->segment[s].rows, row = whole->segment[s].row_begin;
        parts->segment[s] = (struct train_segment){0, rows};
        parts->batch[s] = (struct train_batch){
            rows, whole->token + row, whole->target + row, whole->weight + row, &parts->segment[s], 1, rows};
        parts->order[s] = &parts->batch[s];
    }
}

static void open_lead(struct trainer *lead, enum tiny_model model, struct trainer_options *options,
                      bool fp8) {
    *options = (struct trainer_options){
        .threads = 3, .cpu_level_cap = CPU_LEVEL_COUNT - 1, .max_rows = TINY_ROWS, .fp8 = fp8};
    tiny_trainer_open(lead, model, options);
    trainer_refresh(lead);
    trainer_clear(lead);
}

static void test_hands(void **state) {
    (void)state;
    for (int model = 0; model < 2 * TINY_COUNT; model++) {
        float *first = NULL;
        for (int hands = 0; hands <= PARTS; hands++) { /* 0: no crew, one batch after the other */
            struct train_batch whole = tiny_batch();
            struct parts parts;
            struct trainer lead;
            struct trainer_options options;
            struct crew crew = {0};
            struct comm comm = comm_self();
            struct loss_scale scale = tiny_scale();
            struct loss_sums sums = {0};
            cut(&whole, &parts);
            open_lead(&lead, (enum tiny_model)(model / 2), &options, model % 2);
            if (!lead.model.desc.mtp_layers) scale.mtp = 0;
            size_t bytes = (size_t)lead.parameters.elements * sizeof(float);
            if (hands) {
                assert_int_equal(crew_open(&crew, &lead, &options, hands, &comm), STATUS_OK);
                assert_int_equal(crew_accumulate(&crew, parts.order, PARTS, &scale, &sums), STATUS_OK);
            }
            for (int i = 0; !hands && i < PARTS; i++)
                assert_int_equal(trainer_accumulate(&lead, parts.order[i], &scale, &sums), STATUS_OK);
            assert_true(sums.token > 1);
            if (hands == 1) { /* in place of the one that was summed up otherwise */
                double along = 0, a = 0, b = 0;
                for (int64_t i = 0; i < lead.parameters.elements; i++) {
                    along += (double)first[i] * lead.parameters.gradient[i];
                    a += (double)first[i] * first[i];
                    b += (double)lead.parameters.gradient[i] * lead.parameters.gradient[i];
                }
                assert_true(a > 0 && 1 - along / sqrt(a * b) < 1e-6 && fabs(b / a - 1) < 1e-3);
                memcpy(first, lead.parameters.gradient, bytes);
            }
            if (hands > 1) assert_memory_equal(lead.parameters.gradient, first, bytes);
            if (!hands) {
                first = malloc(bytes);
                assert_non_null(first);
                memcpy(first, lead.parameters.gradient, bytes);
            }
            const struct model_desc *d = &lead.model.desc;
            for (int layer = 0; layer < d->layers; layer++) {
                int64_t load = 0;
                for (int e = 0; e < d->experts; e++) load += lead.load[layer * d->experts + e];
                assert_true(load == (d->layer[layer].ffn == FFN_EXPERTS ? TINY_ROWS * d->experts_used : 0));
            }
            crew_close(&crew);
            trainer_close(&lead);
        }
        free(first);
    }
}

/* What the lead's parameters become, the hands read. */
static void test_sees_changes(void **state) {
    (void)state;
    struct train_batch whole = tiny_batch();
    struct parts parts;
    struct trainer lead;
    struct trainer_options options;
    struct crew crew;
    struct comm comm = comm_self();
    struct loss_scale scale = tiny_scale();
    struct loss_sums before = {0}, after = {0}, again = {0};
    cut(&whole, &parts);
    open_lead(&lead, TINY_V3, &options, false);
    assert_int_equal(crew_open(&crew, &lead, &options, 2, &comm), STATUS_OK);
    assert_int_equal(crew_accumulate(&crew, parts.order, PARTS, &scale, &before), STATUS_OK);
    for (int64_t i = 0; i < lead.parameters.elements; i++) lead.parameters.value[i] *= 0.5f;
    assert_int_equal(crew_accumulate(&crew, parts.order, PARTS, &scale, &after), STATUS_OK);
    assert_int_equal(crew_accumulate(&crew, parts.order, PARTS, &scale, &again), STATUS_OK);
    assert_true(fabs(after.token - before.token) > 1e-3 && after.token == again.token);
    crew_close(&crew);
    trainer_close(&lead);
}

static void test_failure(void **state) {
    (void)state;
    struct train_batch whole = tiny_batch();
    struct parts parts;
    struct trainer lead;
    struct trainer_options options;
    struct crew crew;
    struct comm comm = comm_self();
    struct loss_scale scale = tiny_scale();
    struct loss_sums sums = {0};
    int32_t wrong[TINY_ROWS];
    cut(&whole, &parts);
    memcpy(wrong, parts.batch[2].token, (size_t)parts.batch[2].rows * sizeof *wrong);
    wrong[1] = TINY_VOCAB;
    parts.batch[2].token = wrong;
    open_lead(&lead, TINY_V3, &options, false);
    assert_int_equal(crew_open(&crew, &lead, &options, 3, &comm), STATUS_OK);
    assert_int_equal(crew_accumulate(&crew, parts.order, PARTS, &scale, &sums), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "token 40"));
    crew_close(&crew);
    trainer_close(&lead);
}

static void test_numbers(void **state) {
    (void)state;
    struct trainer_options options = {.threads = 4, .max_rows = TINY_ROWS};
    struct model_desc desc;
    tiny_desc(TINY_V3, &desc);
    assert_int_equal(crew_hands(&options, 3, 1), 3);
    assert_int_equal(crew_hands(&options, 9, 1), 4);
    assert_true(crew_bytes(&desc, &options, 2) > crew_bytes(&desc, &options, 1));
    assert_true(crew_bytes(&desc, &options, 1) > parameters_bytes(&desc));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hands),
        cmocka_unit_test(test_sees_changes),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
