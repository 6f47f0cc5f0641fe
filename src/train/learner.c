/* learner.c - see learner.h. How lessons fall into batches depends on their lengths alone, so that what one pass recorded
 * another finds in the same places. */
#include "train/learner.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status learner_open(struct learner *learner, struct trainer *trainer,
                         const struct learner_options *options) {
    size_t rows = (size_t)trainer->options.max_rows, vocab = (size_t)trainer->model.desc.vocab, floats;
    *learner = (struct learner){.trainer = trainer, .options = *options};
    learner->row_lesson = malloc(rows * sizeof *learner->row_lesson);
    learner->row_token = malloc(rows * sizeof *learner->row_token);
    learner->slope = malloc(rows * sizeof *learner->slope);
    learner->share = malloc(rows * sizeof *learner->share);
    learner->drawn = malloc(vocab * sizeof *learner->drawn);
    if (multiply_size_fits(vocab, LEARNER_ROWS * sizeof(float), &floats)) learner->logits = malloc(floats);
    enum status status = packed_batch_open(&learner->packed, trainer->options.max_rows);
    if (status == STATUS_OK && (!learner->row_lesson || !learner->row_token || !learner->slope ||
                                !learner->share || !learner->drawn || !learner->logits))
        status = fail(STATUS_MEMORY, "no memory for the rows of a batch");
    if (status != STATUS_OK) learner_close(learner);
    return status;
}

void learner_close(struct learner *learner) {
    packed_batch_close(&learner->packed);
    free(learner->row_lesson);
    free(learner->row_token);
    free(learner->slope);
    free(learner->share);
    free(learner->drawn);
    free(learner->logits);
    *learner = (struct learner){0};
}

/* ---- batches ---- */

/* The last token is nobody's context. */
static int lesson_rows(const struct lesson *lesson) {
    return lesson->prompt_tokens + lesson->answer->tokens - 1;
}

static int32_t lesson_token(const struct lesson *lesson, int at) {
    return at < lesson->prompt_tokens ? lesson->prompt[at] : lesson->answer->id[at - lesson->prompt_tokens];
}

static void append_lesson(struct learner *learner, const struct lesson *lesson, int index) {
    struct packed_batch *packed = &learner->packed;
    struct train_batch *batch = &packed->batch;
    int rows = lesson_rows(lesson);
    packed->segment[batch->segments++] = (struct train_segment){batch->rows, rows};
    for (int i = 0; i < rows; i++, batch->rows++) {
        int t = i + 1 - lesson->prompt_tokens;
        packed->token[batch->rows] = lesson_token(lesson, i);
        packed->target[batch->rows] = lesson_token(lesson, i + 1);
        packed->weight[batch->rows] = t >= 0;
        learner->row_lesson[batch->rows] = t >= 0 ? index : -1;
        learner->row_token[batch->rows] = t;
    }
}

/* Fills a batch with lessons from `first` on and returns the one behind the last. */
static int fill_batch(struct learner *learner, const struct lesson *lesson, int first, int lessons) {
    packed_batch_clear(&learner->packed);
    while (first < lessons &&
           learner->packed.batch.rows + lesson_rows(&lesson[first]) <= learner->packed.capacity) {
        append_lesson(learner, &lesson[first], first);
        first++;
    }
    learner->packed.batch.sequence_rows = learner->packed.batch.rows;
    return first;
}

static enum status check_lessons(const struct learner *learner, const struct lesson *lesson, int lessons) {
    for (int i = 0; i < lessons; i++) {
        MUST(lesson[i].answer->tokens >= 1 && lesson[i].prompt_tokens >= 1);
        if (lesson_rows(&lesson[i]) > learner->packed.capacity)
            return fail(STATUS_LIMIT, "prompt and answer have %d tokens where %d fit into a batch",
                        lesson_rows(&lesson[i]) + 1, learner->packed.capacity);
    }
    return STATUS_OK;
}

/* ---- experts ---- */

static int64_t batch_routes(const struct learner *learner) {
    const struct model_desc *d = &learner->trainer->model.desc;
    return (int64_t)learner->packed.batch.rows * d->layers * d->experts_used;
}

/* ---- probabilities ---- */

/* What token `t` could be chosen from; NULL: anything. */
static const int32_t *kept_tokens(const struct rollout_answer *answer, int t, int *count) {
    int64_t from = t && answer->kept ? answer->kept_end[t - 1] : 0;
    *count = answer->kept ? (int)(answer->kept_end[t] - from) : 0;
    return answer->kept ? answer->kept + from : NULL;
}

