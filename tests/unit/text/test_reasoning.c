/* The reasoning splitter: what is reasoning and what is answer, and that it never matters how the text is cut. */
#include "text/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <cmocka.h>

struct collected {
    struct buffer kind[2];
    bool whole_characters; /* pieces must be UTF-8 */
};

static void collect(void *context, enum text_kind kind, const char *text, size_t bytes) {
    struct collected *collected = context;
    assert_true(bytes > 0);
    buffer_append(&collected->kind[kind], text, bytes);
    if (!collected->whole_characters) return;
    utf8proc_int32_t point;
    for (size_t at = 0; at < bytes;) {
        utf8proc_ssize_t length =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &point);
        assert_true(length > 0);
        at += (size_t)length;
    }
}

static struct collected start(void) {
    struct collected collected = {0};
    buffer_append_text(&collected.kind[TEXT_REASONING], "");
    buffer_append_text(&collected.kind[TEXT_ANSWER], "");
    return collected;
}

static void finish(struct collected *collected) {
    buffer_free(&collected->kind[TEXT_REASONING]);
    buffer_free(&collected->kind[TEXT_ANSWER]);
}

/* Splits `text` with the cuts first <= second. */
static struct collected split_at(bool thinking, const char *text, size_t bytes, size_t first, size_t second) {
    struct reasoning_splitter splitter = {.thinking = thinking};
    struct collected collected = start();
    reasoning_split(&splitter, text, first, collect, &collected);
    reasoning_split(&splitter, text + first, second - first, collect, &collected);
    reasoning_split(&splitter, text + second, bytes - second, collect, &collected);
    reasoning_split_finish(&splitter, collect, &collected);
    return collected;
}

static struct collected split_bytes(bool thinking, const char *text, size_t bytes) {
    struct reasoning_splitter splitter = {.thinking = thinking};
    struct collected collected = start();
    for (size_t at = 0; at < bytes; at++) reasoning_split(&splitter, text + at, 1, collect, &collected);
    reasoning_split_finish(&splitter, collect, &collected);
    return collected;
}

struct row {
    bool thinking;
    const char *text, *reasoning, *answer;
};

static const struct row rows[] = {
    {false, "", "", ""},
    {true, "", "", ""},
    {false, "Hello", "", "Hello"},
    {false, "\n\n Hello", "", "\n\n Hello"},
    {false, "            Hello", "", "            Hello"},
    {false, "<think>r</think>a", "r", "a"},
    {false, "<think>\nr\n</think>\n\na", "r", "a"},
    {false, " \n<think>\nr</think>a\n", "r", "a\n"},
    {false, "        <think>r</think>a", "r", "a"},
    {false, "         <think>r</think>a", "", "         <think>r</think>a"},
    {true, "\nr\n\nmore\n\n</think>\n\na", "r\n\nmore", "a"},
    {true, "r</think>a", "r", "a"},
    {true, "r", "r", ""},
    {true, "r\n", "r\n", ""},
    {true, "r</thi", "r</thi", ""},
    {true, "r</think", "r</think", ""},
    {true, "<think>\nr</think>a", "r", "a"},
    {true, "a <think> b</think>c", "a <think> b", "c"},
    {true, "</think>a", "", "a"},
    {true, "\n\n</think>\n\na", "", "a"},
    {true, "</think>", "", ""},
    {true, "r</think> a", "r", " a"},
    {true, "r</think>a</think>b<think>c", "r", "a</think>b<think>c"},
    {true, "r</think>\n<think>s</think>\na", "rs", "a"},
    {true, "x < y <</think>a", "x < y <", "a"},
    {true, "</</thin</think>a", "</</thin", "a"},
    {true, "a\n<b\n\n</ think>", "a\n<b\n\n</ think>", ""},
    {true, "r\n\n\n\n\n\n\n\n\n</think>a", "r\n\n\n\n\n\n\n\n", "a"},
    {false, "</think>a", "", "</think>a"},
    {false, "<thinking>a", "", "<thinking>a"},
    {false, "<<think>a", "", "<<think>a"},
    {false, " <thin", "", " <thin"},
    {true, "想\n世界\n</think>\n答え🌍", "想\n世界", "答え🌍"},
};

