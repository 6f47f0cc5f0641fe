/* test_cache_kill.c - a service is killed at random moments while it writes cached pages: the next one starts at once, and
 * every answer has the bits of a cold run, whether its pages are found or not. */
#include "base/rng.h"
#include "engine/service.h"
#include "kernel/kernel.h"
#include "support/scratch.h"
#include "support/service_client.h"
#include "support/small_model.h"

#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CONTEXT = 448, PROMPTS = 5, TOKENS = 300, ANSWER = 20, KILLS = 25 };

static struct scratch scratch;
static char path[256], folder[256];
static int32_t prompt[PROMPTS][TOKENS];
static struct client cold[PROMPTS];

/* The cache of the service has room for one prompt: the others are dropped, to the disk. */
static struct service *open_service(const char *cache_dir) {
    struct service *service;
    struct service_options options = {.engine = {.model = {.path = path,
                                                           .threads = 1,
                                                           .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                                           .max_rows = 96,
                                                           .kv_type = DTYPE_F32,
                                                           .context = CONTEXT,
                                                           .cache_tokens = CONTEXT,
                                                           .strict = true,
                                                           .sequences = 2}},
                                      .limits = {.cache_dir = cache_dir}};
    if (service_open(&service, &options) == STATUS_OK) return service;
    fprintf(stderr, "%s\n", status_message());
    abort();
}

static void ask(struct service *service, struct client *client, int which) {
    client_open(client);
    if (client_submit(client, service, client_request(prompt[which], TOKENS, ANSWER)) != STATUS_OK) abort();
    client_wait(client);
}

static void check(const struct client *client, int which) {
    assert_int_equal(client->ids[0], ANSWER);
    assert_memory_equal(client->id[0], cold[which].id[0], ANSWER * sizeof(int32_t));
    assert_memory_equal(client->logprob[0], cold[which].logprob[0], ANSWER * sizeof(float));
}

/* Never returns. */
static void serve(uint64_t seed) {
    static struct client client;
    struct rng rng;
    struct service *service = open_service(folder);
    rng_seed(&rng, seed);
    while (true) {
        ask(service, &client, (int)(rng_next(&rng) % PROMPTS));
        client_close(&client);
    }
}

static void a_killed_service_leaves_right_pages_or_none(void **state) {
    (void)state;
    static struct client client;
    struct rng rng;
    int64_t disk = 0;
    rng_seed(&rng, 9);
    for (int i = 0; i < PROMPTS; i++) {
        struct service *service = open_service(NULL);
        client_prompt(prompt[i], TOKENS, (uint32_t)i);
        ask(service, &cold[i], i);
        service_close(service);
    }
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        int ended, which = kill_number % PROMPTS;
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) serve((uint64_t)kill_number);
        usleep(20000 + (useconds_t)(rng_next(&rng) % 80000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
        struct service *service = open_service(folder);
        ask(service, &client, which);
        check(&client, which);
        disk += client.usage.cache.disk_tokens;
        client_close(&client);
        service_close(service);
    }
    assert_true(disk > 0);
    for (int i = 0; i < PROMPTS; i++) client_close(&cold[i]);
}

static int open_model(void **state) {
    (void)state;
    scratch_open(&scratch);
    snprintf(path, sizeof path, "%s", small_model_write(&scratch));
    snprintf(folder, sizeof folder, "%s", scratch_path(&scratch, "cache"));
    return 0;
}
static int close_model(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_killed_service_leaves_right_pages_or_none)};
    return cmocka_run_group_tests(tests, open_model, close_model);
}
