/* test_service_cache.c - what requests share: pages of equal beginnings, their last rows, answers, and each other's pages when there
 * are too few.
 * A hit, and an answer that gave up its pages and came back, have the bits of a cold run. */
#include "engine/prefix_cache.h"
#include "engine/service.h"

#include "base/rng.h"
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

enum { CONTEXT = 448, PLACES = 4, ROWS = 96, WHOLE_PAGES = CONTEXT / KV_PAGE_TOKENS };

static struct scratch scratch;
static const char *path;

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct service *open_service(bool strict, int64_t cache_tokens) {
    struct service *service;
    struct service_options options = {.engine = {.model = {.path = path,
                                                           .threads = 1,
                                                           .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                                           .max_rows = ROWS,
                                                           .kv_type = DTYPE_F32,
                                                           .context = CONTEXT,
                                                           .cache_tokens = cache_tokens,
                                                           .strict = strict,
                                                           .sequences = PLACES}}};
    require(service_open(&service, &options));
    return service;
}

static struct service_counts counts_of(struct service *service) {
    struct service_counts counts;
    assert_true(service_wait(service, 60));
    service_counts(service, &counts);
    return counts;
}

static void close_service(struct service *service) {
    struct service_counts counts = counts_of(service);
    assert_int_equal(counts.free_pages, counts.pages);
    service_close(service);
}

static void ask(struct service *service, struct client *client, struct service_request request) {
    client_open(client);
    require(client_submit(client, service, request));
    client_wait(client);
    assert_int_equal(client->status, STATUS_OK);
}

static void same_answer(const struct client *a, const struct client *b) {
    assert_int_equal(a->ids[0], b->ids[0]);
    assert_memory_equal(a->id[0], b->id[0], (size_t)a->ids[0] * sizeof a->id[0][0]);
    assert_memory_equal(a->logprob[0], b->logprob[0], (size_t)a->ids[0] * sizeof a->logprob[0][0]);
}

/* ---- prompts ---- */

static void a_prompt_that_was_seen_is_not_computed_again(void **state) {
    (void)state;
    int32_t prompt[300];
    static struct client cold, warm, longer, other, cold_other;
    client_prompt(prompt, 300, 1);
    struct service *service = open_service(false, 0);
    struct service_request request = client_request(prompt, 256, 30);
    ask(service, &cold, request);
    assert_int_equal(cold.usage.cache.hit_tokens, 0);
    assert_int_equal(cold.usage.cache.miss_tokens, 256);
    assert_string_equal(cold.usage.cache.miss, "nothing is cached for this account and user");
    ask(service, &warm, request);
    assert_int_equal(warm.usage.cache.hit_tokens, 255); /* the last token is always computed */
    assert_int_equal(warm.usage.cache.miss_tokens, 1);
    assert_int_equal(warm.usage.cache.answer_tokens, 0);
    assert_string_equal(warm.usage.cache.miss, "");
    same_answer(&cold, &warm);
    ask(service, &longer, client_request(prompt, 300, 5));
    assert_int_equal(longer.usage.cache.hit_tokens, 256);
    prompt[150]++;
    ask(service, &other, request);
    assert_int_equal(other.usage.cache.hit_tokens, 150);
    assert_string_equal(other.usage.cache.miss,
                        "token 150 differs from what is cached behind the 150 before it");
    struct service_counts counts = counts_of(service);
    assert_int_equal(counts.hit_tokens, 255 + 256 + 150);
    close_service(service);
    service = open_service(false, 0);
    ask(service, &cold_other, request);
    same_answer(&cold_other, &other);
    close_service(service);
    client_close(&cold_other);
    client_close(&cold);
    client_close(&warm);
    client_close(&longer);
    client_close(&other);
}

static void nothing_is_shared_between_isolations(void **state) {
    (void)state;
    int32_t prompt[200];
    static struct client first, second, third;
    client_prompt(prompt, 200, 2);
    struct service *service = open_service(false, 0);
    struct service_request request = client_request(prompt, 200, 3);
    request.isolation = "account 1, user a";
    ask(service, &first, request);
    request.isolation = "account 1, user b";
    ask(service, &second, request);
    assert_int_equal(second.usage.cache.hit_tokens, 0);
    assert_string_equal(second.usage.cache.miss, "nothing is cached for this account and user");
    request.isolation = "account 1, user a";
    ask(service, &third, request);
    assert_int_equal(third.usage.cache.hit_tokens, 192);
    close_service(service);
    client_close(&first);
    client_close(&second);
    client_close(&third);
}