static void check(const struct row *row, struct collected found) {
    if (strcmp(found.kind[TEXT_REASONING].data, row->reasoning) != 0 ||
        strcmp(found.kind[TEXT_ANSWER].data, row->answer) != 0)
        fail_msg("\"%s\" gives reasoning \"%s\" and answer \"%s\"", row->text,
                 found.kind[TEXT_REASONING].data, found.kind[TEXT_ANSWER].data);
    finish(&found);
}

static void every_cut_gives_the_same(void **state) {
    (void)state;
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        const struct row *row = &rows[index];
        size_t bytes = strlen(row->text);
        check(row, split_bytes(row->thinking, row->text, bytes));
        for (size_t second = 0; second <= bytes; second++)
            for (size_t first = 0; first <= second; first++)
                check(row, split_at(row->thinking, row->text, bytes, first, second));
    }
}

/* Random strings of the pieces that matter: byte by byte is the same as at once, and nothing but tags and newlines
 * is lost. */
static void random_texts_do_not_depend_on_cuts(void **state) {
    (void)state;
    static const char *const pieces[] = {"<think>", "</think>", "\n", " ",  "<",  "</",
                                         "<thi",    "nk>",      "a",  "世", "\r", "think>"};
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char text[128] = "";
        for (int count = 0; count < 12; count++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            strcat(text, pieces[(seed >> 33) % COUNT_OF(pieces)]);
        }
        size_t bytes = strlen(text), cut = (size_t)(seed >> 40) % (bytes + 1);
        bool thinking = round % 2;
        struct collected one = split_at(thinking, text, bytes, cut, cut),
                         other = split_bytes(thinking, text, bytes);
        assert_string_equal(one.kind[TEXT_REASONING].data, other.kind[TEXT_REASONING].data);
        assert_string_equal(one.kind[TEXT_ANSWER].data, other.kind[TEXT_ANSWER].data);
        size_t letters = 0, kept = 0;
        for (const char *at = text; *at; at++) letters += *at == 'a';
        for (int kind = 0; kind < 2; kind++)
            for (const char *at = one.kind[kind].data; *at; at++) kept += *at == 'a';
        assert_int_equal(letters, kept);
        finish(&one);
        finish(&other);
    }
}

/* Whole characters in, whole characters out: pieces go straight into JSON. */
static void characters_stay_whole(void **state) {
    (void)state;
    static const char text[] = "\n世界 <é\n\n🌍</thinking> </世</think>\n 答え\n<think>🌍";
    struct reasoning_splitter splitter = {.thinking = true};
    struct collected collected = start();
    collected.whole_characters = true;
    for (size_t at = 0; at < sizeof text - 1;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + at, -1, &point);
        reasoning_split(&splitter, text + at, (size_t)length, collect, &collected);
        at += (size_t)length;
    }
    reasoning_split_finish(&splitter, collect, &collected);
    assert_string_equal(collected.kind[TEXT_REASONING].data, "世界 <é\n\n🌍</thinking> </世");
    assert_string_equal(collected.kind[TEXT_ANSWER].data, " 答え\n<think>🌍");
    finish(&collected);
}

/* Of a template that writes a space in front of answers, however it comes. */
static void one_space_in_front_is_dropped(void **state) {
    static const char *const spaces[][2] = {
        {" a b", "a b"}, {"  a", " a"}, {"a ", "a "}, {" ", ""}, {"\n a", "\n a"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        struct reasoning_splitter splitter = {.spaced = true}, pieces = {.spaced = true};
        struct collected whole = start(), parts = start();
        reasoning_split(&splitter, spaces[i][0], strlen(spaces[i][0]), collect, &whole);
        reasoning_split_finish(&splitter, collect, &whole);
        for (const char *c = spaces[i][0]; *c; c++) reasoning_split(&pieces, c, 1, collect, &parts);
        reasoning_split_finish(&pieces, collect, &parts);
        assert_string_equal(whole.kind[TEXT_ANSWER].data, spaces[i][1]);
        assert_string_equal(parts.kind[TEXT_ANSWER].data, spaces[i][1]);
        finish(&whole);
        finish(&parts);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_space_in_front_is_dropped),
        cmocka_unit_test(every_cut_gives_the_same),
        cmocka_unit_test(random_texts_do_not_depend_on_cuts),
        cmocka_unit_test(characters_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
