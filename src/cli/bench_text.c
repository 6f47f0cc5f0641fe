/* bench_text.c - text with the look of English: common words by how often they are used, rarer ones put together from
 * syllables, names, numbers, punctuation and paragraphs. Pure functions. */
#include "cli/bench.h"

#include "base/rng.h"

#include <stdio.h>

/* Commonest first. */
static const char *const words[] = {
    "the",     "of",    "and",     "to",       "a",      "in",     "that",    "is",    "was",     "it",
    "for",     "on",    "with",    "as",       "he",     "be",     "at",      "by",    "his",     "had",
    "not",     "are",   "but",     "from",     "or",     "have",   "an",      "they",  "which",   "one",
    "you",     "were",  "all",     "her",      "she",    "there",  "would",   "their", "we",      "him",
    "been",    "has",   "when",    "who",      "will",   "no",     "more",    "if",    "out",     "so",
    "up",      "said",  "what",    "its",      "about",  "than",   "into",    "them",  "can",     "only",
    "other",   "time",  "new",     "some",     "could",  "these",  "two",     "may",   "first",   "then",
    "do",      "any",   "like",    "my",       "now",    "over",   "such",    "our",   "man",     "me",
    "even",    "most",  "made",    "after",    "also",   "well",   "did",     "many",  "before",  "must",
    "years",   "back",  "through", "much",     "where",  "your",   "way",     "down",  "should",  "because",
    "long",    "each",  "just",    "state",    "people", "those",  "too",     "world", "how",     "little",
    "good",    "very",  "make",    "still",    "see",    "own",    "work",    "men",   "here",    "life",
    "between", "both",  "under",   "never",    "day",    "same",   "another", "know",  "last",    "might",
    "great",   "old",   "since",   "year",     "come",   "light",  "against", "go",    "came",    "right",
    "used",    "take",  "three",   "water",    "house",  "number", "part",    "found", "morning", "family",
    "history", "music", "river",   "question",
};
static const char *const syllables[] = {"an",   "ber", "con", "der", "el",  "for", "gra",  "hol",
                                        "in",   "ker", "lan", "mor", "nes", "or",  "pre",  "qua",
                                        "ris",  "sta", "ter", "und", "ver", "wil", "tion", "ment",
                                        "able", "ing", "ly",  "ed",  "er",  "ous"};

static size_t below(struct rng *rng, size_t limit) {
    return (size_t)(rng_uniform(rng) * (double)limit);
}

static void append_word(struct buffer *text, struct rng *rng, bool capital) {
    double kind = rng_uniform(rng);
    size_t begin = text->bytes;
    if (kind < 0.02) {
        buffer_printf(text, "%zu", below(rng, 3000));
    } else if (kind < 0.15) {
        for (size_t left = 2 + below(rng, 3); left; left--)
            buffer_append_text(text, syllables[below(rng, COUNT_OF(syllables))]);
    } else {
        double share = rng_uniform(rng); /* cubed: the first words make up most of the text */
        buffer_append_text(text, words[(size_t)(share * share * share * COUNT_OF(words))]);
    }
    if ((capital || (kind > 0.02 && kind < 0.04)) && !text->failed && text->data[begin] >= 'a')
        text->data[begin] = (char)(text->data[begin] - 'a' + 'A');
}

static void append_sentence(struct buffer *text, struct rng *rng) {
    static const char *const ends[] = {".", ".", ".", ".", "?", "!"};
    size_t count = 4 + below(rng, 20);
    for (size_t i = 0; i < count; i++) {
        if (i) buffer_append_text(text, rng_uniform(rng) < 0.08 ? ", " : " ");
        append_word(text, rng, i == 0);
    }
    buffer_append_text(text, ends[below(rng, COUNT_OF(ends))]);
}

void bench_text(struct buffer *text, size_t bytes, uint64_t seed) {
    struct rng rng;
    rng_seed(&rng, seed);
    while (text->bytes < bytes && !text->failed) {
        append_sentence(text, &rng);
        buffer_append_text(text, rng_uniform(&rng) < 0.12 ? "\n\n" : " ");
    }
}
