/* schedule.c - the life of requests: arrival, waiting, a place, the end. */
#include "engine/schedule.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static enum status open_batch(struct scheduler *scheduler) {
    const struct engine *engine = scheduler->engine;
    size_t places = (size_t)engine->sequences, vocab = (size_t)engine->model.desc.vocab, floats;
    size_t rows = engine->model.desc.mtp_layers ? 2 * places : places;
    TRY(sample_space_open(&scheduler->space, (int32_t)vocab));
    scheduler->running = calloc(places, sizeof(struct job *));
    scheduler->item = calloc(places, sizeof *scheduler->item);
    scheduler->row = calloc(rows, sizeof *scheduler->row);
    scheduler->module_item = calloc(places, sizeof *scheduler->module_item);
    if (multiply_size_fits(rows, vocab, &floats))
        scheduler->logits = calloc(floats, sizeof *scheduler->logits);
    if (scheduler->running && scheduler->item && scheduler->row && scheduler->module_item &&
        scheduler->logits)
        return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for a batch of %zu answers", places);
}

static enum status open_cache(struct scheduler *scheduler) {
    struct engine *engine = scheduler->engine;
    size_t tokens = (size_t)engine->context, pages = (size_t)divide_up(engine->context, KV_PAGE_TOKENS);
    TRY(prefix_cache_open(&scheduler->cache, &engine->kv, engine->model.strict));
    scheduler->found = calloc(pages, sizeof *scheduler->found);
    scheduler->key = calloc(pages, sizeof *scheduler->key);
    scheduler->prompt_role = calloc(tokens, sizeof *scheduler->prompt_role);
    if (scheduler->found && scheduler->key && scheduler->prompt_role) return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for a search through a context of %zu tokens", tokens);
}

enum status scheduler_open(struct scheduler *scheduler, struct engine *engine, double step_seconds,
                           enum speculate speculate) {
    *scheduler = (struct scheduler){.engine = engine, .step_seconds = step_seconds, .speculate = speculate};
    enum status status = open_batch(scheduler);
    if (status == STATUS_OK) status = open_cache(scheduler);
    if (status != STATUS_OK) scheduler_close(scheduler);
    return status;
}

void scheduler_close(struct scheduler *scheduler) {
    MUST(!scheduler->request && !scheduler->account);
    prefix_cache_close(&scheduler->cache);
    free(scheduler->found);
    free(scheduler->key);
    free(scheduler->prompt_role);
    sample_space_close(&scheduler->space);
    free(scheduler->running);
    free(scheduler->item);
    free(scheduler->row);
    free(scheduler->module_item);
    free(scheduler->logits);
    *scheduler = (struct scheduler){0};
}

bool scheduler_idle(const struct scheduler *scheduler) {
    return !scheduler->request;
}

struct service_counts scheduler_counts(const struct scheduler *scheduler) {
    struct service_counts counts = scheduler->counts;
    const struct kv_pages *kv = &scheduler->engine->kv;
    for (const struct request *request = scheduler->request; request; request = request->next)
        counts.waiting += !request->started;
    counts.running = scheduler->runnings;
    counts.pages = kv->pages;
    counts.free_pages = kv->free_pages + kv->idle_pages;
    counts.cached_pages = kv->idle_pages;
    if (!scheduler->store) return counts;
    struct page_store_counts disk = page_store_counts(scheduler->store);
    counts.disk_pages = disk.files;
    counts.disk_bytes = disk.bytes;
    counts.disk_written_bytes = disk.written_bytes;
    counts.disk_read_bytes = disk.read_bytes;
    counts.disk_damaged = disk.damaged;
    return counts;
}

/* ---- accounts ---- */

static struct account *account_take(struct scheduler *scheduler, const char *name) {
    struct account **end = &scheduler->account;
    for (; *end; end = &(*end)->next)
        if (!strcmp((*end)->name, name)) return *end;
    struct account *made = calloc(1, sizeof *made);
    if (made) made->name = strdup(name);
    if (made) made->deficit = PREFILL_QUANTUM; /* its first turn is not for nothing */
    if (made && made->name) return *end = made;
    free(made);
    return NULL;
}

static void account_release(struct scheduler *scheduler, struct account *account) {
    if (!account || --account->requests) return;
    struct account **at = &scheduler->account;
    while (*at != account) at = &(*at)->next;
    *at = account->next;
    free(account->name);
    free(account);
}

/* ---- requests ---- */