static void answers_to_one_prompt_compute_it_once(void **state) {
    (void)state;
    int32_t prompt[200];
    static struct client three;
    client_prompt(prompt, 200, 3);
    struct service *service = open_service(false, 0);
    struct service_request request = client_request(prompt, 200, 10);
    request.choices = 3;
    ask(service, &three, request);
    assert_int_equal(counts_of(service).computed_tokens, 200 + 2 * 8 + 3 * 9);
    close_service(service);
    client_close(&three);
}

/* ---- answers ---- */

/* The second turn of a chat: the first prompt, its answer, and what the user says then. */
static int second_turn(int32_t *prompt, int tokens, const struct client *first) {
    memcpy(prompt + tokens, first->id[0], (size_t)first->ids[0] * sizeof *prompt);
    client_prompt(prompt + tokens + first->ids[0], 20, 99);
    return tokens + first->ids[0] + 20;
}

static void a_later_turn_hits_the_answer(bool strict) {
    int32_t prompt[CONTEXT];
    static struct client first, second, cold;
    client_prompt(prompt, 100, 4);
    struct service *service = open_service(strict, 0);
    ask(service, &first, client_request(prompt, 100, 200));
    int tokens = second_turn(prompt, 100, &first);
    ask(service, &second, client_request(prompt, tokens, 20));
    assert_int_equal(second.usage.cache.hit_tokens, 299); /* all but the last, which was never computed */
    assert_int_equal(second.usage.cache.answer_tokens, strict ? 0 : 199);
    assert_string_equal(second.usage.cache.miss, "what is cached ends at token 299");
    close_service(service);
    service = open_service(strict, 0);
    ask(service, &cold, client_request(prompt, tokens, 20));
    if (strict) {
        same_answer(&cold, &second);
    } else { /* other forms of the same arithmetic */
        for (int i = 0; i < 20 && cold.id[0][i] == second.id[0][i]; i++)
            assert_float_equal(cold.logprob[0][i], second.logprob[0][i], 1e-3);
    }
    close_service(service);
    client_close(&first);
    client_close(&second);
    client_close(&cold);
}

static void a_later_turn_hits_the_answer_to_its_end(void **state) {
    (void)state;
    a_later_turn_hits_the_answer(false);
}
static void strictly_a_later_turn_has_the_bits_of_a_cold_run(void **state) {
    (void)state;
    a_later_turn_hits_the_answer(true);
}

/* ---- parts of pages ---- */

/* Beginnings of every length, each the end of one answer and the middle of the next: what is copied has the bits of a cold run. */
static void a_part_of_a_page_has_the_bits_of_a_cold_run(void **state) {
    (void)state;
    enum { ANSWERS = 10 };
    static const int shared[ANSWERS] = {0, 7, 8, 9, 40, 63, 64, 65, 100, 136};
    static struct client warm, cold;
    int32_t prompt[160];
    struct service *cached = open_service(false, 0);
    for (int i = 0; i < ANSWERS; i++) {
        client_prompt(prompt, 160, 30);
        client_prompt(prompt + shared[i], 160 - shared[i], (uint32_t)(40 + i));
        struct service_request request = client_request(prompt, 140 + i, 12);
        ask(cached, &warm, request);
        struct service *service = open_service(false, 0);
        ask(service, &cold, request);
        same_answer(&cold, &warm);
        close_service(service);
        /* the longest beginning that this prompt shares with one before it, which is that of the base prompt */
        int hit = i ? warm.usage.cache.hit_tokens : 0, most = i ? shared[i - 1] : 0;
        assert_int_equal(
            hit, most % KV_PAGE_TOKENS < PREFIX_PART_LEAST ? most / KV_PAGE_TOKENS * KV_PAGE_TOKENS : most);
        client_close(&warm);
        client_close(&cold);
    }
    close_service(cached);
}

