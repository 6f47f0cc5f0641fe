/* test_tokenizer_train.c - tokenizers out of texts: merges against a learner that looks at everything anew each time, the
 * counts of ids against the tokenizer that comes out, and refusals. */
#include "base/rng.h"
#include "support/scratch.h"
#include "text/tokenizer.h"
#include "train/fill_middle.h"
#include "train/merge_learn.h"
#include "train/tokenizer_train.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- merges ---- */

enum { WORDS = 40, WORD_BYTES = 12, MOST = 300 };

struct plain_word {
    int32_t symbol[WORD_BYTES];
    int symbols, count;
};

static int64_t count_pair(const struct plain_word *word, struct merge_pair pair) {
    int64_t count = 0;
    for (int w = 0; w < WORDS; w++)
        for (int i = 0; i + 1 < word[w].symbols; i++)
            if (word[w].symbol[i] == pair.left && word[w].symbol[i + 1] == pair.right) count += word[w].count;
    return count;
}

/* The most frequent pair, the smaller of equals; its count comes back. */
static int64_t best_pair(const struct plain_word *word, struct merge_pair *best) {
    int64_t most = 0;
    for (int w = 0; w < WORDS; w++)
        for (int i = 0; i + 1 < word[w].symbols; i++) {
            struct merge_pair pair = {word[w].symbol[i], word[w].symbol[i + 1]};
            int64_t count = count_pair(word, pair);
            bool smaller = pair.left < best->left || (pair.left == best->left && pair.right < best->right);
            if (count > most || (count == most && smaller)) {
                most = count;
                *best = pair;
            }
        }
    return most;
}

static void join(struct plain_word *word, struct merge_pair pair, int32_t joined) {
    for (int w = 0; w < WORDS; w++) {
        int out = 0;
        for (int i = 0; i < word[w].symbols; i++, out++) {
            bool here = i + 1 < word[w].symbols && word[w].symbol[i] == pair.left &&
                        word[w].symbol[i + 1] == pair.right;
            word[w].symbol[out] = here ? joined : word[w].symbol[i];
            i += here;
        }
        word[w].symbols = out;
    }
}

/* Words over a small alphabet, runs of one letter among them. */
static void make_words(struct plain_word *word, struct piece_counts *counts, uint64_t seed) {
    struct rng rng;
    rng_seed_stream(&rng, seed, 0);
    for (int w = 0; w < WORDS; w++) {
        unsigned char text[WORD_BYTES];
        word[w].symbols = 1 + (int)(rng_next(&rng) % WORD_BYTES);
        word[w].count = 1 + (int)(rng_next(&rng) % 5);
        for (int i = 0; i < word[w].symbols; i++) {
            text[i] = (unsigned char)('a' + rng_next(&rng) % (w % 4 ? 3 : 1));
            word[w].symbol[i] = text[i];
        }
        for (int i = 0; i < word[w].count; i++)
            assert_int_equal(piece_counts_add(counts, text, (size_t)word[w].symbols), STATUS_OK);
    }
}

static void test_merges_are_the_most_frequent(void **state) {
    (void)state;
    uint8_t rank[256];
    for (int b = 0; b < 256; b++) rank[b] = (uint8_t)b;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct plain_word word[WORDS];
        struct piece_counts counts = {0};
        struct merges merges;
        make_words(word, &counts, seed);
        assert_int_equal(merges_learn(&merges, &counts, rank, MOST), STATUS_OK);
        int64_t ids = 0;
        /* until the first merge whose bytes are a symbol already: numbers differ from there on */
        for (int m = 0; m < merges.pairs && 256 + m < merges.symbols; m++) {
            struct merge_pair best = {0, 0};
            int64_t count = best_pair(word, &best);
            bool fresh = merges.symbol[256 + m].bytes ==
                         merges.symbol[best.left].bytes + merges.symbol[best.right].bytes;
            if (!fresh) break;
            assert_true(count >= 2);
            assert_int_equal(merges.pair[m].left, best.left);
            assert_int_equal(merges.pair[m].right, best.right);
            join(word, best, 256 + m);
        }
        assert_true(merges.pairs > 5);
        for (int w = 0; w < WORDS; w++) ids += (int64_t)word[w].symbols * word[w].count;
        if (merges.pairs == merges.symbols - 256) assert_int_equal(ids, merges.ids);
        merges_free(&merges);
        piece_counts_free(&counts);
    }
}

