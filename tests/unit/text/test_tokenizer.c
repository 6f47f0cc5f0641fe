/* Encoding with small tokenizers written out in the test: added tokens and their flags, merges, what a file may not say,
 * streaming detokenisation, linear time, threads. */
#include "base/thread_pool.h"
#include "support/scratch.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define GOLDEN "tests/golden/tokenizer/tokenizer.json"

/* Single quotes stand for double ones. */
static json_t *json_of(const char *text) {
    char *copy = strdup(text);
    json_t *root;
    for (char *at = copy; *at; at++)
        if (*at == '\'') *at = '"';
    assert_int_equal(json_parse(copy, strlen(copy), "test", &root), STATUS_OK);
    free(copy);
    return root;
}

#define PLAIN_PRE "'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false,'use_regex':false}"
#define VOCAB     "'a':0,'b':1,'c':2,'ab':3,'abc':4,'bc':5,'Ġ':6,'Ã':7,'©':8,'Ã©':9,'w':10,'aa':11,'<':12,'>':13"
#define MERGES    "'a b','ab c','b c','Ã ©','a a'"

static enum status open_text(struct tokenizer **tokenizer, const char *text) {
    json_t *root = json_of(text);
    enum status status = tokenizer_from_json(tokenizer, root, NULL, "small.json");
    json_decref(root);
    return status;
}

static struct tokenizer *small(const char *more) {
    struct buffer text = {0};
    struct tokenizer *tokenizer;
    buffer_printf(&text, "{'model':{'type':'BPE','vocab':{" VOCAB "},'merges':[" MERGES "]}," PLAIN_PRE "%s}",
                  more);
    assert_int_equal(open_text(&tokenizer, text.data), STATUS_OK);
    buffer_free(&text);
    return tokenizer;
}

static struct tokenizer *golden(void) {
    struct tokenizer *tokenizer;
    assert_int_equal(tokenizer_open(&tokenizer, GOLDEN), STATUS_OK);
    return tokenizer;
}

static void assert_ids(const struct tokenizer *tokenizer, enum tokenize_mode mode, const char *text,
                       const char *expected) {
    struct token_list list = {0};
    struct buffer ids = {0};
    assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), mode, &list), STATUS_OK);
    buffer_append(&ids, "", 0);
    for (size_t i = 0; i < list.count; i++) buffer_printf(&ids, i ? " %d" : "%d", list.id[i]);
    assert_string_equal(ids.data, expected);
    buffer_free(&ids);
    token_list_free(&list);
}

/* ------- merges */

static void test_merges_by_rank_then_place(void **state) {
    (void)state;
    struct tokenizer *tokenizer = small("");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "", "");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "abc", "4");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "bcab", "5 3");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "aaab", "11 3"); /* a b goes first; then the leftmost a a */
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "aaaaa", "11 11 0");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "é b", "9 6 1");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "abxc", "4"); /* a byte without a token vanishes */
    tokenizer_close(tokenizer);
}

static void test_merges_as_pairs(void **state) {
    (void)state;
    struct tokenizer *tokenizer;
    assert_int_equal(
        open_text(&tokenizer, "{'model':{'vocab':{'a':0,'b':1,'ab':2},'merges':[['a','b']]}," PLAIN_PRE "}"),
        STATUS_OK);
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "abab", "2 2");
    tokenizer_close(tokenizer);
}

static void test_whole_words(void **state) {
    (void)state;
    struct tokenizer *tokenizer;
    static const char text[] = "{'model':{'vocab':{'a':0,'b':1,'ab':2,'ba':3,'bab':4},'merges':['a "
                               "b'],'ignore_merges':%s}," PLAIN_PRE "}";
    char filled[512];
    snprintf(filled, sizeof filled, text, "true");
    assert_int_equal(open_text(&tokenizer, filled), STATUS_OK);
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "bab", "4");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "abab", "2 2");
    tokenizer_close(tokenizer);
    snprintf(filled, sizeof filled, text, "false");
    assert_int_equal(open_text(&tokenizer, filled), STATUS_OK);
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "bab", "1 2");
    tokenizer_close(tokenizer);
}

