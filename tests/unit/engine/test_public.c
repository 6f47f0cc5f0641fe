/* test_public.c - hadal.h as a program meets it: misuse of every function, then a small trained model when it is there. */
#include "hadal.h"
#include "support/scratch.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char model_path[] = "../shared/models/tiny-v3";

enum { IDS = 512, TEXT = 8192, CONTEXT = 512 };

static void expect_sentence(const char *part) {
    if (!strstr(hadal_error(), part)) fail_msg("\"%s\" does not name %s", hadal_error(), part);
}

static void expect(enum hadal_status status, enum hadal_status expected, const char *part) {
    if (status != expected) fail_msg("status %d, expected %d: %s", status, expected, hadal_error());
    if (expected != HADAL_OK) expect_sentence(part);
}

static void good(enum hadal_status status) {
    expect(status, HADAL_OK, "");
}

/* ---- without a model ---- */

static void test_version_and_numbers(void **state) {
    (void)state;
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", HADAL_VERSION_MAJOR, HADAL_VERSION_MINOR,
             HADAL_VERSION_PATCH);
    assert_string_equal(hadal_version(), version);
    static const enum hadal_status numbers[] = {
        HADAL_OK,          HADAL_USAGE, HADAL_INPUT,  HADAL_NOT_FOUND, HADAL_IO,      HADAL_FORMAT,
        HADAL_UNSUPPORTED, HADAL_LIMIT, HADAL_MEMORY, HADAL_CANCELLED, HADAL_INTERNAL};
    for (int i = 0; i <= 10; i++) {
        assert_int_equal(numbers[i], i);
        assert_string_not_equal(hadal_status_text(numbers[i]), "unknown status");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(hadal_status_text(numbers[i]), hadal_status_text(numbers[j]));
    }
    assert_string_equal(hadal_status_text((enum hadal_status)77), "unknown status");
}

static void test_null_arguments(void **state) {
    (void)state;
    struct hadal_model_options options;
    struct hadal_model *model = (struct hadal_model *)&options;
    struct hadal_session *session = (struct hadal_session *)&options;
    struct hadal_usage usage = {.generated_tokens = 7};
    size_t count;
    hadal_model_options_default(NULL);
    hadal_model_options_default(&options);
    expect(hadal_model_open(NULL, &options), HADAL_USAGE, "hadal_model_open: model is NULL");
    expect(hadal_model_open(&model, NULL), HADAL_USAGE, "options is NULL");
    assert_null(model);
    expect(hadal_model_open(&model, &options), HADAL_USAGE, "options->path is NULL");
    expect(hadal_model_info(NULL, NULL), HADAL_USAGE, "hadal_model_info: model is NULL");
    expect(hadal_tokenize(NULL, "", 0, HADAL_PLAIN, NULL, 0, &count), HADAL_USAGE, "hadal_tokenize: model");
    expect(hadal_detokenize(NULL, NULL, 0, HADAL_PLAIN, NULL, 0, &count), HADAL_USAGE, "hadal_detokenize");
    expect(hadal_render(NULL, "[]", 2, HADAL_THINKING_ON, NULL, 0, &count), HADAL_USAGE, "hadal_render");
    expect(hadal_render_ids(NULL, "[]", 2, HADAL_THINKING_ON, NULL, 0, &count), HADAL_USAGE,
           "hadal_render_ids");
    expect(hadal_generation_default(NULL, NULL), HADAL_USAGE, "hadal_generation_default");
    expect(hadal_session_open(NULL, NULL), HADAL_USAGE, "hadal_session_open: session is NULL");
    expect(hadal_session_open(&session, NULL), HADAL_USAGE, "hadal_session_open: model is NULL");
    assert_null(session);
    expect(hadal_session_append_text(NULL, "x", 1, HADAL_PLAIN), HADAL_USAGE,
           "hadal_session_append_text: session");
    expect(hadal_session_append_ids(NULL, NULL, 0), HADAL_USAGE, "hadal_session_append_ids: session");
    expect(hadal_session_ids(NULL, NULL, 0, &count), HADAL_USAGE, "hadal_session_ids: session");
    expect(hadal_session_truncate(NULL, 0), HADAL_USAGE, "hadal_session_truncate");
    expect(hadal_session_reset(NULL), HADAL_USAGE, "hadal_session_reset");
    expect(hadal_session_logits(NULL, NULL, 0, &count), HADAL_USAGE, "hadal_session_logits: session");
    expect(hadal_session_add_message(NULL, "user", "x", 1), HADAL_USAGE, "hadal_session_add_message");
    expect(hadal_session_set_messages(NULL, "[]", 2), HADAL_USAGE, "hadal_session_set_messages");
    expect(hadal_session_messages(NULL, NULL, 0, &count), HADAL_USAGE, "hadal_session_messages");
    expect(hadal_session_generate(NULL, NULL, &usage), HADAL_USAGE, "hadal_session_generate");
    assert_int_equal(usage.finish, HADAL_FINISH_FAILED);
    assert_int_equal(usage.generated_tokens, 0);
    expect(hadal_session_answer(NULL, NULL, NULL), HADAL_USAGE, "hadal_session_answer");
    assert_int_equal(hadal_session_tokens(NULL), 0);
    hadal_session_close(NULL);
    hadal_model_close(NULL);
}