void scheduler_add(struct scheduler *scheduler, struct request *request) {
    struct request **end = &scheduler->request;
    while (*end) end = &(*end)->next;
    *end = request;
    request->next = NULL;
    request->account = account_take(scheduler, request->account_name);
    scheduler->counts.requests++;
    if (!request->account) {
        request_end(scheduler, request, STATUS_MEMORY, "no memory for an account");
        return;
    }
    request->account->requests++;
    request_tell(request, (struct service_event){.kind = SERVICE_QUEUED});
}

static void sum_usage(struct request *request) {
    struct service_usage *usage = &request->usage;
    double now = clock_seconds();
    usage->generated_tokens = usage->reasoning_tokens = 0;
    for (int i = 0; i < request->jobs; i++) {
        usage->generated_tokens += request->job[i].reply.tokens;
        usage->reasoning_tokens += request->job[i].reply.reasoning_tokens;
    }
    if (request->primed) {
        usage->decode_seconds = now - request->first_token_at;
    } else if (request->started) {
        usage->prefill_seconds = now - request->started_at;
    } else {
        usage->queue_seconds = now - request->arrival;
    }
}

void request_end(struct scheduler *scheduler, struct request *request, enum status status,
                 const char *message) {
    struct request **at = &scheduler->request;
    while (*at != request) at = &(*at)->next;
    *at = request->next;
    for (int i = 0; i < request->jobs; i++)
        if (request->job[i].sequence) job_pause(scheduler, &request->job[i]);
    account_release(scheduler, request->account);
    sum_usage(request);
    scheduler->counts.generated_tokens += request->usage.generated_tokens;
    scheduler->leave(scheduler->leave_context, request);
    request_tell(request, (struct service_event){.kind = SERVICE_END,
                                                 .status = status,
                                                 .message = status == STATUS_OK ? "" : message,
                                                 .usage = &request->usage});
    request_close(request);
    scheduler->gone(scheduler->leave_context);
}

/* ---- answers ---- */

bool job_precedes(const struct job *a, const struct job *b) {
    const struct request *x = a->request, *y = b->request;
    if (x->priority != y->priority) return x->priority > y->priority;
    if (x->number != y->number) return x->number < y->number;
    return a->choice < b->choice;
}

void job_pause(struct scheduler *scheduler, struct job *job) {
    int at = 0;
    while (scheduler->running[at] != job) at++;
    memmove(&scheduler->running[at], &scheduler->running[at + 1],
            (size_t)(--scheduler->runnings - at) * sizeof(struct job *));
    job->request->account->running--;
    job_close_sequence(scheduler, job);
}

static void note_answer(const struct scheduler *scheduler, const struct job *job) {
    const struct request *request = job->request;
    size_t part;
    const int shown = reply_shown_tokens(&job->reply, &part);
    replay_note(scheduler->replay, &request->root,
                &(struct replay_answer){.prompt = request->prompt,
                                        .prompt_tokens = request->prompt_tokens,
                                        .chat = request->chat,
                                        .id = job->reply.id,
                                        .ids = shown,
                                        .part = part});
}

void job_end(struct scheduler *scheduler, struct job *job, enum finish finish) {
    struct request *request = job->request;
    struct piece piece;
    if (job->sequence) job_pause(scheduler, job);
    if (scheduler->replay && finish != FINISH_NONE) note_answer(scheduler, job);
    job->reply.finish = finish;
    job->ended = true;
    request->ended_jobs++;
    if (reply_flush(&job->reply, &piece) == STATUS_OK && piece.bytes)
        request_tell(request,
                     (struct service_event){.kind = SERVICE_PIECE, .choice = job->choice, .piece = &piece});
    request_tell(request, (struct service_event){.kind = SERVICE_CHOICE_END,
                                                 .choice = job->choice,
                                                 .finish = finish,
                                                 .stop = job->reply.cut ? job->reply.stop.found : -1});
    if (request->ended_jobs == request->jobs) request_end(scheduler, request, STATUS_OK, "");
}

/* The last of these ends the request, which is gone then. */
static void finish_all(struct scheduler *scheduler, struct request *request, enum finish finish) {
    struct job *job = request->job;
    for (int left = request->jobs - request->ended_jobs; left; job++) {
        if (job->ended) continue;
        left--;
        job_end(scheduler, job, finish);
    }
}

