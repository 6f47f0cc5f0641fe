/* test_service_turns.c - who is computed when: streams get a token in each step that computes a long prompt, steps have the
 * rows that their time allows, accounts take turns, and what is cancelled is gone within a step. All by counting. */
#include "engine/schedule.h"
#include "engine/service.h"

#include "kernel/kernel.h"
#include "support/scratch.h"
#include "support/service_client.h"
#include "support/small_model.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CONTEXT = 512, PLACES = 10, LONG = 500, EVENTS = 1 << 14 };

static struct scratch scratch;
static const char *path;

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct service *open_service(int places, double step_seconds) {
    struct service *service;
    struct service_options options = {.engine = {.model = {.path = path,
                                                           .threads = 1,
                                                           .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                                           .max_rows = CONTEXT + PLACES,
                                                           .kv_type = DTYPE_F32,
                                                           .context = CONTEXT,
                                                           .sequences = places}},
                                      .limits = {.step_seconds = step_seconds}};
    require(service_open(&service, &options));
    return service;
}

/* ---- what was heard, in order; the engine's thread alone writes it ---- */

struct event {
    int who;
    enum service_event_kind kind;
    int prefilled;
};

struct record {
    pthread_mutex_t lock;
    struct event event[EVENTS];
    int events;
};

struct listener {
    struct record *record;
    struct client client; /* hears everything too */
    service_listener *hear;
    void *context;
    int who;
};

static void listen(void *context, const struct service_event *event) {
    struct listener *listener = context;
    struct record *record = listener->record;
    pthread_mutex_lock(&record->lock);
    assert_true(record->events < EVENTS);
    record->event[record->events++] = (struct event){listener->who, event->kind, event->prefilled};
    pthread_mutex_unlock(&record->lock);
    listener->hear(listener->context, event);
}

/* As client_submit(), with the record in between. */
static void submit(struct service *service, struct record *record, struct listener *listener, int who,
                   struct service_request request) {
    uint64_t number;
    *listener = (struct listener){.record = record, .who = who};
    client_open(&listener->client);
    client_listen(&listener->client, &request);
    listener->hear = request.listener;
    listener->context = request.context;
    request.listener = listen;
    request.context = listener;
    require(service_submit(service, &request, &number));
}

/* ---- a long prompt beside a stream ---- */

/* Steps that computed the prompt of `who`; tokens of the other one in each of them but the first and the last. */
static int count_steps(const struct record *record, int who, int most_rows, int least_rows) {
    int steps = 0, tokens = 0, before = 0;
    for (int i = 0; i < record->events; i++) {
        const struct event *event = &record->event[i];
        if (event->who != who) {
            tokens += event->kind == SERVICE_PIECE;
        } else if (event->kind == SERVICE_PREFILL) {
            int rows = event->prefilled - before;
            if (steps) assert_int_equal(tokens, 1);
            assert_in_range(rows, event->prefilled == LONG ? 1 : least_rows, most_rows);
            before = event->prefilled;
            tokens = 0;
            steps++;
        }
    }
    assert_int_equal(before, LONG);
    return steps;
}

static int run_beside_stream(double step_seconds, int most_rows, int least_rows) {
    static struct listener stream, prompted;
    static struct record record;
    static int32_t prompt[2][LONG];
    record = (struct record){.lock = PTHREAD_MUTEX_INITIALIZER};
    client_prompt(prompt[0], 20, 1);
    client_prompt(prompt[1], LONG, 2);
    struct service *service = open_service(2, step_seconds);
    submit(service, &record, &stream, 0, client_request(prompt[0], 20, 450));
    client_wait_tokens(&stream.client, 5);
    submit(service, &record, &prompted, 1, client_request(prompt[1], LONG, 3));
    client_wait(&prompted.client);
    assert_false(client_has_ended(&stream.client)); /* it went on all the time */
    service_cancel(service, stream.client.number);
    client_wait(&stream.client);
    service_close(service);
    client_close(&stream.client);
    client_close(&prompted.client);
    return count_steps(&record, 1, most_rows, least_rows);
}

static void each_step_of_a_long_prompt_has_a_token_of_a_stream(void **state) {
    (void)state;
    /* no time at all: as few rows as there ever are */
    assert_int_equal(run_beside_stream(1e-9, PREFILL_ROWS_LEAST, PREFILL_ROWS_LEAST),
                     (LONG + PREFILL_ROWS_LEAST - 1) / PREFILL_ROWS_LEAST);
    /* all the time in the world: what was computed before tells that everything fits */
    assert_in_range(run_beside_stream(1e9, LONG, 1), 1, 2);
}

/* ---- accounts ---- */