static void a_short_prompt_is_copied_from_the_end_of_another(void **state) {
    (void)state;
    static struct client first, again, longer;
    int32_t prompt[100];
    client_prompt(prompt, 100, 31);
    struct service *service = open_service(false, 0);
    ask(service, &first, client_request(prompt, 30, 5));
    struct service_counts counts = counts_of(service);
    assert_int_equal(counts.cached_pages, 1);
    ask(service, &again, client_request(prompt, 30, 5));
    assert_int_equal(again.usage.cache.hit_tokens, 29);
    same_answer(&first, &again);
    assert_int_equal(counts_of(service).cached_pages, 1); /* the same end once */
    ask(service, &longer, client_request(prompt, 100, 5));
    assert_int_equal(longer.usage.cache.hit_tokens, 30);
    assert_string_equal(longer.usage.cache.miss,
                        "token 30 differs from what is cached behind the 30 before it");
    close_service(service);
    client_close(&first);
    client_close(&again);
    client_close(&longer);
}

/* A conversation that grows leaves its whole pages and one end. */
static void an_end_is_dropped_when_a_whole_page_has_it(void **state) {
    (void)state;
    static struct client client;
    int32_t prompt[CONTEXT];
    int tokens = 40;
    client_prompt(prompt, tokens, 32);
    struct service *service = open_service(false, 0);
    for (int turn = 0; turn < 5; turn++) {
        ask(service, &client, client_request(prompt, tokens, 20));
        if (turn) assert_int_equal(client.usage.cache.hit_tokens, tokens - 21);
        tokens = second_turn(prompt, tokens, &client);
        client_close(&client);
    }
    assert_int_equal(counts_of(service).cached_pages, 4); /* of 219 tokens */
    close_service(service);
}

/* ---- too few pages ---- */

/* Four answers of up to 400 tokens in a cache of 448: they take turns, and each is what it is alone. */
static void answers_that_gave_up_their_pages_come_back_with_the_same_bits(void **state) {
    (void)state;
    enum { REQUESTS = 6 };
    static struct client alone[REQUESTS], together[REQUESTS];
    int32_t prompt[REQUESTS][150];
    for (int i = 0; i < REQUESTS; i++) {
        struct service *service = open_service(false, 0);
        client_prompt(prompt[i], 150, (uint32_t)(20 + i));
        ask(service, &alone[i], client_request(prompt[i], 60 + 15 * i, 200));
        close_service(service);
    }
    struct service *service = open_service(false, CONTEXT);
    assert_int_equal(counts_of(service).pages, WHOLE_PAGES);
    for (int i = 0; i < REQUESTS; i++) {
        client_open(&together[i]);
        require(client_submit(&together[i], service, client_request(prompt[i], 60 + 15 * i, 200)));
    }
    for (int i = 0; i < REQUESTS; i++) {
        client_wait(&together[i]);
        same_answer(&alone[i], &together[i]);
    }
    assert_true(counts_of(service).preemptions > 0);
    close_service(service);
    for (int i = 0; i < REQUESTS; i++) {
        client_close(&alone[i]);
        client_close(&together[i]);
    }
}

/* Also when what it answers was a hit on pages of an answer, whose roles must come back with them. */
static void a_hit_on_an_answer_comes_back_with_the_same_bits(void **state) {
    (void)state;
    int32_t prompt[CONTEXT], other[60];
    static struct client first, alone, together, beside[3];
    client_prompt(prompt, 70, 5);
    client_prompt(other, 60, 6);
    struct service *service = open_service(false, 0);
    ask(service, &first, client_request(prompt, 70, 90));
    int tokens = second_turn(prompt, 70, &first);
    ask(service, &alone, client_request(prompt, tokens, 150));
    assert_int_equal(alone.usage.cache.answer_tokens, 89);
    close_service(service);
    service = open_service(false, CONTEXT);
    client_close(&first);
    ask(service, &first, client_request(prompt, 70, 90));
    for (int i = 0; i < 3; i++) {
        struct service_request request = client_request(other, 30 + 10 * i, 250);
        client_open(&beside[i]);
        request.priority = i == 2;
        if (i == 2) { /* pushes everything else out */
            client_open(&together);
            require(client_submit(&together, service, client_request(prompt, tokens, 150)));
            client_wait_tokens(&together, 3);
        }
        require(client_submit(&beside[i], service, request));
        if (i < 2) client_wait_tokens(&beside[i], 1);
    }
    client_wait(&together);
    for (int i = 0; i < 3; i++) client_wait(&beside[i]);
    if (together.usage.cache.answer_tokens == 89) same_answer(&alone, &together);
    assert_true(counts_of(service).preemptions > 0);
    close_service(service);
    client_close(&first);
    client_close(&alone);
    client_close(&together);
    for (int i = 0; i < 3; i++) client_close(&beside[i]);
}

