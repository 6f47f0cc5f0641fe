/* bandit.c - see bandit.h. With log p the derivative by the logits of the expected reward p(arm) is p(arm) (one at the arm - p):
 * taking each token as an answer, with advantage times its probability for a share, gives that sum exactly. */
#include "train/bandit.h"

#include "base/json.h"
#include "kernel/kernel.h"
#include "train/learner.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB = 24, ARM = 17, PROMPT_TOKENS = 3, GROUP = 64, STEPS = 150 };

static const char config_text[] =
    "{\"model_type\":\"deepseek_v3\",\"hidden_size\":32,\"vocab_size\":24,\"intermediate_size\":48,"
    "\"num_attention_heads\":2,\"rms_norm_eps\":1e-6,\"max_position_embeddings\":64,\"kv_lora_rank\":16,"
    "\"q_lora_rank\":null,\"qk_nope_head_dim\":16,\"qk_rope_head_dim\":8,\"v_head_dim\":16,"
    "\"moe_intermediate_size\":24,\"n_routed_experts\":4,\"num_experts_per_tok\":2,\"n_shared_experts\":1,"
    "\"first_k_dense_replace\":1,\"num_hidden_layers\":2,\"n_group\":1,\"topk_group\":1,\"norm_topk_prob\":"
    "true,"
    "\"routed_scaling_factor\":1.0}";

static const int32_t prompt_ids[PROMPT_TOKENS] = {5, 9, 2};

struct bandit {
    const struct bandit_options *options;
    struct comm comm;
    struct trainer trainer;
    struct crew crew;
    struct optimizer optimizer;
    struct learner learner;
    struct rollout *rollout;
    struct rollout_answer answer[GROUP];
    struct lesson lesson[GROUP];
    double now[GROUP];
};

static enum status check(const struct bandit *bandit, const char *what, double found, double bound) {
    const struct bandit_options *options = bandit->options;
    if (options->check) options->check(options->context, what, found, bound);
    if (found <= bound) return STATUS_OK; /* false for NaN */
    return fail(STATUS_INTERNAL, "self-test: %s: %g, at most %g was expected", what, found, bound);
}

static enum status open_bandit(struct bandit *bandit) {
    struct trainer_options trainer = {.threads = bandit->options->threads,
                                      .cpu_level_cap = bandit->options->cpu_level_cap,
                                      .max_rows = GROUP * PROMPT_TOKENS,
                                      .strict = true};
    struct learner_options learner = {.policy = {.clip_low = 0.2, .clip_high = 0.28, .longest = 1},
                                      .temperature = 1};
    struct optimizer_options optimizer = optimizer_defaults(OPTIMIZER_ADAMW);
    struct model_desc desc;
    json_t *config;
    if (!trainer.cpu_level_cap) trainer.cpu_level_cap = CPU_LEVEL_COUNT - 1;
    TRY(json_parse(config_text, sizeof config_text - 1, "self-test", &config));
    enum status status = model_desc_from_config(&desc, config, "self-test");
    json_decref(config);
    TRY(status);
    TRY(trainer_open(&bandit->trainer, &desc, &trainer));
    parameters_initialise(&bandit->trainer.parameters, 0.1, bandit->options->seed);
    TRY(optimizer_open(&bandit->optimizer, &bandit->trainer, &optimizer, &bandit->comm));
    TRY(crew_open(&bandit->crew, &bandit->trainer, &trainer, 1, &bandit->comm));
    TRY(learner_open(&bandit->learner, &bandit->crew, &learner));
    struct rollout_options rollout = {&bandit->trainer, NULL, PROMPT_TOKENS + 2, GROUP};
    return rollout_open(&bandit->rollout, &rollout);
}

static void free_answers(struct bandit *bandit) {
    for (int i = 0; i < GROUP; i++) rollout_answer_free(&bandit->answer[i]);
}

static void close_bandit(struct bandit *bandit) {
    free_answers(bandit);
    rollout_close(bandit->rollout);
    learner_close(&bandit->learner);
    crew_close(&bandit->crew);
    optimizer_close(&bandit->optimizer);
    trainer_close(&bandit->trainer);
}

/* ---- the exact gradient ---- */

/* log p of each token as the answer. */
static enum status measure_all(struct bandit *bandit, double logprob[VOCAB]) {
    struct lesson lesson[VOCAB];
    struct rollout_answer answer[VOCAB];
    int32_t id[VOCAB];
    for (int v = 0; v < VOCAB; v++) {
        id[v] = v;
        answer[v] = (struct rollout_answer){.id = &id[v], .tokens = 1};
        lesson[v] = (struct lesson){prompt_ids, PROMPT_TOKENS, &answer[v], 0, &logprob[v], NULL};
    }
    return learner_measure(&bandit->learner, lesson, VOCAB, MEASURE_NOW);
}