static void refuse_path(const char *path, enum hadal_status expected) {
    struct hadal_model_options options;
    struct hadal_model *model = (struct hadal_model *)&options;
    hadal_model_options_default(&options);
    options.path = path;
    expect(hadal_model_open(&model, &options), expected, path);
    assert_null(model);
}

static void test_bad_paths(void **state) {
    (void)state;
    struct scratch scratch;
    scratch_open(&scratch);
    struct hadal_model_options options;
    struct hadal_model *model;
    hadal_model_options_default(&options);
    options.path = scratch_path(&scratch, "missing");
    assert_int_not_equal(hadal_model_open(&model, &options), HADAL_OK);
    expect_sentence(options.path);
    options.path = scratch.directory; /* nothing in it */
    assert_int_not_equal(hadal_model_open(&model, &options), HADAL_OK);
    expect_sentence(scratch.directory);
    options.path = "";
    assert_int_not_equal(hadal_model_open(&model, &options), HADAL_OK);
    refuse_path(scratch_text(&scratch, "short.gguf", "GGUF"), HADAL_FORMAT);
    refuse_path(scratch_text(&scratch, "config.json", "{\"model_type\": "), HADAL_FORMAT);
    scratch_close(&scratch);
}

static void refuse_options(const struct hadal_model_options *options, const char *sentence) {
    struct hadal_model *model;
    expect(hadal_model_open(&model, options), HADAL_INPUT, sentence);
    assert_null(model);
}

static void test_bad_options(void **state) {
    (void)state;
    struct hadal_model_options good_options, options;
    hadal_model_options_default(&good_options);
    good_options.path = "nowhere";
    options = good_options, options.sessions = 0, refuse_options(&options, "sessions: 0 is outside 1 to");
    options = good_options, options.threads = -1, refuse_options(&options, "threads: -1 is outside 0 to");
    options = good_options, options.batch_size = 0, refuse_options(&options, "batch_size: 0 is outside 1 to");
    options = good_options, options.context = -5, refuse_options(&options, "context: -5 is outside 0 to");
    options = good_options, options.memory_limit = -1,
    refuse_options(&options, "memory_limit: -1 is outside");
    options = good_options, options.cpu = "mmx", refuse_options(&options, "cpu: \"mmx\" is none of auto");
    options = good_options, options.kv_type = "q4_0",
    refuse_options(&options, "kv_type: \"q4_0\" is none of");
    options = good_options, options.pack = "tight", refuse_options(&options, "pack: \"tight\" is none of");
    options = good_options, options.reserved[sizeof options.reserved / sizeof *options.reserved - 1] = 1,
    refuse_options(&options, "reserved");
}

static void *fail_elsewhere(void *context) {
    (void)context;
    hadal_session_reset(NULL);
    return strstr(hadal_error(), "hadal_session_reset") ? context : NULL;
}

static void test_sentences_are_per_thread(void **state) {
    (void)state;
    pthread_t thread;
    void *seen;
    int mark;
    assert_int_equal(hadal_session_truncate(NULL, 0), HADAL_USAGE);
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &mark), 0);
    assert_int_equal(pthread_join(thread, &seen), 0);
    assert_ptr_equal(seen, &mark);
    expect_sentence("hadal_session_truncate");
}

/* ---- with one ---- */

static struct hadal_model *open_model(int sessions) {
    struct hadal_model_options options;
    struct hadal_model *model;
    if (access(model_path, R_OK) != 0) skip();
    hadal_model_options_default(&options);
    options.path = model_path;
    options.context = CONTEXT;
    options.sessions = sessions;
    options.threads = 1;
    options.batch_size = 64;
    good(hadal_model_open(&model, &options));
    return model;
}

static struct hadal_session *open_session(struct hadal_model *model) {
    struct hadal_session *session;
    good(hadal_session_open(&session, model));
    return session;
}

static struct hadal_generation greedy(const struct hadal_model *model, int64_t tokens) {
    struct hadal_generation generation;
    good(hadal_generation_default(model, &generation));
    generation.temperature = 0;
    generation.max_tokens = tokens;
    return generation;
}

