/* test_corpus.c - texts to sequences: every token of an epoch once, targets and segments, an order that follows from seed
 * and position alone, and what is refused. */
#include "support/scratch.h"
#include "support/small_model.h"

#include "train/corpus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct scratch scratch;
static struct tokenizer *tokenizer;

static int set_up(void **state) {
    (void)state;
    scratch_open(&scratch);
    assert_int_equal(tokenizer_open(&tokenizer, small_model_write(&scratch)), STATUS_OK);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tokenizer_close(tokenizer);
    scratch_close(&scratch);
    return 0;
}

static struct corpus_options options_of(void) {
    return (struct corpus_options){.tokenizer = tokenizer};
}

/* Texts of made-up ids, lengths 1 to 12: text i holds 100 i, 100 i + 1, ... */
static struct corpus made_up(int documents) {
    struct corpus corpus = {.documents = documents};
    corpus.begin = calloc((size_t)documents + 1, sizeof *corpus.begin);
    for (int d = 0; d < documents; d++) {
        for (int i = 0; i < 1 + d * 5 % 12; i++)
            assert_int_equal(token_list_append(&corpus.tokens, 100 * d + i), STATUS_OK);
        corpus.begin[d + 1] = (int64_t)corpus.tokens.count;
    }
    return corpus;
}

static void test_files(void **state) {
    (void)state;
    struct corpus corpus = {0};
    struct corpus_options options = options_of();
    const char *lines =
        scratch_text(&scratch, "a.jsonl", "{\"text\": \"one\"}\n\n  \t\n{\"text\": \"two\", \"more\": 1}");
    const char *text = scratch_text(&scratch, "b.txt", "three\n\nfour");
    assert_int_equal(corpus_add(&corpus, lines, &options), STATUS_OK);
    assert_int_equal(corpus_add(&corpus, text, &options), STATUS_OK);
    assert_int_equal(corpus.documents, 3);
    for (int d = 0; d < 3; d++) {
        assert_int_equal(corpus.tokens.id[corpus.begin[d]], tokenizer_bos(tokenizer));
        assert_int_equal(corpus.tokens.id[corpus.begin[d + 1] - 1], tokenizer_eos(tokenizer));
    }
    uint64_t identity = corpus_identity(&corpus);
    corpus_close(&corpus);
    assert_int_equal(corpus_add(&corpus, text, &options), STATUS_OK);
    assert_int_equal(corpus_add(&corpus, lines, &options), STATUS_OK);
    assert_int_not_equal(corpus_identity(&corpus), identity);
    corpus_close(&corpus);
}

static void test_refused(void **state) {
    (void)state;
    struct corpus_options options = options_of();
    static const char *const bad[] = {"{\"text\": 1}", "[1]", "\n{\"text\": \"x\"", "{\"TEXT\": \"x\"}",
                                      "text"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct corpus corpus = {0};
        assert_int_equal(corpus_add_lines(&corpus, bad[i], strlen(bad[i]), "bad.jsonl", &options),
                         STATUS_FORMAT);
        assert_non_null(strstr(status_message(), i == 2 ? "bad.jsonl, line 2" : "bad.jsonl, line 1"));
        corpus_close(&corpus);
    }
    struct corpus none = {0};
    struct packing packing;
    assert_int_equal(corpus_add(&none, "no such file", &options), STATUS_NOT_FOUND);
    assert_int_equal(packing_open(&packing, &none, 1, 8, PACK_CUT), STATUS_INPUT);
}

/* What segments and targets say is what the texts say. */
static void check_batch(const struct corpus *corpus, const struct train_batch *batch, int *seen) {
    int row = 0;
    for (int s = 0; s < batch->segments; s++) {
        assert_int_equal(batch->segment[s].row_begin, row);
        for (int r = 0; r < batch->segment[s].rows; r++, row++) {
            int document = batch->token[row] / 100, at = batch->token[row] % 100;
            bool last = at + 1 == corpus->begin[document + 1] - corpus->begin[document];
            if (r) assert_int_equal(batch->token[row], batch->token[row - 1] + 1);
            assert_int_equal(batch->target[row], last ? -1 : batch->token[row] + 1);
            assert_true(batch->weight[row] == (last ? 0.0f : 1.0f));
            seen[corpus->begin[document] + at]++;
        }
    }
    assert_int_equal(row, batch->rows);
}

