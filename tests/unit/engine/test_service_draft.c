/* test_service_draft.c - answers of a service that drafts are those of one that does not, bit for bit, whatever runs beside
 * them and whoever has to give up pages. On random weights always, on tiny-v3 where it is. */
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
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define TINY_V3 "../shared/models/tiny-v3"

enum { CONTEXT = 448, PLACES = 4, ROWS = 96, REQUESTS = 10, TEXT = 240 };

static struct scratch scratch;
static char small[512];
static int32_t prompt[REQUESTS][TEXT];

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct service *open_service(const char *path, enum speculate speculate, int64_t cache_tokens,
                                    int rows) {
    struct service *service;
    struct service_options options = {.engine = {.model = {.path = path,
                                                           .threads = 1,
                                                           .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                                           .max_rows = rows,
                                                           .kv_type = DTYPE_F32,
                                                           .context = CONTEXT,
                                                           .cache_tokens = cache_tokens,
                                                           .sequences = PLACES}},
                                      .limits = {.speculate = speculate}};
    require(service_open(&service, &options));
    return service;
}

static struct service_counts close_service(struct service *service) {
    struct service_counts counts;
    assert_true(service_wait(service, 60));
    service_counts(service, &counts);
    assert_int_equal(counts.free_pages, counts.pages);
    service_close(service);
    return counts;
}

/* Requests of all kinds: lengths, temperatures, several answers, penalties, few tokens. */
static struct service_request request_number(int i) {
    static const int tokens[REQUESTS] = {200, 1, 64, 63, 130, 17, 240, 65, 128, 9};
    static const int most[REQUESTS] = {60, 300, 1, 2, 3, 300, 40, 80, 33, 300};
    struct service_request request = client_request(prompt[i], tokens[i], most[i]);
    request.reply.sampling.temperature = i % 3 ? 0.7 : 0;
    request.reply.sampling.seed = (uint64_t)i;
    request.choices = i == 4 || i == 7 ? 3 : 1;
    if (i == 5) request.reply.sampling.repetition_penalty = 1.2;
    if (i == 8) request.reply.ignore_end = false;
    return request;
}

static struct service_counts run_all(const char *path, enum speculate speculate, int64_t cache_tokens,
                                     int rows, struct client *client) {
    struct service *service = open_service(path, speculate, cache_tokens, rows);
    for (int i = 0; i < REQUESTS; i++) {
        client_open(&client[i]);
        require(client_submit(&client[i], service, request_number(i)));
    }
    for (int i = 0; i < REQUESTS; i++) client_wait(&client[i]);
    return close_service(service);
}

static void same_answers(const struct client *a, const struct client *b) {
    for (int choice = 0; choice < CLIENT_CHOICES; choice++) {
        size_t ids = (size_t)a->ids[choice];
        assert_int_equal(a->ids[choice], b->ids[choice]);
        assert_memory_equal(a->id[choice], b->id[choice], ids * sizeof a->id[0][0]);
        assert_memory_equal(a->logprob[choice], b->logprob[choice], ids * sizeof a->logprob[0][0]);
        assert_int_equal(a->finish[choice], b->finish[choice]);
    }
    assert_int_equal(a->usage.generated_tokens, b->usage.generated_tokens);
}

static void check_model(const char *path, bool trained) {
    static struct client without[REQUESTS], with[REQUESTS];
    struct service_counts counts = run_all(path, SPECULATE_OFF, 0, ROWS, without);
    assert_int_equal(counts.drafted, 0);
    const struct {
        enum speculate speculate;
        int64_t cache_tokens;
        int rows;
    } ways[] = {{SPECULATE_ON, 0, ROWS},
                {SPECULATE_AUTO, 0, ROWS},
                {SPECULATE_ON, CONTEXT, ROWS}, /* pages for one: answers give up theirs */
                {SPECULATE_ON, 0, 2 * PLACES}};
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        counts = run_all(path, ways[w].speculate, ways[w].cache_tokens, ways[w].rows, with);
        if (ways[w].speculate == SPECULATE_ON) assert_true(counts.drafted > 0);
        if (ways[w].speculate == SPECULATE_ON && trained) assert_true(counts.accepted * 5 > counts.drafted);
        assert_true(counts.accepted <= counts.drafted);
        if (ways[w].cache_tokens) assert_true(counts.preemptions > 0);
        for (int i = 0; i < REQUESTS; i++) {
            same_answers(&without[i], &with[i]);
            client_close(&with[i]);
        }
    }
    for (int i = 0; i < REQUESTS; i++) client_close(&without[i]);
}

static void drafts_change_nothing(void **state) {
    (void)state;
    check_model(small, false);
}

static void drafts_of_a_trained_model_change_nothing(void **state) {
    (void)state;
    if (access(TINY_V3, R_OK)) skip();
    check_model(TINY_V3, true);
}

/* A step for each token, less one for each draft that was right; a second turn drafts behind pages of the first. */
static void drafts_save_steps(void **state) {
    (void)state;
    if (access(TINY_V3, R_OK)) skip();
    static struct client plain, drafted, again;
    int64_t steps[2], first;
    struct service_counts counts;
    struct service *service = open_service(TINY_V3, SPECULATE_OFF, 0, ROWS);
    client_open(&plain);
    require(client_submit(&plain, service, client_request(prompt[0], 200, 128)));
    client_wait(&plain);
    steps[0] = close_service(service).steps;
    service = open_service(TINY_V3, SPECULATE_ON, 0, ROWS);
    client_open(&drafted);
    require(client_submit(&drafted, service, client_request(prompt[0], 200, 128)));
    client_wait(&drafted);
    assert_true(service_wait(service, 60));
    service_counts(service, &counts);
    steps[1] = counts.steps;
    first = counts.drafted;
    assert_int_equal(steps[1], steps[0] - counts.accepted);
    assert_true(counts.accepted > 0);
    client_open(&again);
    require(client_submit(&again, service, client_request(prompt[0], 200, 128)));
    client_wait(&again);
    assert_int_equal(again.usage.cache.hit_tokens, 192);
    assert_true(close_service(service).drafted >= 2 * first - first / 4);
    same_answers(&plain, &drafted);
    same_answers(&plain, &again);
    client_close(&plain);
    client_close(&drafted);
    client_close(&again);
}

static void cancelled_drafts_leave_nothing(void **state) {
    (void)state;
    static struct client client[PLACES];
    struct service *service = open_service(small, SPECULATE_ON, 0, ROWS);
    for (int i = 0; i < PLACES; i++) {
        client_open(&client[i]);
        client[i].cancel_in = service;
        client[i].cancel_after = 3 + 7 * i;
        require(client_submit(&client[i], service, client_request(prompt[i], 100, -1)));
    }
    for (int i = 0; i < PLACES; i++) {
        client_wait(&client[i]);
        assert_int_equal(client[i].finish[0], FINISH_CANCELLED);
        assert_in_range(client[i].ids[0], 3 + 7 * i, 3 + 7 * i + 1); /* a right draft comes with its step */
        client_close(&client[i]);
    }
    close_service(service);
}

static int open_model(void **state) {
    (void)state;
    scratch_open(&scratch);
    snprintf(small, sizeof small, "%s", small_model_write_mtp(&scratch));
    for (int i = 0; i < REQUESTS; i++) client_prompt(prompt[i], TEXT, (uint32_t)(70 + i));
    return 0;
}
static int close_model(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafts_change_nothing),
        cmocka_unit_test(drafts_of_a_trained_model_change_nothing),
        cmocka_unit_test(drafts_save_steps),
        cmocka_unit_test(cancelled_drafts_leave_nothing),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
