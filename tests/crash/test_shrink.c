/* test_shrink.c - a checkpoint that shrinks while the model runs ends in a sentence that names the file; the process and
 * other models live on. Compute workers are the ones that touch the lost pages. */
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "support/scratch.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static const char source[] = "../shared/cases/v3_bf16_mtp";

static struct engine *open_model(const char *path) {
    struct engine *engine;
    struct engine_options options = {.model = {.path = path,
                                               .cpu_level_cap = CPU_AMX,
                                               .threads = 2,
                                               .max_rows = 16,
                                               .kv_automatic = true,
                                               .context = 64},
                                     .no_tokenizer = true};
    if (engine_open(&engine, &options) != STATUS_OK) fail_msg("%s", status_message());
    return engine;
}

static enum status step(struct sequence *sequence) {
    if (sequence_append(sequence, &(int32_t){7}, 1, TOKEN_PROMPT) != STATUS_OK)
        fail_msg("%s", status_message());
    return engine_step(sequence->engine, &(struct step_item){sequence, 1}, 1);
}

static void shrinking_weights(void **state) {
    (void)state;
    struct scratch scratch;
    struct sequence *sequence, *other;
    static const char *const files[] = {"config.json", "model.safetensors"};
    if (access(source, R_OK)) skip();
    scratch_open(&scratch);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[256];
        size_t bytes;
        snprintf(path, sizeof path, "%s/%s", source, files[i]);
        char *data = file_contents(path, &bytes);
        scratch_write(&scratch, files[i], data, bytes);
        free(data);
    }
    struct engine *engine = open_model(scratch.directory), *bystander = open_model(source);
    assert_int_equal(sequence_open(&sequence, engine), STATUS_OK);
    assert_int_equal(sequence_open(&other, bystander), STATUS_OK);
    assert_int_equal(step(sequence), STATUS_OK);
    assert_int_equal(truncate(scratch_path(&scratch, "model.safetensors"), 1 << 20), 0);
    assert_int_equal(step(sequence), STATUS_IO);
    assert_non_null(strstr(status_message(), "model.safetensors"));
    assert_int_equal(step(sequence), STATUS_IO); /* and stays an error */
    assert_int_equal(step(other), STATUS_OK);
    sequence_close(sequence);
    sequence_close(other);
    engine_close(engine);
    engine_close(bystander);
    scratch_close(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shrinking_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
