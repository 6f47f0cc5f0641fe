/* load_run.c - users: in the closed loop as many as there are, each asking again when it has its answer; in the open loop
 * one for each conversation, which begin at random moments of a given mean rate whatever the server does. */
#include "cli/load.h"

#include "base/clock.h"
#include "base/rng.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

#include <event2/event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double refused_pause = 0.1, watch_every = 0.1; /* seconds */

struct user {
    struct run *run;
    struct user *next; /* of those that rest */
    struct load_talk talk;
    struct load_answer answer;
    struct load_sample sample;
    struct event *pause;
};

struct run {
    const struct load_plan *plan;
    struct load_result *result;
    struct event_base *base;
    struct load_client *client;
    struct event *arrival, *watch;
    struct user **user; /* [users]: all that were ever made */
    struct user *resting;
    size_t users, capacity;
    struct rng rng;
    struct progress progress;
    uint64_t talks;
    int64_t asked;
    int active;
    double started, last_end;
    bool over;
};

static struct timeval duration(double seconds) {
    return (struct timeval){(time_t)seconds, (suseconds_t)(1e6 * (seconds - floor(seconds)))};
}

/* ---- samples ---- */

static void keep_sample(struct run *run, const struct load_sample *sample) {
    struct load_result *result = run->result;
    if (result->samples == result->capacity) {
        const size_t more = result->capacity ? 2 * result->capacity : 256;
        struct load_sample *grown = realloc(result->sample, more * sizeof *grown);
        if (!grown) {
            result->failed = true;
            return;
        }
        result->sample = grown;
        result->capacity = more;
    }
    result->sample[result->samples++] = *sample;
    progress_update(&run->progress, (int64_t)result->samples);
}

static void keep_complaint(struct load_result *result, const struct user *user) {
    const struct buffer *text = &user->answer.text;
    if (!*result->complaint && text->bytes)
        snprintf(result->complaint, sizeof result->complaint, "%.*s", (int)text->bytes, text->data);
}

/* ---- a user ---- */

static void ask(struct user *user);
static void begin_talk(struct user *user);

/* No conversation is begun that could not be finished within the number of requests. */
static bool may_begin(const struct run *run) {
    return !run->over && run->asked + run->plan->turns <= run->plan->requests;
}

static void rest(struct user *user) {
    struct run *run = user->run;
    user->next = run->resting;
    run->resting = user;
    run->active--;
    const bool more = run->plan->rate > 0 && may_begin(run);
    if (run->active == 0 && !more) event_base_loopbreak(run->base);
}

static void go_on(struct user *user) {
    const struct load_plan *plan = user->run->plan;
    if (user->sample.failure == LOAD_NONE && user->talk.turn + 1 < plan->turns && !user->run->over) {
        const struct buffer *text = &user->answer.text;
        load_talk_next(&user->talk, plan, text->data ? text->data : "", text->bytes);
        ask(user);
    } else if (plan->rate > 0 || !may_begin(user->run)) {
        rest(user);
    } else {
        begin_talk(user);
    }
}

static void on_pause(evutil_socket_t none, short what, void *context) {
    (void)none;
    (void)what;
    go_on(context);
}

static void on_body(void *context, int status, const char *data, size_t bytes) {
    struct user *user = context;
    if (status == 200)
        load_answer_hear(&user->answer, data, bytes, clock_seconds(), &user->run->result->gaps);
    else
        buffer_append(&user->answer.text, data, bytes);
}

static enum load_failure failure_of(const struct load_answer *answer, int status, enum load_failure failure) {
    if (failure != LOAD_NONE) return failure;
    if (status != 200) return LOAD_REFUSED;
    if (answer->failure != LOAD_NONE) return answer->failure;
    return answer->done ? LOAD_NONE : LOAD_UNENDED;
}

static void on_end(void *context, int status, enum load_failure failure) {
    struct user *user = context;
    struct load_sample *sample = &user->sample;
    const struct load_answer *answer = &user->answer;
    sample->end = user->run->last_end = clock_seconds();
    sample->status = status;
    sample->failure = failure_of(answer, status, failure);
    sample->first = answer->first;
    sample->last = answer->last;
    sample->prompt_tokens = answer->prompt_tokens;
    sample->cached_tokens = answer->cached_tokens;
    sample->output_tokens = answer->output_tokens >= 0 ? answer->output_tokens : answer->pieces;
    if (sample->failure == LOAD_REFUSED) keep_complaint(user->run->result, user);
    keep_sample(user->run, sample);
    const double wait = sample->failure != LOAD_NONE ? refused_pause : user->run->plan->think_seconds;
    const struct timeval pause = duration(wait);
    evtimer_add(user->pause, &pause);
}

