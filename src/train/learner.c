/* learner.c - see learner.h. How lessons fall into batches, and these to ranks, depends on lengths alone, so that what one pass
 * left another finds in the same places. */
#include "train/learner.h"

#include "base/bytes.h"
#include "train/token_slopes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct learner_hand { /* what one of the crew's hands needs for its batch */
    struct trainer *trainer, teacher;
    struct packed_batch packed;
    int *row_lesson, *row_token; /* [rows] which token of which lesson a row predicts; -1: none */
    double *slope;               /* [rows] */
    double *share;               /* [rows] of the divergence from the teacher in the loss */
    float *logits;               /* [LEARNER_ROWS, vocab] */
    double *drawn;               /* [vocab] */
};

struct study { /* one pass, of all hands */
    struct learner *learner;
    const struct lesson *lesson;
    const struct learner_totals *totals;
    const struct lesson_routes *routes; /* NULL: free ones */
    enum learner_measure what;
};

/* ---- opening ---- */

/* Only what goes forward is used: layers share what they keep. */
static struct trainer_options teacher_options(const struct trainer_options *options) {
    struct trainer_options own = *options;
    own.frozen = own.recompute = true;
    own.lora = (struct adapter_options){0};
    return own;
}

static enum status open_hand(struct learner_hand *hand, struct trainer *trainer,
                             const struct learner_options *options) {
    size_t rows = (size_t)trainer->options.max_rows, vocab = (size_t)trainer->model.desc.vocab, floats;
    const struct trainer_options teacher = teacher_options(&trainer->options);
    hand->trainer = trainer;
    hand->row_lesson = malloc(rows * sizeof *hand->row_lesson);
    hand->row_token = malloc(rows * sizeof *hand->row_token);
    hand->slope = malloc(rows * sizeof *hand->slope);
    hand->share = malloc(rows * sizeof *hand->share);
    hand->drawn = malloc(vocab * sizeof *hand->drawn);
    if (multiply_size_fits(vocab, LEARNER_ROWS * sizeof(float), &floats)) hand->logits = malloc(floats);
    if (!hand->row_lesson || !hand->row_token || !hand->slope || !hand->share || !hand->drawn ||
        !hand->logits)
        return fail(STATUS_MEMORY, "no memory for the rows of a batch");
    if (options->teacher) TRY(trainer_open_beside(&hand->teacher, options->teacher, &teacher));
    return packed_batch_open(&hand->packed, trainer->options.max_rows);
}

static void close_hand(struct learner_hand *hand) {
    packed_batch_close(&hand->packed);
    trainer_close(&hand->teacher);
    free(hand->row_lesson);
    free(hand->row_token);
    free(hand->slope);
    free(hand->share);
    free(hand->drawn);
    free(hand->logits);
}

enum status learner_open(struct learner *learner, struct crew *crew, const struct learner_options *options) {
    *learner = (struct learner){
        .crew = crew, .options = *options, .hand = calloc((size_t)crew->hands, sizeof *learner->hand)};
    enum status status =
        learner->hand ? STATUS_OK : fail(STATUS_MEMORY, "no memory for %d hands", crew->hands);
    for (int i = 0; status == STATUS_OK && i < crew->hands; i++)
        status = open_hand(&learner->hand[i], crew_trainer(crew, i), options);
    if (status != STATUS_OK) learner_close(learner);
    return status;
}

void learner_close(struct learner *learner) {
    for (int i = 0; learner->hand && i < learner->crew->hands; i++) close_hand(&learner->hand[i]);
    free(learner->hand);
    free(learner->batch);
    free(learner->sums);
    *learner = (struct learner){0};
}

static int64_t of_hands(int64_t bytes, int hands) {
    int64_t all;
    return multiply_fits(bytes, hands, &all) ? all : INT64_MAX;
}

int64_t learner_bytes(const struct model_desc *desc, int hands) {
    return of_hands((int64_t)LEARNER_ROWS * desc->vocab * (int64_t)sizeof(float), hands);
}

int64_t learner_teacher_bytes(const struct model_desc *teacher, const struct trainer_options *options,
                              int hands) {
    const struct trainer_options own = teacher_options(options);
    return of_hands(trainer_plan(teacher, &own).activations, hands);
}

/* ---- batches ---- */

static int batch_capacity(const struct learner *learner) {
    return learner->hand[0].packed.capacity;
}

/* The last token is nobody's context. */
static int lesson_rows(const struct lesson *lesson) {
    return lesson->prompt_tokens + lesson->answer->tokens - 1;
}

