/* test_service.c - requests of the service: the same answer as alone, whatever runs beside it; several answers; stop texts,
 * reasoning budgets and masks; cancelling, deadlines, limits, draining; pages that run out. */
#include "engine/generate.h"
#include "engine/service.h"

#include "base/clock.h"
#include "kernel/kernel.h"
#include "support/scratch.h"
#include "support/service_client.h"
#include "support/small_model.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CONTEXT = 448, PLACES = 6, ROWS = 96 };

static struct scratch scratch;
static const char *path;

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct service_options options_of(int places) {
    return (struct service_options){.engine = {.model = {.path = path,
                                                         .threads = 1,
                                                         .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                                         .max_rows = ROWS,
                                                         .kv_type = DTYPE_F32,
                                                         .context = CONTEXT,
                                                         .sequences = places}}};
}

static struct service *open_service(int places) {
    struct service *service;
    struct service_options options = options_of(places);
    require(service_open(&service, &options));
    return service;
}

/* Without leaving a page behind. */
static void close_service(struct service *service) {
    struct service_counts counts;
    assert_true(service_wait(service, 60));
    const struct kv_pages *kv = &service_engine(service)->kv;
    service_counts(service, &counts);
    assert_int_equal(counts.pages, kv->pages);
    service_close(service);
}

/* What generation_run() gives for the same prompt and options: the sequence's own way, without a service. */
static int run_alone(const int32_t *prompt, int tokens, const struct reply_options *reply, int32_t *id) {
    struct sequence *sequence;
    struct generation generation;
    struct engine *engine = small_model_open(path, CONTEXT, ROWS);
    struct generation_options options = {
        .sampling = reply->sampling, .max_tokens = reply->max_tokens, .speculate = SPECULATE_OFF};
    require(sequence_open(&sequence, engine));
    require(sequence_append(sequence, prompt, tokens, TOKEN_PROMPT));
    require(generation_open(&generation, sequence, &options));
    require(generation_run(&generation, NULL));
    int count = generation.reply.tokens;
    memcpy(id, generation.reply.id, (size_t)count * sizeof *id);
    generation_close(&generation);
    sequence_close(sequence);
    engine_close(engine);
    return count;
}

/* ---- answers ---- */

static void an_answer_is_that_of_a_generation(void **state) {
    (void)state;
    int32_t prompt[200], id[CLIENT_TOKENS];
    struct client client;
    client_open(&client);
    client_prompt(prompt, 200, 1);
    struct service_request request = client_request(prompt, 200, 40);
    request.reply.sampling.temperature = 0.8;
    request.reply.sampling.seed = 7;
    request.reply.ignore_end = false;
    struct service *service = open_service(2);
    require(client_submit(&client, service, request));
    client_wait(&client);
    int count = run_alone(prompt, 200, &request.reply, id);
    assert_int_equal(client.ids[0], count);
    assert_memory_equal(client.id[0], id, (size_t)count * sizeof *id);
    assert_int_equal(client.starts, 1);
    assert_int_equal(client.ends, 1);
    assert_int_equal(client.prefilled, 200);
    assert_int_equal(client.usage.prompt_tokens, 200);
    assert_int_equal(client.usage.generated_tokens, count);
    assert_int_equal(client.usage.cache.hit_tokens + client.usage.cache.miss_tokens, 200);
    close_service(service);
    client_close(&client);
}

/* Sixteen neighbours of all lengths join and leave, more than there are places. */
static void neighbours_change_nothing(void **state) {
    (void)state;
    enum { NEIGHBOURS = 16 };
    int32_t prompt[300], other[NEIGHBOURS][400];
    static struct client alone, among, neighbour[NEIGHBOURS];
    client_open(&alone);
    client_open(&among);
    client_prompt(prompt, 300, 1);
    struct service_request request = client_request(prompt, 300, 60);
    struct service *service = open_service(PLACES);
    require(client_submit(&alone, service, request));
    client_wait(&alone);
    close_service(service);
    service = open_service(PLACES);
    for (int i = 0; i < NEIGHBOURS; i++) {
        char account[] = {(char)('a' + i % 3), 0};
        int tokens = 1 + 23 * i;
        client_open(&neighbour[i]);
        client_prompt(other[i], tokens, (uint32_t)(100 + i));
        struct service_request beside = client_request(other[i], tokens, 5 + 3 * i);
        beside.account = account;
        beside.reply.sampling.temperature = 1;
        require(client_submit(&neighbour[i], service, beside));
        if (i == 5) require(client_submit(&among, service, request));
    }
    client_wait(&among);
    for (int i = 0; i < NEIGHBOURS; i++) {
        client_wait(&neighbour[i]);
        assert_int_equal(neighbour[i].ids[0], 5 + 3 * i);
        client_close(&neighbour[i]);
    }
    assert_int_equal(alone.ids[0], 60);
    assert_memory_equal(alone.id[0], among.id[0], 60 * sizeof(int32_t));
    assert_memory_equal(alone.logprob[0], among.logprob[0], 60 * sizeof(float));
    close_service(service);
    client_close(&alone);
    client_close(&among);
}