/* The gradient of -p(ARM), by every token weighed with its probability. */
static enum status exact_gradient(struct bandit *bandit) {
    double old[VOCAB], now[VOCAB];
    int32_t id[VOCAB];
    struct learner_totals totals = {1, 1};
    TRY(measure_all(bandit, old));
    trainer_clear(&bandit->trainer);
    for (int v = 0; v < VOCAB; v++) {
        struct learner_sums sums = {0};
        id[v] = v;
        struct rollout_answer answer = {.id = &id[v], .logprob = &old[v], .tokens = 1};
        double share = exp(old[v]) * ((v == ARM) - exp(old[ARM]));
        struct lesson lesson = {prompt_ids, PROMPT_TOKENS, &answer, share, &now[v], NULL};
        TRY(learner_learn(&bandit->learner, &lesson, 1, &totals, NULL, &sums));
    }
    return STATUS_OK;
}

static enum status check_gradient(struct bandit *bandit) {
    const struct parameters *parameters = &bandit->trainer.parameters;
    const double step = 4e-3;
    double length = 0, p[2];
    float *gradient = malloc((size_t)parameters->elements * sizeof *gradient);
    if (!gradient) return fail(STATUS_MEMORY, "no memory for a gradient");
    enum status status = exact_gradient(bandit);
    memcpy(gradient, parameters->gradient, (size_t)parameters->elements * sizeof *gradient);
    for (int64_t i = 0; i < parameters->elements; i++) length += pow((double)gradient[i], 2);
    length = sqrt(length);
    for (int side = 0; status == STATUS_OK && side < 2; side++) {
        double along = (side ? step : -step) / length, logprob[VOCAB];
        for (int64_t i = 0; i < parameters->elements; i++)
            parameters->value[i] += (float)(along * gradient[i]);
        status = measure_all(bandit, logprob);
        for (int64_t i = 0; i < parameters->elements; i++)
            parameters->value[i] -= (float)(along * gradient[i]);
        p[side] = exp(logprob[ARM]);
    }
    free(gradient);
    TRY(status);
    double slope = (p[0] - p[1]) / (2 * step);
    return check(bandit, "gradient against differences of the expected reward, relative",
                 fabs(slope - length) / length, 0.03);
}

/* ---- learning ---- */

static enum status sample_group(struct bandit *bandit, uint64_t seed) {
    struct rollout_prompt prompt = {prompt_ids, PROMPT_TOKENS, seed};
    struct rollout_request request = {.prompt = &prompt, .prompts = 1, .group = GROUP, .longest = 1};
    request.sampling = sampling_default();
    request.sampling.temperature = 1;
    free_answers(bandit);
    return rollout_run(bandit->rollout, &request, bandit->answer);
}

static enum status learn_group(struct bandit *bandit, bool rewarded, struct learner_sums *sums) {
    double reward[GROUP], advantage[GROUP];
    struct learner_totals totals = {GROUP, GROUP};
    for (int i = 0; i < GROUP; i++) reward[i] = rewarded && bandit->answer[i].id[0] == ARM;
    (void)policy_advantages(ADVANTAGE_MEAN, reward, GROUP, advantage);
    for (int i = 0; i < GROUP; i++)
        bandit->lesson[i] = (struct lesson){prompt_ids,   PROMPT_TOKENS,   &bandit->answer[i],
                                            advantage[i], &bandit->now[i], NULL};
    trainer_clear(&bandit->trainer);
    return learner_learn(&bandit->learner, bandit->lesson, GROUP, &totals, NULL, sums);
}

static enum status check_dead_group(struct bandit *bandit) {
    struct learner_sums sums = {0};
    TRY(sample_group(bandit, bandit->options->seed));
    TRY(learn_group(bandit, false, &sums));
    return check(bandit, "gradient of a group whose rewards are all equal",
                 optimizer_gradient_norm(&bandit->trainer), 0);
}

static enum status learn_arm(struct bandit *bandit) {
    double logprob[VOCAB], deviation = 0;
    for (int step = 0; step < STEPS; step++) {
        struct learner_sums sums = {0};
        TRY(sample_group(bandit, bandit->options->seed + (uint64_t)step));
        TRY(learn_group(bandit, true, &sums));
        deviation = fmax(deviation, sums.policy.deviation);
        TRY(optimizer_step(&bandit->optimizer, &bandit->trainer, 1e-2,
                           optimizer_gradient_norm(&bandit->trainer)));
    }
    TRY(check(bandit, "largest |ratio - 1| between sampler and trainer", deviation, 0));
    TRY(measure_all(bandit, logprob));
    return check(bandit, "probability that is not on the rewarded token", 1 - exp(logprob[ARM]), 0.02);
}

enum status bandit_run(const struct bandit_options *options) {
    struct bandit bandit = {.options = options, .comm = comm_self()};
    enum status status = open_bandit(&bandit);
    if (status == STATUS_OK) status = check_gradient(&bandit);
    if (status == STATUS_OK) status = check_dead_group(&bandit);
    if (status == STATUS_OK) status = learn_arm(&bandit);
    close_bandit(&bandit);
    return status;
}