static void measure_row(struct learner *learner, const struct lesson *lesson, int row, const float *logits,
                        bool reference) {
    int index = learner->row_lesson[row], t = learner->row_token[row], kepts;
    if (index < 0) return;
    const struct rollout_answer *answer = lesson[index].answer;
    const int32_t *kept = kept_tokens(answer, t, &kepts);
    double *to = reference ? lesson[index].reference : lesson[index].now;
    to[t] = sampled_logprob(logits, (int32_t)learner->trainer->model.desc.vocab, learner->options.temperature,
                            kept, kepts, answer->id[t]);
}

static void measure_batch(struct learner *learner, const struct lesson *lesson, bool reference) {
    int64_t vocab = learner->trainer->model.desc.vocab;
    const struct train_batch *batch = &learner->packed.batch;
    for (int first = 0; first < batch->rows; first += LEARNER_ROWS) {
        int begin = first, end = (int)min_i64(first + LEARNER_ROWS, batch->rows);
        while (begin < end && learner->row_lesson[begin] < 0) begin++;
        while (begin < end && learner->row_lesson[end - 1] < 0) end--;
        if (begin == end) continue;
        trainer_logits(learner->trainer, begin, end - begin, learner->logits);
        for (int r = begin; r < end; r++)
            measure_row(learner, lesson, r, learner->logits + (r - begin) * vocab, reference);
    }
}

enum status learner_measure(struct learner *learner, const struct lesson *lesson, int lessons,
                            enum learner_measure what) {
    TRY(check_lessons(learner, lesson, lessons));
    for (int first = 0; first < lessons;) {
        first = fill_batch(learner, lesson, first, lessons);
        TRY(trainer_forward(learner->trainer, &learner->packed.batch, NULL));
        measure_batch(learner, lesson, what == MEASURE_REFERENCE);
    }
    return STATUS_OK;
}

enum status learner_record(struct learner *learner, const struct lesson *lesson, int lessons,
                           struct lesson_routes *routes) {
    int64_t count = 0, at = 0;
    const struct model_desc *d = &learner->trainer->model.desc;
    TRY(check_lessons(learner, lesson, lessons));
    for (int i = 0; i < lessons; i++) count += (int64_t)lesson_rows(&lesson[i]) * d->layers * d->experts_used;
    routes->expert = malloc((size_t)count * sizeof *routes->expert + 1);
    if (!routes->expert) return fail(STATUS_MEMORY, "no memory for the experts of %d answers", lessons);
    for (int first = 0; first < lessons;) {
        first = fill_batch(learner, lesson, first, lessons);
        struct train_routes record = {.expert = routes->expert + at};
        TRY(trainer_forward(learner->trainer, &learner->packed.batch, &record));
        at += batch_routes(learner);
    }
    return STATUS_OK;
}

void lesson_routes_free(struct lesson_routes *routes) {
    free(routes->expert);
    *routes = (struct lesson_routes){0};
}

/* ---- learning ---- */

struct descent {
    struct learner *learner;
    const struct lesson *lesson;
    double entropy, teacher;
};

/* Adds share * d KL(p || q) / d logits of p to `to`: p (log p - log q - KL). Returns KL. */
static double add_divergence(const float *logits, const float *teacher, int32_t vocab, double share,
                             double *to) {
    double highest = -INFINITY, other = -INFINITY, sum = 0, other_sum = 0, kl = 0;
    for (int32_t v = 0; v < vocab; v++) {
        highest = fmax(highest, (double)logits[v]);
        other = fmax(other, (double)teacher[v]);
    }
    for (int32_t v = 0; v < vocab; v++) {
        sum += exp(logits[v] - highest);
        other_sum += exp(teacher[v] - other);
    }
    double apart = highest + log(sum) - other - log(other_sum);
    for (int32_t v = 0; v < vocab; v++)
        kl += exp(logits[v] - highest) / sum * ((double)logits[v] - teacher[v] - apart);
    for (int32_t v = 0; v < vocab; v++)
        to[v] = share * exp(logits[v] - highest) / sum * ((double)logits[v] - teacher[v] - apart - kl);
    return kl;
}