static void several_answers_share_a_prompt(void **state) {
    (void)state;
    int32_t prompt[150];
    static struct client one, three;
    client_open(&one);
    client_open(&three);
    client_prompt(prompt, 150, 2);
    struct service_request request = client_request(prompt, 150, 20);
    request.reply.sampling.temperature = 1;
    request.reply.sampling.seed = 11;
    struct service *service = open_service(PLACES);
    require(client_submit(&one, service, request));
    request.choices = 3;
    require(client_submit(&three, service, request));
    client_wait(&one);
    client_wait(&three);
    assert_int_equal(three.choice_ends, 3);
    assert_int_equal(three.ends, 1);
    assert_int_equal(three.usage.generated_tokens, 60);
    assert_memory_equal(one.id[0], three.id[0], 20 * sizeof(int32_t));
    assert_memory_not_equal(three.id[0], three.id[1], 20 * sizeof(int32_t));
    assert_memory_not_equal(three.id[1], three.id[2], 20 * sizeof(int32_t));
    close_service(service);
    client_close(&one);
    client_close(&three);
}

static void a_stop_text_ends_an_answer_and_is_named(void **state) {
    (void)state;
    int32_t prompt[20];
    static struct client free_running, stopped;
    client_open(&free_running);
    client_open(&stopped);
    client_prompt(prompt, 20, 3);
    struct service_request request = client_request(prompt, 20, 60);
    struct service *service = open_service(2);
    require(client_submit(&free_running, service, request));
    client_wait(&free_running);
    assert_true(free_running.text[0].bytes > 8);
    char stop[4] = {0};
    size_t at = free_running.text[0].bytes / 2;
    while ((free_running.text[0].data[at] & 0xc0) == 0x80) at++;
    size_t length = 1;
    while ((free_running.text[0].data[at + length] & 0xc0) == 0x80) length++;
    memcpy(stop, free_running.text[0].data + at, length < 4 ? length : 3);
    request.reply.stop = (const char *const[]){"no such text", stop};
    request.reply.stops = 2;
    require(client_submit(&stopped, service, request));
    client_wait(&stopped);
    assert_int_equal(stopped.finish[0], FINISH_STOP);
    assert_int_equal(stopped.stop[0], 1);
    assert_true(stopped.text[0].bytes <= at);
    assert_memory_equal(stopped.text[0].data ? stopped.text[0].data : "", free_running.text[0].data,
                        stopped.text[0].bytes);
    assert_int_equal(free_running.stop[0], -1);
    assert_int_equal(free_running.finish[0], FINISH_LENGTH);
    close_service(service);
    client_close(&free_running);
    client_close(&stopped);
}

/* ---- constraints ---- */

static void reasoning_ends_when_its_budget_is_used_up(void **state) {
    (void)state;
    int32_t prompt[20];
    const int32_t closing[] = {71, 72, 73};
    struct client client;
    client_open(&client);
    client_prompt(prompt, 20, 4);
    struct service_request request = client_request(prompt, 20, 30);
    request.reply.reasoning = (struct reasoning_budget){.counted = true,
                                                        .thinking = true,
                                                        .begin_id = -1,
                                                        .end_id = 72,
                                                        .tokens = 9,
                                                        .closing = closing,
                                                        .closings = 3};
    request.reply.sampling.bias = (const struct logit_bias[]){{72, -100}, {71, -100}};
    request.reply.sampling.biases = 2;
    struct service *service = open_service(2);
    require(client_submit(&client, service, request));
    client_wait(&client);
    assert_int_equal(client.ids[0], 30);
    assert_memory_equal(&client.id[0][9], closing, sizeof closing);
    assert_int_equal(client.usage.reasoning_tokens, 11);
    for (int i = 0; i < 9; i++) assert_true(client.id[0][i] != 72);
    close_service(service);
    client_close(&client);
}

struct rule { /* ids that go up by one each time */
    int32_t next;
    int accepted;
};

static bool allow(void *context, int choice, uint32_t *allowed) {
    struct rule *rule = context;
    assert_int_equal(choice, 0);
    memset(allowed, 0, 1024 / 8);
    allowed[rule->next / 32] = UINT32_C(1) << rule->next % 32;
    return rule->accepted % 2 == 0;
}

static void see(void *context, int choice, int32_t id) {
    struct rule *rule = context;
    if (rule->accepted++ % 2 == 0) assert_int_equal(id, rule->next);
    rule->next = (id + 1) % 1024;
    assert_int_equal(choice, 0);
}

