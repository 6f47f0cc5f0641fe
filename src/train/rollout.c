/* rollout.c - see rollout.h. What is cached with old weights is never found again: each run has an isolation of its own. */
#include "train/rollout.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rollout {
    struct trainer *trainer; /* NULL: the engine is somebody else's, and its weights stay */
    struct engine *engine;
    struct answers *answers;
    uint64_t runs;
};

void rollout_answer_free(struct rollout_answer *answer) {
    free(answer->id);
    free(answer->logprob);
    free(answer->kept);
    free(answer->kept_end);
    *answer = (struct rollout_answer){0};
}

enum status rollout_open(struct rollout **rollout, const struct rollout_options *options) {
    struct rollout *made = calloc(1, sizeof *made);
    struct engine_over over = {.model = trainer_model(options->trainer),
                               .tokenizer = options->tokenizer,
                               .context = options->context,
                               .sequences = options->at_once};
    *rollout = NULL;
    if (!made) return fail(STATUS_MEMORY, "no memory for rollouts");
    made->trainer = options->trainer;
    enum status status = engine_open_over(&made->engine, &over);
    if (status == STATUS_OK) status = answers_open(&made->answers, made->engine);
    if (status == STATUS_OK)
        *rollout = made;
    else
        rollout_close(made);
    return status;
}

enum status rollout_open_engine(struct rollout **rollout, struct engine *engine) {
    struct rollout *made = calloc(1, sizeof *made);
    *rollout = NULL;
    if (!made) return fail(STATUS_MEMORY, "no memory for rollouts");
    made->engine = engine;
    enum status status = answers_open(&made->answers, engine);
    if (status == STATUS_OK)
        *rollout = made;
    else
        free(made);
    return status;
}

void rollout_close(struct rollout *rollout) {
    if (!rollout) return;
    answers_close(rollout->answers);
    if (rollout->trainer) engine_close(rollout->engine);
    free(rollout);
}

/* ---- listening ---- */

struct ear {                       /* of one prompt */
    struct rollout_answer *answer; /* [group] */
    enum status *status;           /* the first failure of all */
};

static bool grow(void *array, size_t count, size_t each) {
    void **memory = array;
    void *more = realloc(*memory, count * each);
    if (more) *memory = more;
    return more;
}

static bool take_room(struct rollout_answer *answer, bool traced, bool limited) {
    if (answer->tokens < answer->capacity) return true;
    size_t capacity = answer->capacity ? 2 * (size_t)answer->capacity : 32;
    if (capacity > INT32_MAX || !grow(&answer->id, capacity, sizeof *answer->id)) return false;
    if (traced && !grow(&answer->logprob, capacity, sizeof *answer->logprob)) return false;
    if (limited && !grow(&answer->kept_end, capacity, sizeof *answer->kept_end)) return false;
    answer->capacity = (int)capacity;
    return true;
}

static bool note_kept(struct rollout_answer *answer, const struct choice *choice) {
    int64_t from = answer->tokens ? answer->kept_end[answer->tokens - 1] : 0, to = from + choice->kepts;
    if (to > answer->kept_capacity) {
        int64_t capacity = 2 * to;
        if (!grow(&answer->kept, (size_t)capacity, sizeof *answer->kept)) return false;
        answer->kept_capacity = capacity;
    }
    memcpy(answer->kept + from, choice->kept, (size_t)choice->kepts * sizeof *answer->kept);
    answer->kept_end[answer->tokens] = to;
    return true;
}

static void note_choice(const struct ear *ear, struct rollout_answer *answer, const struct choice *choice) {
    bool traced = choice->traced != 0 || choice->kept;
    bool limited = choice->kept;
    if (!take_room(answer, true, limited) || (limited && !note_kept(answer, choice))) {
        if (*ear->status == STATUS_OK) *ear->status = STATUS_MEMORY;
        return;
    }
    answer->id[answer->tokens] = choice->id;
    answer->logprob[answer->tokens++] = traced ? choice->traced : 0;
}

static void hear(void *context, const struct service_event *event) {
    const struct ear *ear = context;
    struct rollout_answer *answer = &ear->answer[event->choice];
    if (event->kind == SERVICE_PIECE && event->piece->choice) note_choice(ear, answer, event->piece->choice);
    if (event->kind == SERVICE_CHOICE_END) answer->truncated = event->finish != FINISH_STOP;
}

/* ---- running ---- */

static struct service_request request_of(const struct rollout_request *request, int p, const char *isolation,
                                         struct ear *ear) {
    const struct rollout_prompt *prompt = &request->prompt[p];
    struct service_request made = {.prompt = prompt->id,
                                   .prompt_tokens = prompt->tokens,
                                   .isolation = isolation,
                                   .reply.sampling = request->sampling,
                                   .reply.max_tokens = request->longest,
                                   .choices = request->group,
                                   .listener = hear,
                                   .context = ear};
    made.reply.sampling.seed = prompt->seed;
    made.reply.sampling.traced = request->sampling.temperature > 0;
    return made;
}

enum status rollout_run(struct rollout *rollout, const struct rollout_request *request,
                        struct rollout_answer *answer) {
    size_t prompts = (size_t)(request->prompts ? request->prompts : 1);
    struct service_request *made = calloc(prompts, sizeof *made);
    struct ear *ear = calloc(prompts, sizeof *ear);
    enum status status = STATUS_OK, heard = STATUS_OK;
    char isolation[32];
    if (!made || !ear) status = fail(STATUS_MEMORY, "no memory for %d prompts", request->prompts);
    rollout->runs += rollout->trainer != NULL;
    snprintf(isolation, sizeof isolation, "%llu", (unsigned long long)rollout->runs);
    if (rollout->trainer) engine_renew(rollout->engine, trainer_model(rollout->trainer));
    for (int p = 0; status == STATUS_OK && p < request->prompts; p++) {
        ear[p] = (struct ear){answer + (int64_t)p * request->group, &heard};
        made[p] = request_of(request, p, isolation, &ear[p]);
    }
    if (status == STATUS_OK)
        status = answers_run(rollout->answers, made, request->prompts, request->going, request->context);
    if (status == STATUS_OK && heard != STATUS_OK) status = fail(heard, "no memory for the answers");
    free(made);
    free(ear);
    return status;
}
