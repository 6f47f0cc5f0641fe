/* test_policy.c - objectives by the formulas of their papers: slopes are derivatives of the loss, groups without a difference
 * teach nothing, GSPO is GRPO at ratio 1, the unbiased divergence has the exact one's derivative. */
#include "base/rng.h"
#include "train/policy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { TOKENS = 7 };

static void assert_near(double a, double b, double bound) {
    if (!(fabs(a - b) <= bound)) fail_msg("%.17g, expected %.17g", a, b);
}

static struct policy_options usual(void) {
    return (struct policy_options){.clip_low = 0.2, .clip_high = 0.28, .longest = 10};
}

static void test_advantages(void **state) {
    (void)state;
    const double reward[] = {1, 0, 0, 1, 1, 0, 0, 0}, same[] = {0.3, 0.3, 0.3};
    double advantage[8], sum = 0, squares = 0;
    assert_true(policy_advantages(ADVANTAGE_MEAN, reward, 8, advantage));
    assert_near(advantage[0], 1 - 3.0 / 8, 1e-15);
    for (int i = 0; i < 8; i++) sum += advantage[i];
    assert_near(sum, 0, 1e-12);
    assert_true(policy_advantages(ADVANTAGE_STD, reward, 8, advantage));
    for (int i = 0; i < 8; i++) squares += advantage[i] * advantage[i] / 8;
    assert_near(squares, 1, 1e-4);
    assert_false(policy_advantages(ADVANTAGE_STD, same, 3, advantage));
    for (int i = 0; i < 3; i++) assert_true(advantage[i] == 0);
}

static void fill(struct rng *rng, double *value, double around, double spread) {
    for (int t = 0; t < TOKENS; t++) value[t] = around + spread * (rng_uniform(rng) - 0.5);
}

static double loss_of(const struct policy_options *options, const struct policy_answer *answer,
                      double share) {
    double slope[TOKENS];
    struct policy_sums sums = {0};
    policy_slopes(options, answer, share, slope, &sums);
    return sums.loss;
}

static void check_slopes(const struct policy_options *options, double advantage, uint64_t seed) {
    const double step = 1e-6, share = 0.37;
    double now[TOKENS], old[TOKENS], reference[TOKENS], slope[TOKENS];
    struct policy_answer answer = {now, old, options->kl > 0 ? reference : NULL, TOKENS, advantage};
    struct policy_sums sums = {0};
    struct rng rng;
    rng_seed(&rng, seed);
    fill(&rng, now, -1.5, 1.5);
    fill(&rng, old, -1.5, 1.5);
    fill(&rng, reference, -1.5, 1.5);
    policy_slopes(options, &answer, share, slope, &sums);
    for (int t = 0; t < TOKENS; t++) {
        double kept = now[t];
        now[t] = kept + step;
        double above = loss_of(options, &answer, share);
        now[t] = kept - step;
        double below = loss_of(options, &answer, share);
        now[t] = kept;
        assert_near(slope[t], (above - below) / (2 * step), 1e-7);
    }
}

static void test_slopes_are_derivatives(void **state) {
    (void)state;
    for (int variant = 0; variant < 32; variant++) {
        struct policy_options options = usual();
        options.ratio = variant & 1 ? RATIO_SEQUENCE : RATIO_TOKEN;
        options.dual_clip = variant & 2 ? 1.5 : 0;
        options.kl = variant & 4 ? 0.3 : 0;
        options.kl_unbiased = variant & 8;
        options.off_policy = variant & 16 ? 0.01 : 0;
        for (uint64_t seed = 1; seed < 8; seed++) {
            check_slopes(&options, 0.8, seed);
            check_slopes(&options, -0.6, seed);
        }
    }
}

static void test_dead_group(void **state) {
    (void)state;
    const double reward[] = {1, 1, 1}, now[] = {-1, -2}, old[] = {-1.3, -2};
    double advantage[3], slope[2] = {9, 9};
    struct policy_options options = usual();
    struct policy_sums sums = {0};
    assert_false(policy_advantages(options.advantage, reward, 3, advantage));
    policy_slopes(&options, &(struct policy_answer){now, old, NULL, 2, advantage[1]}, 1, slope, &sums);
    assert_true(slope[0] == 0 && slope[1] == 0 && sums.loss == 0);
}

static void test_gspo_at_ratio_one(void **state) {
    (void)state;
    double now[TOKENS], token[TOKENS], sequence[TOKENS];
    struct policy_options options = usual();
    struct policy_sums sums = {0};
    struct rng rng;
    rng_seed(&rng, 3);
    fill(&rng, now, -2, 2);
    struct policy_answer answer = {now, now, NULL, TOKENS, 0.7};
    policy_slopes(&options, &answer, 0.1, token, &sums);
    options.ratio = RATIO_SEQUENCE;
    policy_slopes(&options, &answer, 0.1, sequence, &sums);
    assert_memory_equal(token, sequence, sizeof token);
    assert_true(token[0] == -0.1 * 0.7 && sums.deviation == 0 && sums.clipped_low + sums.clipped_high == 0);
}