static enum finish overdue(const struct request *request, double now) {
    if (atomic_load(&request->cancelled)) return FINISH_CANCELLED;
    if (request->deadline > 0 && now >= request->deadline) return FINISH_DEADLINE;
    bool late = !request->started && request->start_deadline > 0 && now >= request->start_deadline;
    return late ? FINISH_DEADLINE : FINISH_NONE;
}

static void end_overdue(struct scheduler *scheduler) {
    double now = clock_seconds();
    for (struct request *request = scheduler->request, *next; request; request = next) {
        next = request->next;
        enum finish finish = overdue(request, now);
        if (finish != FINISH_NONE) finish_all(scheduler, request, finish);
    }
}

void scheduler_abort(struct scheduler *scheduler, enum status status, const char *message) {
    while (scheduler->request) request_end(scheduler, scheduler->request, status, message);
}

/* ---- places ---- */

/* Other answers to a prompt wait until the first one has computed it. */
static bool may_start(const struct job *job) {
    return !job->ended && !job->sequence && (job->choice == 0 || job->request->primed);
}

static bool starts_before(const struct job *a, const struct job *b) {
    int x = a->request->account->running, y = b->request->account->running;
    if (a->request->priority == b->request->priority && x != y) return x < y;
    return job_precedes(a, b);
}

static struct job *next_to_start(const struct scheduler *scheduler) {
    struct job *best = NULL;
    for (struct request *request = scheduler->request; request; request = request->next)
        for (int i = 0; i < request->jobs; i++)
            if (may_start(&request->job[i]) && (!best || starts_before(&request->job[i], best)))
                best = &request->job[i];
    return best;
}

/* Pages that running answers have not taken yet for the tokens that they have, and one for each to grow. */
static int64_t pages_promised(const struct scheduler *scheduler) {
    int64_t pages = 0;
    for (int i = 0; i < scheduler->runnings; i++) {
        const struct sequence *sequence = scheduler->running[i]->sequence;
        pages += divide_up(sequence->tokens, KV_PAGE_TOKENS) - sequence->pages + 1;
    }
    return pages;
}

static bool pages_suffice(struct scheduler *scheduler, const struct job *job) {
    const struct kv_pages *kv = &scheduler->engine->kv;
    return !scheduler->runnings || job_pages_needed(scheduler, job) + pages_promised(scheduler) <=
                                       (int64_t)kv->free_pages + kv->idle_pages;
}

static void tell_started(struct request *request) {
    if (request->started) return;
    request->started = true;
    atomic_store(&request->begun, true);
    request->started_at = clock_seconds();
    request->usage.queue_seconds = request->started_at - request->arrival;
    request_tell(request, (struct service_event){.kind = SERVICE_STARTED, .usage = &request->usage});
}

static void job_start(struct scheduler *scheduler, struct job *job) {
    struct request *request = job->request;
    enum status status = job_open_sequence(scheduler, job);
    if (status != STATUS_OK) {
        request_end(scheduler, request, status, status_message());
        return;
    }
    scheduler->running[scheduler->runnings++] = job;
    request->account->running++;
    job_begin_drafts(scheduler, job);
    if (!request->started) {
        scheduler->counts.prompt_tokens += request->prompt_tokens;
        scheduler->counts.hit_tokens += request->usage.cache.hit_tokens;
    }
    tell_started(request);
}

static struct job *last_running(const struct scheduler *scheduler) {
    struct job *last = scheduler->running[0];
    for (int i = 1; i < scheduler->runnings; i++)
        if (job_precedes(last, scheduler->running[i])) last = scheduler->running[i];
    return last;
}

/* A higher priority takes the place of a lower one. */
static bool make_place(struct scheduler *scheduler, const struct job *job) {
    if (scheduler->runnings < scheduler->engine->sequences && pages_suffice(scheduler, job)) return true;
    while (scheduler->runnings && last_running(scheduler)->request->priority < job->request->priority) {
        job_pause(scheduler, last_running(scheduler));
        scheduler->counts.preemptions++;
        if (pages_suffice(scheduler, job)) return true;
    }
    return false;
}

static void start_jobs(struct scheduler *scheduler) {
    struct job *job;
    while ((job = next_to_start(scheduler)) && make_place(scheduler, job)) job_start(scheduler, job);
}

void scheduler_advance(struct scheduler *scheduler) {
    end_overdue(scheduler);
    start_jobs(scheduler);
    scheduler_load(scheduler);
    if (!scheduler_waits(scheduler)) schedule_step(scheduler);
}