static void test_info(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_model_info info;
    expect(hadal_model_info(model, NULL), HADAL_USAGE, "info is NULL");
    good(hadal_model_info(model, &info));
    assert_string_equal(info.architecture, "deepseek_v3");
    assert_string_equal(info.chat_template, "deepseek-v3");
    assert_non_null(strstr(info.backend, "1 thread"));
    assert_int_equal(info.vocabulary, 1024);
    assert_int_equal(info.layers, 5);
    assert_int_equal(info.context, CONTEXT);
    assert_int_equal(info.trained_context, 4096);
    assert_int_equal(info.bos, 0);
    assert_int_equal(info.thinks, 0);
    assert_true(info.active_parameters > 0 && info.active_parameters < info.parameters);
    assert_true(info.kv_bytes_per_token > 0 && info.weight_bytes > 2 * info.parameters);
    hadal_model_close(model);
}

static void test_checkpoint_options(void **state) {
    (void)state;
    struct hadal_model_options options;
    struct hadal_model *model;
    struct hadal_model_info info;
    if (access(model_path, R_OK) != 0) skip();
    hadal_model_options_default(&options);
    options.path = model_path;
    options.context = 64;
    options.chat_template = "deepseek-r1";
    options.cpu = "scalar";
    good(hadal_model_open(&model, &options));
    good(hadal_model_info(model, &info));
    assert_string_equal(info.chat_template, "deepseek-r1");
    assert_int_equal(info.thinks, 1);
    assert_non_null(strstr(info.backend, "scalar"));
    hadal_model_close(model);
    options.chat_template = "deepseek-r7";
    expect(hadal_model_open(&model, &options), HADAL_INPUT, "deepseek-r7");
    options.chat_template = NULL;
    options.context = 1 << 20;
    expect(hadal_model_open(&model, &options), HADAL_LIMIT, "4096");
    options.context = 64;
    options.memory_limit = 1000;
    expect(hadal_model_open(&model, &options), HADAL_MEMORY, "needs");
}

static void test_tokenize(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    static const char words[] = "Where art thou, Romeo?";
    int32_t ids[IDS], other[IDS];
    char text[TEXT];
    size_t count, again, bytes;
    good(hadal_tokenize(model, words, HADAL_TERMINATED, HADAL_PLAIN, NULL, 0, &count));
    assert_true(count > 3 && count < sizeof words);
    ids[0] = -7;
    expect(hadal_tokenize(model, words, HADAL_TERMINATED, HADAL_PLAIN, ids, count - 1, &again), HADAL_LIMIT,
           "are needed");
    assert_int_equal(ids[0], -7);
    assert_int_equal(again, count);
    good(hadal_tokenize(model, words, sizeof words - 1, HADAL_PLAIN, ids, count, &again));
    assert_int_equal(again, count);

    good(hadal_detokenize(model, ids, count, HADAL_PLAIN, NULL, 0, &bytes));
    assert_int_equal(bytes, sizeof words - 1);
    text[0] = 'x';
    expect(hadal_detokenize(model, ids, count, HADAL_PLAIN, text, bytes, &bytes), HADAL_LIMIT, "23 bytes");
    assert_int_equal(text[0], 'x');
    good(hadal_detokenize(model, ids, count, HADAL_PLAIN, text, bytes + 1, &bytes));
    assert_string_equal(text, words);

    good(hadal_tokenize(model, NULL, 0, HADAL_PLAIN, ids, IDS, &count));
    assert_int_equal(count, 0);
    good(hadal_detokenize(model, NULL, 0, HADAL_PLAIN, text, TEXT, &bytes));
    assert_string_equal(text, "");
    expect(hadal_tokenize(model, NULL, 3, HADAL_PLAIN, ids, IDS, &count), HADAL_USAGE, "text is NULL");
    expect(hadal_tokenize(model, "x", 1, HADAL_PLAIN, ids, IDS, NULL), HADAL_USAGE, "count is NULL");
    expect(hadal_detokenize(model, NULL, 3, HADAL_PLAIN, text, TEXT, &bytes), HADAL_USAGE, "ids is NULL");
    other[0] = 1024;
    expect(hadal_detokenize(model, other, 1, HADAL_PLAIN, text, TEXT, &bytes), HADAL_INPUT,
           "1024 at place 0");

    static const char control[] = "<｜end▁of▁sentence｜>";
    good(hadal_tokenize(model, control, HADAL_TERMINATED, HADAL_SPECIAL, ids, IDS, &count));
    assert_int_equal(count, 1);
    assert_int_equal(ids[0], 1);
    good(hadal_tokenize(model, control, HADAL_TERMINATED, HADAL_PLAIN, other, IDS, &again));
    assert_true(again > 1);
    good(hadal_detokenize(model, ids, 1, HADAL_PLAIN, text, TEXT, &bytes));
    assert_string_equal(text, "");
    good(hadal_detokenize(model, ids, 1, HADAL_SPECIAL, text, TEXT, &bytes));
    assert_string_equal(text, control);
    hadal_model_close(model);
}