static void test_clips(void **state) {
    (void)state;
    struct policy_options options = usual();
    static const struct {
        double ratio, advantage, slope, dual;
        int low, high;
    } cases[] = {{1.5, 1, 0, 0, 0, 1},  {1.2, 1, -1.2, 0, 0, 0}, {0.5, 1, -0.5, 0, 0, 0},
                 {0.5, -1, 0, 0, 1, 0}, {0.9, -1, 0.9, 0, 0, 0}, {5, -1, 5, 0, 0, 0},
                 {5, -1, 0, 3, 0, 1},   {2.9, -1, 2.9, 3, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double now = log(cases[i].ratio) - 1, old = -1, slope;
        struct policy_sums sums = {0};
        options.dual_clip = cases[i].dual;
        policy_slopes(&options, &(struct policy_answer){&now, &old, NULL, 1, cases[i].advantage}, 1, &slope,
                      &sums);
        assert_near(slope, cases[i].slope, 1e-12);
        assert_true(sums.clipped_low == cases[i].low && sums.clipped_high == cases[i].high);
    }
}

/* Over a vocabulary of which every token is taken as often as the old policy takes it: the derivative by the logits of
 * sum old * ratio * k3 is that of KL(now || reference). */
static void test_unbiased_divergence(void **state) {
    (void)state;
    enum { VOCAB = 5 };
    const double logit[VOCAB] = {0.3, -1, 0.9, 0.1, -0.4}, old_logit[VOCAB] = {0, -0.5, 0.4, 0.8, -1},
                 reference_logit[VOCAB] = {-0.2, 0.6, 0.3, -1, 0.5};
    double now[VOCAB], old[VOCAB], reference[VOCAB], sums[3] = {0}, kl = 0, exact[VOCAB], found[VOCAB] = {0};
    for (int v = 0; v < VOCAB; v++) {
        sums[0] += exp(logit[v]);
        sums[1] += exp(old_logit[v]);
        sums[2] += exp(reference_logit[v]);
    }
    for (int v = 0; v < VOCAB; v++) {
        now[v] = logit[v] - log(sums[0]);
        old[v] = old_logit[v] - log(sums[1]);
        reference[v] = reference_logit[v] - log(sums[2]);
        kl += exp(now[v]) * (now[v] - reference[v]);
    }
    for (int v = 0; v < VOCAB; v++) exact[v] = exp(now[v]) * (now[v] - reference[v] - kl);
    struct policy_options options = usual();
    options.kl = 1;
    options.kl_unbiased = true;
    double estimate = 0;
    for (int v = 0; v < VOCAB; v++) {
        double slope;
        struct policy_sums one = {0};
        struct policy_answer answer = {&now[v], &old[v], &reference[v], 1, 0};
        policy_slopes(&options, &answer, exp(old[v]), &slope, &one);
        estimate += one.loss;
        for (int w = 0; w < VOCAB; w++) found[w] += slope * ((v == w) - exp(now[w]));
    }
    assert_near(estimate, kl, 1e-12);
    for (int v = 0; v < VOCAB; v++) assert_near(found[v], exact[v], 1e-12);
}

static void test_shares(void **state) {
    (void)state;
    struct policy_options options = usual();
    assert_near(policy_share(&options, 3, 4, 20), 1.0 / 40, 1e-15);
    options.normaliser = NORMALISE_TOKENS;
    assert_near(policy_share(&options, 3, 4, 20), 1.0 / 20, 1e-15);
    options.normaliser = NORMALISE_SEQUENCES;
    assert_near(policy_share(&options, 3, 4, 20), 1.0 / 12, 1e-15);
    assert_true(policy_share(&options, 0, 0, 0) == 0);
    assert_true(policy_overlong(6, 10, 4) == 0 && policy_overlong(8, 10, 4) == 0.5 &&
                policy_overlong(10, 10, 4) == 1 && policy_overlong(10, 10, 0) == 0);
}

static void test_off_policy(void **state) {
    (void)state;
    struct policy_options options = usual();
    options.off_policy = 0.5;
    const double old[] = {-1, -1}, near[] = {-1.2, -1.2}, far[] = {-2, -1.8};
    double slope[2];
    struct policy_sums sums = {0};
    policy_slopes(&options, &(struct policy_answer){far, old, NULL, 2, -1}, 1, slope, &sums);
    assert_true(slope[0] == 0 && slope[1] == 0 && sums.left_out == 1);
    policy_slopes(&options, &(struct policy_answer){near, old, NULL, 2, -1}, 1, slope, &sums);
    assert_true(slope[0] != 0 && sums.left_out == 1);
    policy_slopes(&options, &(struct policy_answer){far, old, NULL, 2, 1}, 1, slope, &sums);
    assert_true(slope[0] != 0 && sums.left_out == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advantages), cmocka_unit_test(test_slopes_are_derivatives),
        cmocka_unit_test(test_dead_group), cmocka_unit_test(test_gspo_at_ratio_one),
        cmocka_unit_test(test_clips),      cmocka_unit_test(test_unbiased_divergence),
        cmocka_unit_test(test_shares),     cmocka_unit_test(test_off_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