/* Logits become slope * d log p(token) / d logits. */
static void derive_row(struct descent *descent, int row, float *logits) {
    struct learner *learner = descent->learner;
    int32_t vocab = (int32_t)learner->trainer->model.desc.vocab;
    int index = learner->row_lesson[row], t = learner->row_token[row], kepts = 0;
    const struct rollout_answer *answer = index < 0 ? NULL : descent->lesson[index].answer;
    const int32_t *kept = answer ? kept_tokens(answer, t, &kepts) : NULL;
    double slope = answer ? learner->slope[row] : 0, temperature = learner->options.temperature;
    double highest = -INFINITY, sum = 0, weighted = 0;
    int32_t count = !answer ? 0 : kept ? kepts : vocab;
    for (int32_t i = 0; i < count; i++) highest = fmax(highest, (double)logits[kept ? kept[i] : i]);
    for (int32_t i = 0; i < count; i++) {
        double above = ((double)logits[kept ? kept[i] : i] - highest) / temperature, power = exp(above);
        sum += power;
        weighted += power * above;
    }
    if (count) descent->entropy += log(sum) - weighted / sum;
    float unit = (float)(slope / temperature);
    if (!kept) {
        for (int32_t v = 0; v < vocab; v++)
            logits[v] = slope == 0
                            ? 0
                            : (float)(-slope / temperature * exp((logits[v] - highest) / temperature) / sum);
    } else {
        int32_t at = 0;
        for (int32_t v = 0; v < vocab; v++) {
            bool could = at < kepts && kept[at] == v;
            at += could;
            logits[v] =
                could ? (float)(-slope / temperature * exp((logits[v] - highest) / temperature) / sum) : 0;
        }
    }
    if (answer) logits[answer->id[t]] += unit;
}

static void derive(void *context, int begin, int rows, float *logits) {
    struct descent *descent = context;
    struct learner *learner = descent->learner;
    int64_t vocab = learner->trainer->model.desc.vocab;
    if (learner->options.teacher) trainer_logits(learner->options.teacher, begin, rows, learner->logits);
    for (int r = 0; r < rows; r++) {
        float *row = logits + r * vocab;
        bool taught = learner->options.teacher && learner->row_lesson[begin + r] >= 0;
        if (taught)
            descent->teacher += add_divergence(row, learner->logits + r * vocab, (int32_t)vocab,
                                               learner->share[begin + r], learner->drawn);
        derive_row(descent, begin + r, row);
        for (int64_t v = 0; taught && v < vocab; v++) row[v] += (float)learner->drawn[v];
    }
}

/* Of lessons [first, end), which are the batch. */
static void set_slopes(struct learner *learner, const struct lesson *lesson, int first, int end,
                       const struct learner_totals *totals, struct policy_sums *sums) {
    const struct policy_options *policy = &learner->options.policy;
    for (int i = first; i < end; i++) {
        const struct train_segment *segment = &learner->packed.segment[i - first];
        int tokens = lesson[i].answer->tokens;
        struct policy_answer answer = {lesson[i].now, lesson[i].answer->logprob, lesson[i].reference, tokens,
                                       lesson[i].advantage};
        double share = policy_share(policy, tokens, totals->answers, totals->tokens);
        int first_row = segment->row_begin + lesson[i].prompt_tokens - 1;
        policy_slopes(policy, &answer, share, learner->slope + first_row, sums);
        for (int t = 0; t < tokens; t++)
            learner->share[first_row + t] = share * learner->options.teacher_weight;
    }
}

enum status learner_learn(struct learner *learner, const struct lesson *lesson, int lessons,
                          const struct learner_totals *totals, const struct lesson_routes *replay,
                          struct learner_sums *sums) {
    int64_t at = 0;
    TRY(check_lessons(learner, lesson, lessons));

    struct loss_scale scale = {.mtp = totals->tokens ? learner->options.mtp / (double)totals->tokens : 0,
                               .balance =
                                   totals->tokens ? learner->options.balance / (double)totals->tokens : 0};
    for (int first = 0, end; first < lessons; first = end) {
        end = fill_batch(learner, lesson, first, lessons);
        struct train_routes routes = {.expert = replay ? replay->expert + at : NULL, .replay = true};
        struct descent descent = {learner, lesson, 0, 0};
        const struct train_batch *batch = &learner->packed.batch;
        TRY(trainer_forward(learner->trainer, batch, replay ? &routes : NULL));
        if (learner->options.teacher) TRY(trainer_forward(learner->options.teacher, batch, NULL));
        measure_batch(learner, lesson, false);
        set_slopes(learner, lesson, first, end, totals, &sums->policy);
        trainer_backward(learner->trainer, batch, replay ? &routes : NULL, &scale, derive, &descent,
                         &sums->loss);
        at += replay ? batch_routes(learner) : 0;
        sums->entropy += descent.entropy;
        sums->teacher += descent.teacher;
        sums->rows += batch->rows;
    }
    return STATUS_OK;
}
