/* Scoring: perplexity is that of the logits as one window gives them, stored predictions come back as they went in and
 * damaged ones are refused, and the squares of activations are those that the weights say. */
#include "engine/activation_squares.h"
#include "engine/logprob_file.h"
#include "engine/score_stats.h"
#include "support/mutate.h"
#include "support/scratch.h"
#include "support/small_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WINDOW = 24, WINDOWS = 3, VOCAB = 1024, WIDTH = 64, EXPERTS_USED = 2, MAX_ROWS = 7 };

static struct scratch scratch;
static int32_t token[WINDOW * WINDOWS];

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static int open_files(void **state) {
    (void)state;
    scratch_open(&scratch);
    for (int i = 0; i < WINDOW * WINDOWS; i++) token[i] = (i * 37 + i * i) % VOCAB;
    small_model_write_mtp(&scratch);
    return 0;
}

static int close_files(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

static struct engine *open_small(int max_rows) {
    return small_model_open(scratch_path(&scratch, "small"), WINDOW, max_rows);
}

/* ---- perplexity ---- */

/* Losses by one step of the whole window and sums in double. */
static double loss_by_hand(struct engine *engine, const int32_t *window, int32_t begin, int first) {
    static float logits[WINDOW * VOCAB];
    struct sequence *sequence;
    int32_t row[WINDOW], copy[WINDOW];
    double loss = 0;
    memcpy(copy, window, sizeof copy);
    if (begin >= 0) copy[0] = begin;
    require(sequence_open(&sequence, engine));
    require(sequence_append(sequence, copy, WINDOW, TOKEN_PROMPT));
    require(engine_step(engine, &(struct step_item){sequence, WINDOW}, 1));
    for (int32_t i = 0; i < WINDOW; i++) row[i] = i;
    engine_logits(engine, row, WINDOW, logits);
    for (int i = first; i < WINDOW - 1; i++) {
        double sum = 0;
        for (int v = 0; v < VOCAB; v++) sum += exp(logits[i * VOCAB + v]);
        loss += log(sum) - logits[i * VOCAB + window[i + 1]];
    }
    sequence_close(sequence);
    return loss;
}

struct gathered {
    struct moments loss;
    float logprob[VOCAB];
    int64_t window;
    int row;
};

static enum status gather(void *context, const struct score_row *row) {
    struct gathered *gathered = context;
    assert_true(row->window > gathered->window ? row->row == 0 : row->row == gathered->row + 1);
    score_log_softmax(row->logits, VOCAB, gathered->logprob);
    moments_add(&gathered->loss, -(double)gathered->logprob[row->target]);
    gathered->window = row->window;
    gathered->row = row->row;
    return STATUS_OK;
}

static void windows_are_scored(void **state) {
    (void)state;
    static const struct {
        int first;
        int32_t begin;
    } cases[] = {{WINDOW / 2, -1}, {0, -1}, {WINDOW / 2, 5}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        struct score_windows windows = {token, WINDOWS, WINDOW, cases[c].first, cases[c].begin};
        struct gathered gathered = {.window = -1};
        struct scorer scorer;
        double expected = 0;
        struct engine *engine = open_small(WINDOW);
        for (int w = 0; w < WINDOWS; w++)
            expected += loss_by_hand(engine, token + w * WINDOW, cases[c].begin, cases[c].first);
        engine_close(engine);
        engine = open_small(MAX_ROWS); /* steps end within windows */
        require(scorer_open(&scorer, engine));
        for (int64_t w = 0; w < WINDOWS; w++) require(score_window(&scorer, &windows, w, gather, &gathered));
        scorer_close(&scorer);
        engine_close(engine);
        assert_int_equal(gathered.loss.count, WINDOWS * score_window_rows(&windows));
        assert_true(fabs(gathered.loss.sum - expected) <= 1e-5 * expected);
    }
}

static void windows_are_counted(void **state) {
    (void)state;
    assert_int_equal(score_windows_count(100, 24, 0), 4);
    assert_int_equal(score_windows_count(100, 24, 3), 3);
    assert_int_equal(score_windows_count(100, 24, 9), 4);
    assert_int_equal(score_windows_count(23, 24, 0), 0);
}

/* ---- statistics ---- */

static void comparison_is_exact(void **state) {
    (void)state;
    /* two observations over three tokens, worked out by hand */
    const float base[2][3] = {{-0.6931472f, -1.3862944f, -1.3862944f},
                              {-1.3862944f, -0.6931472f, -1.3862944f}};
    const float model[2][3] = {{-1.3862944f, -0.6931472f, -1.3862944f},
                               {-1.3862944f, -0.6931472f, -1.3862944f}};
    struct comparison comparison;
    require(comparison_open(&comparison, 2));
    comparison_add(&comparison, base[0], model[0], 3, 0);
    comparison_add(&comparison, base[1], model[1], 3, 1);
    struct comparison_result result = comparison_finish(&comparison);
    double divergence = 0.25 * log(2); /* 1/2 ln 2 + 1/4 ln 1/2, and 0 */
    assert_true(fabs(result.divergence.value - divergence / 2) < 1e-6);
    assert_true(fabs(result.divergence.error - divergence / 2) < 1e-6);
    assert_true(fabs(result.largest - divergence) < 1e-6 && fabs(result.median - divergence / 2) < 1e-6);
    assert_true(fabs(result.perplexity.value - exp(1.5 * log(2))) < 1e-5);
    assert_true(fabs(result.base_perplexity.value - 2) < 1e-5);
    assert_true(fabs(result.ratio.value - sqrt(2)) < 1e-5);
    assert_true(fabs(result.same_top.value - 0.5) < 1e-9);
    assert_true(fabs(result.difference.value + 0.125) < 1e-6);
    comparison_close(&comparison);
}

/* ---- stored predictions ---- */

static float logprob_at(int64_t row, int64_t v) {
    return -(float)((row * 131 + v * 7919) % 1000) / 50 - 0.01f * (float)(row % 3);
}

static const char *store(const char *name) {
    struct score_windows windows = {token, WINDOWS, WINDOW, WINDOW / 2, 7};
    struct logprob_writer *writer;
    static float row[VOCAB];
    const char *path = scratch_path(&scratch, name);
    require(logprob_writer_open(&writer, path, &windows, VOCAB, 1234));
    for (int64_t r = 0; r < WINDOWS * score_window_rows(&windows); r++) {
        for (int64_t v = 0; v < VOCAB; v++) row[v] = logprob_at(r, v);
        require(logprob_writer_append(writer, row));
    }
    require(logprob_writer_finish(writer));
    logprob_writer_close(writer);
    return path;
}

static void stored_predictions_return(void **state) {
    (void)state;
    struct logprob_file file;
    static float row[VOCAB];
    require(logprob_file_open(&file, store("stored")));
    assert_int_equal(file.vocab, VOCAB);
    assert_int_equal(file.text_hash, 1234);
    assert_int_equal(file.windows.windows, WINDOWS);
    assert_int_equal(file.windows.begin, 7);
    assert_memory_equal(file.windows.token, token, sizeof token);
    int rows = score_window_rows(&file.windows);
    for (int64_t r = 0; r < WINDOWS * rows; r++) {
        logprob_file_row(&file, r / rows, (int)(r % rows), row);
        for (int64_t v = 0; v < VOCAB; v++) assert_true(fabsf(row[v] - logprob_at(r, v)) <= 2e-4f);
    }
    logprob_file_close(&file);
}

static void damaged_predictions_are_refused(void **state) {
    (void)state;
    size_t bytes;
    char *whole = file_contents(store("whole"), &bytes);
    char *damaged = malloc(bytes + 64);
    struct mutator mutator = {1};
    struct logprob_file file;
    for (int i = 0; i < 300; i++) {
        memcpy(damaged, whole, bytes);
        size_t length = mutate_bytes(&mutator, (uint8_t *)damaged, bytes, bytes + 64);
        if (length == bytes && !memcmp(damaged, whole, bytes)) continue;
        const char *path = scratch_write(&scratch, "damaged", damaged, length);
        assert_int_not_equal(logprob_file_open(&file, path), STATUS_OK);
        assert_non_null(strstr(status_message(), "damaged"));
    }
    free(whole);
    free(damaged);
}

/* ---- squares of activations ---- */

static const struct imatrix_sums *find(const struct imatrix_sums *sums, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(sums[i].name, name)) return &sums[i];
    fail_msg("%s has no sums", name);
    return NULL;
}

