/* test_sample.c - samplers against distributions computed here by sorting, penalties against values computed by hand. */
#include "engine/sample.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 129280 };

struct bench { /* a sampler with its space */
    struct sampler sampler;
    struct sample_space space;
};

static void bench_open(struct bench *bench, const struct sampling *sampling, int32_t vocab) {
    assert_int_equal(sampler_open(&bench->sampler, sampling, vocab), STATUS_OK);
    assert_int_equal(sample_space_open(&bench->space, vocab), STATUS_OK);
}

static void bench_close(struct bench *bench) {
    sampler_close(&bench->sampler);
    sample_space_close(&bench->space);
}

static int32_t choose(struct bench *bench, const float *logits) {
    struct choice choice;
    assert_int_equal(sampler_choose(&bench->sampler, &bench->space, logits, &choice), STATUS_OK);
    return choice.id;
}

static int32_t choose_once(struct sampling sampling, const float *logits, int32_t vocab) {
    struct bench bench;
    bench_open(&bench, &sampling, vocab);
    int32_t id = choose(&bench, logits);
    bench_close(&bench);
    return id;
}

#define CHOOSE(sampling, ...)                                                                                \
    choose_once(sampling, (const float[]){__VA_ARGS__},                                                      \
                (int32_t)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))

static struct sampling at_temperature(double temperature) {
    struct sampling sampling = sampling_default();
    sampling.temperature = temperature;
    sampling.seed = 20250120;
    return sampling;
}

/* ---- greedy, and numbers that are none ---- */

static void greedy_takes_the_lowest_of_equals(void **state) {
    (void)state;
    assert_int_equal(CHOOSE(sampling_default(), 1, 3, 2, 3), 1);
    assert_int_equal(CHOOSE(sampling_default(), -0.0f, 0.0f), 0);
    assert_int_equal(CHOOSE(at_temperature(1e-6), 1, 3, 2, 3), 1);
    assert_int_equal(CHOOSE(sampling_default(), 7), 0);
}

static void what_is_no_number_is_never_chosen(void **state) {
    (void)state;
    for (int warm = 0; warm < 2; warm++) {
        struct sampling sampling = at_temperature(warm);
        assert_int_equal(CHOOSE(sampling, NAN, -INFINITY, -5, NAN), 2);
        assert_int_equal(CHOOSE(sampling, 3, NAN, INFINITY, 5), 2);
        assert_int_equal(CHOOSE(sampling, -INFINITY, -FLT_MAX, -INFINITY), 1);
        assert_int_equal(CHOOSE(sampling, -FLT_MAX, FLT_MAX), 1);
    }
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sampling sampling = at_temperature(100);
        sampling.seed = seed;
        sampling.top_p = seed & 1 ? 0.999 : 1;
        sampling.top_k = seed & 2 ? 4 : 0;
        int32_t id = CHOOSE(sampling, NAN, 1, -INFINITY, 2, NAN, 0);
        assert_true(id == 1 || id == 3 || id == 5);
    }
}

static void several_infinities_share(void **state) {
    (void)state;
    struct sampling sampling = at_temperature(1);
    struct bench bench;
    int times[4] = {0};
    bench_open(&bench, &sampling, 4);
    for (int i = 0; i < 400; i++) times[choose(&bench, (const float[]){INFINITY, 9, INFINITY, NAN})]++;
    assert_true(times[0] > 150 && times[2] > 150 && times[0] + times[2] == 400);
    bench_close(&bench);
}

static void nothing_to_choose_is_an_error(void **state) {
    (void)state;
    struct choice choice;
    struct bench bench;
    for (int warm = 0; warm < 2; warm++) {
        struct sampling sampling = at_temperature(warm);
        bench_open(&bench, &sampling, 3);
        assert_int_equal(
            sampler_choose(&bench.sampler, &bench.space, (const float[]){NAN, -INFINITY, NAN}, &choice),
            STATUS_INTERNAL);
        assert_string_equal(status_message(), "the model's logits are not numbers");
        bench_close(&bench);
    }
}

/* ---- distributions ---- */

struct ranked {
    int32_t id;
    float logit;
};