static void test_unknown_token(void **state) {
    (void)state;
    struct tokenizer *tokenizer;
    static const char text[] =
        "{'model':{'vocab':{'a':0,'b':1,'?':2},'merges':[],'unk_token':'?','fuse_unk':%s}," PLAIN_PRE "}";
    char filled[512];
    snprintf(filled, sizeof filled, text, "true");
    assert_int_equal(open_text(&tokenizer, filled), STATUS_OK);
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "axyzbx", "0 2 1 2");
    tokenizer_close(tokenizer);
    snprintf(filled, sizeof filled, text, "false");
    assert_int_equal(open_text(&tokenizer, filled), STATUS_OK);
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "axyzbx", "0 2 2 2 1 2");
    tokenizer_close(tokenizer);
}

/* ------- added tokens */

static void test_added_tokens(void **state) {
    (void)state;
    struct tokenizer *tokenizer =
        small(",'added_tokens':[{'id':20,'content':'<a>','special':true},"
              "{'id':21,'content':'<a><b>','normalized':false},{'id':22,'content':'ca','normalized':false}]");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "b<a>b", "1 20 1");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "<a><b><a><a>", "21 20 20"); /* the longest */
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "abca", "3 22"); /* it cuts before merges see the text */
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "<a", "12 0");
    assert_ids(tokenizer, TOKENIZE_PLAIN, "b<a>bca", "1 12 0 13 5 0");
    assert_int_equal(tokenizer_find(tokenizer, "<a>"), 20);
    assert_int_equal(tokenizer_find(tokenizer, "ab"), -1);
    assert_true(tokenizer_is_special(tokenizer, 20) && tokenizer_is_added(tokenizer, 20));
    assert_true(!tokenizer_is_special(tokenizer, 21) && tokenizer_is_added(tokenizer, 21));
    assert_false(tokenizer_is_added(tokenizer, 3));
    assert_false(tokenizer_is_added(tokenizer, 1000));
    assert_int_equal(tokenizer_vocabulary(tokenizer), 23);
    tokenizer_close(tokenizer);
}

static void test_added_token_flags(void **state) {
    (void)state;
    struct tokenizer *tokenizer = small(",'normalizer':{'type':'NFC'},'added_tokens':["
                                        "{'id':20,'content':'<l>','lstrip':true,'normalized':false},"
                                        "{'id':21,'content':'<r>','rstrip':true,'normalized':false},"
                                        "{'id':22,'content':'ww','single_word':true,'normalized':false},"
                                        "{'id':23,'content':'éé','normalized':true}]");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "a  <l> a", "0 20 6 0");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "a <r>  a", "0 6 21 0");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "<r>  <l>", "21 20"); /* the spaces go once */
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "ww wwa", "22 6 10 10 0");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "<ww>", "12 22 13");
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "aww", "0 10 10");
    assert_ids(tokenizer, TOKENIZE_SPECIAL,
               "e\xCC\x81"
               "e\xCC\x81",
               "23"); /* normalised first */
    assert_ids(tokenizer, TOKENIZE_PLAIN,
               "e\xCC\x81"
               "e\xCC\x81",
               "9 9");
    tokenizer_close(tokenizer);
}

/* What a user sends never becomes a special token, even where the model's vocabulary spells it out. */
static void test_plain_text_makes_no_special_token(void **state) {
    (void)state;
    struct tokenizer *tokenizer;
    static const char text[] =
        "{'model':{'vocab':{'a':0,'b':1,'ab':2},'merges':['a b'],'ignore_merges':true},"
        "'added_tokens':[{'id':2,'content':'ab','special':true}]," PLAIN_PRE "}";
    assert_int_equal(open_text(&tokenizer, text), STATUS_OK);
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "ab", "2");
    assert_ids(tokenizer, TOKENIZE_PLAIN, "ab", "0 1");
    tokenizer_close(tokenizer);
}