static void a_mask_decides_what_may_come(void **state) {
    (void)state;
    int32_t prompt[20];
    struct rule rule = {.next = 900};
    struct client client;
    client_open(&client);
    client_prompt(prompt, 20, 5);
    struct service_request request = client_request(prompt, 20, 12);
    request.reply.mask = (struct token_mask){.context = &rule, .allow = allow, .accept = see};
    struct service *service = open_service(2);
    require(client_submit(&client, service, request));
    client_wait(&client);
    assert_int_equal(rule.accepted, 12);
    assert_int_equal(client.id[0][0], 900);
    for (int i = 2; i < 12; i += 2) assert_int_equal(client.id[0][i], (client.id[0][i - 1] + 1) % 1024);
    close_service(service);
    client_close(&client);
}

struct narrow {
    int32_t id, instead;
    int64_t room[8];
    int asked;
};

static bool allow_one(void *context, int choice, uint32_t *allowed) {
    const struct narrow *narrow = context;
    (void)choice;
    memset(allowed, 0, 1024 / 8);
    allowed[narrow->id / 32] = UINT32_C(1) << narrow->id % 32;
    return true;
}

static int32_t end_third(void *context, int choice, int32_t id, int64_t room) {
    struct narrow *narrow = context;
    (void)choice;
    assert_int_equal(id, narrow->id);
    narrow->room[narrow->asked++] = room;
    return narrow->asked == 3 ? narrow->instead : -1;
}

/* A token that would leave no room for the rest of an answer is replaced, and the answer then ended by its length. */
static void a_mask_brings_an_answer_to_its_end(void **state) {
    (void)state;
    int32_t prompt[20];
    struct client client;
    client_open(&client);
    client_prompt(prompt, 20, 5);
    struct service *service = open_service(2);
    struct narrow narrow = {.id = 77, .instead = service_engine(service)->end_token[0]};
    struct service_request request = client_request(prompt, 20, 8);
    request.reply.mask = (struct token_mask){.context = &narrow, .allow = allow_one, .instead = end_third};
    request.reply.ignore_end = false;
    require(client_submit(&client, service, request));
    client_wait(&client);
    assert_int_equal(narrow.asked, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(narrow.room[i], 7 - i);
    assert_int_equal(client.ids[0], 3);
    assert_int_equal(client.id[0][1], 77);
    assert_int_equal(client.id[0][2], narrow.instead);
    assert_int_equal(client.finish[0], FINISH_LENGTH);
    close_service(service);
    client_close(&client);
}

/* ---- endings ---- */

static void a_cancelled_request_ends_at_once(void **state) {
    (void)state;
    int32_t prompt[100];
    static struct client client, waiting;
    client_open(&client);
    client_open(&waiting);
    client_prompt(prompt, 100, 6);
    struct service *service = open_service(1);
    client.cancel_in = service;
    client.cancel_after = 5;
    require(client_submit(&client, service, client_request(prompt, 100, -1)));
    client_wait(&client);
    assert_int_equal(client.ids[0], 5);
    assert_int_equal(client.finish[0], FINISH_CANCELLED);
    assert_int_equal(client.status, STATUS_OK);
    service_cancel(service, client.number);
    service_cancel(service, 12345);
    client.cancel_in = NULL;
    client_close(&client);
    client_open(&client);
    require(client_submit(&client, service, client_request(prompt, 100, -1)));
    require(client_submit(&waiting, service, client_request(prompt, 100, -1)));
    client_wait_tokens(&client, 1);
    service_cancel(service, client.number + 1);
    client_wait(&waiting);
    assert_int_equal(waiting.starts, 0);
    assert_int_equal(waiting.finish[0], FINISH_CANCELLED);
    service_cancel(service, client.number);
    client_wait(&client);
    close_service(service);
    client_close(&client);
    client_close(&waiting);
}

static void deadlines_end_what_waits_and_what_runs(void **state) {
    (void)state;
    int32_t prompt[10];
    static struct client running, late;
    client_open(&running);
    client_open(&late);
    client_prompt(prompt, 10, 7);
    struct service *service = open_service(1);
    struct service_request request = client_request(prompt, 10, -1);
    request.deadline = clock_seconds() + 0.05;
    require(client_submit(&running, service, request));
    request.deadline = 0;
    request.start_deadline = clock_seconds() - 1;
    require(client_submit(&late, service, request));
    client_wait(&late);
    client_wait(&running);
    assert_int_equal(late.finish[0], FINISH_DEADLINE);
    assert_int_equal(late.ids[0], 0);
    assert_true(running.finish[0] == FINISH_DEADLINE || running.finish[0] == FINISH_LENGTH);
    close_service(service);
    client_close(&running);
    client_close(&late);
}

static void draining_refuses_and_finishes(void **state) {
    (void)state;
    int32_t prompt[50];
    static struct client client, refused;
    client_open(&client);
    client_open(&refused);
    client_prompt(prompt, 50, 8);
    struct service *service = open_service(1);
    require(client_submit(&client, service, client_request(prompt, 50, 100)));
    service_drain(service);
    assert_int_equal(client_submit(&refused, service, client_request(prompt, 50, 1)), STATUS_UNAVAILABLE);
    assert_true(service_wait(service, 60));
    assert_int_equal(client.ends, 1);
    assert_int_equal(client.ids[0], 100);
    assert_int_equal(refused.ends, 0);
    close_service(service);
    client_close(&client);
    client_close(&refused);
}

static void closing_ends_what_is_left(void **state) {
    (void)state;
    int32_t prompt[50];
    static struct client client[3];
    client_prompt(prompt, 50, 9);
    struct service *service = open_service(2);
    for (int i = 0; i < 3; i++) {
        client_open(&client[i]);
        require(client_submit(&client[i], service, client_request(prompt, 50, -1)));
    }
    client_wait_tokens(&client[0], 1);
    service_close(service);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(client[i].ends, 1);
        assert_int_equal(client[i].status, STATUS_UNAVAILABLE);
        client_close(&client[i]);
    }
}