static void test_packing(void **state) {
    (void)state;
    enum { ROWS = 16 };
    struct corpus corpus = made_up(40);
    struct packing packing;
    struct packed_batch packed;
    int *seen = calloc(corpus.tokens.count, sizeof *seen);
    assert_int_equal(packing_open(&packing, &corpus, 9, ROWS, PACK_CUT), STATUS_OK);
    assert_int_equal(packed_batch_open(&packed, 2 * ROWS), STATUS_OK);
    for (int64_t i = 0; i + 1 < packing.sequences; i += 2) {
        packed_batch_clear(&packed);
        packing_append(&packing, i, &packed);
        packing_append(&packing, i + 1, &packed);
        assert_int_equal(packed.batch.rows, 2 * ROWS);
        check_batch(&corpus, &packed.batch, seen);
    }
    int once = 0;
    for (size_t i = 0; i < corpus.tokens.count; i++) {
        assert_true(seen[i] <= 1);
        once += seen[i];
    }
    assert_int_equal(once, packing.sequences / 2 * 2 * ROWS);
    free(seen);
    packed_batch_close(&packed);
    packing_close(&packing);
    corpus_close(&corpus);
}

/* The ids of sequence `index` by a packing that has been asked for nothing else. */
static void fresh(const struct corpus *corpus, uint64_t seed, int64_t index, int32_t ids[16]) {
    struct packing packing;
    struct packed_batch packed;
    assert_int_equal(packing_open(&packing, corpus, seed, 16, PACK_CUT), STATUS_OK);
    assert_int_equal(packed_batch_open(&packed, 16), STATUS_OK);
    packed_batch_clear(&packed);
    packing_append(&packing, index, &packed);
    memcpy(ids, packed.token, 16 * sizeof *ids);
    packed_batch_close(&packed);
    packing_close(&packing);
}

static void test_order(void **state) {
    (void)state;
    struct corpus corpus = made_up(40);
    struct packing packing;
    struct packed_batch packed;
    int32_t ids[16], other[16];
    assert_int_equal(packing_open(&packing, &corpus, 9, 16, PACK_CUT), STATUS_OK);
    assert_int_equal(packed_batch_open(&packed, 16), STATUS_OK);
    for (int64_t i = 0; i < 3 * packing.sequences; i += 5) {
        packed_batch_clear(&packed);
        packing_append(&packing, i, &packed);
        fresh(&corpus, 9, i, ids);
        assert_memory_equal(ids, packed.token, sizeof ids);
        fresh(&corpus, 9, i + packing.sequences, other); /* another epoch */
        assert_memory_not_equal(ids, other, sizeof ids);
        fresh(&corpus, 10, i, other);
        assert_memory_not_equal(ids, other, sizeof ids);
    }
    packed_batch_close(&packed);
    packing_close(&packing);
    corpus_close(&corpus);
}

static void test_crossing(void **state) {
    (void)state;
    struct corpus corpus = made_up(40);
    struct packing packing;
    struct packed_batch packed;
    assert_int_equal(packing_open(&packing, &corpus, 9, 16, PACK_CROSS), STATUS_OK);
    assert_int_equal(packed_batch_open(&packed, 32), STATUS_OK);
    packed_batch_clear(&packed);
    packing_append(&packing, 0, &packed);
    packing_append(&packing, 1, &packed);
    assert_int_equal(packed.batch.segments, 2);
    for (int r = 0; r < 31; r++)
        if (r != 15) assert_int_equal(packed.target[r], packed.token[r + 1]);
    packed_batch_close(&packed);
    packing_close(&packing);
    corpus_close(&corpus);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files), cmocka_unit_test(test_refused),  cmocka_unit_test(test_packing),
        cmocka_unit_test(test_order), cmocka_unit_test(test_crossing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