/* ------- configuration */

static void test_config(void **state) {
    (void)state;
    static const char text[] =
        "{'model':{'vocab':{'a':0},'merges':[]},'added_tokens':[{'id':1,'content':'<s>','special':true},"
        "{'id':2,'content':'</s>','special':true}],'post_processor':{'type':'Sequence','processors':["
        "{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>'}}]}]}," PLAIN_PRE "}";
    static const struct {
        const char *config;
        int32_t bos, eos;
        bool adds;
    } row[] = {{"{'bos_token':'<s>','eos_token':{'content':'</s>'}}", 1, 2, true},
               {"{'bos_token':'<s>','add_bos_token':false}", 1, -1, false},
               {"{'bos_token':null,'eos_token':'a','add_bos_token':true}", -1, 0, false},
               {"{'bos_token':'missing'}", -1, -1, false}};
    json_t *root = json_of(text);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct tokenizer *tokenizer;
        json_t *config = json_of(row[i].config);
        assert_int_equal(tokenizer_from_json(&tokenizer, root, config, "small.json"), STATUS_OK);
        assert_int_equal(tokenizer_bos(tokenizer), row[i].bos);
        assert_int_equal(tokenizer_eos(tokenizer), row[i].eos);
        assert_int_equal(tokenizer_adds_bos(tokenizer), row[i].adds);
        tokenizer_close(tokenizer);
        json_decref(config);
    }
    json_decref(root);
}

static void test_open_paths(void **state) {
    (void)state;
    struct scratch scratch;
    struct tokenizer *tokenizer;
    scratch_open(&scratch);
    assert_int_equal(tokenizer_open(&tokenizer, scratch.directory),
                     STATUS_NOT_FOUND); /* no tokenizer.json in it */
    assert_non_null(strstr(status_message(), "tokenizer.json"));
    scratch_text(&scratch, "tokenizer_config.json", "{\"eos_token\":\"a\"}");
    const char *path = scratch_text(
        &scratch, "tokenizer.json",
        "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}");
    const char *name[] = {scratch.directory, path, scratch_text(&scratch, "config.json", "{}")};
    for (size_t i = 0; i < COUNT_OF(name); i++) {
        assert_int_equal(tokenizer_open(&tokenizer, name[i]), STATUS_OK);
        assert_int_equal(tokenizer_eos(tokenizer), 0);
        tokenizer_close(tokenizer);
    }
    assert_int_equal(tokenizer_open(&tokenizer, scratch_text(&scratch, "model.bin", "")), STATUS_INPUT);
    assert_int_equal(tokenizer_open(&tokenizer, "no/such/model"), STATUS_NOT_FOUND);
    assert_null(tokenizer);
    scratch_close(&scratch);
}

/* ------- files that are wrong */