static int32_t lesson_token(const struct lesson *lesson, int at) {
    return at < lesson->prompt_tokens ? lesson->prompt[at] : lesson->answer->id[at - lesson->prompt_tokens];
}

static enum status check_lessons(const struct learner *learner, const struct lesson *lesson, int lessons) {
    int capacity = batch_capacity(learner);
    for (int i = 0; i < lessons; i++) {
        MUST(lesson[i].answer->tokens >= 1 && lesson[i].prompt_tokens >= 1);
        if (lesson_rows(&lesson[i]) > capacity)
            return fail(STATUS_LIMIT, "prompt and answer have %d tokens where %d fit into a batch",
                        lesson_rows(&lesson[i]) + 1, capacity);
    }
    return STATUS_OK;
}

static enum status take_room(struct learner *learner, int lessons) {
    if (lessons > learner->capacity) {
        free(learner->batch);
        free(learner->sums);
        learner->batch = malloc((size_t)lessons * sizeof *learner->batch);
        learner->sums = malloc((size_t)lessons * sizeof *learner->sums);
        learner->capacity = learner->batch && learner->sums ? lessons : 0;
    }
    if (learner->capacity < lessons)
        return fail(STATUS_MEMORY, "no memory for the batches of %d answers", lessons);
    memset(learner->sums, 0, (size_t)lessons * sizeof *learner->sums);
    return STATUS_OK;
}

/* Of about as many rows each. */
static int64_t rows_of_batch(const struct learner *learner, const struct lesson *lesson, int lessons) {
    int64_t rows = 0, capacity = batch_capacity(learner);
    for (int i = 0; i < lessons; i++) rows += lesson_rows(&lesson[i]);
    int64_t batches = max_i64(1, divide_up(rows, capacity));
    return divide_up(rows, batches);
}

/* Lessons in their order to learner->batch. */
static void cut_lessons(struct learner *learner, const struct lesson *lesson, int lessons) {
    const struct model_desc *d = &learner->crew->lead->model.desc;
    int64_t wanted = rows_of_batch(learner, lesson, lessons), all = 0;
    learner->batches = 0;
    for (int first = 0, end; first < lessons; first = end) {
        int64_t rows = 0;
        for (end = first; end < lessons && rows < wanted; end++) {
            if (rows + lesson_rows(&lesson[end]) > batch_capacity(learner)) break;
            rows += lesson_rows(&lesson[end]);
        }
        learner->batch[learner->batches++] =
            (struct learner_batch){.first = first, .end = end, .route = all * d->layers * d->experts_used};
        all += rows;
    }
}

/* How lessons fall into batches, and these to ranks, depends on their lengths alone. */
static enum status begin_pass(struct learner *learner, const struct lesson *lesson, int lessons) {
    TRY(check_lessons(learner, lesson, lessons));
    TRY(take_room(learner, lessons));
    cut_lessons(learner, lesson, lessons);
    return STATUS_OK;
}

static void append_lesson(struct learner_hand *hand, const struct lesson *lesson, int index) {
    struct packed_batch *packed = &hand->packed;
    struct train_batch *batch = &packed->batch;
    int rows = lesson_rows(lesson);
    packed->segment[batch->segments++] = (struct train_segment){batch->rows, rows};
    for (int i = 0; i < rows; i++, batch->rows++) {
        int t = i + 1 - lesson->prompt_tokens;
        packed->token[batch->rows] = lesson_token(lesson, i);
        packed->target[batch->rows] = lesson_token(lesson, i + 1);
        packed->weight[batch->rows] = t >= 0;
        hand->row_lesson[batch->rows] = t >= 0 ? index : -1;
        hand->row_token[batch->rows] = t;
    }
}

static const struct train_batch *pack_batch(struct learner_hand *hand, const struct lesson *lesson,
                                            const struct learner_batch *batch) {
    packed_batch_clear(&hand->packed);
    for (int i = batch->first; i < batch->end; i++) append_lesson(hand, &lesson[i], i);
    hand->packed.batch.sequence_rows = hand->packed.batch.rows;
    return &hand->packed.batch;
}

/* ---- probabilities ---- */

/* What token `t` could be chosen from; NULL: anything. */
static const int32_t *kept_tokens(const struct rollout_answer *answer, int t, int *count) {
    int64_t from = t && answer->kept ? answer->kept_end[t - 1] : 0;
    *count = answer->kept ? (int)(answer->kept_end[t] - from) : 0;
    return answer->kept ? answer->kept + from : NULL;
}