static int compare_ranked(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

/* Probabilities [vocab] by the definition in sample.h, in doubles, by sorting. */
static void expect(const struct sampling *sampling, const float *logits, int vocab, double *probability) {
    struct ranked *ranked = calloc((size_t)vocab, sizeof *ranked);
    double *weight = calloc((size_t)vocab, sizeof *weight), sum = 0, reached = 0, kept_sum = 0;
    assert_true(ranked && weight);
    for (int i = 0; i < vocab; i++) ranked[i] = (struct ranked){i, logits[i]};
    qsort(ranked, (size_t)vocab, sizeof *ranked, compare_ranked);
    int count = sampling->top_k && sampling->top_k < vocab ? (int)sampling->top_k : vocab;
    for (int i = 0; i < count; i++)
        sum += weight[i] = exp(((double)ranked[i].logit - (double)ranked[0].logit) / sampling->temperature);
    for (int i = 0; i < vocab; i++) probability[i] = 0;
    for (int i = 0; i < count; i++) {
        bool enough = i > 0 && reached >= sampling->top_p * sum;
        reached += weight[i];
        if (enough || weight[i] < sampling->min_p) continue;
        kept_sum += probability[ranked[i].id] = weight[i];
    }
    for (int i = 0; i < vocab; i++) probability[i] /= kept_sum;
    free(ranked);
    free(weight);
}

/* Pearson's statistic of `draws` draws; fails when an impossible token was drawn. *freedom: classes less one. */
static double chi_square(const struct sampling *sampling, const float *logits, int vocab, int draws,
                         int *freedom) {
    double *probability = calloc((size_t)vocab, sizeof *probability), statistic = 0;
    int *times = calloc((size_t)vocab, sizeof *times);
    struct bench bench;
    assert_true(probability && times);
    expect(sampling, logits, vocab, probability);
    bench_open(&bench, sampling, vocab);
    for (int i = 0; i < draws; i++) times[choose(&bench, logits)]++;
    *freedom = -1;
    double rare = 0, rare_times = 0; /* classes that are expected less than 5 times are one */
    for (int i = 0; i < vocab; i++) {
        double expected = probability[i] * draws;
        if (probability[i] == 0) assert_int_equal(times[i], 0);
        if (expected < 5) {
            rare += expected;
            rare_times += times[i];
            continue;
        }
        statistic += (times[i] - expected) * (times[i] - expected) / expected;
        ++*freedom;
    }
    if (rare >= 5) {
        statistic += (rare_times - rare) * (rare_times - rare) / rare;
        ++*freedom;
    }
    bench_close(&bench);
    free(probability);
    free(times);
    return statistic;
}

/* The statistic has mean `freedom` and variance 2 * freedom; five deviations are out of reach of a right sampler. */
static void assert_distribution(const struct sampling *sampling, const float *logits, int vocab, int draws) {
    int freedom;
    double statistic = chi_square(sampling, logits, vocab, draws, &freedom);
    double most = freedom + 5 * sqrt(2.0 * (freedom > 0 ? freedom : 0)) + 1e-9;
    if (statistic > most) fail_msg("chi-square %g with %d degrees of freedom", statistic, freedom);
}

static const float sixteen[16] = {0.5f,  2.0f, -1.0f, 0.0f, 3.0f, 2.0f, -4.0f, 1.5f,
                                  -0.5f, 2.0f, 0.25f, 1.0f, 2.9f, 0.0f, -2.0f, 1.0f};

static void temperature_follows_softmax(void **state) {
    (void)state;
    for (double temperature = 0.3; temperature < 5; temperature *= 1.7) {
        struct sampling sampling = at_temperature(temperature);
        assert_distribution(&sampling, sixteen, 16, 20000);
    }
}

static void limits_cut_the_distribution(void **state) {
    (void)state;
    struct sampling sampling = at_temperature(1);
    for (sampling.top_k = 1; sampling.top_k <= 20; sampling.top_k += 3)
        assert_distribution(&sampling, sixteen, 16, 5000);
    sampling.top_k = 0;
    for (sampling.top_p = 0; sampling.top_p < 1; sampling.top_p += 0.11)
        assert_distribution(&sampling, sixteen, 16, 5000);
    sampling.top_p = 1;
    for (sampling.min_p = 0.01; sampling.min_p <= 1; sampling.min_p *= 2.5)
        assert_distribution(&sampling, sixteen, 16, 5000);
    sampling.min_p = 1;
    assert_distribution(&sampling, sixteen, 16, 100);
    sampling = at_temperature(1.3);
    sampling.top_k = 9, sampling.top_p = 0.9, sampling.min_p = 0.1;
    assert_distribution(&sampling, sixteen, 16, 20000);
}

/* Which of equally likely tokens a limit keeps is decided by their ids. */
static void limits_keep_the_lowest_of_equals(void **state) {
    (void)state;
    static float flat[LARGE];
    struct sampling sampling = at_temperature(1);
    for (int i = 0; i < 300; i++) {
        sampling.seed = (uint64_t)i;
        sampling.top_k = 40, sampling.top_p = 1;
        assert_true(choose_once(sampling, flat, LARGE) < 40);
        sampling.top_k = 0, sampling.top_p = 0.001;
        assert_true(choose_once(sampling, flat, LARGE) <= LARGE / 1000 + 1);
        if (i == 20) i = 280; /* the vocabulary is large */
    }
}

static void random_settings_follow_the_definition(void **state) {
    (void)state;
    struct rng rng;
    float logits[500];
    rng_seed(&rng, 7);
    for (int round = 0; round < 60; round++) {
        int vocab = 1 + (int)(rng_next(&rng) % 500);
        struct sampling sampling = at_temperature(0.2 + 2 * rng_uniform(&rng));
        bool coarse = rng_next(&rng) & 1; /* many equal logits */
        for (int i = 0; i < vocab; i++) {
            double logit = 12 * rng_uniform(&rng) - 6;
            logits[i] = (float)(coarse ? floor(logit) : logit);
        }
        if (rng_next(&rng) & 1) sampling.top_k = (int64_t)(rng_next(&rng) % 60);
        if (rng_next(&rng) & 1) sampling.top_p = rng_uniform(&rng);
        if (rng_next(&rng) & 1) sampling.min_p = rng_uniform(&rng) * 0.3;
        sampling.seed = rng_next(&rng);
        assert_distribution(&sampling, logits, vocab, 3000);
    }
}

static void a_large_vocabulary_is_sampled_alike(void **state) {
    (void)state;
    float *logits = malloc(LARGE * sizeof *logits);
    struct rng rng;
    struct sampling sampling = at_temperature(0.6);
    assert_non_null(logits);
    rng_seed(&rng, 3);
    for (int i = 0; i < LARGE; i++) /* a heap of unlikely tokens, as of a trained model */
        logits[i] = (float)(4 * (rng_uniform(&rng) + rng_uniform(&rng) + rng_uniform(&rng)) - 6);
    for (int i = 0; i < 30; i++) logits[rng_next(&rng) % LARGE] = (float)(10 + 3 * rng_uniform(&rng));
    sampling.top_p = 0.95;
    assert_distribution(&sampling, logits, LARGE, 600);
    sampling.top_p = 1, sampling.top_k = 20;
    assert_distribution(&sampling, logits, LARGE, 600);
    free(logits);
}

static void a_seed_decides_the_choices(void **state) {
    (void)state;
    struct sampling sampling = at_temperature(1);
    int32_t first[64];
    int different = 0;
    for (int run = 0; run < 3; run++) {
        struct bench bench;
        sampling.seed = run < 2 ? 5 : 6;
        bench_open(&bench, &sampling, 16);
        for (int i = 0; i < 64; i++) {
            int32_t id = choose(&bench, sixteen);
            if (run == 0) first[i] = id;
            if (run == 1) assert_int_equal(id, first[i]);
            if (run == 2) different += id != first[i];
        }
        bench_close(&bench);
    }
    assert_true(different > 16);
}

/* ---- bias and penalties ---- */

static void bias_is_added(void **state) {
    (void)state;
    struct sampling sampling = sampling_default();
    struct logit_bias bias[] = {{2, 1.5f}, {2, 1.0f}, {0, -100}};
    sampling.bias = bias;
    sampling.biases = 3;
    assert_int_equal(CHOOSE(sampling, 9, 2, 0), 2); /* 9 - 100, 2, 0 + 2.5 */
    bias[1].bias = 0.4f;
    assert_int_equal(CHOOSE(sampling, 9, 2, 0), 1); /* 0 + 1.9 */
}

static int32_t choose_after(struct sampling sampling, const int32_t *prompt, int prompt_tokens,
                            const int32_t *generated, int generated_tokens, const float *logits, int vocab) {
    struct bench bench;
    bench_open(&bench, &sampling, vocab);
    assert_int_equal(sampler_see_prompt(&bench.sampler, prompt, prompt_tokens), STATUS_OK);
    for (int i = 0; i < generated_tokens; i++) sampler_see_generated(&bench.sampler, generated[i]);
    int32_t id = choose(&bench, logits);
    bench_close(&bench);
    return id;
}

static void repetition_penalty_scales_what_was_seen(void **state) {
    (void)state;
    struct sampling sampling = sampling_default();
    const int32_t zero[] = {0, 0, 0}, outside[] = {-1, 2, INT32_MAX};
    const float positive[] = {2.0f, 1.9f}, negative[] = {-1.0f, -1.1f};
    sampling.repetition_penalty = 1.05; /* 2 / 1.05 = 1.9048, once however often */
    assert_int_equal(choose_after(sampling, zero, 3, NULL, 0, positive, 2), 0);
    assert_int_equal(choose_after(sampling, zero, 1, zero, 2, positive, 2), 0);
    assert_int_equal(choose_after(sampling, zero, 3, NULL, 0, negative, 2), 0); /* -1.05 */
    sampling.repetition_penalty = 1.06;                                         /* 1.8868 */
    assert_int_equal(choose_after(sampling, zero, 3, NULL, 0, positive, 2), 1);
    assert_int_equal(choose_after(sampling, NULL, 0, zero, 1, positive, 2), 1);
    sampling.repetition_penalty = 1.11; /* -1.11 */
    assert_int_equal(choose_after(sampling, zero, 3, NULL, 0, negative, 2), 1);
    assert_int_equal(choose_after(sampling, outside, 3, outside, 3, positive, 2), 0);
    sampling.repetition_penalty = 0.9; /* a reward: 1.9 / 0.9 = 2.1111 */
    assert_int_equal(choose_after(sampling, (const int32_t[]){1}, 1, NULL, 0, positive, 2), 1);
}

static void presence_and_frequency_count_generated_tokens(void **state) {
    (void)state;
    struct sampling sampling = sampling_default();
    const int32_t zero[] = {0, 0, 0};
    const float logits[] = {2.0f, 1.0f};
    sampling.presence_penalty = 1.01; /* once however often, not for the prompt */
    assert_int_equal(choose_after(sampling, zero, 3, NULL, 0, logits, 2), 0);
    assert_int_equal(choose_after(sampling, NULL, 0, zero, 1, logits, 2), 1);
    sampling.presence_penalty = 0.99;
    assert_int_equal(choose_after(sampling, NULL, 0, zero, 3, logits, 2), 0);
    sampling.presence_penalty = 0;
    sampling.frequency_penalty = 0.34; /* 2 - 3 * 0.34 = 0.98 */
    assert_int_equal(choose_after(sampling, zero, 3, zero, 2, logits, 2), 0);
    assert_int_equal(choose_after(sampling, NULL, 0, zero, 3, logits, 2), 1);
    sampling.presence_penalty = -0.1; /* 1.08 */
    assert_int_equal(choose_after(sampling, NULL, 0, zero, 3, logits, 2), 0);
}

/* bias, then repetition, then the others: ((1 + 1) / 2) - 0.5 - 2 * 0.25 = 0; the other order gives 0.25 or 0.5. */
static void adjustments_come_in_order(void **state) {
    (void)state;
    struct sampling sampling = sampling_default();
    const struct logit_bias bias = {0, 1};
    const int32_t zero[] = {0, 0};
    sampling.bias = &bias, sampling.biases = 1;
    sampling.repetition_penalty = 2, sampling.presence_penalty = 0.5, sampling.frequency_penalty = 0.25;
    assert_int_equal(choose_after(sampling, NULL, 0, zero, 2, (const float[]){1, 0.001f}, 2), 1);
    assert_int_equal(choose_after(sampling, NULL, 0, zero, 2, (const float[]){1, -0.001f}, 2), 0);
}

/* ---- log-probabilities ---- */

static void logprobs_are_those_of_the_model(void **state) {
    (void)state;
    const double p[] = {0.1, 0.4, 0.2, 0.05, 0.25};
    const int order[] = {1, 4, 2, 0, 3};
    float logits[5];
    struct sampling sampling = at_temperature(0.7);
    const struct logit_bias bias = {3, 100}; /* always chooses token 3 */
    struct bench bench;
    struct choice choice;
    for (int i = 0; i < 5; i++) logits[i] = (float)log(p[i]) + 17;
    sampling.bias = &bias, sampling.biases = 1, sampling.repetition_penalty = 1.5;
    for (sampling.logprobs = -1; sampling.logprobs <= 7; sampling.logprobs++) {
        bench_open(&bench, &sampling, 5);
        assert_int_equal(sampler_see_prompt(&bench.sampler, (const int32_t[]){1, 2}, 2), STATUS_OK);
        assert_int_equal(sampler_choose(&bench.sampler, &bench.space, logits, &choice), STATUS_OK);
        assert_int_equal(choice.id, 3);
        int tops = sampling.logprobs < 0 ? 0 : sampling.logprobs > 5 ? 5 : sampling.logprobs;
        assert_int_equal(choice.tops, tops);
        assert_float_equal(choice.logprob, sampling.logprobs < 0 ? 0 : log(0.05), 1e-5);
        for (int i = 0; i < tops; i++) {
            assert_int_equal(choice.top[i].id, order[i]);
            assert_float_equal(choice.top[i].logprob, log(p[order[i]]), 1e-5);
        }
        bench_close(&bench);
    }
}

static void logprobs_of_odd_numbers_are_finite(void **state) {
    (void)state;
    struct sampling sampling = sampling_default();
    struct bench bench;
    struct choice choice;
    sampling.logprobs = 4;
    bench_open(&bench, &sampling, 4);
    assert_int_equal(
        sampler_choose(&bench.sampler, &bench.space, (const float[]){NAN, 1, -INFINITY, 1}, &choice),
        STATUS_OK);
    assert_float_equal(choice.logprob, -log(2), 1e-6);
    assert_true(choice.top[0].id == 1 && choice.top[1].id == 3 && choice.top[2].id == 0 &&
                choice.top[3].id == 2);
    assert_float_equal(choice.top[2].logprob, LOGPROB_LOWEST, 0);
    assert_int_equal(
        sampler_choose(&bench.sampler, &bench.space, (const float[]){0, INFINITY, -FLT_MAX, 1}, &choice),
        STATUS_OK);
    assert_float_equal(choice.logprob, 0, 0);
    assert_float_equal(choice.top[1].logprob, LOGPROB_LOWEST, 0);
    bench_close(&bench);
}

/* ---- settings ---- */

static void refused(struct sampling sampling, const char *message) {
    struct sampler sampler;
    assert_int_equal(sampler_open(&sampler, &sampling, 10), STATUS_INPUT);
    assert_string_equal(status_message(), message);
    sampler_close(&sampler);
}

#define REFUSED(field, value, message)                                                                       \
    do {                                                                                                     \
        struct sampling sampling = sampling_default();                                                       \
        sampling.field = value;                                                                              \
        refused(sampling, message);                                                                          \
    } while (0)

static void settings_out_of_range_are_refused(void **state) {
    (void)state;
    REFUSED(temperature, -0.1, "temperature: -0.1 is not between 0 and 100");
    REFUSED(temperature, NAN, "temperature: nan is not between 0 and 100");
    REFUSED(top_k, -1, "top_k: -1 is not between 0 and 2.14748e+09");
    REFUSED(top_p, 1.1, "top_p: 1.1 is not between 0 and 1");
    REFUSED(min_p, -1, "min_p: -1 is not between 0 and 1");
    REFUSED(repetition_penalty, 0, "repetition_penalty: 0 is not between 0.01 and 100");
    REFUSED(presence_penalty, 2.5, "presence_penalty: 2.5 is not between -2 and 2");
    REFUSED(frequency_penalty, -INFINITY, "frequency_penalty: -inf is not between -2 and 2");
    REFUSED(logprobs, 21, "logprobs: 21 is not between -1 and 20");
    struct sampling sampling = sampling_default();
    struct logit_bias bias = {10, 1};
    sampling.bias = &bias, sampling.biases = 1;
    refused(sampling, "logit_bias: token id 10 is outside the vocabulary of 10");
    bias = (struct logit_bias){9, NAN};
    refused(sampling, "logit_bias: nan is not between -100 and 100");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_lowest_of_equals),
        cmocka_unit_test(what_is_no_number_is_never_chosen),
        cmocka_unit_test(several_infinities_share),
        cmocka_unit_test(nothing_to_choose_is_an_error),
        cmocka_unit_test(temperature_follows_softmax),
        cmocka_unit_test(limits_cut_the_distribution),
        cmocka_unit_test(limits_keep_the_lowest_of_equals),
        cmocka_unit_test(random_settings_follow_the_definition),
        cmocka_unit_test(a_large_vocabulary_is_sampled_alike),
        cmocka_unit_test(a_seed_decides_the_choices),
        cmocka_unit_test(bias_is_added),
        cmocka_unit_test(repetition_penalty_scales_what_was_seen),
        cmocka_unit_test(presence_and_frequency_count_generated_tokens),
        cmocka_unit_test(adjustments_come_in_order),
        cmocka_unit_test(logprobs_are_those_of_the_model),
        cmocka_unit_test(logprobs_of_odd_numbers_are_finite),
        cmocka_unit_test(settings_out_of_range_are_refused),
    };
    return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