static void a_higher_priority_goes_first(void **state) {
    (void)state;
    int32_t prompt[100];
    static struct client low[PLACES], high;
    client_prompt(prompt, 100, 7);
    struct service *service = open_service(false, 0);
    for (int i = 0; i < PLACES; i++) {
        client_open(&low[i]);
        require(client_submit(&low[i], service, client_request(prompt, 100, 300)));
    }
    client_wait_tokens(&low[PLACES - 1], 1);
    struct service_request request = client_request(prompt, 100, 20);
    request.priority = 1;
    ask(service, &high, request);
    assert_int_equal(high.ids[0], 20);
    for (int i = 0; i < PLACES; i++) client_wait(&low[i]);
    assert_int_equal(counts_of(service).preemptions, 1);
    for (int i = 1; i < PLACES; i++) same_answer(&low[0], &low[i]);
    close_service(service);
    for (int i = 0; i < PLACES; i++) client_close(&low[i]);
    client_close(&high);
}

/* ---- chance ---- */

/* A thousand requests that share beginnings and are cancelled anywhere: nothing is left behind, and those that end by
 * themselves are what they are alone. */
static void a_thousand_requests_leave_nothing_behind(void **state) {
    (void)state;
    enum { REQUESTS = 1000, WINDOW = 12, KINDS = 5 };
    static struct client alone[KINDS], client[WINDOW];
    int32_t prompt[400];
    struct rng rng;
    int whole = 0;
    client_prompt(prompt, 400, 8);
    for (int kind = 0; kind < KINDS; kind++) {
        struct service *service = open_service(true, 0);
        ask(service, &alone[kind], client_request(prompt, 30 + 60 * kind, 40));
        close_service(service);
    }
    rng_seed(&rng, 5);
    struct service *service = open_service(true, 2 * CONTEXT);
    for (int i = 0; i < REQUESTS + WINDOW; i++) {
        struct client *mine = &client[i % WINDOW];
        if (i >= WINDOW) {
            int kind = (i - WINDOW) % KINDS;
            if (rng_uniform(&rng) < 0.3) service_cancel(service, (uint64_t)(i - WINDOW + 1));
            client_wait(mine);
            assert_int_equal(mine->ends, 1);
            if (mine->finish[0] == FINISH_LENGTH) same_answer(&alone[kind], mine), whole++;
            client_close(mine);
        }
        if (i >= REQUESTS) continue;
        struct service_request request = client_request(prompt, 30 + 60 * (i % KINDS), 40);
        char account[] = {(char)('a' + rng_next(&rng) % 4), 0};
        request.account = account;
        request.choices = 1 + (int)(rng_next(&rng) % 2);
        client_open(mine);
        if (rng_uniform(&rng) < 0.4) {
            mine->cancel_in = service;
            mine->cancel_after = (int)(rng_next(&rng) % 40);
        }
        require(client_submit(mine, service, request));
    }
    assert_true(whole > 100);
    assert_int_equal(counts_of(service).requests, REQUESTS);
    close_service(service);
    for (int kind = 0; kind < KINDS; kind++) client_close(&alone[kind]);
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
        cmocka_unit_test(a_prompt_that_was_seen_is_not_computed_again),
        cmocka_unit_test(nothing_is_shared_between_isolations),
        cmocka_unit_test(answers_to_one_prompt_compute_it_once),
        cmocka_unit_test(a_later_turn_hits_the_answer_to_its_end),
        cmocka_unit_test(strictly_a_later_turn_has_the_bits_of_a_cold_run),
        cmocka_unit_test(a_part_of_a_page_has_the_bits_of_a_cold_run),
        cmocka_unit_test(a_short_prompt_is_copied_from_the_end_of_another),
        cmocka_unit_test(an_end_is_dropped_when_a_whole_page_has_it),
        cmocka_unit_test(answers_that_gave_up_their_pages_come_back_with_the_same_bits),
        cmocka_unit_test(a_hit_on_an_answer_comes_back_with_the_same_bits),
        cmocka_unit_test(a_higher_priority_goes_first),
        cmocka_unit_test(a_thousand_requests_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
