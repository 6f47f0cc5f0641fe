/* test_run_store.c - checkpoints of a run: what was saved is what is loaded, other commands get the trainer's logits from it bit
 * for bit, damage is refused, old steps go, metrics are cut where a run goes on. */
#include "support/scratch.h"
#include "support/tiny_train.h"

#include "engine/engine.h"
#include "kernel/kernel.h"
#include "train/run_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run { /* a trainer that has taken some steps, and its store */
    struct comm comm;
    struct scratch scratch;
    struct trainer trainer;
    struct optimizer optimizer;
    struct run_store store;
    struct run_state state;
    json_t *config;
    char path[256];
};

static void take_step(struct run *run) {
    struct train_batch batch = tiny_batch();
    struct loss_scale scale = tiny_scale();
    struct loss_sums sums = {0};
    if (!run->trainer.model.desc.mtp_layers) scale.mtp = 0;
    trainer_clear(&run->trainer);
    assert_int_equal(trainer_accumulate(&run->trainer, &batch, &scale, &sums), STATUS_OK);
    double norm = optimizer_gradient_norm(&run->trainer);
    assert_int_equal(optimizer_step(&run->optimizer, &run->trainer, 1e-3, norm), STATUS_OK);
    trainer_balance(&run->trainer, 1e-3);
    run->state.step++;
    spike_seen(&run->state.loss, sums.token, 6);
}

static void open_trainer(struct run *run, enum tiny_model model, bool strict) {
    struct trainer_options options = {
        .threads = 2, .cpu_level_cap = CPU_LEVEL_COUNT - 1, .max_rows = TINY_ROWS, .strict = strict};
    struct optimizer_options optimizer = optimizer_defaults(OPTIMIZER_ADAMW);
    run->comm = comm_self();
    tiny_trainer_open(&run->trainer, model, &options);
    assert_int_equal(optimizer_open(&run->optimizer, &run->trainer, &optimizer, &run->comm), STATUS_OK);
}

static void open_run(struct run *run, enum tiny_model model, bool strict) {
    *run =
        (struct run){.state = {.seed = ~UINT64_C(0), .data = 42, .sequence_rows = 12, .batch_sequences = 2}};
    scratch_open(&run->scratch);
    snprintf(run->path, sizeof run->path, "%s", scratch_path(&run->scratch, "run"));
    open_trainer(run, model, strict);
    run->config = tiny_config(model);
    assert_int_equal(run_store_open(&run->store, run->path, false), STATUS_OK);
    run->store.config = run->config;
    run->store.tokenizer = run->scratch.directory;
    take_step(run);
    assert_int_equal(run_store_save(&run->store, &run->trainer, &run->optimizer, &run->state), STATUS_OK);
}

static void close_run(struct run *run) {
    run_store_close(&run->store);
    optimizer_close(&run->optimizer);
    trainer_close(&run->trainer);
    json_decref(run->config);
    char command[320]; /* scratch_close() removes files alone */
    snprintf(command, sizeof command, "rm -rf %s", run->path);
    assert_int_equal(system(command), 0);
    scratch_close(&run->scratch);
}

static const char *inside(const struct run *run, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", run->path, name);
    return path;
}

/* ---- the trainer's logits are the engine's ---- */

static void check_logits(enum tiny_model model, bool strict) {
    struct run run;
    struct engine *engine;
    struct sequence *sequence;
    open_run(&run, model, strict);
    struct engine_options options = {.model = {.path = inside(&run, "latest"),
                                               .threads = 1,
                                               .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                               .max_rows = 5, /* chunks of a prompt are no segments */
                                               .strict = strict,
                                               .kv_automatic = true,
                                               .sequences = 1},
                                     .no_tokenizer = true};
    struct train_batch batch = tiny_batch();
    struct loss_sums sums = {0};
    float trained[TINY_ROWS * TINY_VOCAB], found[5 * TINY_VOCAB];
    assert_int_equal(trainer_evaluate(&run.trainer, &batch, false, &sums), STATUS_OK);
    trainer_logits(&run.trainer, 0, TINY_ROWS, trained);
    assert_int_equal(engine_open(&engine, &options), STATUS_OK);
    for (int s = 0; s < batch.segments; s++) {
        const struct train_segment *segment = &batch.segment[s];
        assert_int_equal(sequence_open(&sequence, engine), STATUS_OK);
        assert_int_equal(
            sequence_append(sequence, batch.token + segment->row_begin, segment->rows, TOKEN_PROMPT),
            STATUS_OK);
        for (int at = 0; at < segment->rows;) {
            int rows = segment->rows - at < 5 ? segment->rows - at : 5;
            const int32_t row[] = {0, 1, 2, 3, 4};
            assert_int_equal(engine_step(engine, &(struct step_item){sequence, rows}, 1), STATUS_OK);
            engine_logits(engine, row, rows, found);
            assert_memory_equal(found, trained + (segment->row_begin + at) * TINY_VOCAB,
                                (size_t)rows * TINY_VOCAB * sizeof *found);
            at += rows;
        }
        sequence_close(sequence);
    }
    engine_close(engine);
    close_run(&run);
}

static void test_logits(void **state) {
    (void)state;
    for (int model = 0; model < TINY_COUNT; model++) {
        check_logits((enum tiny_model)model, false);
        check_logits((enum tiny_model)model, true);
    }
}

/* ---- going on ---- */

