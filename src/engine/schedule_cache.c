/* schedule_cache.c - what running answers share with the cache of prefixes.
 *
 * A new prompt takes pages with any roles, which its tokens then have: an answer of the last turn is not computed again as a
 * prompt. Once an answer has begun its tokens keep their roles, so that what was dropped meanwhile comes back with the same
 * bits. */
#include "engine/schedule.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool free_pages(struct scheduler *scheduler, int64_t pages) {
    struct kv_pages *kv = &scheduler->engine->kv;
    while (kv->free_pages < pages)
        if (!prefix_drop_one(&scheduler->cache)) return false;
    return true;
}

/* ---- searching ---- */

/* Tokens, roles and keys of all whole pages but for the last token, which is always computed. */
static struct prefix_wish wish_of(struct scheduler *scheduler, const struct job *job) {
    const struct request *request = job->request;
    const struct sequence *sequence = job->sequence;
    int prompt_pages = request->prompt_tokens / KV_PAGE_TOKENS;
    struct prefix_wish wish = {.root = &request->root,
                               .key = scheduler->key,
                               .token = sequence->token,
                               .role = sequence->role,
                               .pages = (sequence->tokens - 1) / KV_PAGE_TOKENS,
                               .tokens = sequence->tokens - 1,
                               .exact = job->reply.tokens > 0};
    for (int i = 0; i < wish.pages; i++)
        scheduler->key[i] = i < prompt_pages ? request->key[i]
                                             : prefix_next(i ? &scheduler->key[i - 1] : wish.root,
                                                           sequence->token + i * KV_PAGE_TOKENS);
    return wish;
}

static enum status fill_sequence(struct job *job, struct engine *engine) {
    const struct request *request = job->request;
    TRY(reply_begin(&job->reply, request->prompt, request->prompt_tokens));
    TRY(sequence_open(&job->sequence, engine));
    TRY(sequence_append(job->sequence, request->prompt, request->prompt_tokens, TOKEN_PROMPT));
    if (job->role) memcpy(job->sequence->role, job->role, (size_t)request->prompt_tokens);
    return sequence_append(job->sequence, job->reply.id, job->reply.tokens, TOKEN_GENERATED);
}

int64_t job_pages_needed(struct scheduler *scheduler, const struct job *job) {
    const struct request *request = job->request;
    struct prefix_wish wish = {.root = &request->root,
                               .key = request->key,
                               .token = request->prompt,
                               .role = job->role ? job->role : scheduler->prompt_role,
                               .pages = request->prompt_tokens / KV_PAGE_TOKENS,
                               .exact = job->reply.tokens > 0};
    int64_t pages = divide_up(request->prompt_tokens + job->reply.tokens + 1, KV_PAGE_TOKENS);
    int found = prefix_find(&scheduler->cache, &wish, scheduler->found);
    for (int i = 0; i < found; i++) /* idle ones count as pages to be had */
        pages -= scheduler->engine->kv.references[scheduler->found[i]] > 1;
    return pages;
}

/* ---- taking and keeping ---- */

static int answer_tokens(const struct sequence *sequence, int begin, int end) {
    int tokens = 0;
    for (int i = begin; i < end; i++) tokens += sequence->role[i] == TOKEN_GENERATED;
    return tokens;
}

static void adopt(struct scheduler *scheduler, struct job *job, int found) {
    struct sequence *sequence = job->sequence;
    for (int i = 0; i < found; i++) {
        const struct prefix_page *page = &scheduler->cache.page[scheduler->found[i]];
        kv_page_share(&scheduler->engine->kv, scheduler->found[i]);
        sequence->page[i] = scheduler->found[i];
        for (int t = 0; t < KV_PAGE_TOKENS && !scheduler->cache.strict; t++)
            sequence->role[i * KV_PAGE_TOKENS + t] = page->roles >> t & 1 ? TOKEN_GENERATED : TOKEN_PROMPT;
    }
    sequence->pages = job->kept_pages = found;
    sequence->cached = found * KV_PAGE_TOKENS;
    for (int i = 0; i < found && sequence->module_cached == i * KV_PAGE_TOKENS; i++)
        sequence->module_cached += scheduler->engine->kv.module_rows[sequence->page[i]];
    prefix_touch(&scheduler->cache, sequence, found);
}

/* The rows that the next page shares with one of the cache's are copied into a page of the sequence's own. Where the module
 * drafts, it must have run over them. */
