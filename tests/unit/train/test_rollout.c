/* test_rollout.c - the engine over a trainer's model: what it samples has, in the trainer, the probability that it was sampled
 * with, to the bit, for every architecture, sampler and batch; and what is learnt from it depends on none of that either. */
#include "support/tiny_train.h"

#include "base/rng.h"
#include "kernel/kernel.h"
#include "train/learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPTS = 3, GROUP = 4, ANSWERS = PROMPTS * GROUP, LONGEST = 9, CONTEXT = 40 };

static const int32_t prompt_ids[] = {3, 9, 27, 4, 12, 36, 31, 16, 8, 24, 32, 19, 5};
static const struct rollout_prompt prompts[PROMPTS] = {
    {prompt_ids, 5, 11}, {prompt_ids + 5, 1, 12}, {prompt_ids + 3, 10, 13}};

struct scene {
    struct trainer trainer;
    struct crew crew;
    struct comm comm;
    struct rollout_answer answer[ANSWERS];
    struct lesson lesson[ANSWERS];
    double now[ANSWERS][LONGEST], reference[ANSWERS][LONGEST];
    struct sampling sampling;
};

static void must_ok(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct sampling plain_sampling(void) {
    struct sampling sampling = sampling_default();
    sampling.temperature = 1;
    return sampling;
}

static struct sampling narrow_sampling(void) {
    struct sampling sampling = plain_sampling();
    sampling.temperature = 0.7;
    sampling.top_p = 0.8;
    sampling.top_k = 20;
    return sampling;
}

static void sample_answers(struct trainer *trainer, const struct sampling *sampling, int at_once,
                           struct rollout_answer answer[ANSWERS]) {
    struct rollout *rollout;
    struct rollout_options options = {trainer, NULL, CONTEXT, at_once};
    struct rollout_request request = {prompts, PROMPTS, GROUP, *sampling, LONGEST, NULL, NULL};
    must_ok(rollout_open(&rollout, &options));
    must_ok(rollout_run(rollout, &request, answer));
    rollout_close(rollout);
}

static void scene_open(struct scene *scene, enum tiny_model model, const struct sampling *sampling,
                       int rows) {
    struct trainer_options options = {
        .threads = 2, .cpu_level_cap = CPU_LEVEL_COUNT - 1, .max_rows = rows, .strict = true};
    memset(scene, 0, sizeof *scene);
    scene->sampling = *sampling;
    tiny_trainer_open(&scene->trainer, model, &options);
    scene->comm = comm_self();
    must_ok(crew_open(&scene->crew, &scene->trainer, &options, 2, &scene->comm));
    sample_answers(&scene->trainer, sampling, 16, scene->answer);
    for (int i = 0; i < ANSWERS; i++)
        scene->lesson[i] = (struct lesson){prompts[i / GROUP].id, prompts[i / GROUP].tokens,
                                           &scene->answer[i],     i % 3 - 0.7,
                                           scene->now[i],         NULL};
}

static void scene_close(struct scene *scene) {
    for (int i = 0; i < ANSWERS; i++) rollout_answer_free(&scene->answer[i]);
    crew_close(&scene->crew);
    trainer_close(&scene->trainer);
}

static struct learner_options learner_usual(const struct scene *scene) {
    return (struct learner_options){.policy = {.clip_low = 0.2, .clip_high = 0.28, .longest = LONGEST},
                                    .temperature = scene->sampling.temperature};
}

/* Gradients of all lessons, with the log-probabilities of the pass in scene->now. */
static struct learner_sums learn(struct scene *scene, const struct learner_options *options, bool replay) {
    struct learner learner;
    struct learner_sums sums = {0};
    struct learner_totals totals = {ANSWERS, 0};
    for (int i = 0; i < ANSWERS; i++) totals.tokens += scene->answer[i].tokens;
    must_ok(learner_open(&learner, &scene->crew, options));
    struct lesson_routes routes = {0};
    if (replay) must_ok(learner_record(&learner, scene->lesson, ANSWERS, &routes));
    trainer_clear(&scene->trainer);
    must_ok(learner_learn(&learner, scene->lesson, ANSWERS, &totals, replay ? &routes : NULL, &sums));
    lesson_routes_free(&routes);
    learner_close(&learner);
    return sums;
}

static void check_ratios(enum tiny_model model, const struct sampling *sampling) {
    struct scene scene;
    scene_open(&scene, model, sampling, 64);
    struct learner_options options = learner_usual(&scene);
    struct learner_sums sums = learn(&scene, &options, false);
    int tokens = 0;
    for (int i = 0; i < ANSWERS; i++) {
        assert_true(scene.answer[i].tokens >= 1 && scene.answer[i].tokens <= LONGEST);
        for (int t = 0; t < scene.answer[i].tokens; t++, tokens++)
            if (scene.now[i][t] != scene.answer[i].logprob[t] || !(scene.now[i][t] <= 0))
                fail_msg("%s, answer %d, token %d: %.17g in the trainer, %.17g when sampled",
                         tiny_name(model), i, t, scene.now[i][t], scene.answer[i].logprob[t]);
    }
    assert_int_equal(tokens, sums.policy.tokens);
    assert_true(sums.policy.deviation == 0 && sums.entropy > 0);
    assert_true(sums.policy.clipped_low == 0 && sums.policy.clipped_high == 0);
    scene_close(&scene);
}

static void test_ratio_is_one(void **state) {
    (void)state;
    struct sampling plain = plain_sampling(), narrow = narrow_sampling();
    for (enum tiny_model model = 0; model < TINY_COUNT; model++) {
        check_ratios(model, &plain);
        check_ratios(model, &narrow);
    }
}

static void test_what_is_sampled(void **state) {
    (void)state;
    struct scene scene;
    struct rollout_answer again[ANSWERS] = {0};
    struct sampling narrow = narrow_sampling();
    scene_open(&scene, TINY_V3, &narrow, 64);
    sample_answers(&scene.trainer, &narrow, 2, again);
    bool differ = false;
    for (int i = 0; i < ANSWERS; i++) {
        assert_int_equal(again[i].tokens, scene.answer[i].tokens);
        assert_memory_equal(again[i].id, scene.answer[i].id, (size_t)again[i].tokens * sizeof(int32_t));
        assert_memory_equal(again[i].logprob, scene.answer[i].logprob,
                            (size_t)again[i].tokens * sizeof(double));
        for (int t = 0; t < again[i].tokens; t++) {
            int64_t from = t ? again[i].kept_end[t - 1] : 0, to = again[i].kept_end[t];
            bool found = false;
            assert_true(to > from && to - from <= 20);
            for (int64_t k = from; k < to; k++) {
                found |= again[i].kept[k] == again[i].id[t];
                if (k > from) assert_true(again[i].kept[k] > again[i].kept[k - 1]);
            }
            assert_true(found);
        }
        differ |= again[i].id[0] != scene.answer[0].id[0];
        assert_int_equal(again[i].truncated, again[i].tokens == LONGEST && again[i].id[LONGEST - 1] != 1);
        rollout_answer_free(&again[i]);
    }
    assert_true(differ);
    scene_close(&scene);
}

static float *copy_gradient(const struct trainer *trainer) {
    size_t bytes = (size_t)trainer->parameters.elements * sizeof(float);
    return memcpy(malloc(bytes), trainer->parameters.gradient, bytes);
}

static double distance(const struct trainer *trainer, const float *other) {
    double apart = 0, length = 0;
    for (int64_t i = 0; i < trainer->parameters.elements; i++) {
        apart += pow((double)trainer->parameters.gradient[i] - other[i], 2);
        length += pow((double)other[i], 2);
    }
    assert_true(length > 0);
    return sqrt(apart / length);
}

/* As many answers to a batch as fit, or one: what rows stand beside a row teaches nothing. */
static void test_batches_do_not_matter(void **state) {
    (void)state;
    struct sampling plain = plain_sampling();
    struct scene wide, narrow;
    scene_open(&wide, TINY_V3, &plain, 200);
    scene_open(&narrow, TINY_V3, &plain, 19);
    struct learner_options options = learner_usual(&wide);
    learn(&wide, &options, false);
    learn(&narrow, &options, false);
    for (int i = 0; i < ANSWERS; i++)
        assert_memory_equal(wide.now[i], narrow.now[i], (size_t)wide.answer[i].tokens * sizeof(double));
    assert_true(distance(&wide.trainer, narrow.trainer.parameters.gradient) < 1e-4);
    scene_close(&wide);
    scene_close(&narrow);
}

static void test_replayed_routes(void **state) {
    (void)state;
    struct sampling plain = plain_sampling();
    for (int recompute = 0; recompute < 2; recompute++) {
        struct scene scene;
        scene_open(&scene, recompute ? TINY_V2 : TINY_V3, &plain, 50);
        struct learner_options options = learner_usual(&scene);
        learn(&scene, &options, false);
        float *freely = copy_gradient(&scene.trainer);
        learn(&scene, &options, true);
        assert_memory_equal(freely, scene.trainer.parameters.gradient,
                            (size_t)scene.trainer.parameters.elements * sizeof(float));
        free(freely);
        scene_close(&scene);
    }
}

/* Routers moved far away: the experts of the first pass stay. */
static void test_routes_stay(void **state) {
    (void)state;
    struct sampling plain = plain_sampling();
    struct scene scene;
    struct learner learner;
    struct learner_sums sums = {0};
    struct learner_totals totals = {ANSWERS, 60};
    double before[ANSWERS][LONGEST];
    scene_open(&scene, TINY_V3, &plain, 50);
    struct learner_options options = learner_usual(&scene);
    must_ok(learner_open(&learner, &scene.crew, &options));
    struct lesson_routes routes = {0};
    must_ok(learner_record(&learner, scene.lesson, ANSWERS, &routes));
    must_ok(learner_measure(&learner, scene.lesson, ANSWERS, MEASURE_NOW));
    memcpy(before, scene.now, sizeof before);
    for (int i = 0; i < scene.trainer.parameters.count;
         i++) { /* of the biases: they choose and do not weigh */
        const struct parameter *item = &scene.trainer.parameters.item[i];
        if (item->weight != WEIGHT_ROUTER_BIAS) continue;
        for (int64_t e = 0; e < item->elements; e++)
            scene.trainer.parameters.value[item->first + e] += e % 2 ? 9 : -9;
    }
    trainer_clear(&scene.trainer);
    must_ok(learner_learn(&learner, scene.lesson, ANSWERS, &totals, &routes, &sums));
    lesson_routes_free(&routes);
    for (int i = 0; i < ANSWERS; i++)
        assert_memory_equal(scene.now[i], before[i], (size_t)scene.answer[i].tokens * sizeof(double));
    must_ok(learner_measure(&learner, scene.lesson, ANSWERS, MEASURE_NOW));
    bool moved = false;
    for (int i = 0; i < ANSWERS; i++)
        for (int t = 0; t < scene.answer[i].tokens; t++) moved |= scene.now[i][t] != before[i][t];
    assert_true(moved);
    learner_close(&learner);
    scene_close(&scene);
}

/* The gradient against differences of the loss itself, over the whole model: in floats, so within a bound of theirs. */
static void test_gradient(void **state) {
    (void)state;
    struct sampling narrow = narrow_sampling();
    struct scene scene;
    scene_open(&scene, TINY_QWEN2, &narrow, 64);
    struct learner_options options = learner_usual(&scene);
    learn(&scene, &options, false);
    float *gradient = copy_gradient(&scene.trainer);
    double length = 0;
    for (int64_t i = 0; i < scene.trainer.parameters.elements; i++) length += pow((double)gradient[i], 2);
    length = sqrt(length);
    double loss[2];
    for (int side = 0; side < 2; side++) { /* along the gradient itself */
        double step = (side ? -1 : 1) * 2e-3;
        for (int64_t i = 0; i < scene.trainer.parameters.elements; i++)
            scene.trainer.parameters.value[i] += (float)(step * gradient[i] / length);
        loss[side] = learn(&scene, &options, false).policy.loss;
        for (int64_t i = 0; i < scene.trainer.parameters.elements; i++)
            scene.trainer.parameters.value[i] -= (float)(step * gradient[i] / length);
    }
    double slope = (loss[0] - loss[1]) / 4e-3;
    if (fabs(slope - length) > 0.02 * length) fail_msg("gradient %g, by differences %g", length, slope);
    free(gradient);
    scene_close(&scene);
}

static void test_reference_and_dead_groups(void **state) {
    (void)state;
    struct sampling plain = plain_sampling();
    struct scene scene;
    struct learner learner;
    scene_open(&scene, TINY_LLAMA, &plain, 64);
    struct learner_options options = learner_usual(&scene);
    options.policy.kl = 0.1;
    for (int i = 0; i < ANSWERS; i++) {
        scene.lesson[i].reference = scene.reference[i];
        scene.lesson[i].advantage = 0;
    }
    must_ok(learner_open(&learner, &scene.crew, &options));
    must_ok(learner_measure(&learner, scene.lesson, ANSWERS, MEASURE_REFERENCE));
    learner_close(&learner);
    struct learner_sums sums = learn(&scene, &options, false);
    assert_true(sums.policy.kl == 0 && sums.policy.loss == 0);
    for (int64_t i = 0; i < scene.trainer.parameters.elements; i++)
        assert_true(scene.trainer.parameters.gradient[i] == 0);
    scene_close(&scene);
}

/* Towards a teacher: nothing to learn from oneself; otherwise the gradient is that of the divergence, which falls along it. */
static void test_teacher(void **state) {
    (void)state;
    struct sampling plain = plain_sampling();
    struct scene scene, other;
    scene_open(&scene, TINY_V3, &plain, 64);
    scene_open(&other, TINY_V3, &plain, 64);
    for (int i = 0; i < ANSWERS; i++) scene.lesson[i].advantage = 0;
    struct learner_options options = learner_usual(&scene);
    options.policy.normaliser = NORMALISE_TOKENS;
    options.teacher = &other.trainer;
    options.teacher_weight = 1;
    struct learner_sums sums = learn(&scene, &options, false);
    assert_true(fabs(sums.teacher) < 1e-12);
    double length = 0, divergence[2];
    for (int64_t i = 0; i < scene.trainer.parameters.elements; i++) {
        length += pow((double)scene.trainer.parameters.gradient[i], 2);
        other.trainer.parameters.value[i] *= 1 + 0.05f * (float)(i % 7 - 3);
    }
    assert_true(length < 1e-10);
    sums = learn(&scene, &options, false);
    assert_true(sums.teacher > 0);
    float *gradient = copy_gradient(&scene.trainer);
    length = 0;
    for (int64_t i = 0; i < scene.trainer.parameters.elements; i++) length += pow((double)gradient[i], 2);
    length = sqrt(length);
    for (int side = 0; side < 2; side++) {
        double step = (side ? -1 : 1) * 1e-3;
        for (int64_t i = 0; i < scene.trainer.parameters.elements; i++)
            scene.trainer.parameters.value[i] += (float)(step * gradient[i] / length);
        sums = learn(&scene, &options, false);
        divergence[side] = sums.teacher / (double)sums.policy.tokens;
        for (int64_t i = 0; i < scene.trainer.parameters.elements; i++)
            scene.trainer.parameters.value[i] -= (float)(step * gradient[i] / length);
    }
    double slope = (divergence[0] - divergence[1]) / 2e-3;
    if (fabs(slope - length) > 0.03 * length) fail_msg("gradient %g, by differences %g", length, slope);
    free(gradient);
    scene_close(&scene);
    scene_close(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ratio_is_one),
        cmocka_unit_test(test_what_is_sampled),
        cmocka_unit_test(test_batches_do_not_matter),
        cmocka_unit_test(test_replayed_routes),
        cmocka_unit_test(test_routes_stay),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_reference_and_dead_groups),
        cmocka_unit_test(test_teacher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