/* ---- limits ---- */

static enum status submit_with(struct service *service, struct client *client,
                               struct service_request request) {
    return client_submit(client, service, request);
}

static void what_cannot_be_answered_is_refused(void **state) {
    (void)state;
    int32_t prompt[CONTEXT] = {4};
    struct client client;
    client_open(&client);
    struct service *service = open_service(1);
    struct service_request request = client_request(prompt, 0, 1);
    assert_int_equal(submit_with(service, &client, request), STATUS_INPUT);
    request.prompt_tokens = CONTEXT;
    assert_int_equal(submit_with(service, &client, request), STATUS_LIMIT);
    request.prompt_tokens = 5;
    request.reply.sampling.top_p = 2;
    assert_int_equal(submit_with(service, &client, request), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "top_p"));
    request = client_request((const int32_t[]){5, 1024}, 2, 1);
    assert_int_equal(submit_with(service, &client, request), STATUS_INPUT);
    request = client_request(prompt, 5, 1);
    request.choices = SERVICE_CHOICES_LIMIT + 1;
    assert_int_equal(submit_with(service, &client, request), STATUS_INPUT);
    close_service(service);
    client_close(&client);
}

static void queue_and_accounts_are_bounded(void **state) {
    (void)state;
    int32_t prompt[50] = {0};
    static struct client client[4];
    struct service *service;
    struct service_options options = options_of(1);
    struct service_request request = client_request(prompt, 50, -1);
    options.limits.queue = 2;
    options.limits.account_requests = 2;
    client_prompt(prompt, 50, 10);
    require(service_open(&service, &options));
    for (int i = 0; i < 4; i++) client_open(&client[i]);
    request.account = "one";
    require(client_submit(&client[0], service, request));
    client_wait_tokens(&client[0], 1);
    require(client_submit(&client[1], service, request));
    assert_int_equal(client_submit(&client[3], service, request), STATUS_BUSY);
    assert_non_null(strstr(status_message(), "2 requests"));
    request.account = "other";
    require(client_submit(&client[2], service, request));
    assert_int_equal(client_submit(&client[3], service, request), STATUS_UNAVAILABLE);
    for (uint64_t i = 1; i <= 3; i++) service_cancel(service, i);
    for (int i = 0; i < 3; i++) client_wait(&client[i]);
    request.account = "one";
    request.reply.max_tokens = 1;
    require(client_submit(&client[3], service, request)); /* there is room again */
    client_wait(&client[3]);
    assert_int_equal(client[3].ids[0], 1);
    struct service_counts counts;
    service_counts(service, &counts);
    assert_int_equal(counts.refusals, 2);
    close_service(service);
    for (int i = 0; i < 4; i++) client_close(&client[i]);
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
        cmocka_unit_test(an_answer_is_that_of_a_generation),
        cmocka_unit_test(neighbours_change_nothing),
        cmocka_unit_test(several_answers_share_a_prompt),
        cmocka_unit_test(a_stop_text_ends_an_answer_and_is_named),
        cmocka_unit_test(reasoning_ends_when_its_budget_is_used_up),
        cmocka_unit_test(a_mask_decides_what_may_come),
        cmocka_unit_test(a_mask_brings_an_answer_to_its_end),
        cmocka_unit_test(a_cancelled_request_ends_at_once),
        cmocka_unit_test(deadlines_end_what_waits_and_what_runs),
        cmocka_unit_test(draining_refuses_and_finishes),
        cmocka_unit_test(closing_ends_what_is_left),
        cmocka_unit_test(what_cannot_be_answered_is_refused),
        cmocka_unit_test(queue_and_accounts_are_bounded),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