static void test_render(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"Hi <｜User｜>\"}]";
    static const char prompt[] = "<｜begin▁of▁sentence｜><｜User｜>Hi <｜User｜><｜Assistant｜>";
    char text[TEXT];
    int32_t ids[IDS], control;
    size_t bytes, count, one;
    good(hadal_render(model, messages, HADAL_TERMINATED, HADAL_THINKING_DEFAULT, text, TEXT, &bytes));
    assert_string_equal(text, prompt);
    assert_int_equal(bytes, sizeof prompt - 1);
    good(hadal_render_ids(model, messages, HADAL_TERMINATED, HADAL_THINKING_DEFAULT, ids, IDS, &count));
    assert_int_equal(ids[0], 0);
    good(hadal_tokenize(model, "<｜User｜>", HADAL_TERMINATED, HADAL_SPECIAL, &control, 1, &one));
    int seen = 0;
    for (size_t i = 0; i < count; i++) seen += ids[i] == control;
    assert_int_equal(seen, 1); /* the template's own; what the user wrote is text */
    expect(hadal_render(model, "[{\"role\": \"king\"}]", HADAL_TERMINATED, HADAL_THINKING_ON, text, TEXT,
                        &bytes),
           HADAL_INPUT, "messages[0].role");
    assert_int_not_equal(hadal_render(model, NULL, 0, HADAL_THINKING_ON, text, TEXT, &bytes), HADAL_OK);
    expect(hadal_render(model, messages, HADAL_TERMINATED, HADAL_THINKING_ON, text, 10, &bytes), HADAL_LIMIT,
           "room for 10");
    hadal_model_close(model);
}

static void test_closing_order(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model), *second = session;
    expect(hadal_session_open(&second, model), HADAL_LIMIT, "1 sequences");
    assert_null(second);
    hadal_session_close(session);
    session = open_session(model); /* the place is free again */
    struct hadal_generation generation = greedy(model, 2);
    hadal_model_close(model); /* the session keeps it */
    good(hadal_session_append_text(session, "ROMEO:", HADAL_TERMINATED, HADAL_PLAIN));
    good(hadal_session_generate(session, &generation, NULL));
    assert_true(hadal_session_tokens(session) > 3);
    hadal_session_close(session);
}

static void test_tokens_of_session(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    int32_t ids[IDS], many[CONTEXT + 1] = {5};
    size_t count;
    good(hadal_session_append_text(session, "ROMEO:", HADAL_TERMINATED, HADAL_PLAIN));
    good(hadal_session_ids(session, ids, IDS, &count));
    assert_int_equal(count, hadal_session_tokens(session));
    good(hadal_session_append_text(session, "\n", 1, HADAL_PLAIN));
    good(hadal_session_append_ids(session, (const int32_t[]){7, 8}, 2));
    good(hadal_session_ids(session, ids, IDS, &count));
    assert_int_equal(ids[count - 1], 8);
    expect(hadal_session_ids(session, ids, count - 1, &count), HADAL_LIMIT, "ids are needed");

    expect(hadal_session_append_ids(session, many, CONTEXT), HADAL_LIMIT, "context of 512");
    expect(hadal_session_append_ids(session, many, SIZE_MAX / 2), HADAL_LIMIT, "context of 512");
    expect(hadal_session_append_ids(session, (const int32_t[]){7, 1024}, 2), HADAL_INPUT, "1024");
    expect(hadal_session_append_ids(session, (const int32_t[]){-1}, 1), HADAL_INPUT, "-1");
    expect(hadal_session_append_ids(session, NULL, 2), HADAL_USAGE, "ids is NULL");
    assert_int_equal(hadal_session_tokens(session), count);

    expect(hadal_session_truncate(session, (int64_t)count + 1), HADAL_INPUT, "cannot keep");
    expect(hadal_session_truncate(session, -1), HADAL_INPUT, "cannot keep -1");
    good(hadal_session_truncate(session, 2));
    assert_int_equal(hadal_session_tokens(session), 2);
    good(hadal_session_reset(session));
    assert_int_equal(hadal_session_tokens(session), 0);
    expect(hadal_session_generate(session, NULL, NULL), HADAL_INPUT, "empty");
    hadal_session_close(session);
    hadal_model_close(model);
}