/* ---- a whole tokenizer ---- */

static const char lines[] =
    "{\"text\": \"seven times eight is fifty-six, seven times nine is sixty-three\"}\n"
    "{\"messages\": [{\"role\": \"user\", \"content\": \"seven times eight?\"}, {\"role\": \"assistant\", "
    "\"reasoning_content\": \"7 times 8: 56\", \"content\": \"fifty-six: \\u4e94\\u5341\\u516d\"}]}\n";

static struct scratch scratch;

static int set_up(void **state) {
    (void)state;
    scratch_open(&scratch);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

struct trained {
    const char *text, *directory;
    struct tokenizer_train_options options;
    const char *data[1];
};

static void prepare(struct trained *t) {
    *t = (struct trained){.options = {.datas = 1, .tokens = 300, .digits = 1, .context = 100}};
    t->text = scratch_text(&scratch, "texts.jsonl", lines);
    t->directory = scratch.directory;
    t->data[0] = t->text;
    t->options.data = t->data;
    t->options.output = t->directory;
}

static int64_t ids_of(const struct tokenizer *tokenizer, const char *text) {
    struct token_list list = {0};
    assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), TOKENIZE_PLAIN, &list), STATUS_OK);
    int64_t count = (int64_t)list.count;
    token_list_free(&list);
    return count;
}

static void test_what_comes_out_is_a_tokenizer(void **state) {
    (void)state;
    struct trained t;
    struct tokenizer_train_result result;
    struct tokenizer *tokenizer;
    static const char *const text[] = {"seven times eight is fifty-six, seven times nine is sixty-three",
                                       "seven times eight?", "7 times 8: 56", "fifty-six: 五十六"};
    static const char *const special[] = {"<｜note｜>"};
    prepare(&t);
    t.options.special = special;
    t.options.specials = 1;
    assert_int_equal(tokenizer_train(&t.options, &result), STATUS_OK);
    assert_int_equal(tokenizer_open(&tokenizer, t.directory), STATUS_OK);
    assert_int_equal(tokenizer_vocabulary(tokenizer), result.tokens);
    assert_in_range(result.tokens, 270, 300);
    int64_t ids = 0, bytes = 0;
    for (size_t i = 0; i < 4; i++) ids += ids_of(tokenizer, text[i]), bytes += (int64_t)strlen(text[i]);
    assert_int_equal(ids, result.ids); /* roles are no text */
    assert_int_equal(bytes, result.bytes);
    assert_true(ids < bytes / 2);
    assert_int_equal(ids_of(tokenizer, "12345"), 5);
    assert_int_equal(tokenizer_bos(tokenizer), 0);
    assert_int_equal(tokenizer_eos(tokenizer), 1);
    assert_true(tokenizer_adds_bos(tokenizer));
    assert_int_equal(tokenizer_find(tokenizer, "<think>"), 5);
    assert_false(tokenizer_is_special(tokenizer, 5));
    assert_int_equal(tokenizer_find(tokenizer, "<｜note｜>"), 7);
    assert_true(tokenizer_is_special(tokenizer, 7));
    tokenizer_close(tokenizer);
}