#define MODEL "'model':{'vocab':{'a':0,'b':1,'ab':2},'merges':['a b']}"
static const struct {
    const char *text;
    enum status status;
    const char *says;
} wrong[] = {
    {"[]", STATUS_FORMAT, "object"},
    {"{}", STATUS_FORMAT, "model"},
    {"{'model':{}," PLAIN_PRE "}", STATUS_FORMAT, "vocab"},
    {"{'model':{'vocab':{}}," PLAIN_PRE "}", STATUS_FORMAT, "merges"},
    {"{'model':{'type':'WordPiece','vocab':{},'merges':[]}," PLAIN_PRE "}", STATUS_UNSUPPORTED, "WordPiece"},
    {"{'model':{'vocab':{'a':'x'},'merges':[]}," PLAIN_PRE "}", STATUS_FORMAT, "whole number"},
    {"{'model':{'vocab':{'a':-1},'merges':[]}," PLAIN_PRE "}", STATUS_LIMIT, "-1"},
    {"{'model':{'vocab':{'a':9223372036854775807},'merges':[]}," PLAIN_PRE "}", STATUS_LIMIT,
     "9223372036854775807"},
    {"{'model':{'vocab':{'a':4194304},'merges':[]}," PLAIN_PRE "}", STATUS_LIMIT, "4194304"},
    {"{'model':{'vocab':{'a':0,'b':0},'merges':[]}," PLAIN_PRE "}", STATUS_FORMAT, "twice"},
    {"{'model':{'vocab':{'a':0,'b':1},'merges':['a b']}," PLAIN_PRE "}", STATUS_FORMAT, "merges[0]"},
    {"{'model':{'vocab':{'a':0,'ab':1},'merges':['a b']}," PLAIN_PRE "}", STATUS_FORMAT, "merges[0]"},
    {"{'model':{'vocab':{'a':0},'merges':['a']}," PLAIN_PRE "}", STATUS_FORMAT, "merges[0]"},
    {"{'model':{'vocab':{'a':0},'merges':['a b c']}," PLAIN_PRE "}", STATUS_FORMAT, "merges[0]"},
    {"{'model':{'vocab':{'a':0},'merges':[['a','b','c']]}," PLAIN_PRE "}", STATUS_FORMAT, "merges[0]"},
    {"{'model':{'vocab':{'a':0},'merges':[7]}," PLAIN_PRE "}", STATUS_FORMAT, "merges[0]"},
    {"{'model':{'vocab':{'a':0},'merges':[' a']}," PLAIN_PRE "}", STATUS_FORMAT, "merges[0]"},
    {"{'model':{'vocab':{'a':0},'merges':[],'dropout':0.1}," PLAIN_PRE "}", STATUS_UNSUPPORTED, "dropout"},
    {"{'model':{'vocab':{'a':0},'merges':[],'unk_token':'?'}," PLAIN_PRE "}", STATUS_FORMAT, "unk_token"},
    {"{'model':{'vocab':{'a':0},'merges':[],'end_of_word_suffix':'</w>'}," PLAIN_PRE "}", STATUS_UNSUPPORTED,
     "suffix"},
    {"{" MODEL "}", STATUS_FORMAT, "pre_tokenizer"},
    {"{" MODEL ",'pre_tokenizer':{'type':'Sequence','pretokenizers':[]}}", STATUS_UNSUPPORTED, "byte-level"},
    {"{" MODEL ",'pre_tokenizer':{'type':'Metaspace'}}", STATUS_UNSUPPORTED, "Metaspace"},
    {"{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(a'},'behavior':'Isolated'}}",
     STATUS_UNSUPPORTED, "(a"},
    {"{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[a[b]]'},'behavior':'Isolated'}}",
     STATUS_UNSUPPORTED, "brackets"},
    {"{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a{1,2}+'},'behavior':'Isolated'}}",
     STATUS_UNSUPPORTED, "interval"},
    {"{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{},'behavior':'Isolated'}}", STATUS_FORMAT,
     "pattern"},
    {"{" MODEL ",'pre_tokenizer':{'type':'Split','pattern':{'Regex':'a'},'behavior':'Odd'}}",
     STATUS_UNSUPPORTED, "Odd"},
    {"{" MODEL "," PLAIN_PRE ",'normalizer':{'type':'Lowercase'}}", STATUS_UNSUPPORTED, "Lowercase"},
    {"{" MODEL "," PLAIN_PRE ",'added_tokens':{}}", STATUS_FORMAT, "added_tokens"},
    {"{" MODEL "," PLAIN_PRE ",'added_tokens':[1]}", STATUS_FORMAT, "added_tokens[0]"},
    {"{" MODEL "," PLAIN_PRE ",'added_tokens':[{'content':'x'}]}", STATUS_FORMAT, "id"},
    {"{" MODEL "," PLAIN_PRE ",'added_tokens':[{'id':3}]}", STATUS_FORMAT, "content"},
    {"{" MODEL "," PLAIN_PRE ",'added_tokens':[{'id':99999999,'content':'x'}]}", STATUS_FORMAT, "99999999"},
    {"{" MODEL "," PLAIN_PRE ",'added_tokens':[{'id':3,'content':'x'},{'id':3,'content':'y'}]}",
     STATUS_FORMAT, "twice"},
};