/* The same model with a tokenizer that wants a token in front of every text. */
static void test_first_token(void **state) {
    (void)state;
    static const char *const files[] = {"config.json", "tokenizer.json", "model.safetensors"};
    struct scratch scratch;
    struct hadal_model_options options;
    struct hadal_model *model;
    int32_t ids[IDS];
    size_t count;
    char *folder = realpath(model_path, NULL), target[4096];
    if (!folder) skip();
    scratch_open(&scratch);
    for (int i = 0; i < 3; i++) {
        snprintf(target, sizeof target, "%s/%s", folder, files[i]);
        assert_int_equal(symlink(target, scratch_path(&scratch, files[i])), 0);
    }
    scratch_text(&scratch, "tokenizer_config.json",
                 "{\"add_bos_token\": true, \"bos_token\": \"<｜begin▁of▁sentence｜>\"}");
    hadal_model_options_default(&options);
    options.path = scratch.directory;
    options.context = 64;
    good(hadal_model_open(&model, &options));
    struct hadal_session *session = open_session(model);
    for (int i = 0; i < 2; i++)
        good(hadal_session_append_text(session, "ROMEO", HADAL_TERMINATED, HADAL_PLAIN));
    good(hadal_session_ids(session, ids, IDS, &count));
    assert_int_equal(ids[0], 0);
    for (size_t i = 1; i < count; i++) assert_int_not_equal(ids[i], 0);
    hadal_session_close(session);
    hadal_model_close(model);
    scratch_close(&scratch);
    free(folder);
}

static void test_logits(void **state) {
    (void)state;
    struct hadal_model *model = open_model(2);
    struct hadal_session *session = open_session(model), *other = open_session(model);
    float first[1024], second[1024], different[1024];
    size_t count;
    expect(hadal_session_logits(session, first, 1024, &count), HADAL_USAGE, "empty");
    good(hadal_session_append_ids(session, (const int32_t[]){40, 41, 42}, 3));
    good(hadal_session_append_ids(other, (const int32_t[]){90, 91}, 2));
    good(hadal_session_logits(session, NULL, 0, &count));
    assert_int_equal(count, 1024);
    expect(hadal_session_logits(session, first, 1023, &count), HADAL_LIMIT, "1024 floats");
    good(hadal_session_logits(session, first, 1024, &count));
    good(hadal_session_logits(other, different, 1024, &count));
    good(hadal_session_logits(session, second, 1024, &count)); /* all cached by now */
    assert_memory_equal(first, second, sizeof first);
    assert_memory_not_equal(first, different, sizeof first);

    int best = 0;
    for (int i = 0; i < 1024; i++)
        if (first[i] > first[best]) best = i;
    struct hadal_generation generation = greedy(model, 1);
    struct hadal_usage usage;
    int32_t ids[4];
    good(hadal_session_generate(session, &generation, &usage)); /* right behind hadal_session_logits() */
    assert_int_equal(usage.generated_tokens, 1);
    good(hadal_session_ids(session, ids, 4, &count));
    assert_int_equal(ids[3], best);
    hadal_session_close(session);
    hadal_session_close(other);
    hadal_model_close(model);
}

/* ---- generating ---- */

struct heard {
    struct hadal_session *session;
    char text[TEXT];
    int32_t ids[IDS];
    size_t bytes, count, pieces, stop_at; /* stop_at 0: never */
    int64_t prompt_done, prompt_total;
    enum hadal_status inside; /* of a call that is not allowed here */
    size_t reasoning;         /* bytes of that kind */
};

static int hear(void *context, const struct hadal_piece *piece) {
    struct heard *heard = context;
    assert_true(heard->bytes + piece->bytes < TEXT && heard->count + piece->count < IDS);
    assert_int_equal(piece->text[piece->bytes], 0);
    assert_true(piece->bytes || piece->count);
    memcpy(heard->text + heard->bytes, piece->text, piece->bytes + 1);
    for (size_t i = 0; i < piece->count; i++) heard->ids[heard->count + i] = piece->ids[i];
    heard->bytes += piece->bytes;
    if (piece->kind == HADAL_REASONING) heard->reasoning += piece->bytes;
    heard->count += piece->count;
    if (heard->session) heard->inside = hadal_session_truncate(heard->session, 0);
    return ++heard->pieces == heard->stop_at;
}

static int hear_prompt(void *context, int64_t done, int64_t tokens) {
    struct heard *heard = context;
    heard->prompt_done = done;
    heard->prompt_total = tokens;
    return heard->stop_at == 1;
}