static void ask(struct user *user) {
    struct run *run = user->run;
    const struct load_listener listener = {on_body, on_end, user};
    char *body = load_talk_body(&user->talk, run->plan);
    load_answer_begin(&user->answer);
    user->sample = (struct load_sample){.sent = clock_seconds(), .turn = user->talk.turn};
    if (body)
        load_client_send(run->client, load_plan_path(run->plan), body, strlen(body), &listener);
    else
        on_end(user, 0, LOAD_CONNECT);
    free(body);
}

static void begin_talk(struct user *user) {
    struct run *run = user->run;
    run->asked += run->plan->turns;
    load_talk_begin(&user->talk, run->plan, run->talks++);
    ask(user);
}

static struct user *make_user(struct run *run) {
    if (run->users == run->capacity) {
        const size_t more = run->capacity ? 2 * run->capacity : 64;
        struct user **grown = realloc(run->user, more * sizeof(struct user *));
        if (!grown) return NULL;
        run->user = grown;
        run->capacity = more;
    }
    struct user *user = calloc(1, sizeof *user);
    if (!user) return NULL;
    user->run = run;
    user->pause = evtimer_new(run->base, on_pause, user);
    if (!user->pause) {
        free(user);
        return NULL;
    }
    return run->user[run->users++] = user;
}

static bool start_user(struct run *run) {
    struct user *user = run->resting;
    if (user) run->resting = user->next;
    if (!user) user = make_user(run);
    if (!user) {
        run->result->failed = true;
        return false;
    }
    run->active++;
    begin_talk(user);
    return true;
}

/* ---- the run ---- */

static void plan_arrival(struct run *run) {
    const struct timeval wait = duration(-log(1 - rng_uniform(&run->rng)) / run->plan->rate);
    evtimer_add(run->arrival, &wait);
}

static void on_arrival(evutil_socket_t none, short what, void *context) {
    struct run *run = context;
    (void)none;
    (void)what;
    if (!may_begin(run)) {
        if (run->active == 0) event_base_loopbreak(run->base);
        return;
    }
    plan_arrival(run);
    (void)start_user(run);
}

static void on_watch(evutil_socket_t none, short what, void *context) {
    struct run *run = context;
    const struct load_plan *plan = run->plan;
    (void)none;
    (void)what;
    progress_update(&run->progress, (int64_t)run->result->samples);
    if (plan->seconds > 0 && clock_seconds() - run->started >= plan->seconds) run->over = true;
    if (interrupt_seen()) run->result->interrupted = true;
    if (run->result->interrupted || (run->over && run->active == 0)) event_base_loopbreak(run->base);
}

static void begin_run(struct run *run) {
    const struct timeval often = duration(watch_every);
    run->started = run->last_end = clock_seconds();
    event_add(run->watch, &often);
    if (run->plan->rate > 0) {
        plan_arrival(run);
        return;
    }
    for (int i = 0; i < run->plan->users && may_begin(run); i++)
        if (!start_user(run)) return;
}

static enum status open_run(struct run *run) {
    run->base = event_base_new();
    if (!run->base) return fail(STATUS_MEMORY, "no memory for an event loop");
    run->arrival = evtimer_new(run->base, on_arrival, run);
    run->watch = event_new(run->base, -1, EV_PERSIST, on_watch, run);
    if (!run->arrival || !run->watch) return fail(STATUS_MEMORY, "no memory for an event loop");
    return load_client_open(&run->client, run->base, &run->plan->target, run->plan->timeout);
}

static void close_run(struct run *run) {
    load_client_close(run->client);
    for (size_t i = 0; i < run->users; i++) {
        load_talk_free(&run->user[i]->talk);
        load_answer_free(&run->user[i]->answer);
        event_free(run->user[i]->pause);
        free(run->user[i]);
    }
    free(run->user);
    if (run->arrival) event_free(run->arrival);
    if (run->watch) event_free(run->watch);
    if (run->base) event_base_free(run->base);
}

enum status load_run(const struct load_plan *plan, struct load_result *result) {
    struct run run = {.plan = plan, .result = result};
    *result = (struct load_result){0};
    rng_seed(&run.rng, plan->seed);
    enum status status = open_run(&run);
    if (status == STATUS_OK) {
        interrupt_catch();
        progress_start(&run.progress, "asking", plan->seconds > 0 ? 0 : plan->requests, "requests");
        begin_run(&run);
        event_base_dispatch(run.base);
        progress_finish(&run.progress);
        result->seconds = run.last_end - run.started;
    }
    close_run(&run);
    if (status == STATUS_OK && (result->failed || result->gaps.failed))
        status = fail(STATUS_MEMORY, "no memory for what was measured");
    return status;
}

void load_result_free(struct load_result *result) {
    free(result->sample);
    free(result->gaps.value);
    *result = (struct load_result){0};
}
