/* added_tokens.c - see added_tokens.h. The sorted list is searched byte by byte: the tokens that share the bytes read so
 * far are neighbours, and the one that ends there comes first among them. */
#include "text/added_tokens.h"

#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

enum status added_tokens_append(struct added_tokens *set, const struct added_token *token) {
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 64;
        struct added_token *list = realloc(set->token, capacity * sizeof *list);
        if (!list) return fail(STATUS_MEMORY, "no memory for the added tokens");
        set->token = list;
        set->capacity = capacity;
    }
    char *content = malloc(token->bytes + 1);
    if (!content) return fail(STATUS_MEMORY, "no memory for the added tokens");
    memcpy(content, token->content, token->bytes);
    content[token->bytes] = 0;
    set->token[set->count] = *token;
    set->token[set->count++].content = content;
    return STATUS_OK;
}

static int compare_text(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare(const void *a, const void *b) {
    const struct added_token *left = a, *right = b;
    int order = compare_text(left->content, left->bytes, right->content, right->bytes);
    return order ? order : (left->id > right->id) - (left->id < right->id);
}

void added_tokens_sort(struct added_tokens *set) {
    if (set->count > 1) qsort(set->token, set->count, sizeof *set->token, compare);
    for (size_t i = 0; i < set->count; i++) {
        int byte = (unsigned char)set->token[i].content[0];
        set->only_byte = i == 0 || byte == set->only_byte ? byte : -1;
        set->first_byte[byte] = true;
    }
}

void added_tokens_free(struct added_tokens *set) {
    for (size_t i = 0; i < set->count; i++) free(set->token[i].content);
    free(set->token);
    *set = (struct added_tokens){0};
}

const struct added_token *added_tokens_find(const struct added_tokens *set, const char *content,
                                            size_t bytes) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct added_token *token = &set->token[middle];
        int order = compare_text(token->content, token->bytes, content, bytes);
        if (order == 0) return token;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The first of token[low..high), which share their first `depth` bytes, whose next byte is at least `byte`; one that
 * ends there counts as less than any byte. */
static size_t first_at_least(const struct added_tokens *set, size_t low, size_t high, size_t depth,
                             int byte) {
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct added_token *token = &set->token[middle];
        int next = token->bytes > depth ? (unsigned char)token->content[depth] : -1;
        if (next < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct added_token *longest_at(const struct added_tokens *set, const unsigned char *text,
                                            size_t bytes) {
    const struct added_token *longest = NULL;
    size_t low = 0, high = set->count;
    for (size_t depth = 0; depth < bytes; depth++) {
        low = first_at_least(set, low, high, depth, text[depth]);
        high = first_at_least(set, low, high, depth, text[depth] + 1);
        if (low == high) break;
        if (set->token[low].bytes == depth + 1) longest = &set->token[low];
    }
    return longest;
}

/* ------- the conditions at the sides */

static uint32_t character_before(const unsigned char *text, size_t at, size_t *begin) {
    int length;
    do at--;
    while (at > 0 && (text[at] & 0xC0) == 0x80);
    *begin = at;
    return utf8_decode(text + at, &length);
}

static bool stands_alone(const struct added_search *search, size_t begin, size_t end) {
    size_t before;
    int length;
    if (begin > 0 && is_word_character(search->classes, character_before(search->text, begin, &before)))
        return false;
    return end == search->bytes ||
           !is_word_character(search->classes, utf8_decode(search->text + end, &length));
}

static size_t skip_spaces_back(const struct added_search *search, size_t at) {
    size_t before;
    while (at > search->done &&
           class_of(search->classes, character_before(search->text, at, &before)) & CLASS_SPACE)
        at = before;
    return at;
}

static size_t skip_spaces(const struct added_search *search, size_t at) {
    int length;
    while (at < search->bytes &&
           class_of(search->classes, utf8_decode(search->text + at, &length)) & CLASS_SPACE)
        at += (size_t)length;
    return at;
}

/* The next place where a token may begin, or the end. */
static size_t seek(const struct added_search *search) {
    size_t at = search->at;
    if (search->set->only_byte >= 0) {
        const unsigned char *place = memchr(search->text + at, search->set->only_byte, search->bytes - at);
        return place ? (size_t)(place - search->text) : search->bytes;
    }
    while (at < search->bytes && !search->set->first_byte[search->text[at]]) at++;
    return at;
}

bool added_tokens_next(struct added_search *search, struct added_match *match) {
    const struct added_tokens *set = search->set;
    if (!set->count) return false;
    while ((search->at = seek(search)) < search->bytes) {
        const struct added_token *token =
            longest_at(set, search->text + search->at, search->bytes - search->at);
        size_t begin = search->at, end = begin + (token ? token->bytes : 1);
        search->at =
            end; /* what a match covers is not searched again, even where a condition refuses the match */
        if (!token || (token->single_word && !stands_alone(search, begin, end))) continue;
        if (token->strips_left) begin = skip_spaces_back(search, begin);
        if (token->strips_right) end = skip_spaces(search, end > search->done ? end : search->done);
        *match = (struct added_match){token, begin, end};
        if (begin < search->done) match->begin = search->done; /* swallowed by the match before */
        search->done = end;
        return true;
    }
    return false;
}
