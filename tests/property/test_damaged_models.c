/* test_damaged_models.c - 10,000 damaged checkpoints run as a user would: opened, a prompt tokenized, computed and
 * continued by one token. Each ends in a sentence or in a token of the vocabulary; none takes more than a second of
 * processor time. Small synthetic models of both containers and all attention kinds; the seeds are fixed. */
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "model/synth.h"
#include "support/golden.h"
#include "support/mutate.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 2500, HANG_SECONDS = 1 }; /* four kinds of files */

static struct scratch scratch;

static const char v3[] =
    "{\"model_type\":\"deepseek_v3\",\"vocab_size\":300,\"hidden_size\":32,\"intermediate_size\":32,"
    "\"moe_intermediate_size\":32,\"num_hidden_layers\":2,\"first_k_dense_replace\":1,\"num_attention_"
    "heads\":2,"
    "\"n_routed_experts\":4,\"n_shared_experts\":1,\"num_experts_per_tok\":2,\"n_group\":2,\"topk_group\":1,"
    "\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5,\"q_lora_rank\":32,\"kv_lora_rank\":32,"
    "\"qk_rope_head_dim\":8,\"qk_nope_head_dim\":32,\"v_head_dim\":32,\"num_nextn_predict_layers\":1,"
    "\"max_position_embeddings\":256,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,"
    "\"original_max_position_embeddings\":64,\"mscale\":1.0,\"mscale_all_dim\":1.0},"
    "\"bos_token_id\":0,\"eos_token_id\":1}";
static const char llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":300,\"hidden_size\":32,\"intermediate_size\":64,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"max_position_embeddings\":"
    "256,"
    "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,"
    "\"original_max_position_embeddings\":64},\"bos_token_id\":0,\"eos_token_id\":1}";

static void write_model(const char *text, enum dtype type, const char *path) {
    json_t *config;
    struct synth_result result;
    if (json_parse(text, strlen(text), "config", &config) != STATUS_OK) fail_msg("%s", status_message());
    struct synth_options options = {.config = config,
                                    .origin = "config",
                                    .name = "damaged",
                                    .path = path,
                                    .mix = {.type = type},
                                    .seed = 7,
                                    .threads = 1};
    if (synth_write(&options, &result) != STATUS_OK) fail_msg("%s", status_message());
    json_decref(config);
}

static enum status run_prompt(struct engine *engine, int round) {
    static const char text[] = "Ein Satz, 123 \xe4\xbd\xa0\xe5\xa5\xbd.";
    struct token_list list = {0};
    struct sequence *sequence = NULL;
    int32_t row;
    enum status status = tokenizer_encode(engine->tokenizer, text, strlen(text), TOKENIZE_PLAIN, &list);
    if (status == STATUS_OK) status = sequence_open(&sequence, engine);
    if (status == STATUS_OK) status = sequence_append(sequence, list.id, (int)list.count, TOKEN_PROMPT);
    for (int i = 0; i < 2 && status == STATUS_OK && sequence->cached < sequence->tokens; i++) {
        status = engine_prefill(engine, sequence, NULL, NULL, &row);
        if (status != STATUS_OK) break;
        float *logits = malloc((size_t)engine->model.desc.vocab * sizeof *logits);
        engine_logits(engine, &row, 1, logits);
        int32_t id = (int32_t)argmax_of(logits, engine->model.desc.vocab);
        free(logits);
        if (id < 0 || id >= engine->model.desc.vocab) fail_msg("round %d: token %d", round, id);
        status = sequence_append(sequence, &id, 1, TOKEN_GENERATED);
    }
    sequence_close(sequence);
    token_list_free(&list);
    return status;
}

struct outcome {
    int accepted, refused;
};

static void run_damaged(const char *path, int round, struct outcome *outcome) {
    struct engine *engine;
    struct engine_options options = {.model = {.path = path,
                                               .cpu_level_cap = CPU_AMX,
                                               .threads = 1,
                                               .max_rows = 64,
                                               .kv_automatic = true,
                                               .context = 64,
                                               .memory_limit = 1 << 28}};
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){.it_value = {.tv_sec = HANG_SECONDS}}, NULL);
    enum status status = engine_open(&engine, &options);
    if (status == STATUS_OK) {
        status = run_prompt(engine, round);
        engine_close(engine);
    }
    if (status != STATUS_OK && !*status_message()) fail_msg("round %d: refused without a sentence", round);
    if (status == STATUS_OK)
        outcome->accepted++;
    else
        outcome->refused++;
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){0}, NULL);
}

static void check_outcome(const struct outcome *outcome) {
    print_message("%d accepted, %d refused\n", outcome->accepted, outcome->refused);
    assert_int_equal(outcome->accepted + outcome->refused, ROUNDS);
    assert_true(outcome->refused > ROUNDS / 10); /* else the damage is no damage */
    assert_true(outcome->accepted > ROUNDS / 100);
}

static void damage_files(const char *config, enum dtype type, uint64_t seed) {
    struct mutator mutator = {seed};
    struct outcome outcome = {0};
    char valid[300], damaged[300];
    snprintf(valid, sizeof valid, "%s", scratch_path(&scratch, "valid.gguf"));
    snprintf(damaged, sizeof damaged, "%s", scratch_path(&scratch, "damaged.gguf"));
    write_model(config, type, valid);
    for (int round = 0; round < ROUNDS; round++) {
        mutate_file(&mutator, valid, damaged);
        run_damaged(damaged, round, &outcome);
    }
    check_outcome(&outcome);
}

static void damage_directories(const char *config, enum dtype type, uint64_t seed) {
    struct mutator mutator = {seed};
    struct outcome outcome = {0};
    char valid[300], damaged[300], name[256];
    snprintf(valid, sizeof valid, "%s", scratch_path(&scratch, "valid"));
    snprintf(damaged, sizeof damaged, "%s", scratch_path(&scratch, "damaged"));
    write_model(config, type, valid);
    assert_int_equal(mkdir(damaged, 0700), 0);
    for (int round = 0; round < ROUNDS; round++) {
        mutate_directory(&mutator, valid, damaged, name);
        run_damaged(damaged, round, &outcome);
    }
    check_outcome(&outcome);
}

static void gguf_latent(void **state) {
    (void)state;
    damage_files(v3, DTYPE_Q8_0, 11);
}
static void gguf_grouped(void **state) {
    (void)state;
    damage_files(llama, DTYPE_Q4_0, 12);
}
static void directory_latent(void **state) {
    (void)state;
    damage_directories(v3, DTYPE_F8_E4M3, 13);
}
static void directory_grouped(void **state) {
    (void)state;
    damage_directories(llama, DTYPE_BF16, 14);
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, open_scratch, close_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {in_scratch(gguf_latent), in_scratch(gguf_grouped),
                                       in_scratch(directory_latent), in_scratch(directory_grouped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