static void test_wrong_files(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct tokenizer *tokenizer = (struct tokenizer *)&tokenizer;
        enum status status = open_text(&tokenizer, wrong[i].text);
        if (status != wrong[i].status || !strstr(status_message(), wrong[i].says))
            fail_msg("%s: status %d, \"%s\"", wrong[i].text, (int)status, status_message());
        assert_non_null(strstr(status_message(), "small.json"));
        assert_null(tokenizer);
    }
}

/* An added token as long as a page would make searching slow. */
static void test_long_tokens(void **state) {
    (void)state;
    struct buffer text = {0};
    struct tokenizer *tokenizer;
    buffer_append_text(&text, "{" MODEL "," PLAIN_PRE ",'added_tokens':[{'id':3,'content':'");
    for (int i = 0; i < 5000; i++) buffer_append_char(&text, 'x');
    buffer_append_text(&text, "'}]}");
    assert_int_equal(open_text(&tokenizer, text.data), STATUS_LIMIT);
    buffer_free(&text);
    buffer_append_text(&text, "{'model':{'vocab':{'");
    for (int i = 0; i < 70000; i++) buffer_append_char(&text, 'x');
    buffer_append_text(&text, "':0},'merges':[]}," PLAIN_PRE "}");
    assert_int_equal(open_text(&tokenizer, text.data), STATUS_LIMIT);
    buffer_free(&text);
}

/* Merges that name tokens which bytes cannot make are dropped; they could never happen. */
static void test_impossible_merges(void **state) {
    (void)state;
    struct tokenizer *tokenizer;
    assert_int_equal(open_text(&tokenizer,
                               "{'model':{'vocab':{'a':0,'日':1,'a日':2,'':3},'merges':['a 日']}," PLAIN_PRE
                               "}"),
                     STATUS_OK);
    assert_ids(tokenizer, TOKENIZE_SPECIAL, "a日", "0");
    tokenizer_close(tokenizer);
}

/* ------- bytes and back */

static uint64_t random_next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Text of all kinds, damaged now and then. */
static size_t random_text(uint64_t *seed, unsigned char *text, size_t limit) {
    size_t bytes = 0, length = random_next(seed) % (limit - 8);
    while (bytes < length) {
        uint32_t c = 0;
        switch (random_next(seed) % 6) {
        case 0: c = "  \n\t'<>e1a"[random_next(seed) % 10]; break;
        case 1: c = 0x20 + (uint32_t)random_next(seed) % 0x60; break;
        case 2: c = 0x300 + (uint32_t)random_next(seed) % 0x40; break;
        case 3: c = 0x3000 + (uint32_t)random_next(seed) % 0x5000; break;
        case 4: c = (uint32_t)random_next(seed) % 0x110000; break;
        default: text[bytes++] = (unsigned char)random_next(seed); continue;
        }
        if (c >= 0xD800 && c < 0xE000) c = 0xFFFD;
        bytes += (size_t)utf8_encode(c, text + bytes);
    }
    return bytes;
}

static void decode(const struct tokenizer *tokenizer, const struct token_list *list, struct buffer *out) {
    struct detokenizer detokenizer = {.tokenizer = tokenizer};
    for (size_t i = 0; i < list->count; i++) {
        detokenizer_push(&detokenizer, list->id[i], out);
        assert_int_equal(utf8_valid_bytes(out->data ? out->data : "", out->bytes), out->bytes);
    }
    detokenizer_finish(&detokenizer, out);
    buffer_append(out, "", 0);
}