static int tokens_of_others(const struct record *record, int who) {
    int prefilled[PLACES + 1] = {0}, begin = 0, sum = 0, base = 0;
    for (int i = 0; i < record->events; i++) {
        const struct event *event = &record->event[i];
        if (event->who == who && event->kind == SERVICE_STARTED) {
            begin = 1;
            for (int w = 0; w <= PLACES; w++) base += prefilled[w];
        }
        if (event->who == who && event->kind == SERVICE_PIECE) break;
        if (event->who != who && event->kind == SERVICE_PREFILL) prefilled[event->who] = event->prefilled;
    }
    for (int w = 0; w <= PLACES; w++) sum += prefilled[w];
    assert_true(begin);
    return sum - base;
}

/* One account fills the places with long prompts; another one's prompt waits for a turn, not for all of them. */
static void an_account_waits_for_a_turn_of_others(void **state) {
    (void)state;
    enum { MANY = PLACES - 1 };
    static struct listener many[MANY], one;
    static struct record record;
    static int32_t prompt[PLACES][LONG];
    record = (struct record){.lock = PTHREAD_MUTEX_INITIALIZER};
    struct service *service = open_service(PLACES, 1e-9);
    for (int i = 0; i < MANY; i++) {
        client_prompt(prompt[i], LONG, (uint32_t)(10 + i));
        struct service_request request = client_request(prompt[i], LONG, 2);
        request.account = "many";
        submit(service, &record, &many[i], i, request);
    }
    client_prompt(prompt[MANY], LONG, 99);
    struct service_request request = client_request(prompt[MANY], LONG, 2);
    request.account = "one";
    submit(service, &record, &one, MANY, request);
    client_wait(&one.client);
    for (int i = 0; i < MANY; i++) client_wait(&many[i].client);
    assert_in_range(tokens_of_others(&record, MANY), 0, PREFILL_QUANTUM + 2 * PREFILL_ROWS_LEAST);
    service_close(service);
    for (int i = 0; i < MANY; i++) client_close(&many[i].client);
    client_close(&one.client);
}

static int started(const struct record *record, int who) {
    int before = 0;
    for (int i = 0; i < record->events; i++) {
        if (record->event[i].kind != SERVICE_STARTED) continue;
        if (record->event[i].who == who) return before;
        before++;
    }
    return -1;
}

/* With one place: behind the answer that runs comes the account that has none. */
static void a_free_place_goes_to_the_account_with_fewest(void **state) {
    (void)state;
    enum { MANY = 5 };
    static struct listener many[MANY], one;
    static struct record record;
    static int32_t prompt[20];
    record = (struct record){.lock = PTHREAD_MUTEX_INITIALIZER};
    client_prompt(prompt, 20, 5);
    struct service *service = open_service(2, 0);
    for (int i = 0; i < MANY; i++) {
        struct service_request request = client_request(prompt, 20, 60);
        request.account = "many";
        submit(service, &record, &many[i], i, request);
    }
    struct service_request request = client_request(prompt, 20, 60);
    request.account = "one";
    submit(service, &record, &one, MANY, request);
    client_wait(&one.client);
    for (int i = 0; i < MANY; i++) client_wait(&many[i].client);
    assert_in_range(started(&record, MANY), 0, 3); /* two ran, and at most one had its place already */
    service_close(service);
    for (int i = 0; i < MANY; i++) client_close(&many[i].client);
    client_close(&one.client);
}

/* ---- the end ---- */

/* The listener cancels: no token comes behind it, and the next step finds the pages free. */
static void what_is_cancelled_is_gone_within_a_step(void **state) {
    (void)state;
    static struct client client;
    static int32_t prompt[LONG];
    struct service_counts before, after;
    client_open(&client);
    client_prompt(prompt, LONG, 6);
    struct service *service = open_service(2, 0);
    service_counts(service, &before);
    client.cancel_in = service;
    client.cancel_after = 3;
    require(client_submit(&client, service, client_request(prompt, 400, -1)));
    client_wait(&client);
    assert_true(service_wait(service, 60));
    service_counts(service, &after);
    assert_int_equal(client.ids[0], 3);
    assert_int_equal(client.finish[0], FINISH_CANCELLED);
    assert_int_equal(after.free_pages, before.free_pages);
    assert_int_equal(after.running, 0);
    service_close(service);
    client_close(&client);
}

static int open_model(void **state) {
    (void)state;
    scratch_open(&scratch);
    path = small_model_write(&scratch);
    return 0;
}
static int close_model(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_of_a_long_prompt_has_a_token_of_a_stream),
        cmocka_unit_test(an_account_waits_for_a_turn_of_others),
        cmocka_unit_test(a_free_place_goes_to_the_account_with_fewest),
        cmocka_unit_test(what_is_cancelled_is_gone_within_a_step),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