static void test_goes_on(void **state) {
    (void)state;
    struct run run, again = {0};
    open_run(&run, TINY_V3, false);
    struct run_state saved = run.state;
    open_trainer(&again, TINY_V3, false);
    int64_t bytes = run.trainer.parameters.elements * (int64_t)sizeof(float);
    assert_int_equal(run_store_newest(&run.store), 1);
    assert_int_equal(run_store_load(&run.store, 1, &again.trainer, &again.optimizer, &again.state),
                     STATUS_OK);
    assert_memory_equal(&saved, &again.state, sizeof saved);
    for (int i = 0; i < 3; i++) {
        take_step(&run);
        take_step(&again);
    }
    assert_memory_equal(run.trainer.parameters.value, again.trainer.parameters.value, (size_t)bytes);
    assert_memory_equal(run.optimizer.second, again.optimizer.second, (size_t)bytes);
    optimizer_close(&again.optimizer);
    trainer_close(&again.trainer);
    close_run(&run);
}

static void test_keeps(void **state) {
    (void)state;
    struct run run;
    open_run(&run, TINY_QWEN2, false);
    run.store.keep = 2;
    for (int i = 0; i < 4; i++) {
        take_step(&run);
        assert_int_equal(run_store_save(&run.store, &run.trainer, &run.optimizer, &run.state), STATUS_OK);
    }
    assert_int_equal(run_store_save(&run.store, &run.trainer, &run.optimizer, &run.state),
                     STATUS_OK); /* again */
    assert_int_equal(run_store_newest(&run.store), 5);
    assert_int_equal(access(inside(&run, "step-00000003"), F_OK), -1);
    assert_int_equal(access(inside(&run, "step-00000004/trainer/state.json"), F_OK), 0);
    assert_int_equal(access(inside(&run, "latest/model.safetensors"), F_OK), 0);
    close_run(&run);
}

/* A step that was interrupted while it was written is none, and in nobody's way. */
static void test_interrupted(void **state) {
    (void)state;
    struct run run;
    open_run(&run, TINY_QWEN2, false);
    assert_int_equal(mkdir(inside(&run, "step.partial"), 0777), 0);
    assert_int_equal(mkdir(inside(&run, "step.partial/trainer"), 0777), 0);
    assert_int_equal(mkdir(inside(&run, "step-2"), 0777), 0);
    assert_int_equal(run_store_newest(&run.store), 1);
    take_step(&run);
    assert_int_equal(run_store_save(&run.store, &run.trainer, &run.optimizer, &run.state), STATUS_OK);
    assert_int_equal(run_store_newest(&run.store), 2);
    assert_int_equal(rmdir(inside(&run, "step-2")), 0);
    close_run(&run);
}

static void test_refused(void **state) {
    (void)state;
    struct run run;
    struct run_store other;
    struct run_state loaded;
    open_run(&run, TINY_QWEN2, false);
    assert_int_equal(run_store_open(&other, run.path, true), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "in use"));
    run_store_close(&run.store);
    assert_int_equal(run_store_open(&other, run.path, false), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "--resume"));
    assert_int_equal(run_store_open(&run.store, run.path, true), STATUS_OK);
    run.optimizer.options.kind = OPTIMIZER_MUON;
    assert_int_equal(run_store_load(&run.store, 1, &run.trainer, &run.optimizer, &loaded), STATUS_INPUT);
    run.optimizer.options.kind = OPTIMIZER_ADAMW;
    assert_int_equal(truncate(inside(&run, "step-00000001/trainer/optimizer.safetensors"), 4000), 0);
    assert_int_equal(run_store_load(&run.store, 1, &run.trainer, &run.optimizer, &loaded), STATUS_FORMAT);
    assert_int_equal(unlink(inside(&run, "step-00000001/trainer/optimizer.safetensors")), 0);
    assert_int_not_equal(run_store_load(&run.store, 1, &run.trainer, &run.optimizer, &loaded), STATUS_OK);
    close_run(&run);
}

static void test_metrics(void **state) {
    (void)state;
    struct run run;
    size_t bytes;
    open_run(&run, TINY_QWEN2, false);
    assert_int_equal(run_store_open_metrics(&run.store, 0), STATUS_OK);
    for (int step = 1; step <= 4; step++)
        assert_int_equal(
            run_store_write_metrics(&run.store, json_pack("{s:i, s:i}", "step", step, "unix_seconds", 9)),
            STATUS_OK);
    fputs("{\"step\":5,\"lo", run.store.metrics); /* killed while writing */
    fclose(run.store.metrics);
    run.store.metrics = NULL;
    assert_int_equal(run_store_open_metrics(&run.store, 2), STATUS_OK);
    assert_int_equal(
        run_store_write_metrics(&run.store, json_pack("{s:i, s:i}", "step", 3, "unix_seconds", 9)),
        STATUS_OK);
    char *text = file_contents(inside(&run, "metrics.jsonl"), &bytes);
    assert_string_equal(text, "{\"step\":1,\"unix_seconds\":9}\n{\"step\":2,\"unix_seconds\":9}\n{\"step\":3,"
                              "\"unix_seconds\":9}\n");
    free(text);
    close_run(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),      cmocka_unit_test(test_goes_on), cmocka_unit_test(test_keeps),
        cmocka_unit_test(test_interrupted), cmocka_unit_test(test_refused), cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