static int close_inside(void *context, const struct hadal_piece *piece) {
    (void)piece;
    struct hadal_session **session = context;
    hadal_session_close(*session);
    *session = NULL;
    return 1;
}

static void test_generate(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    struct heard first = {.session = session}, second = {0};
    struct hadal_generation generation = greedy(model, 40);
    struct hadal_usage usage;
    char text[TEXT];
    int32_t ids[IDS];
    size_t bytes, count;
    generation.on_piece = hear;
    generation.on_prompt = hear_prompt;
    generation.context = &first;
    good(hadal_session_append_text(session, "ROMEO:", HADAL_TERMINATED, HADAL_PLAIN));
    int64_t prompt = hadal_session_tokens(session);
    good(hadal_session_generate(session, &generation, &usage));
    assert_int_equal(first.inside, HADAL_USAGE);
    assert_int_equal(usage.finish, HADAL_FINISH_LENGTH);
    assert_int_equal(usage.prompt_tokens, prompt);
    assert_int_equal(usage.cached_tokens, 0);
    assert_int_equal(usage.generated_tokens, 40);
    assert_int_equal(first.count, 40);
    assert_int_equal(first.prompt_done, prompt);
    assert_int_equal(first.prompt_total, prompt);
    good(hadal_session_ids(session, ids, IDS, &count));
    assert_int_equal(count, prompt + 40);
    assert_memory_equal(ids + prompt, first.ids, 40 * sizeof *ids);
    good(hadal_detokenize(model, first.ids, 40, HADAL_PLAIN, text, TEXT, &bytes));
    assert_string_equal(text, first.text);

    good(hadal_session_truncate(session, prompt)); /* once more, in two halves */
    generation.context = &second;
    generation.max_tokens = 15;
    good(hadal_session_generate(session, &generation, NULL));
    generation.max_tokens = 25;
    good(hadal_session_generate(session, &generation, &usage));
    assert_int_equal(usage.prompt_tokens, prompt + 15);
    assert_int_equal(usage.cached_tokens, prompt + 14);
    assert_memory_equal(first.ids, second.ids, 40 * sizeof *ids);
    hadal_session_close(session);
    hadal_model_close(model);
}

static void test_ends(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    struct heard heard = {.stop_at = 3};
    struct hadal_generation generation = greedy(model, 100);
    struct hadal_usage usage;
    generation.on_piece = hear;
    generation.context = &heard;
    good(hadal_session_append_text(session, "ROMEO:\n", HADAL_TERMINATED, HADAL_PLAIN));
    int64_t prompt = hadal_session_tokens(session);
    good(hadal_session_generate(session, &generation, &usage));
    assert_int_equal(usage.finish, HADAL_FINISH_STOPPED);
    assert_int_equal(heard.pieces, 3);

    heard = (struct heard){0};
    good(hadal_session_truncate(session, prompt));
    generation.stop = (const char *const[]){"e"};
    generation.stops = 1;
    good(hadal_session_generate(session, &generation, &usage));
    assert_int_equal(usage.finish, HADAL_FINISH_END);
    assert_null(strchr(heard.text, 'e'));

    good(hadal_session_truncate(session, prompt));
    generation.stops = 0;
    generation.max_tokens = 0;
    good(hadal_session_generate(session, &generation, &usage));
    assert_int_equal(usage.finish, HADAL_FINISH_LENGTH);
    assert_int_equal(usage.generated_tokens, 0);
    assert_int_equal(hadal_session_tokens(session), prompt);

    generation.max_tokens = -1; /* up to the context */
    generation.on_piece = NULL;
    generation.bias = (const struct hadal_logit_bias[]){{1, -100}}; /* no end of sentence */
    generation.biases = 1;
    good(hadal_session_generate(session, &generation, &usage));
    assert_int_equal(usage.finish, HADAL_FINISH_LENGTH);
    assert_int_equal(hadal_session_tokens(session), CONTEXT);
    hadal_session_close(session);
    hadal_model_close(model);
}

static void test_closing_inside(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    struct hadal_generation generation = greedy(model, 5);
    generation.on_piece = close_inside;
    generation.context = &session;
    good(hadal_session_append_ids(session, (const int32_t[]){50}, 1));
    good(hadal_session_generate(session, &generation, NULL));
    assert_null(session);
    session = open_session(model); /* the closed one gave its place back */
    hadal_session_close(session);
    hadal_model_close(model);
}

static void refuse_generation(struct hadal_session *session, const struct hadal_generation *generation,
                              const char *sentence) {
    struct hadal_usage usage;
    expect(hadal_session_generate(session, generation, &usage), HADAL_INPUT, sentence);
    assert_int_equal(usage.finish, HADAL_FINISH_FAILED);
}