static void test_round_trip(void **state) {
    (void)state;
    struct tokenizer *tokenizer = golden();
    uint64_t seed = 1;
    for (int i = 0; i < 2000; i++) {
        unsigned char text[256];
        struct token_list list = {0}, repaired_list = {0};
        struct buffer out = {0}, repaired = {0};
        size_t bytes = random_text(&seed, text, sizeof text);
        utf8_repair(&repaired, (char *)text, bytes);
        buffer_append(&repaired, "", 0);
        assert_int_equal(tokenizer_encode(tokenizer, (char *)text, bytes, TOKENIZE_PLAIN, &list), STATUS_OK);
        assert_int_equal(
            tokenizer_encode(tokenizer, repaired.data, repaired.bytes, TOKENIZE_PLAIN, &repaired_list),
            STATUS_OK);
        decode(tokenizer, &list, &out);
        assert_int_equal(out.bytes, repaired.bytes);
        assert_memory_equal(out.data, repaired.data, out.bytes);
        assert_int_equal(list.count, repaired_list.count);
        if (list.count) assert_memory_equal(list.id, repaired_list.id, list.count * sizeof *list.id);
        token_list_free(&list);
        token_list_free(&repaired_list);
        buffer_free(&out);
        buffer_free(&repaired);
    }
    tokenizer_close(tokenizer);
}

/* A list that already has ids is appended to. */
static void test_append(void **state) {
    (void)state;
    struct tokenizer *tokenizer = small("");
    struct token_list list = {0};
    assert_int_equal(token_list_append(&list, 77), STATUS_OK);
    assert_int_equal(tokenizer_encode(tokenizer, "ab ab", 5, TOKENIZE_SPECIAL, &list), STATUS_OK);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.id[0], 77);
    assert_int_equal(list.id[3], 3);
    token_list_free(&list);
    tokenizer_close(tokenizer);
}

static void push(struct detokenizer *detokenizer, const char *bytes, struct buffer *out) {
    for (const char *at = bytes; *at; at++) {
        size_t length;
        bool found = false;
        for (int32_t id = 0; id < tokenizer_vocabulary(detokenizer->tokenizer) && !found; id++) {
            const char *text = tokenizer_bytes(detokenizer->tokenizer, id, &length);
            found = length == 1 && *text == *at;
            if (found) detokenizer_push(detokenizer, id, out);
        }
        assert_true(found);
    }
}

static void test_detokenizer_holds_back(void **state) {
    (void)state;
    struct tokenizer *tokenizer = golden();
    struct detokenizer detokenizer = {.tokenizer = tokenizer};
    struct buffer out = {0};
    buffer_append(&out, "", 0);
    push(&detokenizer, "\xF0\x9F\x98", &out);
    assert_string_equal(out.data, "");
    push(&detokenizer, "\x80", &out);
    assert_string_equal(out.data, "😀");
    buffer_clear(&out);
    push(&detokenizer,
         "\xE4\xBD"
         "a",
         &out); /* a beginning that nothing completes is one U+FFFD */
    assert_string_equal(out.data, "\xEF\xBF\xBD"
                                  "a");
    buffer_clear(&out);
    push(&detokenizer, "\xED\xA0\x80\xFF", &out); /* no character begins with any of these */
    assert_string_equal(out.data, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    buffer_clear(&out);
    push(&detokenizer, "\xC3", &out);
    detokenizer_push(&detokenizer, 1 << 30, &out); /* an id that nothing knows says nothing */
    detokenizer_push(&detokenizer, -1, &out);
    push(&detokenizer, "\xA9\xE2\x82", &out);
    detokenizer_finish(&detokenizer, &out);
    assert_string_equal(out.data, "é\xEF\xBF\xBD");
    buffer_free(&out);
    tokenizer_close(tokenizer);
}

static void test_detokenizer_special(void **state) {
    (void)state;
    struct tokenizer *tokenizer = golden();
    int32_t user = tokenizer_find(tokenizer, "<｜User｜>"), think = tokenizer_find(tokenizer, "<think>");
    struct buffer out = {0};
    for (int show = 0; show < 2; show++) {
        struct detokenizer detokenizer = {.tokenizer = tokenizer, .show_special = show};
        buffer_clear(&out);
        detokenizer_push(&detokenizer, user, &out);
        detokenizer_push(&detokenizer, think, &out);
        assert_string_equal(out.data, show ? "<｜User｜><think>" : "<think>");
    }
    buffer_free(&out);
    tokenizer_close(tokenizer);
}

/* ------- time */

static double seconds_of(const struct tokenizer *tokenizer, const char *text, size_t bytes) {
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        struct token_list list = {0};
        struct timespec begin, end;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        assert_int_equal(tokenizer_encode(tokenizer, text, bytes, TOKENIZE_SPECIAL, &list), STATUS_OK);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
        if (seconds < best) best = seconds;
        token_list_free(&list);
    }
    return best;
}

