/* request.c - copying a request in, and telling its listener. */
#include "engine/request.h"

#include "base/clock.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

static enum status check_request(const struct engine *engine, const struct service_request *from) {
    MUST(from->listener && (from->prompt || !from->prompt_tokens));
    if (from->prompt_tokens < 1) return fail(STATUS_INPUT, "the prompt is empty");
    if (from->prompt_tokens >= engine->context)
        return fail(STATUS_LIMIT, "a prompt of %d tokens leaves no room for an answer in the context of %lld",
                    from->prompt_tokens, (long long)engine->context);
    if (from->choices < 0 || from->choices > SERVICE_CHOICES_LIMIT)
        return fail(STATUS_INPUT, "n: %d answers; 1 to %d are allowed", from->choices, SERVICE_CHOICES_LIMIT);
    for (int i = 0; i < from->prompt_tokens; i++)
        if (from->prompt[i] < 0 || from->prompt[i] >= engine->model.desc.vocab)
            return fail(STATUS_INPUT, "token id %d at place %d is outside the vocabulary of %lld",
                        from->prompt[i], i, (long long)engine->model.desc.vocab);
    return STATUS_OK;
}

static char *copy_text(const char *text) {
    return strdup(text ? text : "");
}

/* The first answer draws as a request for one answer does. */
static uint64_t seed_of(uint64_t seed, int choice) {
    struct rng rng;
    rng_seed_stream(&rng, seed, (uint64_t)choice);
    return choice ? rng_next(&rng) : seed;
}

static enum status open_jobs(struct request *request, const struct engine *engine,
                             const struct service_request *from) {
    int jobs = from->choices ? from->choices : 1;
    request->job = calloc((size_t)jobs, sizeof *request->job);
    if (!request->job) return fail(STATUS_MEMORY, "no memory for a request");
    for (; request->jobs < jobs; request->jobs++) {
        struct job *job = &request->job[request->jobs];
        struct reply_options options = from->reply;
        options.choice = job->choice = request->jobs;
        options.sampling.seed = seed_of(from->reply.sampling.seed, job->choice);
        job->request = request;
        TRY(reply_open(&job->reply, engine, &options, engine->context - from->prompt_tokens));
    }
    return STATUS_OK;
}

static enum status make_keys(struct request *request) {
    int pages = request->prompt_tokens / KV_PAGE_TOKENS;
    request->root = prefix_root(request->isolation);
    request->key = calloc((size_t)pages + 1, sizeof *request->key);
    if (!request->key) return fail(STATUS_MEMORY, "no memory for a request");
    for (int i = 0; i < pages; i++)
        request->key[i] =
            prefix_next(i ? &request->key[i - 1] : &request->root, request->prompt + i * KV_PAGE_TOKENS);
    return STATUS_OK;
}

static enum status open_parts(struct request *request, const struct engine *engine,
                              const struct service_request *from) {
    size_t tokens = (size_t)from->prompt_tokens;
    request->account_name = copy_text(from->account);
    request->isolation = copy_text(from->isolation);
    request->prompt = malloc(tokens * sizeof *request->prompt);
    if (!request->account_name || !request->isolation || !request->prompt)
        return fail(STATUS_MEMORY, "no memory for a request");
    memcpy(request->prompt, from->prompt, tokens * sizeof *request->prompt);
    TRY(make_keys(request));
    return open_jobs(request, engine, from);
}

enum status request_open(struct request **request, const struct engine *engine,
                         const struct service_request *from) {
    *request = NULL;
    TRY(check_request(engine, from));
    struct request *made = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "no memory for a request");
    made->prompt_tokens = made->usage.prompt_tokens = from->prompt_tokens;
    made->chat = from->chat;
    made->priority = from->priority;
    made->arrival = clock_seconds();
    made->start_deadline = from->start_deadline;
    made->deadline = from->deadline;
    made->listener = from->listener;
    made->context = from->context;
    atomic_init(&made->cancelled, false);
    atomic_init(&made->begun, false);
    enum status status = open_parts(made, engine, from);
    if (status == STATUS_OK)
        *request = made;
    else
        request_close(made);
    return status;
}

void request_close(struct request *request) {
    if (!request) return;
    for (int i = 0; i < request->jobs; i++) {
        MUST(!request->job[i].sequence);
        reply_close(&request->job[i].reply);
        free(request->job[i].role);
        free(request->job[i].load);
    }
    free(request->job);
    free(request->account_name);
    free(request->isolation);
    free(request->prompt);
    free(request->key);
    free(request);
}

void request_tell(const struct request *request, struct service_event event) {
    event.request = request->number;
    request->listener(request->context, &event);
}
