/* test_service_disk.c - cached pages on the disk: a service that opens again finds them and answers with the bits of a cold
 * run; what is damaged, foreign or gone is a miss; bounds on bytes are kept; and answers that come back as text in a later
 * prompt become the tokens that they were sampled as. */
#include "engine/page_file.h"
#include "engine/service.h"

#include "kernel/kernel.h"
#include "support/scratch.h"
#include "support/service_client.h"
#include "support/small_model.h"

#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CONTEXT = 448, PLACES = 4, ROWS = 96 };

static struct scratch scratch;
static char path[256], folder[256];

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct service_options options_of(bool strict) {
    return (struct service_options){
        .engine = {.model = {.path = path,
                             .threads = 1,
                             .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                             .max_rows = ROWS,
                             .kv_type = DTYPE_F32,
                             .context = CONTEXT,
                             .strict = strict,
                             .sequences = PLACES}},
        .limits = {.cache_dir = folder, .speculate = SPECULATE_OFF}}; /* hits end where a module has come */
}

static struct service *open_with(struct service_options options) {
    struct service *service;
    require(service_open(&service, &options));
    return service;
}

static struct service_counts counts_of(struct service *service) {
    struct service_counts counts;
    assert_true(service_wait(service, 60));
    service_counts(service, &counts);
    return counts;
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

/* While nobody asks for anything, the disk gets what it does not have. */
static void wait_until_saved(struct service *service, int64_t pages) {
    struct service_counts counts = counts_of(service);
    for (int i = 0; i < 60000 && counts.disk_pages < pages; i++) {
        usleep(1000);
        counts = counts_of(service);
    }
    assert_true(counts.disk_pages >= pages);
}

/* ---- files ---- */

typedef void file_change(const char *file, int number);

static void each_folder(char deeper[512]) {
    DIR *all = opendir(folder);
    const struct dirent *item;
    assert_non_null(all);
    while ((item = readdir(all)))
        if (!strncmp(item->d_name, "pages-", 6)) snprintf(deeper, 512, "%s/%.64s", folder, item->d_name);
    closedir(all);
}

/* Number of pages in the folder, each of which is changed. */
static int each_file(file_change *change) {
    char deeper[512], file[1024];
    struct page_name name;
    int files = 0;
    each_folder(deeper);
    DIR *pages = opendir(deeper);
    const struct dirent *item;
    assert_non_null(pages);
    while ((item = readdir(pages))) {
        if (!page_name_read(item->d_name, &name)) continue;
        snprintf(file, sizeof file, "%s/%.256s", deeper, item->d_name);
        if (change) change(file, files);
        files++;
    }
    closedir(pages);
    return files;
}

static void flip_a_bit(const char *file, int number) {
    size_t bytes;
    char *data = file_contents(file, &bytes);
    data[(size_t)number * 7919 % bytes] ^= 4;
    FILE *out = fopen(file, "r+b");
    assert_true(out && fwrite(data, 1, bytes, out) == bytes && !fclose(out));
    free(data);
}

static void cut_short(const char *file, int number) {
    struct stat about;
    assert_int_equal(stat(file, &about), 0);
    assert_int_equal(truncate(file, number % 2 ? about.st_size - 1 : 0), 0);
}

static void empty_folder(void) {
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* ---- restarts ---- */

static void a_restart_finds_what_was_cached(void **state) {
    (void)state;
    int32_t prompt[300];
    static struct client cold, warm, other;
    client_prompt(prompt, 300, 1);
    empty_folder();
    struct service *service = open_with(options_of(false));
    struct service_request request = client_request(prompt, 300, 30);
    ask(service, &cold, request);
    service_close(service);
    assert_int_equal(each_file(NULL), 5); /* four pages of the prompt, and one that the answer completes */
    service = open_with(options_of(false));
    ask(service, &warm, request);
    assert_int_equal(warm.usage.cache.hit_tokens, 256);
    assert_int_equal(warm.usage.cache.disk_tokens, 256);
    assert_int_equal(warm.usage.cache.miss_tokens, 44);
    same_answer(&cold, &warm);
    request.isolation = "another";
    ask(service, &other, request);
    assert_int_equal(other.usage.cache.hit_tokens, 0);
    same_answer(&cold, &other);
    service_close(service);
    client_close(&cold);
    client_close(&warm);
    client_close(&other);
}

static void strictly_a_restart_has_the_bits_of_a_cold_run(void **state) {
    (void)state;
    int32_t prompt[CONTEXT];
    static struct client first, second, cold;
    client_prompt(prompt, 70, 2);
    empty_folder();
    struct service *service = open_with(options_of(true));
    ask(service, &first, client_request(prompt, 70, 200));
    service_close(service);
    memcpy(prompt + 70, first.id[0], 200 * sizeof *prompt);
    service = open_with(options_of(true));
    ask(service, &second, client_request(prompt, 270, 40));
    assert_int_equal(second.usage.cache.disk_tokens, 256);
    service_close(service);
    struct service_options without = options_of(true);
    without.limits.cache_dir = NULL;
    service = open_with(without);
    ask(service, &cold, client_request(prompt, 270, 40));
    assert_int_equal(cold.usage.cache.hit_tokens, 0);
    same_answer(&cold, &second);
    service_close(service);
    client_close(&first);
    client_close(&second);
    client_close(&cold);
}

/* The tokens of an answer come from the disk as what they are. */
static void a_restart_hits_pages_of_answers(void **state) {
    (void)state;
    int32_t prompt[CONTEXT];
    static struct client first, warm, disk;
    client_prompt(prompt, 70, 3);
    empty_folder();
    struct service *service = open_with(options_of(false));
    ask(service, &first, client_request(prompt, 70, 200));
    memcpy(prompt + 70, first.id[0], 200 * sizeof *prompt);
    ask(service, &warm,
        client_request(prompt, 262, 40)); /* too few tokens behind the last page to be copied */
    service_close(service);
    service = open_with(options_of(false));
    ask(service, &disk, client_request(prompt, 262, 40));
    assert_int_equal(disk.usage.cache.disk_tokens, 256);
    assert_int_equal(disk.usage.cache.answer_tokens, warm.usage.cache.answer_tokens);
    same_answer(&warm, &disk);
    service_close(service);
    client_close(&first);
    client_close(&warm);
    client_close(&disk);
}

/* ---- damage ---- */

static void damage_is_a_miss(file_change *change, bool noticed) {
    int32_t prompt[300];
    static struct client cold, warm, again;
    client_prompt(prompt, 300, 4);
    empty_folder();
    struct service *service = open_with(options_of(false));
    ask(service, &cold, client_request(prompt, 300, 30));
    service_close(service);
    assert_int_equal(each_file(change), 5);
    service = open_with(options_of(false));
    ask(service, &warm, client_request(prompt, 300, 30));
    assert_int_equal(warm.usage.cache.hit_tokens, 0);
    assert_int_equal(warm.usage.cache.disk_tokens, 0);
    assert_int_equal(warm.usage.cache.miss_tokens, 300);
    same_answer(&cold, &warm);
    if (noticed) assert_true(counts_of(service).disk_damaged > 0);
    service_close(service);
    service = open_with(options_of(false));
    ask(service, &again, client_request(prompt, 300, 30)); /* good pages have taken their place */
    assert_int_equal(again.usage.cache.disk_tokens, 256);
    same_answer(&cold, &again);
    service_close(service);
    client_close(&cold);
    client_close(&warm);
    client_close(&again);
}

static void a_damaged_page_is_a_miss(void **state) {
    (void)state;
    damage_is_a_miss(flip_a_bit, true);
}

static void a_page_that_is_cut_short_is_a_miss(void **state) {
    (void)state;
    damage_is_a_miss(cut_short, false);
}

/* Every page under the name of another. */
static char first_name[1024], last_name[1024];
static void rotate(const char *file, int number) {
    if (!number)
        snprintf(first_name, sizeof first_name, "%s", file);
    else
        assert_int_equal(rename(file, last_name), 0);
    if (!number) {
        char aside[1100];
        snprintf(aside, sizeof aside, "%s/aside", folder);
        assert_int_equal(rename(file, aside), 0);
    }
    snprintf(last_name, sizeof last_name, "%s", file);
}

static void a_page_under_a_wrong_name_is_a_miss(void **state) {
    (void)state;
    int32_t prompt[300];
    char aside[1100];
    static struct client cold, warm;
    client_prompt(prompt, 300, 5);
    empty_folder();
    struct service *service = open_with(options_of(false));
    ask(service, &cold, client_request(prompt, 300, 30));
    service_close(service);
    assert_int_equal(each_file(rotate), 5);
    snprintf(aside, sizeof aside, "%s/aside", folder);
    assert_int_equal(rename(aside, last_name), 0);
    service = open_with(options_of(false));
    ask(service, &warm, client_request(prompt, 300, 30));
    assert_int_equal(warm.usage.cache.hit_tokens, 0);
    same_answer(&cold, &warm);
    service_close(service);
    client_close(&cold);
    client_close(&warm);
}

static void what_a_killed_process_left_is_removed(void **state) {
    (void)state;
    char deeper[512], file[1024];
    empty_folder();
    service_close(open_with(options_of(false)));
    each_folder(deeper);
    snprintf(file, sizeof file, "%s/%s", deeper, "0123.partial-01234567");
    fclose(fopen(file, "w"));
    service_close(open_with(options_of(false)));
    assert_int_not_equal(access(file, F_OK), 0);
}

/* ---- bounds ---- */

static void bytes_are_bounded(void **state) {
    (void)state;
    int32_t prompt[CONTEXT];
    static struct client client, again;
    struct service_options options = options_of(false);
    empty_folder();
    struct service *service = open_with(options);
    int64_t page = page_file_bytes(kv_page_bytes(&service_engine(service)->kv));
    service_close(service);
    options.limits.disk_bytes = 4 * page;
    for (uint32_t i = 0; i < 4; i++) {
        service = open_with(options);
        client_prompt(prompt, 200, 40 + i);
        ask(service, &client, client_request(prompt, 200, 1));
        client_close(&client);
        service_close(service);
        assert_true(each_file(NULL) <= 4);
    }
    service = open_with(options); /* the last prompt is there whole */
    ask(service, &again, client_request(prompt, 200, 1));
    assert_int_equal(again.usage.cache.disk_tokens, 192);
    service_close(service);
    client_close(&again);
    empty_folder();
    options.limits.disk_bytes = 0;
    options.limits.disk_written_bytes = 2 * page + page / 2;
    service = open_with(options);
    ask(service, &client, client_request(prompt, 200, 1));
    service_close(service);
    assert_int_equal(each_file(NULL), 2);
    client_close(&client);
}

static void two_services_do_not_share_a_folder(void **state) {
    (void)state;
    struct service *second;
    struct service_options options = options_of(false);
    struct service *service = open_with(options);
    assert_int_equal(service_open(&second, &options), STATUS_IO);
    assert_non_null(strstr(status_message(), "another process"));
    assert_null(second);
    service_close(service);
}

/* More prompts than the cache has pages: what was dropped comes from the disk. */
static void what_was_dropped_is_read(void **state) {
    (void)state;
    enum { PROMPTS = 6 };
    static struct client cold[PROMPTS], warm[PROMPTS];
    int32_t prompt[PROMPTS][260];
    struct service_options options = options_of(false);
    options.engine.model.cache_tokens = CONTEXT;
    empty_folder();
    struct service *service = open_with(options);
    for (int i = 0; i < PROMPTS; i++) {
        client_prompt(prompt[i], 260, (uint32_t)(60 + i));
        ask(service, &cold[i], client_request(prompt[i], 260, 10));
        wait_until_saved(service, 4 * (i + 1));
    }
    int64_t disk = 0;
    for (int i = 0; i < PROMPTS; i++) {
        ask(service, &warm[i], client_request(prompt[i], 260, 10));
        disk += warm[i].usage.cache.disk_tokens;
        same_answer(&cold[i], &warm[i]);
    }
    assert_true(disk >= (PROMPTS - 2) * 256);
    service_close(service);
    for (int i = 0; i < PROMPTS; i++) {
        client_close(&cold[i]);
        client_close(&warm[i]);
    }
}

/* ---- replay ---- */

static void put_part(struct prompt *prompt, const char *text, size_t bytes, bool control) {
    prompt->part[prompt->parts++] = (struct prompt_part){text, bytes, control};
}

/* <User>question<Assistant>, and then, unless it is NULL, answer<end><User>question<Assistant>. */
static void encode_chat(struct service *service, const char *isolation, const struct buffer *answer,
                        struct token_list *list) {
    static const char user[] = "<｜User｜>", assistant[] = "<｜Assistant｜>", end[] = "<｜end▁of▁sentence｜>",
                      question[] = "What is the matter?";
    struct prompt_part part[8];
    struct prompt prompt = {.part = part};
    struct buffer text = {0};
    const char *const pieces[] = {user, question, assistant, answer ? answer->data : NULL,
                                  end,  user,     question,  assistant};
    const size_t bytes[] = {strlen(user), strlen(question), strlen(assistant), answer ? answer->bytes : 0,
                            strlen(end),  strlen(user),     strlen(question),  strlen(assistant)};
    int count = answer ? 8 : 3;
    for (int i = 0; i < count; i++) buffer_append(&text, pieces[i], bytes[i]);
    for (size_t i = 0, at = 0; i < (size_t)count; at += bytes[i++])
        put_part(&prompt, text.data + at, bytes[i], i != 1 && i != 3 && i != 6);
    require(service_encode(service, isolation, &prompt, list));
    buffer_free(&text);
}

/* Letters and spaces: any text is whole characters then. */
static bool allow_letters(void *context, int choice, uint32_t *allowed) {
    const struct tokenizer *tokenizer = service_engine(context)->tokenizer;
    (void)choice;
    memset(allowed, 0, 1024 / 8);
    for (int32_t id = 0; id < 1024; id++) {
        size_t bytes, letters = 0;
        const char *text = tokenizer_bytes(tokenizer, id, &bytes);
        while (letters < bytes && ((text[letters] >= 'a' && text[letters] <= 'z') || text[letters] == ' '))
            letters++;
        if (bytes && letters == bytes) allowed[id / 32] |= UINT32_C(1) << id % 32;
    }
    return true;
}

/* `odd`: the answer is cut into tokens as the tokenizer would not cut it. */
static void check_replay(bool odd) {
    struct service_options options = options_of(false);
    options.limits.cache_dir = NULL;
    struct service *service = open_with(options);
    static struct client first, second;
    struct token_list turn = {0}, next = {0}, foreign = {0};
    encode_chat(service, "me", NULL, &turn);
    struct service_request request = client_request(turn.id, (int)turn.count, 200);
    request.isolation = "me";
    request.reply.sampling.temperature = odd ? 100 : 1;
    request.reply.mask = (struct token_mask){service, allow_letters, NULL};
    ask(service, &first, request);
    assert_int_equal(first.ids[0], 200);
    encode_chat(service, "me", &first.text[0], &next);
    encode_chat(service, "you", &first.text[0], &foreign);
    assert_memory_equal(next.id + turn.count, first.id[0], 200 * sizeof *next.id);
    size_t same = 0;
    while (same < foreign.count && same < next.count && foreign.id[same] == next.id[same]) same++;
    if (odd) assert_true(same < turn.count + 200); /* others get the tokenizer's own */
    struct service_request later = client_request(next.id, (int)next.count, 5);
    later.isolation = "me";
    ask(service, &second, later);
    assert_int_equal(second.usage.cache.hit_tokens, turn.count + 199);
    token_list_free(&turn);
    token_list_free(&next);
    token_list_free(&foreign);
    service_close(service);
    client_close(&first);
    client_close(&second);
}

static void an_answer_comes_back_as_the_tokens_that_it_was(void **state) {
    (void)state;
    check_replay(false);
}

static void an_answer_that_is_cut_oddly_comes_back_too(void **state) {
    (void)state;
    char small[sizeof path];
    if (access("../shared/models/tiny-v3", R_OK)) skip();
    memcpy(small, path, sizeof path);
    snprintf(path, sizeof path, "../shared/models/tiny-v3");
    check_replay(true);
    memcpy(path, small, sizeof path);
}

/* An answer that a stop string ended comes back as far as it was shown, which ends inside a token. */
static void an_answer_that_was_stopped_comes_back_too(void **state) {
    char small[sizeof path], stop[3] = "";
    static struct client whole, first, second;
    struct token_list turn = {0}, next = {0};
    (void)state;
    if (access("../shared/models/tiny-v3", R_OK)) skip();
    memcpy(small, path, sizeof path);
    snprintf(path, sizeof path, "../shared/models/tiny-v3");
    struct service_options options = options_of(false);
    options.limits.cache_dir = NULL;
    struct service *service = open_with(options);
    encode_chat(service, "me", NULL, &turn);
    struct service_request request = client_request(turn.id, (int)turn.count, 200);
    request.isolation = "me";
    request.reply.sampling.temperature = 100;
    request.reply.mask = (struct token_mask){.context = service, .allow = allow_letters};
    ask(service, &whole, request);
    /* two letters inside a token near the end, which do not come before */
    const struct tokenizer *tokenizer = service_engine(service)->tokenizer;
    size_t at = 0, bytes = 0, before = 0;
    int tokens = 0;
    for (; tokens < whole.ids[0] && !(before > 150 && bytes >= 4); tokens++) {
        before = at;
        (void)tokenizer_bytes(tokenizer, whole.id[0][tokens], &bytes);
        at += bytes;
        if (bytes < 4) continue;
        memcpy(stop, whole.text[0].data + before + 1, 2);
        const char *found = strstr(whole.text[0].data, stop);
        if (found != whole.text[0].data + before + 1) bytes = 0;
    }
    assert_true(bytes >= 4 && tokens >= 2);
    tokens--; /* that lie before that one */
    const char *const list[] = {stop};
    request.reply.stop = list;
    request.reply.stops = 1;
    request.isolation = "us";
    ask(service, &first, request);
    assert_int_equal(first.finish[0], FINISH_STOP);
    assert_int_equal(first.text[0].bytes, before + 1);
    encode_chat(service, "us", &first.text[0], &next);
    assert_memory_equal(next.id + turn.count, whole.id[0], (size_t)tokens * sizeof *next.id);
    struct service_request later = client_request(next.id, (int)next.count, 5);
    later.isolation = "us";
    ask(service, &second, later);
    assert_int_equal(second.usage.cache.hit_tokens, turn.count + (size_t)tokens);
    token_list_free(&turn);
    token_list_free(&next);
    service_close(service);
    client_close(&whole);
    client_close(&first);
    client_close(&second);
    memcpy(path, small, sizeof path);
}

static void damage_answers(void) {
    char deeper[512], file[1024];
    each_folder(deeper);
    snprintf(file, sizeof file, "%s/answers", deeper);
    flip_a_bit(file, 1);
}

/* The tokens of an answer outlive the process, and what is damaged is a miss. */
static void check_replay_of_restart(bool damaged) {
    static struct client first, second;
    struct token_list turn = {0}, next = {0};
    empty_folder();
    struct service *service = open_with(options_of(false));
    encode_chat(service, "me", NULL, &turn);
    struct service_request request = client_request(turn.id, (int)turn.count, 200);
    request.isolation = "me";
    request.reply.sampling.temperature = 100; /* cut as the tokenizer would not cut it */
    request.reply.mask = (struct token_mask){service, allow_letters, NULL};
    ask(service, &first, request);
    service_close(service);
    if (damaged) damage_answers();
    service = open_with(options_of(false));
    encode_chat(service, "me", &first.text[0], &next);
    bool same =
        next.count > turn.count + 200 && !memcmp(next.id + turn.count, first.id[0], 200 * sizeof *next.id);
    assert_int_equal(same, !damaged);
    struct service_request later = client_request(next.id, (int)next.count, 5);
    later.isolation = "me";
    ask(service, &second, later);
    int whole = (int)(turn.count + 199) / KV_PAGE_TOKENS * KV_PAGE_TOKENS;
    if (!damaged) assert_int_equal(second.usage.cache.hit_tokens, whole);
    if (damaged) assert_true(second.usage.cache.hit_tokens < whole);
    token_list_free(&turn);
    token_list_free(&next);
    service_close(service);
    client_close(&first);
    client_close(&second);
}

static void an_answer_comes_back_after_a_restart(void **state) {
    (void)state;
    char small[sizeof path];
    if (access("../shared/models/tiny-v3", R_OK)) skip();
    memcpy(small, path, sizeof path);
    snprintf(path, sizeof path, "../shared/models/tiny-v3");
    check_replay_of_restart(false);
    check_replay_of_restart(true);
    memcpy(path, small, sizeof path);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_finds_what_was_cached),
        cmocka_unit_test(strictly_a_restart_has_the_bits_of_a_cold_run),
        cmocka_unit_test(a_restart_hits_pages_of_answers),
        cmocka_unit_test(a_damaged_page_is_a_miss),
        cmocka_unit_test(a_page_that_is_cut_short_is_a_miss),
        cmocka_unit_test(a_page_under_a_wrong_name_is_a_miss),
        cmocka_unit_test(what_a_killed_process_left_is_removed),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(two_services_do_not_share_a_folder),
        cmocka_unit_test(what_was_dropped_is_read),
        cmocka_unit_test(an_answer_comes_back_as_the_tokens_that_it_was),
        cmocka_unit_test(an_answer_that_is_cut_oddly_comes_back_too),
        cmocka_unit_test(an_answer_that_was_stopped_comes_back_too),
        cmocka_unit_test(an_answer_comes_back_after_a_restart),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
