/* schedule_draft.c - drafts of the model's MTP module in the steps of many answers.
 *
 * Behind each step the module runs over the rows that the step settled, of all answers that it follows, while their hidden
 * states are still there; where drafting pays, the last row of each answer drafts the token that the answer's next row is
 * computed with. The token is chosen from the trunk's logits all the same (engine/speculate.h), so that no draft changes
 * an answer. What drafting costs depends on how many answers share a step: each magnitude has an average of its own.
 *
 * Pages know how far the module has come in them, so that an answer which begins with cached pages can draft too. Row 63 of a
 * page was made with the token that came behind it then; with another one behind it now only a draft is worse. */
#include "engine/schedule.h"

#include "base/clock.h"

static struct draft_pace *pace_of(struct scheduler *scheduler, int answers) {
    int magnitude = 0;
    while (magnitude < DRAFT_PACES - 1 && answers > 1 << magnitude) magnitude++;
    return &scheduler->draft_pace[magnitude];
}

bool scheduler_can_draft(const struct scheduler *scheduler) {
    const struct engine *engine = scheduler->engine;
    return scheduler->speculate != SPECULATE_OFF && engine->model.desc.mtp_layers &&
           engine->model.max_rows >= 2 * engine->sequences;
}

void job_begin_drafts(struct scheduler *scheduler, struct job *job) {
    const struct sequence *sequence = job->sequence;
    job->follows =
        scheduler_can_draft(scheduler) && sequence->module_cached >= sequence->cached && !job->loads;
    if (scheduler->speculate == SPECULATE_AUTO && scheduler_can_draft(scheduler))
        job->follows &= draft_pace_begin(pace_of(scheduler, scheduler->runnings));
}

enum status job_append(struct scheduler *scheduler, struct job *job, int32_t id, bool *drafted) {
    struct sequence *sequence = job->sequence;
    bool open = job->draft;
    *drafted = open && sequence->token[sequence->tokens - 1] == id;
    job->draft = false;
    scheduler->right += *drafted;
    if (*drafted) return STATUS_OK;
    if (open) sequence_truncate(sequence, sequence->tokens - 1);
    return sequence_append(sequence, &id, 1, TOKEN_GENERATED);
}

/* ---- the module ---- */

/* Answers whose module is behind by rows of this step. */
static int collect_module_items(struct scheduler *scheduler) {
    int items = 0;
    for (int i = 0; i < scheduler->runnings; i++) {
        struct job *job = scheduler->running[i];
        struct sequence *sequence = job->sequence;
        int begin = sequence->module_cached, rows = sequence->cached - begin;
        if (!job->follows || !job->rows || rows < 1) continue;
        MUST(rows <= job->rows);
        scheduler->module_item[items++] = (struct module_item){sequence, begin, rows, job->first_row};
        sequence->module_cached = sequence->cached;
    }
    return items;
}

/* Ready for a draft behind the last token, which more tokens may follow. One that begins a page would have to take it. */
static bool wants_draft(const struct job *job) {
    const struct sequence *sequence = job->sequence;
    return job->follows && job->reply.tokens > 0 && sequence->tokens - sequence->cached == 1 &&
           sequence->module_cached == sequence->cached && sequence->tokens % KV_PAGE_TOKENS &&
           !reply_is_full(&job->reply, 1);
}

static struct job *job_of(const struct scheduler *scheduler, const struct sequence *sequence) {
    for (int i = 0; i < scheduler->runnings; i++)
        if (scheduler->running[i]->sequence == sequence) return scheduler->running[i];
    return NULL;
}

/* Draws the number that the token itself will be drawn with. Logits that are none give no draft. */
static enum status add_draft(struct scheduler *scheduler, struct job *job, const float *logits) {
    struct sampler guess = job->reply.sampler;
    struct choice choice;
    guess.sampling.logprobs = -1;
    guess.allowed = NULL; /* that of another token */
    if (sampler_choose(&guess, &scheduler->space, logits, &choice) != STATUS_OK) return STATUS_OK;
    TRY(sequence_append(job->sequence, &choice.id, 1, TOKEN_GENERATED));
    job->draft = true;
    return STATUS_OK;
}

static enum status draft_all(struct scheduler *scheduler, int items) {
    int drafts = 0, row = 0;
    struct module_item *item = scheduler->module_item;
    for (int i = 0; i < items; i++) {
        row += item[i].rows;
        if (!wants_draft(job_of(scheduler, item[i].sequence))) continue;
        item[drafts] = item[i];
        scheduler->row[drafts++] = row - 1;
    }
    if (!drafts) return STATUS_OK;
    engine_mtp_head(scheduler->engine, scheduler->row, drafts, scheduler->logits);
    for (int i = 0; i < drafts; i++)
        TRY(add_draft(scheduler, job_of(scheduler, item[i].sequence),
                      scheduler->logits + i * scheduler->engine->model.desc.vocab));
    return STATUS_OK;
}

/* Rows of prompts cost more than a draft is likely to bring: beside them nothing is drafted. */
static bool pays(struct scheduler *scheduler) {
    int answers = 0;
    for (int i = 0; i < scheduler->runnings; i++) {
        const struct sequence *sequence = scheduler->running[i]->sequence;
        if (sequence->tokens - sequence->cached > 1) return false;
        answers++;
    }
    return scheduler->speculate == SPECULATE_ON || draft_pace_wants(pace_of(scheduler, answers));
}

enum status scheduler_draft(struct scheduler *scheduler) {
    int items = scheduler_can_draft(scheduler) ? collect_module_items(scheduler) : 0;
    double start = clock_seconds();
    if (!items) return STATUS_OK;
    TRY(engine_mtp_batch(scheduler->engine, scheduler->module_item, items));
    if (pays(scheduler)) TRY(draft_all(scheduler, items));
    scheduler->draft_seconds = clock_seconds() - start;
    return STATUS_OK;
}

/* ---- does it pay? ---- */

void scheduler_measure_drafts(struct scheduler *scheduler, int answers, int prompt_rows, double seconds) {
    struct draft_pace *pace = pace_of(scheduler, answers);
    if (!scheduler_can_draft(scheduler) || scheduler->speculate == SPECULATE_ON || prompt_rows || !answers)
        return;
    if (scheduler->drafts)
        draft_pace_drafted(pace, seconds + scheduler->draft_seconds, (double)scheduler->right / answers);
    else
        draft_pace_plain(pace, seconds);
    for (int i = 0; pace->rest && i < scheduler->runnings; i++) scheduler->running[i]->follows = false;
}