static void test_bad_generation(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    struct hadal_generation start = greedy(model, 3), bad;
    const char *none[] = {NULL};
    good(hadal_session_append_ids(session, (const int32_t[]){50}, 1));
    expect(hadal_generation_default(model, NULL), HADAL_USAGE, "generation is NULL");
    bad = start, bad.temperature = -1, refuse_generation(session, &bad, "temperature");
    bad = start, bad.top_p = 1.5, refuse_generation(session, &bad, "top_p");
    bad = start, bad.repetition_penalty = 0, refuse_generation(session, &bad, "repetition_penalty");
    bad = start, bad.stops = 2, refuse_generation(session, &bad, "stop: 2 texts");
    bad = start, bad.stops = 1, bad.stop = none, refuse_generation(session, &bad, "stop: text 0 is NULL");
    bad = start, bad.biases = 1, refuse_generation(session, &bad, "bias");
    bad = start, bad.biases = -1, refuse_generation(session, &bad, "bias");
    bad = start, bad.bias = (const struct hadal_logit_bias[]){{5000, 1}}, bad.biases = 1,
    refuse_generation(session, &bad, "5000");
    bad = start, bad.reserved[0] = 1, refuse_generation(session, &bad, "hadal_generation_default()");
    good(hadal_session_generate(session, &start, NULL));
    hadal_session_close(session);
    hadal_model_close(model);
}

static void test_seed(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    struct heard heard[3] = {{0}};
    struct hadal_generation generation = greedy(model, 30);
    generation.temperature = 1;
    generation.on_piece = hear;
    for (int i = 0; i < 3; i++) {
        good(hadal_session_reset(session));
        good(hadal_session_append_ids(session, (const int32_t[]){50, 60}, 2));
        generation.seed = i < 2 ? 5 : 6;
        generation.context = &heard[i];
        good(hadal_session_generate(session, &generation, NULL));
    }
    assert_string_equal(heard[0].text, heard[1].text);
    assert_string_not_equal(heard[0].text, heard[2].text);
    hadal_session_close(session);
    hadal_model_close(model);
}

/* ---- conversations ---- */

static void test_messages(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    char text[TEXT];
    size_t bytes, full;
    expect(hadal_session_add_message(session, "king", "x", 1), HADAL_INPUT, "role: \"king\"");
    expect(hadal_session_add_message(session, NULL, "x", 1), HADAL_USAGE, "role is NULL");
    expect(hadal_session_add_message(session, "user", NULL, 4), HADAL_USAGE, "text is NULL");
    good(hadal_session_add_message(session, "system", "Be \"brief\".", HADAL_TERMINATED));
    good(hadal_session_add_message(session, "user", "Hi\xff", 3));
    good(hadal_session_messages(session, NULL, 0, &full));
    good(hadal_session_messages(session, text, full + 1, &bytes));
    assert_non_null(strstr(text, "Be \\\"brief\\\"."));
    assert_non_null(strstr(text, "Hi\xEF\xBF\xBD"));
    expect(hadal_session_messages(session, text, full, &bytes), HADAL_LIMIT, "bytes are needed");
    expect(hadal_session_set_messages(session, "{}", 2), HADAL_INPUT, "messages");
    expect(hadal_session_set_messages(session, "[", 1), HADAL_INPUT, "");
    good(hadal_session_messages(session, NULL, 0, &bytes));
    assert_int_equal(bytes, full); /* a refused replacement changes nothing */
    good(hadal_session_set_messages(session, text, HADAL_TERMINATED));
    good(hadal_session_messages(session, NULL, 0, &bytes));
    assert_int_equal(bytes, full);
    good(hadal_session_reset(session));
    good(hadal_session_messages(session, text, TEXT, &bytes));
    assert_null(strstr(text, "brief"));
    hadal_session_close(session);
    hadal_model_close(model);
}

