/* test_public_threads.c - what hadal.h promises to programs with several threads. */
#include "hadal.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static const char model_path[] = "../shared/models/tiny-v3";
static const char line[] = "What light through yonder window breaks? <think>It is the east.";

enum { READERS = 3, ROUNDS = 200, IDS = 64, OPENINGS = 8 };

struct shared {
    struct hadal_model *model;
    struct hadal_session *session;
    int32_t ids[IDS];
    size_t count;
    atomic_int generating; /* 1: inside a call that uses the model; 2: the other thread has tried */
    atomic_int wrong;
};

static struct hadal_model *open_model(void) {
    struct hadal_model_options options;
    struct hadal_model *model;
    if (access(model_path, R_OK) != 0) skip();
    hadal_model_options_default(&options);
    options.path = model_path;
    options.context = 256;
    options.threads = 1;
    assert_int_equal(hadal_model_open(&model, &options), HADAL_OK);
    return model;
}

/* No cmocka here: its assertions belong to the main thread. */
static void *read_only(void *context) {
    struct shared *shared = context;
    for (int i = 0; i < ROUNDS; i++) {
        int32_t ids[IDS];
        char text[256];
        size_t count = 0, bytes = 0;
        struct hadal_model_info info;
        bool good =
            hadal_tokenize(shared->model, line, HADAL_TERMINATED, HADAL_PLAIN, ids, IDS, &count) ==
                HADAL_OK &&
            count == shared->count && !memcmp(ids, shared->ids, count * sizeof *ids) &&
            hadal_detokenize(shared->model, ids, count, HADAL_PLAIN, text, sizeof text, &bytes) == HADAL_OK &&
            !strcmp(text, line) && hadal_model_info(shared->model, &info) == HADAL_OK && info.layers == 5 &&
            hadal_render(shared->model, "[{\"role\": \"user\", \"content\": \"Ay.\"}]", HADAL_TERMINATED,
                         HADAL_THINKING_DEFAULT, text, sizeof text, &bytes) == HADAL_OK;
        if (!good) atomic_fetch_add(&shared->wrong, 1);
    }
    return NULL;
}

static void test_reading_while_generating(void **state) {
    (void)state;
    struct shared shared = {.model = open_model()};
    struct hadal_generation generation;
    pthread_t reader[READERS];
    assert_int_equal(
        hadal_tokenize(shared.model, line, HADAL_TERMINATED, HADAL_PLAIN, shared.ids, IDS, &shared.count),
        HADAL_OK);
    assert_int_equal(hadal_session_open(&shared.session, shared.model), HADAL_OK);
    assert_int_equal(hadal_session_append_ids(shared.session, shared.ids, shared.count), HADAL_OK);
    assert_int_equal(hadal_generation_default(shared.model, &generation), HADAL_OK);
    generation.max_tokens = 30;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, read_only, &shared), 0);
    assert_int_equal(hadal_session_generate(shared.session, &generation, NULL), HADAL_OK);
    for (int i = 0; i < READERS; i++) assert_int_equal(pthread_join(reader[i], NULL), 0);
    assert_int_equal(shared.wrong, 0);
    hadal_session_close(shared.session);
    hadal_model_close(shared.model);
}

static void *intrude(void *context) {
    struct shared *shared = context;
    while (!atomic_load(&shared->generating)) usleep(100);
    if (hadal_session_append_ids(shared->session, shared->ids, 1) != HADAL_USAGE ||
        !strstr(hadal_error(), "in use by another call"))
        atomic_fetch_add(&shared->wrong, 1);
    atomic_store(&shared->generating, 2);
    return NULL;
}

static int wait_for_intruder(void *context, const struct hadal_piece *piece) {
    struct shared *shared = context;
    (void)piece;
    atomic_store(&shared->generating, 1);
    while (atomic_load(&shared->generating) != 2) usleep(100);
    return 1;
}

static void test_second_user_is_refused(void **state) {
    (void)state;
    struct shared shared = {.model = open_model(), .ids = {40}};
    struct hadal_generation generation;
    pthread_t thread;
    assert_int_equal(hadal_session_open(&shared.session, shared.model), HADAL_OK);
    assert_int_equal(hadal_session_append_ids(shared.session, shared.ids, 1), HADAL_OK);
    assert_int_equal(hadal_generation_default(shared.model, &generation), HADAL_OK);
    generation.on_piece = wait_for_intruder;
    generation.context = &shared;
    assert_int_equal(pthread_create(&thread, NULL, intrude, &shared), 0);
    assert_int_equal(hadal_session_generate(shared.session, &generation, NULL), HADAL_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(shared.wrong, 0);
    assert_int_equal(hadal_session_tokens(shared.session), 2);
    hadal_session_close(shared.session);
    hadal_model_close(shared.model);
}

/* The model may change hands between calls. */
static void *use_and_close(void *context) {
    struct shared *shared = context;
    float logits[1024];
    size_t count;
    if (hadal_session_logits(shared->session, logits, 1024, &count) != HADAL_OK)
        atomic_fetch_add(&shared->wrong, 1);
    hadal_session_close(shared->session);
    hadal_model_close(shared->model);
    return NULL;
}

static void test_changing_hands(void **state) {
    (void)state;
    struct shared shared = {.model = open_model(), .ids = {40, 41}};
    pthread_t thread;
    assert_int_equal(hadal_session_open(&shared.session, shared.model), HADAL_OK);
    assert_int_equal(hadal_session_append_ids(shared.session, shared.ids, 2), HADAL_OK);
    assert_int_equal(pthread_create(&thread, NULL, use_and_close, &shared), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(shared.wrong, 0);
}

/* Models of their own, which come and go at the same time: files are mapped and the handler of SIGBUS changes hands. */
static void *open_and_close(void *context) {
    struct shared *shared = context;
    struct hadal_model_options options;
    hadal_model_options_default(&options);
    options.path = model_path;
    options.context = 64;
    options.threads = 1;
    for (int i = 0; i < OPENINGS; i++) {
        struct hadal_model *model;
        float logits[1024];
        size_t count;
        struct hadal_session *session = NULL;
        bool good = hadal_model_open(&model, &options) == HADAL_OK &&
                    hadal_session_open(&session, model) == HADAL_OK &&
                    hadal_session_append_ids(session, shared->ids, 2) == HADAL_OK &&
                    hadal_session_logits(session, logits, 1024, &count) == HADAL_OK;
        if (!good) atomic_fetch_add(&shared->wrong, 1);
        hadal_session_close(session);
        hadal_model_close(model);
    }
    return NULL;
}

static void test_models_side_by_side(void **state) {
    (void)state;
    struct shared shared = {.ids = {40, 41}};
    pthread_t thread[READERS];
    if (access(model_path, R_OK) != 0) skip();
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, open_and_close, &shared), 0);
    for (int i = 0; i < READERS; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(shared.wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_while_generating),
        cmocka_unit_test(test_second_user_is_refused),
        cmocka_unit_test(test_changing_hands),
        cmocka_unit_test(test_models_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