static void measure_row(const struct study *study, const struct learner_hand *hand, int row,
                        const float *logits) {
    int index = hand->row_lesson[row], t = hand->row_token[row], kepts;
    if (index < 0) return;
    const struct lesson *lesson = &study->lesson[index];
    const int32_t *kept = kept_tokens(lesson->answer, t, &kepts);
    double *to = study->what == MEASURE_REFERENCE ? lesson->reference : lesson->now;
    to[t] = sampled_logprob(logits, (int32_t)hand->trainer->model.desc.vocab,
                            study->learner->options.temperature, kept, kepts, lesson->answer->id[t]);
}

static void measure_batch(const struct study *study, struct learner_hand *hand) {
    int64_t vocab = hand->trainer->model.desc.vocab;
    const struct train_batch *batch = &hand->packed.batch;
    for (int first = 0; first < batch->rows; first += LEARNER_ROWS) {
        int begin = first, end = (int)min_i64(first + LEARNER_ROWS, batch->rows);
        while (begin < end && hand->row_lesson[begin] < 0) begin++;
        while (begin < end && hand->row_lesson[end - 1] < 0) end--;
        if (begin == end) continue;
        trainer_logits(hand->trainer, begin, end - begin, hand->logits);
        for (int r = begin; r < end; r++) measure_row(study, hand, r, hand->logits + (r - begin) * vocab);
    }
}

static enum status measure_task(void *context, struct trainer *trainer, int index, int64_t number) {
    const struct study *study = context;
    struct learner_hand *hand = &study->learner->hand[index];
    const struct train_batch *batch = pack_batch(hand, study->lesson, &study->learner->batch[number]);
    TRY(trainer_forward(trainer, batch, NULL));
    measure_batch(study, hand);
    return STATUS_OK;
}

enum status learner_measure(struct learner *learner, const struct lesson *lesson, int lessons,
                            enum learner_measure what) {
    struct study study = {.learner = learner, .lesson = lesson, .what = what};
    TRY(begin_pass(learner, lesson, lessons));
    return crew_share(learner->crew, &(struct crew_work){measure_task, &study, learner->batches});
}

/* ---- experts ---- */

static enum status record_task(void *context, struct trainer *trainer, int index, int64_t number) {
    const struct study *study = context;
    const struct learner_batch *part = &study->learner->batch[number];
    struct train_routes record = {.expert = study->routes->expert + part->route};
    return trainer_forward(trainer, pack_batch(&study->learner->hand[index], study->lesson, part), &record);
}

static enum status take_routes(const struct learner *learner, const struct lesson *lesson, int lessons,
                               struct lesson_routes *routes) {
    const struct model_desc *d = &learner->crew->lead->model.desc;
    size_t count = 0;
    for (int i = 0; i < lessons; i++) count += (size_t)lesson_rows(&lesson[i]);
    routes->expert = malloc(count * (size_t)(d->layers * d->experts_used) * sizeof *routes->expert + 1);
    return routes->expert ? STATUS_OK
                          : fail(STATUS_MEMORY, "no memory for the experts of %d answers", lessons);
}

enum status learner_record(struct learner *learner, const struct lesson *lesson, int lessons,
                           struct lesson_routes *routes) {
    struct study study = {.learner = learner, .lesson = lesson, .routes = routes};
    TRY(begin_pass(learner, lesson, lessons));
    TRY(take_routes(learner, lesson, lessons, routes));
    return crew_share(learner->crew, &(struct crew_work){record_task, &study, learner->batches});
}

void lesson_routes_free(struct lesson_routes *routes) {
    free(routes->expert);
    *routes = (struct lesson_routes){0};
}

/* ---- learning ---- */

struct descent { /* of one batch */
    const struct study *study;
    struct learner_hand *hand;
    double entropy, teacher;
};

/* Of a row that predicts a token of an answer. */
static void derive_row(struct descent *descent, int row, float *logits, const float *teacher) {
    struct learner_hand *hand = descent->hand;
    int32_t vocab = (int32_t)hand->trainer->model.desc.vocab;
    int t = hand->row_token[row], kepts;
    const struct rollout_answer *answer = descent->study->lesson[hand->row_lesson[row]].answer;
    const int32_t *kept = kept_tokens(answer, t, &kepts);
    struct token_choice choice = {answer->id[t], kept, kepts, descent->study->learner->options.temperature,
                                  hand->slope[row]};
    if (teacher) descent->teacher += divergence_slopes(logits, teacher, vocab, hand->share[row], hand->drawn);
    descent->entropy += token_slopes(&choice, vocab, logits);
    for (int32_t v = 0; teacher && v < vocab; v++) logits[v] += (float)hand->drawn[v];
}