static void test_answer(void **state) {
    (void)state;
    struct hadal_model *model = open_model(1);
    struct hadal_session *session = open_session(model);
    struct hadal_generation generation = greedy(model, 20);
    struct heard heard = {0};
    struct hadal_usage usage;
    char text[TEXT];
    size_t bytes;
    generation.on_piece = hear;
    generation.on_prompt = hear_prompt;
    generation.context = &heard;
    good(hadal_session_add_message(session, "user", "Good morrow!", HADAL_TERMINATED));
    heard.stop_at = 1; /* before the first token */
    good(hadal_session_add_message(session, "system",
                                   "Speak in verse, and at great length, so that the prompt needs "
                                   "more than one step of 64 tokens: of kings, of summer days, "
                                   "of ships and sealing-wax, of love and of its end, and of "
                                   "what the night keeps from the morning.",
                                   HADAL_TERMINATED));
    good(hadal_session_answer(session, &generation, &usage));
    assert_int_equal(usage.finish, HADAL_FINISH_STOPPED);
    assert_int_equal(usage.generated_tokens, 0);
    good(hadal_session_messages(session, text, TEXT, &bytes));
    assert_null(strstr(text, "assistant"));

    heard = (struct heard){0};
    good(hadal_session_answer(session, &generation, &usage));
    assert_true(usage.cached_tokens >= 64); /* what the stopped call had done */
    assert_true(usage.generated_tokens > 0);
    assert_int_equal(heard.count, usage.generated_tokens);
    good(hadal_session_messages(session, text, TEXT, &bytes));
    assert_non_null(strstr(text, "assistant"));

    int64_t before = hadal_session_tokens(session);
    good(hadal_session_add_message(session, "user", "And then?", HADAL_TERMINATED));
    heard = (struct heard){0};
    good(hadal_session_answer(session, &generation, &usage));
    assert_true(usage.prompt_tokens > usage.cached_tokens && usage.cached_tokens >= before - 25);

    for (int i = 0; i < 40; i++) /* more than the context holds */
        good(hadal_session_add_message(session, "user", "Say it again, say it again, say it again!",
                                       HADAL_TERMINATED));
    expect(hadal_session_answer(session, &generation, &usage), HADAL_LIMIT, "context of 512");
    assert_int_equal(usage.finish, HADAL_FINISH_FAILED);
    hadal_session_close(session);
    hadal_model_close(model);
}

static void test_reasoning(void **state) {
    (void)state;
    struct hadal_model_options options;
    struct hadal_model *model;
    struct hadal_session *session;
    if (access(model_path, R_OK) != 0) skip();
    hadal_model_options_default(&options);
    options.path = model_path;
    options.context = CONTEXT;
    options.chat_template =
        "deepseek-r1"; /* its prompt ends inside the reasoning, which this model never ends */
    good(hadal_model_open(&model, &options));
    session = open_session(model);
    struct hadal_generation generation = greedy(model, 8);
    struct heard heard = {0};
    char text[TEXT];
    size_t bytes;
    generation.on_piece = hear;
    generation.context = &heard;
    good(hadal_session_add_message(session, "user", "Why?", HADAL_TERMINATED));
    good(hadal_session_answer(session, &generation, NULL));
    good(hadal_session_messages(session, text, TEXT, &bytes));
    assert_non_null(strstr(text, "\"reasoning_content\": \""));
    assert_int_equal(heard.count, 8);
    assert_true(heard.bytes > 0 && heard.reasoning == heard.bytes);
    hadal_session_close(session);
    hadal_model_close(model);
}

static void test_ids_only(void **state) {
    (void)state;
    struct hadal_model_options options;
    struct hadal_model *model;
    size_t count;
    if (access(model_path, R_OK) != 0) skip();
    hadal_model_options_default(&options);
    options.path = model_path;
    options.context = 64;
    options.ids_only = 1;
    good(hadal_model_open(&model, &options));
    struct hadal_session *session = open_session(model);
    struct hadal_generation generation = greedy(model, 3);
    expect(hadal_tokenize(model, "x", 1, HADAL_PLAIN, NULL, 0, &count), HADAL_UNSUPPORTED, "ids only");
    expect(hadal_detokenize(model, NULL, 0, HADAL_PLAIN, NULL, 0, &count), HADAL_UNSUPPORTED, "ids only");
    expect(hadal_render(model, "[]", 2, HADAL_THINKING_ON, NULL, 0, &count), HADAL_UNSUPPORTED, "ids only");
    expect(hadal_session_append_text(session, "x", 1, HADAL_PLAIN), HADAL_UNSUPPORTED, "ids only");
    expect(hadal_session_answer(session, &generation, NULL), HADAL_UNSUPPORTED, "ids only");
    good(hadal_session_append_ids(session, (const int32_t[]){50}, 1));
    good(hadal_session_generate(session, &generation, NULL));
    assert_int_equal(hadal_session_tokens(session), 4);
    hadal_session_close(session);
    hadal_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_and_numbers),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_bad_paths),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_sentences_are_per_thread),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_checkpoint_options),
        cmocka_unit_test(test_tokenize),
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_closing_order),
        cmocka_unit_test(test_tokens_of_session),
        cmocka_unit_test(test_first_token),
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_closing_inside),
        cmocka_unit_test(test_bad_generation),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_reasoning),
        cmocka_unit_test(test_ids_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