/* Eight times the text takes nowhere near 64 times as long. */
static void assert_linear(const struct tokenizer *tokenizer, const char *unit, const char *tail) {
    enum { SHORT = 16000, LONG = 8 * SHORT };
    size_t step = strlen(unit), extra = strlen(tail);
    char *text = malloc(LONG + 64);
    for (size_t i = 0; i < LONG + step; i += step)
        if (i + step <= LONG) memcpy(text + i, unit, step);
    size_t small_bytes = SHORT / step * step, large_bytes = LONG / step * step;
    double large, little;
    memcpy(text + large_bytes, tail, extra);
    large = seconds_of(tokenizer, text, large_bytes + extra);
    memcpy(text + small_bytes, tail, extra);
    little = seconds_of(tokenizer, text, small_bytes + extra);
    if (large > 28 * little + 0.02) fail_msg("\"%s\": %g s, eight times as much: %g s", unit, little, large);
    free(text);
}

static struct tokenizer *with_stages(const char *pre_tokenizer, const char *normalizer) {
    json_t *root;
    struct tokenizer *tokenizer;
    assert_int_equal(json_read_file(GOLDEN, 1 << 20, &root), STATUS_OK);
    json_object_set_new(root, "pre_tokenizer", json_of(pre_tokenizer));
    json_object_set_new(root, "normalizer", json_of(normalizer));
    assert_int_equal(tokenizer_from_json(&tokenizer, root, NULL, "golden"), STATUS_OK);
    json_decref(root);
    return tokenizer;
}

static void test_linear_time(void **state) {
    enum { KNOWN = 5 };
    (void)state;
    static const char *const unit[] = {"a",
                                       " ",
                                       "\n",
                                       "\r\n",
                                       "\t",
                                       "7",
                                       "'",
                                       "<",
                                       "汉",
                                       "\xCC\x81",
                                       "\xCC\x81\xCC\x96",
                                       "e\xCC\x81",
                                       "ᄀ",
                                       "ᅡ",
                                       "<｜User｜",
                                       " '",
                                       "'s",
                                       "\xFF",
                                       "\xF0\x9F",
                                       ".",
                                       "　",
                                       "  \n "};
    static const char *const tail[] = {"", "x", "\n"};
    json_t *vectors, *section;
    size_t i;
    assert_int_equal(json_read_file("tests/golden/tokenizer/vectors.json", 1 << 20, &vectors), STATUS_OK);
    json_array_foreach(vectors, i, section) {
        json_t *root;
        struct tokenizer *tokenizer;
        if (i >= KNOWN) break; /* patterns that run in PCRE2 may be refused instead */
        assert_int_equal(json_read_file(GOLDEN, 1 << 20, &root), STATUS_OK);
        json_object_set(root, "pre_tokenizer", json_object_get(section, "pre_tokenizer"));
        json_object_set(root, "normalizer", json_object_get(section, "normalizer"));
        assert_int_equal(tokenizer_from_json(&tokenizer, root, NULL, "golden"), STATUS_OK);
        for (size_t u = 0; u < COUNT_OF(unit); u++)
            for (size_t t = 0; t < (i ? 1 : COUNT_OF(tail)); t++) assert_linear(tokenizer, unit[u], tail[t]);
        tokenizer_close(tokenizer);
        json_decref(root);
    }
    json_decref(vectors);
}