static void derive(void *context, int begin, int rows, float *logits) {
    struct descent *descent = context;
    struct learner_hand *hand = descent->hand;
    int64_t vocab = hand->trainer->model.desc.vocab;
    bool teacher = descent->study->learner->options.teacher;
    if (teacher) trainer_logits(&hand->teacher, begin, rows, hand->logits);
    for (int64_t r = 0; r < rows; r++)
        if (hand->row_lesson[begin + r] >= 0)
            derive_row(descent, begin + (int)r, logits + r * vocab,
                       teacher ? hand->logits + r * vocab : NULL);
        else
            memset(logits + r * vocab, 0, (size_t)vocab * sizeof *logits);
}

static void set_slopes(const struct study *study, struct learner_hand *hand, const struct learner_batch *part,
                       struct policy_sums *sums) {
    const struct learner_options *options = &study->learner->options;
    for (int i = part->first; i < part->end; i++) {
        const struct train_segment *segment = &hand->packed.segment[i - part->first];
        const struct lesson *lesson = &study->lesson[i];
        int tokens = lesson->answer->tokens;
        struct policy_answer answer = {lesson->now, lesson->answer->logprob, lesson->reference, tokens,
                                       lesson->advantage};
        double share = policy_share(&options->policy, tokens, study->totals->answers, study->totals->tokens);
        int first_row = segment->row_begin + lesson->prompt_tokens - 1;
        policy_slopes(&options->policy, &answer, share, hand->slope + first_row, sums);
        for (int t = 0; t < tokens; t++) hand->share[first_row + t] = share * options->teacher_weight;
    }
}

static struct loss_scale scale_of(const struct study *study) {
    const struct learner_options *options = &study->learner->options;
    double tokens = (double)study->totals->tokens;
    if (!study->totals->tokens) return (struct loss_scale){0};
    return (struct loss_scale){.mtp = options->mtp / tokens, .balance = options->balance / tokens};
}

static enum status learn_task(void *context, struct trainer *trainer, int index, int64_t number) {
    const struct study *study = context;
    struct learner_hand *hand = &study->learner->hand[index];
    const struct learner_batch *part = &study->learner->batch[number];
    struct learner_sums *sums = &study->learner->sums[number];
    struct descent descent = {study, hand, 0, 0};
    const struct train_batch *batch = pack_batch(hand, study->lesson, part);
    const struct loss_scale scale = scale_of(study);
    struct train_routes replay = {.replay = true}, *routes = study->routes ? &replay : NULL;
    if (routes) replay.expert = study->routes->expert + part->route;
    TRY(trainer_forward(trainer, batch, routes));
    if (study->learner->options.teacher) TRY(trainer_forward(&hand->teacher, batch, NULL));
    measure_batch(study, hand);
    set_slopes(study, hand, part, &sums->policy);
    trainer_backward(trainer, batch, routes, &scale, derive, &descent, &sums->loss);
    sums->entropy = descent.entropy;
    sums->teacher = descent.teacher;
    sums->rows = batch->rows;
    return STATUS_OK;
}

static void add_sums(struct learner_sums *to, const struct learner_sums *from) {
    const struct policy_sums *policy = &from->policy;
    to->policy.loss += policy->loss;
    to->policy.kl += policy->kl;
    to->policy.deviation = fmax(to->policy.deviation, policy->deviation);
    to->policy.clipped_low += policy->clipped_low;
    to->policy.clipped_high += policy->clipped_high;
    to->policy.tokens += policy->tokens;
    to->policy.answers += policy->answers;
    to->policy.left_out += policy->left_out;
    to->loss.token += from->loss.token;
    to->loss.mtp += from->loss.mtp;
    to->loss.balance += from->loss.balance;
    to->entropy += from->entropy;
    to->teacher += from->teacher;
    to->rows += from->rows;
}

/* In the order of batches, whoever had them. */
static enum status gather_sums(struct learner *learner, struct learner_sums *sums) {
    TRY(comm_merge(learner->crew->comm, learner->sums, learner->batches * (int64_t)sizeof *learner->sums));
    for (int64_t i = 0; i < learner->batches; i++) add_sums(sums, &learner->sums[i]);
    return STATUS_OK;
}

enum status learner_learn(struct learner *learner, const struct lesson *lesson, int lessons,
                          const struct learner_totals *totals, const struct lesson_routes *replay,
                          struct learner_sums *sums) {
    struct study study = {.learner = learner, .lesson = lesson, .totals = totals, .routes = replay};
    TRY(begin_pass(learner, lesson, lessons));
    TRY(crew_learn(learner->crew, &(struct crew_work){learn_task, &study, learner->batches}));
    return gather_sums(learner, sums);
}
