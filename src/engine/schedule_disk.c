/* schedule_disk.c - pages that come from the disk, and pages that go there.
 *
 * An answer whose prompt has pages on the disk holds a place while they are read, but no rows of the steps of others. A page
 * that cannot be read after all ends that: the rest is computed. */
#include "engine/schedule.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static void mark_saved(struct prefix_cache *cache, struct prefix_page *page) {
    cache->unsaved -= !page->saved;
    page->saved = true;
}

static void put_page(void *context, const struct prefix_page *page, int32_t number) {
    struct scheduler *scheduler = context;
    if (!page->saved) page_store_put(scheduler->store, page, number);
}

void scheduler_set_store(struct scheduler *scheduler, struct page_store *store) {
    scheduler->store = store;
    scheduler->cache.drop = put_page;
    scheduler->cache.drop_context = scheduler;
}

/* ---- reading ---- */

enum status job_plan_loads(struct scheduler *scheduler, struct job *job, const struct prefix_wish *wish) {
    int found = job->kept_pages;
    uint64_t before = found ? scheduler->cache.page[job->sequence->page[found - 1]].form : 0;
    job->loads = job->asked = 0;
    if (!scheduler->store || found == wish->pages) return STATUS_OK;
    struct page_load *load = calloc((size_t)(wish->pages - found), sizeof *load);
    if (!load) return fail(STATUS_MEMORY, "no memory for a list of pages");
    for (int i = found; i < wish->pages; i++) {
        uint64_t roles = scheduler->cache.strict ? 0 : prefix_roles(wish->role + (int64_t)i * KV_PAGE_TOKENS);
        if (!page_store_has(scheduler->store, &wish->key[i], before, wish->exact, &roles)) break;
        load[job->loads++] = (struct page_load){wish->key[i], before, roles};
        before = prefix_form(before, roles);
    }
    job->load = load;
    job->first_load = found;
    return STATUS_OK;
}

void job_stop_loads(struct job *job) {
    free(job->load);
    job->load = NULL;
    job->loads = job->asked = 0;
}

static void ask(struct scheduler *scheduler, struct job *job) {
    for (; job->asked < job->loads; job->asked++) {
        const struct page_load *load = &job->load[job->asked];
        struct page_read read = {.request = job->request->number,
                                 .choice = job->choice,
                                 .index = job->first_load + job->asked,
                                 .key = load->key,
                                 .before = load->before,
                                 .roles = load->roles};
        memcpy(read.token, job->sequence->token + (int64_t)read.index * KV_PAGE_TOKENS, sizeof read.token);
        if (!page_store_read(scheduler->store, &read)) return;
    }
}

/* The last of them, or one that is not there. */
static void end_loads(struct scheduler *scheduler, struct job *job) {
    struct cache_report *report = &job->request->usage.cache;
    int missing = (job->first_load + job->loads - job->kept_pages) * KV_PAGE_TOKENS;
    if (missing && !job->reply.tokens && !job->choice) {
        report->hit_tokens -= missing;
        report->disk_tokens -= missing;
        report->miss_tokens += missing;
        scheduler->counts.hit_tokens -= missing;
        strcpy(report->miss, "a page on the disk could not be read, or there was no room for it");
    }
    job_stop_loads(job);
}

static bool put_into_sequence(struct scheduler *scheduler, struct job *job, const struct page_read *read,
                              const uint8_t *bytes) {
    struct kv_pages *kv = &scheduler->engine->kv;
    struct sequence *sequence = job->sequence;
    if (!bytes || !free_pages(scheduler, 1)) return false;
    if (kv_page_take(kv, &sequence->page[sequence->pages]) != STATUS_OK) return false;
    kv_page_write(kv, sequence->page[sequence->pages++], bytes);
    for (int i = 0; i < KV_PAGE_TOKENS && !scheduler->cache.strict; i++)
        sequence->role[sequence->cached + i] = read->roles >> i & 1 ? TOKEN_GENERATED : TOKEN_PROMPT;
    sequence->cached += KV_PAGE_TOKENS;
    job->follows = false; /* the disk has the trunk's entries alone */
    job_keep_pages(scheduler, job);
    mark_saved(&scheduler->cache, &scheduler->cache.page[sequence->page[sequence->pages - 1]]);
    return true;
}

static struct job *reader(const struct scheduler *scheduler, const struct page_read *read) {
    for (int i = 0; i < scheduler->runnings; i++) {
        struct job *job = scheduler->running[i];
        if (job->request->number == read->request && job->choice == read->choice && job->loads &&
            read->index == job->kept_pages &&
            !memcmp(&job->load[read->index - job->first_load].key, &read->key, sizeof read->key))
            return job;
    }
    return NULL;
}

/* What came for an answer that does not wait for it any more is dropped. */
static void take_reads(struct scheduler *scheduler) {
    struct page_read read;
    const uint8_t *bytes;
    while (page_store_take(scheduler->store, &read, &bytes)) {
        struct job *job = reader(scheduler, &read);
        if (!job) continue;
        bool good = put_into_sequence(scheduler, job, &read, bytes);
        if (good && job->kept_pages < job->first_load + job->loads) continue;
        end_loads(scheduler, job);
        if (job_remember_roles(job) != STATUS_OK)
            request_end(scheduler, job->request, STATUS_MEMORY, status_message());
    }
}

void scheduler_load(struct scheduler *scheduler) {
    if (!scheduler->store) return;
    take_reads(scheduler);
    for (int i = 0; i < scheduler->runnings; i++)
        if (scheduler->running[i]->loads) ask(scheduler, scheduler->running[i]);
}

bool scheduler_waits(const struct scheduler *scheduler) {
    for (int i = 0; i < scheduler->runnings; i++)
        if (!scheduler->running[i]->loads) return false;
    return true;
}

/* ---- writing ---- */

/* The newest first, which are those that others begin with. False: the disk takes no more for now. */
bool scheduler_save(struct scheduler *scheduler) {
    struct prefix_cache *cache = &scheduler->cache;
    if (!scheduler->store) return true;
    for (int32_t number = cache->newest; cache->unsaved && number >= 0; number = cache->page[number].older) {
        struct prefix_page *page = &cache->page[number];
        if (page->saved) continue;
        if (!page_store_put(scheduler->store, page, number)) return false;
        mark_saved(cache, page);
    }
    return true;
}

void scheduler_save_all(struct scheduler *scheduler, double seconds) {
    double until = clock_seconds() + seconds;
    while (!scheduler_save(scheduler) && clock_seconds() < until) {
        if (!page_store_may_write(scheduler->store)) return;
        if (!page_store_wait(scheduler->store, until - clock_seconds())) return;
        take_reads(scheduler);
    }
}
