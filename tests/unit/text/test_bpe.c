/* Merging with a heap gives the ids that the search of short pieces gives, on random tables with many equal results. */
#include "text/bpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Tokens over the letters a, b, c: the letters, then random joins of two earlier ones, which are the merges. */
static void random_tables(uint64_t *seed, struct vocabulary *vocabulary, struct bpe *bpe) {
    enum { LETTERS = 3, JOINS = 40 };
    assert_int_equal(vocabulary_open(vocabulary, 16), STATUS_OK);
    assert_int_equal(bpe_open(bpe, 4), STATUS_OK);
    for (int i = 0; i < LETTERS; i++)
        assert_int_equal(vocabulary_put(vocabulary, i, &"abc"[i], 1, TOKEN_BYTES, "test"), STATUS_OK);
    for (uint32_t rank = 0; rank < JOINS; rank++) {
        char text[64];
        int32_t left = (int32_t)(random_next(seed) % (uint64_t)vocabulary->tokens);
        int32_t right = (int32_t)(random_next(seed) % (uint64_t)vocabulary->tokens);
        const struct token *first = vocabulary_token(vocabulary, left),
                           *second = vocabulary_token(vocabulary, right);
        size_t bytes = first->bytes + second->bytes;
        if (bytes > 12) continue;
        memcpy(text, token_text(vocabulary, first), first->bytes);
        memcpy(text + first->bytes, token_text(vocabulary, second), second->bytes);
        int32_t merged = vocabulary_find(vocabulary, (unsigned char *)text, bytes);
        if (merged < 0) {
            merged = vocabulary->tokens;
            assert_int_equal(vocabulary_put(vocabulary, merged, text, bytes, TOKEN_BYTES, "test"), STATUS_OK);
        }
        assert_int_equal(bpe_put(bpe, left, right, rank, merged), STATUS_OK);
    }
    bpe_find_bytes(bpe, vocabulary);
}

static void test_heap_is_search(void **state) {
    (void)state;
    uint64_t seed = 11;
    struct bpe_scratch scratch = {0};
    size_t merged = 0;
    for (int i = 0; i < 300; i++) {
        struct vocabulary vocabulary;
        struct bpe bpe;
        random_tables(&seed, &vocabulary, &bpe);
        for (int k = 0; k < 20; k++) {
            unsigned char text[40];
            size_t bytes = 1 + random_next(&seed) % sizeof text;
            struct token_list search = {0}, heap = {0};
            for (size_t b = 0; b < bytes; b++)
                text[b] = (unsigned char)"abcd"[random_next(&seed) % (k % 2 ? 3 : 4)];
            bpe.unknown = k % 3 == 0 ? 0 : -1;
            bpe.fuses_unknown = k % 6 == 0;
            assert_int_equal(bpe_encode(&bpe, &vocabulary, &scratch, text, bytes, &search), STATUS_OK);
            assert_int_equal(bpe_encode_long(&bpe, &scratch, text, bytes, &heap), STATUS_OK);
            assert_int_equal(search.count, heap.count);
            if (search.count) assert_memory_equal(search.id, heap.id, search.count * sizeof *search.id);
            merged += bytes - search.count;
            token_list_free(&search);
            token_list_free(&heap);
        }
        vocabulary_close(&vocabulary);
        bpe_close(&bpe);
    }
    assert_true(merged > 10000);
    bpe_scratch_free(&scratch);
}

static void test_later_merge_replaces(void **state) {
    (void)state;
    struct vocabulary vocabulary;
    struct bpe bpe;
    struct bpe_scratch scratch = {0};
    struct token_list list = {0};
    assert_int_equal(vocabulary_open(&vocabulary, 4), STATUS_OK);
    assert_int_equal(bpe_open(&bpe, 4), STATUS_OK);
    static const char *const text[] = {"a", "b", "ab", "ba"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(vocabulary_put(&vocabulary, i, text[i], strlen(text[i]), TOKEN_BYTES, "test"),
                         STATUS_OK);
    assert_int_equal(bpe_put(&bpe, 0, 1, 0, 2), STATUS_OK);
    assert_int_equal(bpe_put(&bpe, 1, 0, 1, 3), STATUS_OK);
    assert_int_equal(bpe_put(&bpe, 0, 1, 2, 2), STATUS_OK);
    bpe_find_bytes(&bpe, &vocabulary);
    assert_int_equal(bpe_encode(&bpe, &vocabulary, &scratch, (const unsigned char *)"aba", 3, &list),
                     STATUS_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.id[0], 0);
    assert_int_equal(list.id[1], 3);
    token_list_free(&list);
    bpe_scratch_free(&scratch);
    vocabulary_close(&vocabulary);
    bpe_close(&bpe);
}

static void test_alphabet(void **state) {
    (void)state;
    unsigned char out[16];
    size_t written;
    assert_true(alphabet_decode("Ġaé", strlen("Ġaé"), out, &written));
    assert_int_equal(written, 3);
    assert_memory_equal(out, " a\xE9", 3);
    assert_true(alphabet_decode("\u0100\u0120\u0121\u0142\u0143\u00FF", 12, out, &written));
    assert_memory_equal(out, "\x00\x20\x7F\xA0\xAD\xFF", 6);
    assert_false(alphabet_decode("\u0144", 2, out, &written));
    assert_false(alphabet_decode(" ", 1, out, &written));
    assert_false(alphabet_decode("日", 3, out, &written));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_is_search),
        cmocka_unit_test(test_later_merge_replaces),
        cmocka_unit_test(test_alphabet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
