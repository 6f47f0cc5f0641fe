/* schedule_step.c - one step of the batch: which rows it has, pages for them, and what comes of their logits. */
#include "engine/schedule.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <limits.h>

static int pending(const struct job *job) {
    return job->sequence->tokens - job->sequence->cached;
}

/* Its last token is to be computed, and a draft behind it. */
static bool decodes(const struct job *job) {
    return pending(job) == 1 + job->draft && !job->loads;
}

/* ---- rows ---- */

static int give_decode_rows(struct scheduler *scheduler) {
    int rows = 0;
    for (int i = 0; i < scheduler->runnings; i++) {
        struct job *job = scheduler->running[i];
        job->rows = decodes(job) ? pending(job) : 0;
        rows += job->rows;
        int64_t *deficit = &job->request->account->deficit;
        *deficit = max_i64(*deficit - job->rows, -PREFILL_QUANTUM);
    }
    return rows;
}

static bool wants_rows(const struct job *job) {
    return !decodes(job) && job->rows < pending(job) && !job->loads;
}

static bool highest_priority(const struct scheduler *scheduler, int *priority) {
    bool any = false;
    for (int i = 0; i < scheduler->runnings; i++) {
        const struct job *job = scheduler->running[i];
        if (!wants_rows(job) || (any && job->request->priority <= *priority)) continue;
        *priority = job->request->priority;
        any = true;
    }
    return any;
}

static struct job *next_prefill(const struct scheduler *scheduler, const struct account *account,
                                int priority) {
    struct job *best = NULL;
    for (int i = 0; i < scheduler->runnings; i++) {
        struct job *job = scheduler->running[i];
        if (job->request->account == account && job->request->priority == priority && wants_rows(job) &&
            (!best || job_precedes(job, best)))
            best = job;
    }
    return best;
}

/* The account in front goes to the end. */
static void pass_turn(struct scheduler *scheduler) {
    struct account *account = scheduler->account, **end = &account->next;
    while (*end) end = &(*end)->next;
    *end = account;
    scheduler->account = account->next;
    account->next = NULL;
}

/* Deficit round robin: the account in front computes until its quantum is used up, and passes on what it cannot use. There
 * is one that wants rows. */
static struct job *take_turn(struct scheduler *scheduler, int priority) {
    while (true) {
        struct account *account = scheduler->account;
        struct job *job = next_prefill(scheduler, account, priority);
        if (job && account->deficit > 0) return job;
        account->deficit = job ? account->deficit + PREFILL_QUANTUM : min_i64(account->deficit, 0);
        pass_turn(scheduler);
    }
}

static int give_prompt_rows(struct scheduler *scheduler, int most) {
    int left = most, priority = INT_MIN;
    while (left > 0 && highest_priority(scheduler, &priority)) {
        struct job *job = take_turn(scheduler, priority);
        int64_t *deficit = &job->request->account->deficit;
        int rows = (int)min_i64(min_i64(left, *deficit), pending(job) - job->rows);
        job->rows += rows;
        *deficit -= rows;
        left -= rows;
    }
    return most - left;
}

/* ---- pages ---- */

static int64_t pages_needed(const struct scheduler *scheduler) {
    int64_t pages = 0;
    for (int i = 0; i < scheduler->runnings; i++) {
        const struct job *job = scheduler->running[i];
        if (job->rows)
            pages += max_i64(
                divide_up(job->sequence->cached + job->rows, KV_PAGE_TOKENS) - job->sequence->pages, 0);
    }
    return pages;
}

static struct job *victim(const struct scheduler *scheduler) {
    struct job *last = scheduler->running[0];
    for (int i = 1; i < scheduler->runnings; i++)
        if (job_precedes(last, scheduler->running[i])) last = scheduler->running[i];
    return last;
}

/* There is room for any one sequence, so that this ends with an answer left. */
static void make_pages(struct scheduler *scheduler) {
    while (!free_pages(scheduler, pages_needed(scheduler))) {
        MUST(scheduler->runnings > 1);
        job_pause(scheduler, victim(scheduler));
        scheduler->counts.preemptions++;
    }
}

/* ---- results ---- */

static void tell_progress(const struct job *job) {
    const struct request *request = job->request;
    int cached = job->sequence->cached;
    if (job->choice || job->reply.tokens || job->rows < 1) return;
    request_tell(request, (struct service_event){.kind = SERVICE_PREFILL, .prefilled = cached});
}

static void note_first_token(struct request *request) {
    if (request->primed) return;
    request->primed = true;
    request->first_token_at = clock_seconds();
    request->usage.prefill_seconds = request->first_token_at - request->started_at;
}

/* `logits` are those of the last token, and behind it of the draft if there is one. */
static enum status take_token(struct scheduler *scheduler, struct job *job, const float *logits) {
    bool drafted;
    struct choice choice;
    struct piece piece;
    struct reply *reply = &job->reply;
    note_first_token(job->request);
    if (reply_is_full(reply, 0)) {
        reply->finish = FINISH_LENGTH;
        return STATUS_OK;
    }
    TRY(reply_choose(reply, &scheduler->space, logits, &choice));
    TRY(reply_take(reply, &choice, &piece));
    request_tell(job->request,
                 (struct service_event){.kind = SERVICE_PIECE, .choice = job->choice, .piece = &piece});
    if (reply->finish == FINISH_NONE && reply_is_full(reply, 0)) reply->finish = FINISH_LENGTH;
    if (reply->finish != FINISH_NONE) return STATUS_OK;
    TRY(job_append(scheduler, job, choice.id, &drafted));
    return drafted ? take_token(scheduler, job, logits + scheduler->engine->model.desc.vocab) : STATUS_OK;
}