static void test_three_digits_go_together(void **state) {
    (void)state;
    struct trained t;
    struct tokenizer_train_result result;
    struct tokenizer *tokenizer;
    prepare(&t);
    static const char numbers[] = "{\"text\": \"123456 123 123 456 456 123456\"}\n";
    scratch_text(&scratch, "texts.jsonl", numbers);
    t.options.digits = 3;
    assert_int_equal(tokenizer_train(&t.options, &result), STATUS_OK);
    assert_int_equal(tokenizer_open(&tokenizer, t.directory), STATUS_OK);
    assert_int_equal(ids_of(tokenizer, "123456"), 2);
    tokenizer_close(tokenizer);
}

/* The ids' text between two marks. */
static void append_between(const struct tokenizer *tokenizer, const struct token_list *list, int32_t from,
                           int32_t to, struct buffer *text) {
    bool inside = false;
    for (size_t i = 0; i < list->count; i++) {
        size_t bytes;
        if (inside && list->id[i] == to) return;
        const char *part = tokenizer_bytes(tokenizer, list->id[i], &bytes);
        if (inside) buffer_append(text, part, bytes);
        if (list->id[i] == from) inside = true;
    }
    assert_true(inside);
}

static void test_middles(void **state) {
    (void)state;
    static const char *const special[] = {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"};
    static const char text[] = "seven times 八 is 五十六, é";
    struct trained t;
    struct tokenizer_train_result result;
    struct tokenizer *tokenizer;
    int moved = 0, different = 0;
    size_t longest = 0;
    prepare(&t);
    t.options.special = special;
    t.options.specials = 3;
    assert_int_equal(tokenizer_train(&t.options, &result), STATUS_OK);
    assert_int_equal(tokenizer_open(&tokenizer, t.directory), STATUS_OK);
    struct middle_tokens mark = middle_tokens_of(tokenizer);
    for (uint64_t number = 0; number < 400; number++) {
        struct token_list list = {0}, again = {0};
        struct buffer all = {0};
        bool done;
        assert_int_equal(fill_middle(tokenizer, text, sizeof text - 1, 0.25, 3, number, &list, &done),
                         STATUS_OK);
        moved += done;
        assert_true(done == (list.count > 0));
        token_list_free(&list);
        assert_int_equal(fill_middle(tokenizer, text, sizeof text - 1, 1, 3, number, &again, &done),
                         STATUS_OK);
        append_between(tokenizer, &again, mark.begin, mark.hole, &all);
        different += all.bytes != longest;
        longest = all.bytes;
        append_between(tokenizer, &again, mark.end, -1, &all);
        append_between(tokenizer, &again, mark.hole, mark.end, &all);
        assert_int_equal(all.bytes, sizeof text - 1);
        assert_memory_equal(all.data, text, all.bytes);
        buffer_free(&all);
        token_list_free(&again);
    }
    assert_in_range(moved, 70, 130);
    assert_true(different > 300);
    tokenizer_close(tokenizer);
}

static void test_refusals(void **state) {
    (void)state;
    struct trained t;
    struct tokenizer_train_result result;
    prepare(&t);
    t.options.tokens = 262;
    assert_int_equal(tokenizer_train(&t.options, &result), STATUS_USAGE);
    static const char *const known[] = {"<think>"};
    prepare(&t);
    t.options.special = known;
    t.options.specials = 1;
    assert_int_equal(tokenizer_train(&t.options, &result), STATUS_USAGE);
    struct tokenizer *tokenizer;
    struct token_list list = {0};
    bool done;
    prepare(&t);
    assert_int_equal(tokenizer_train(&t.options, &result), STATUS_OK);
    assert_int_equal(tokenizer_open(&tokenizer, t.directory), STATUS_OK);
    assert_int_equal(fill_middle(tokenizer, "text", 4, 1, 1, 1, &list, &done), STATUS_INPUT);
    tokenizer_close(tokenizer);
    prepare(&t);
    scratch_text(&scratch, "texts.jsonl", "{\"text\": ");
    assert_int_equal(tokenizer_train(&t.options, &result), STATUS_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_are_the_most_frequent),
        cmocka_unit_test_setup_teardown(test_what_comes_out_is_a_tokenizer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_three_digits_go_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_middles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