static void adopt_part(struct scheduler *scheduler, struct job *job, const struct prefix_wish *wish) {
    struct kv_pages *kv = &scheduler->engine->kv;
    struct sequence *sequence = job->sequence;
    int found = job->kept_pages, begin = found * KV_PAGE_TOKENS;
    int32_t last = found ? sequence->page[found - 1] : -1, from, own;
    int rows = prefix_find_part(&scheduler->cache, wish, found, last, &from);
    const bool drafts = scheduler_can_draft(scheduler) && sequence->module_cached == begin;
    if (drafts && rows) rows = (int)min_i64(rows, kv->module_rows[from]);
    if (rows < PREFIX_PART_LEAST) return;
    kv_page_share(kv, from); /* or it might make room itself */
    if (free_pages(scheduler, 1) && kv_page_take(kv, &own) == STATUS_OK) {
        const uint64_t roles = scheduler->cache.page[from].roles;
        kv_page_copy(kv, own, from, rows);
        sequence->page[sequence->pages++] = own;
        sequence->cached += rows;
        if (drafts) sequence->module_cached += rows;
        for (int t = 0; t < rows && !scheduler->cache.strict; t++)
            sequence->role[begin + t] = roles >> t & 1 ? TOKEN_GENERATED : TOKEN_PROMPT;
    }
    kv_page_release(kv, from);
}

enum status job_remember_roles(struct job *job) {
    const struct sequence *sequence = job->sequence;
    size_t tokens = (size_t)job->request->prompt_tokens;
    if (job->role || !answer_tokens(sequence, 0, (int)min_i64(sequence->cached, (int64_t)tokens)))
        return STATUS_OK;
    job->role = malloc(tokens);
    if (!job->role) return fail(STATUS_MEMORY, "no memory for a request");
    memcpy(job->role, sequence->role, tokens);
    return STATUS_OK;
}

static void report(struct scheduler *scheduler, const struct job *job, const struct prefix_wish *wish) {
    struct cache_report *report = &job->request->usage.cache;
    const struct sequence *sequence = job->sequence;
    int found = job->kept_pages;
    if (job->request->started) return;
    report->disk_tokens = job->loads * KV_PAGE_TOKENS;
    report->hit_tokens = sequence->cached + report->disk_tokens;
    report->miss_tokens = sequence->tokens - report->hit_tokens;
    report->answer_tokens = answer_tokens(sequence, 0, sequence->cached);
    for (int i = 0; i < job->loads; i++) report->answer_tokens += __builtin_popcountll(job->load[i].roles);
    if (report->hit_tokens < wish->tokens)
        prefix_explain(&scheduler->cache, wish, found, found ? sequence->page[found - 1] : -1, report->miss);
}

enum status job_open_sequence(struct scheduler *scheduler, struct job *job) {
    enum status status = fill_sequence(job, scheduler->engine);
    if (status == STATUS_OK) {
        struct prefix_wish wish = wish_of(scheduler, job);
        adopt(scheduler, job, prefix_find(&scheduler->cache, &wish, scheduler->found));
        status = job_plan_loads(scheduler, job, &wish);
        if (status == STATUS_OK && !job->loads) adopt_part(scheduler, job, &wish);
        report(scheduler, job, &wish);
        if (status == STATUS_OK) status = job_remember_roles(job);
    }
    if (status != STATUS_OK) {
        job_stop_loads(job);
        sequence_close(job->sequence);
        job->sequence = NULL;
    }
    return status;
}

void job_keep_pages(struct scheduler *scheduler, struct job *job) {
    struct sequence *sequence = job->sequence;
    const struct kv_pages *kv = &scheduler->engine->kv;
    int settled = (int)min_i64(sequence->cached, sequence->tokens - job->draft);
    for (; (job->kept_pages + 1) * KV_PAGE_TOKENS <= settled; job->kept_pages++) {
        int32_t own = sequence->page[job->kept_pages];
        prefix_add(&scheduler->cache, sequence, job->kept_pages, &job->request->root);
        int32_t now = sequence->page[job->kept_pages];
        if (now != own && kv->module_rows[now] < kv->module_rows[own]) job->follows = false;
    }
}

void job_close_sequence(struct scheduler *scheduler, struct job *job) {
    const struct sequence *sequence = job->sequence;
    job_keep_pages(scheduler, job);
    const int settled = (int)min_i64(sequence->cached, sequence->tokens - job->draft);
    prefix_add_tail(&scheduler->cache, sequence, job->kept_pages, settled - job->kept_pages * KV_PAGE_TOKENS,
                    &job->request->root);
    prefix_touch(&scheduler->cache, sequence, job->kept_pages);
    job_stop_loads(job);
    job->draft = job->follows = false;
    sequence_close(job->sequence);
    job->sequence = NULL;
    job->kept_pages = 0;
}