/* A pattern that backtracks for ever ends in a sentence, not in a stopped process. */
static void test_slow_pattern_is_refused(void **state) {
    (void)state;
    enum { BYTES = 200000 };
    struct tokenizer *tokenizer = with_stages(
        "{'type':'Sequence','pretokenizers':[{'type':'Split','pattern':{'Regex':'[a-z]++!|(a|aa|b)+c'},"
        "'behavior':'Isolated'},{'type':'ByteLevel','use_regex':false}]}",
        "{'type':'NFC'}");
    struct token_list list = {0};
    char *text = malloc(BYTES);
    memset(text, 'a', BYTES);
    text[BYTES - 1] = 'c';
    text[BYTES - 2] = 'd';
    assert_int_equal(tokenizer_encode(tokenizer, "abac!", 5, TOKENIZE_SPECIAL, &list), STATUS_OK);
    size_t before = list.count;
    assert_true(before > 0);
    assert_int_equal(tokenizer_encode(tokenizer, text, BYTES, TOKENIZE_SPECIAL, &list), STATUS_LIMIT);
    assert_non_null(strstr(status_message(), "pattern"));
    assert_int_equal(list.count, before);
    token_list_free(&list);
    free(text);
    tokenizer_close(tokenizer);
}

/* ------- threads */

enum { THREADS = 4, TEXTS = 200, TEXT_BYTES = 512 };
struct shared_work {
    const struct tokenizer *tokenizer;
    unsigned char text[TEXTS][TEXT_BYTES];
    size_t bytes[TEXTS];
    struct token_list list[THREADS][TEXTS];
};

static void encode_all(void *context, int worker, int slice, int slices) {
    struct shared_work *work = context;
    (void)worker;
    (void)slices;
    for (int i = 0; i < TEXTS; i++)
        if (tokenizer_encode(work->tokenizer, (char *)work->text[i], work->bytes[i], TOKENIZE_SPECIAL,
                             &work->list[slice][i]))
            abort();
}

static void test_threads_agree(void **state) {
    (void)state;
    struct tokenizer *tokenizer =
        with_stages("{'type':'Sequence','pretokenizers':[{'type':'Split','pattern':{'Regex':'[ab]+|\\\\w'},"
                    "'behavior':'Isolated'},{'type':'ByteLevel'}]}",
                    "{'type':'NFC'}");
    struct shared_work *work = calloc(1, sizeof *work);
    struct thread_pool *pool;
    uint64_t seed = 7;
    work->tokenizer = tokenizer;
    for (int i = 0; i < TEXTS; i++) work->bytes[i] = random_text(&seed, work->text[i], TEXT_BYTES);
    assert_int_equal(thread_pool_open(&pool, THREADS), STATUS_OK);
    thread_pool_run(pool, SLICES_WHOLE, encode_all, work);
    thread_pool_close(pool);
    for (int i = 0; i < TEXTS; i++) {
        for (int t = 1; t < THREADS; t++) {
            assert_int_equal(work->list[t][i].count, work->list[0][i].count);
            if (work->list[0][i].count)
                assert_memory_equal(work->list[t][i].id, work->list[0][i].id,
                                    work->list[0][i].count * sizeof(int32_t));
        }
        for (int t = 0; t < THREADS; t++) token_list_free(&work->list[t][i]);
    }
    free(work);
    tokenizer_close(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_by_rank_then_place),
        cmocka_unit_test(test_merges_as_pairs),
        cmocka_unit_test(test_whole_words),
        cmocka_unit_test(test_unknown_token),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_added_token_flags),
        cmocka_unit_test(test_plain_text_makes_no_special_token),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_open_paths),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_long_tokens),
        cmocka_unit_test(test_impossible_merges),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_detokenizer_holds_back),
        cmocka_unit_test(test_detokenizer_special),
        cmocka_unit_test(test_linear_time),
        cmocka_unit_test(test_slow_pattern_is_refused),
        cmocka_unit_test(test_threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