static void take_result(struct scheduler *scheduler, struct job *job, const float *logits) {
    enum status status = take_token(scheduler, job, logits);
    if (status != STATUS_OK)
        request_end(scheduler, job->request, status, status_message());
    else if (job->reply.finish != FINISH_NONE)
        job_end(scheduler, job, job->reply.finish);
}

/* Answers of which the last token was computed, the first of them in front: a request that fails takes its other answers
 * with it, wherever they stand. */
static struct job *next_result(const struct scheduler *scheduler, int after_row) {
    struct job *next = NULL;
    for (int i = 0; i < scheduler->runnings; i++) {
        struct job *job = scheduler->running[i];
        if (job->logit_row > after_row && (!next || job->logit_row < next->logit_row)) next = job;
    }
    return next;
}

static void take_results(struct scheduler *scheduler) {
    const struct engine *engine = scheduler->engine;
    struct job *job;
    int rows = 0;
    for (int32_t at = -1; (job = next_result(scheduler, at)); at = job->logit_row)
        for (int i = 0; i <= job->draft; i++) scheduler->row[rows++] = job->logit_row + i;
    if (!rows) return;
    engine_logits(scheduler->engine, scheduler->row, rows, scheduler->logits);
    for (int i = 0; i < rows; i++) { /* rows of drafts are nobody's first */
        job = next_result(scheduler, scheduler->row[i] - 1);
        if (job && job->logit_row == scheduler->row[i])
            take_result(scheduler, job, scheduler->logits + i * engine->model.desc.vocab);
    }
}

/* ---- step ---- */

static int collect_items(struct scheduler *scheduler) {
    int items = 0, row = 0;
    scheduler->drafts = scheduler->right = 0;
    for (int i = 0; i < scheduler->runnings; i++) {
        struct job *job = scheduler->running[i];
        job->logit_row = -1;
        if (!job->rows) continue;
        scheduler->item[items++] = (struct step_item){job->sequence, job->rows};
        scheduler->drafts += job->draft;
        job->first_row = row;
        row += job->rows;
        if (job->rows == pending(job)) job->logit_row = row - 1 - job->draft;
    }
    return items;
}

/* Rows of the step; answers that gave up their pages have none. */
static int count_rows(const struct scheduler *scheduler, int items) {
    int rows = 0;
    for (int i = 0; i < items; i++) rows += scheduler->item[i].rows;
    return rows;
}

static int waiting_prompts(const struct scheduler *scheduler) {
    int waiting = 0;
    for (int i = 0; i < scheduler->runnings; i++) waiting += wants_rows(scheduler->running[i]);
    return waiting;
}

static int count_decoding(const struct scheduler *scheduler) {
    int answers = 0;
    for (int i = 0; i < scheduler->runnings; i++)
        answers += decodes(scheduler->running[i]) && scheduler->running[i]->rows;
    return answers;
}

/* What the rows brought. */
static void take_step(struct scheduler *scheduler, int items) {
    scheduler->counts.steps++;
    scheduler->counts.computed_tokens += count_rows(scheduler, items);
    for (int i = 0; i < scheduler->runnings; i++) job_keep_pages(scheduler, scheduler->running[i]);
    for (int i = 0; i < scheduler->runnings; i++) tell_progress(scheduler->running[i]);
    take_results(scheduler);
    scheduler->counts.drafted += scheduler->drafts;
    scheduler->counts.accepted += scheduler->right;
}

void schedule_step(struct scheduler *scheduler) {
    double start = clock_seconds();
    int decode_rows = give_decode_rows(scheduler), room = scheduler->engine->model.max_rows - decode_rows;
    int most = prefill_pace_rows(&scheduler->pace, scheduler->step_seconds, decode_rows,
                                 waiting_prompts(scheduler), room);
    int prompt_rows = give_prompt_rows(scheduler, most);
    make_pages(scheduler);
    int items = collect_items(scheduler), answers = count_decoding(scheduler);
    if (!items) return; /* all rows were those of answers that gave up their pages */
    enum status status = engine_step(scheduler->engine, scheduler->item, items);
    if (status != STATUS_OK) {
        scheduler_abort(scheduler, status, status_message());
        return;
    }
    take_step(scheduler, items);
    scheduler_measure_drafts(scheduler, answers, prompt_rows, clock_seconds() - start);
    status = scheduler_draft(scheduler);
    if (status != STATUS_OK) scheduler_abort(scheduler, status, status_message());
    double seconds = clock_seconds() - start;
    scheduler->counts.step_seconds += seconds;
    prefill_pace_measure(&scheduler->pace, prompt_rows, decode_rows > 0, seconds);
}