/* The first projection's input is the norm of the embedding: all that is needed are two weights. */
static void expected_first(const struct engine *engine, double sum[WIDTH]) {
    const struct weights *weights = &engine->model.weights;
    const struct tensor *embed = weights_matrix(weights, WEIGHT_EMBED, 0, 0);
    const float *norm = weights_vector(weights, WEIGHT_ATTENTION_NORM, 0);
    float x[WIDTH];
    memset(sum, 0, WIDTH * sizeof *sum);
    for (int t = 0; t < WINDOW * WINDOWS; t++) {
        double squares = 0;
        tensor_decode_row(embed, token[t], x);
        for (int i = 0; i < WIDTH; i++) squares += (double)x[i] * x[i];
        for (int i = 0; i < WIDTH; i++) {
            double y = x[i] / sqrt(squares / WIDTH + 1e-6) * norm[i];
            sum[i] += y * y;
        }
    }
}

static enum status run_module(void *context, const struct step_item *item) {
    const struct sequence *sequence = item->sequence;
    int begin = sequence->cached - item->rows;
    int rows = item->rows - (begin + item->rows == sequence->tokens);
    return rows ? engine_mtp_step(context, sequence, begin, rows) : STATUS_OK;
}

static void squares_are_summed(void **state) {
    (void)state;
    struct score_windows windows = {token, WINDOWS, WINDOW, WINDOW / 2, -1};
    struct gathered gathered = {.window = -1};
    struct scorer scorer;
    struct activation_squares *squares;
    struct imatrix_sums *sums;
    size_t count;
    double expected[WIDTH];
    struct engine *engine = open_small(MAX_ROWS);
    require(activation_squares_open(&squares, engine));
    require(scorer_open(&scorer, engine));
    scorer.step_done = run_module;
    scorer.step_context = engine;
    for (int64_t w = 0; w < WINDOWS; w++) require(score_window(&scorer, &windows, w, gather, &gathered));
    require(activation_squares_list(squares, &sums, &count));

    expected_first(engine, expected);
    static const char *const first[] = {"blk.0.attn_q_a.weight", "blk.0.attn_kv_a_mqa.weight"};
    for (size_t f = 0; f < COUNT_OF(first); f++) {
        const struct imatrix_sums *found = find(sums, count, first[f]);
        assert_int_equal(found->columns, WIDTH);
        assert_int_equal(found->counts[0], WINDOW * WINDOWS);
        for (int i = 0; i < WIDTH; i++) assert_true(fabs(found->sum[i] - expected[i]) <= 1e-5 * expected[i]);
    }

    /* every row goes to two experts and to the shared one, which see the same input */
    const struct imatrix_sums *experts = find(sums, count, "blk.1.ffn_gate_exps.weight");
    const struct imatrix_sums *shared = find(sums, count, "blk.1.ffn_gate_shexp.weight");
    int64_t rows = 0;
    for (int64_t e = 0; e < experts->count_values; e++) rows += experts->counts[e];
    assert_int_equal(rows, EXPERTS_USED * shared->counts[0]);
    for (int64_t i = 0; i < WIDTH; i++) {
        double sum = 0;
        for (int64_t e = 0; e < experts->matrices; e++) sum += experts->sum[e * WIDTH + i];
        assert_true(fabs(sum - EXPERTS_USED * shared->sum[i]) <= 1e-9 * sum);
    }
    assert_int_equal(find(sums, count, "blk.1.ffn_down_exps.weight")->columns, 32);
    assert_int_equal(find(sums, count, "blk.1.attn_v_b.weight")->matrices, 2);
    assert_int_equal(find(sums, count, "output.weight")->counts[0], WINDOWS * score_window_rows(&windows));
    assert_int_equal(find(sums, count, "blk.2.attn_q_a.weight")->counts[0], WINDOWS * (WINDOW - 1));

    free(sums);
    scorer_close(&scorer);
    activation_squares_close(squares);
    engine_close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows_are_scored),
                                       cmocka_unit_test(windows_are_counted),
                                       cmocka_unit_test(comparison_is_exact),
                                       cmocka_unit_test(stored_predictions_return),
                                       cmocka_unit_test(damaged_predictions_are_refused),
                                       cmocka_unit_test(squares_are_summed)};
    return cmocka_run_group_tests(tests, open_files, close_files);
}
