/* stop_text.c - the search of Knuth, Morris and Pratt for several texts side by side. What is held back is the longest
 * beginning of a stop string that the stream ends with; since it is known from that string, no text is kept. */
#include "engine/stop_text.h"

#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

static int advance(const struct stop_text *stop, int matched, char c) {
    while (matched && stop->text[matched] != c) matched = stop->border[matched - 1];
    return matched + (stop->text[matched] == c);
}

static enum status stop_text_open(struct stop_text *stop, const char *text) {
    size_t bytes = strlen(text);
    if (!bytes) return fail(STATUS_INPUT, "stop: an empty text would end every answer at once");
    if (bytes > STOP_TEXT_BYTES_LIMIT)
        return fail(STATUS_LIMIT, "stop: a text of %zu bytes; at most %d are allowed", bytes,
                    STOP_TEXT_BYTES_LIMIT);
    if (utf8_valid_bytes(text, bytes) != bytes) return fail(STATUS_INPUT, "stop: the text is not UTF-8");
    stop->bytes = (int)bytes;
    stop->text = strdup(text);
    stop->border = calloc(bytes, sizeof *stop->border);
    if (!stop->text || !stop->border) return fail(STATUS_MEMORY, "no memory for stop texts");
    for (int i = 1; i < stop->bytes; i++) stop->border[i] = advance(stop, stop->border[i - 1], text[i]);
    return STATUS_OK;
}

enum status stop_matcher_open(struct stop_matcher *matcher, const char *const *text, int texts) {
    *matcher = (struct stop_matcher){.found = -1};
    if (texts > STOP_TEXTS_LIMIT)
        return fail(STATUS_LIMIT, "stop: %d texts; at most %d are allowed", texts, STOP_TEXTS_LIMIT);
    if (texts < 1) return STATUS_OK;
    matcher->stop = calloc((size_t)texts, sizeof *matcher->stop);
    if (!matcher->stop) return fail(STATUS_MEMORY, "no memory for stop texts");
    matcher->stops = texts;
    for (int i = 0; i < texts; i++) {
        enum status status = stop_text_open(&matcher->stop[i], text[i]);
        if (status == STATUS_OK) continue;
        stop_matcher_close(matcher);
        return status;
    }
    return STATUS_OK;
}

void stop_matcher_close(struct stop_matcher *matcher) {
    for (int i = 0; i < matcher->stops; i++) {
        free(matcher->stop[i].text);
        free(matcher->stop[i].border);
    }
    free(matcher->stop);
    *matcher = (struct stop_matcher){0};
}

struct held {
    const char *text;
    size_t bytes;
};

static struct held held_back(const struct stop_matcher *matcher) {
    struct held held = {"", 0};
    for (int i = 0; i < matcher->stops; i++)
        if ((size_t)matcher->stop[i].matched > held.bytes)
            held = (struct held){matcher->stop[i].text, (size_t)matcher->stop[i].matched};
    return held;
}

/* Length of the longest stop string that `c` completes, or 0. */
static size_t push_byte(struct stop_matcher *matcher, char c) {
    int complete = 0;
    for (int i = 0; i < matcher->stops; i++) {
        struct stop_text *stop = &matcher->stop[i];
        stop->matched = advance(stop, stop->matched, c);
        if (stop->matched < stop->bytes || stop->bytes <= complete) continue;
        complete = stop->bytes;
        matcher->found = i;
    }
    return (size_t)complete;
}

/* The first `bytes` of what was held and the new text behind it. */
static void show(struct held held, const char *text, size_t bytes, struct buffer *out) {
    size_t old = bytes < held.bytes ? bytes : held.bytes;
    buffer_append(out, held.text, old);
    buffer_append(out, text, bytes - old);
}

bool stop_matcher_push(struct stop_matcher *matcher, const char *text, size_t bytes, struct buffer *out) {
    struct held held = held_back(matcher);
    for (size_t i = 0; i < bytes; i++) {
        size_t complete = push_byte(matcher, text[i]);
        if (!complete) continue;
        show(held, text, held.bytes + i + 1 - complete, out);
        return true;
    }
    show(held, text, held.bytes + bytes - held_back(matcher).bytes, out);
    return false;
}

void stop_matcher_finish(struct stop_matcher *matcher, struct buffer *out) {
    show(held_back(matcher), "", held_back(matcher).bytes, out);
    for (int i = 0; i < matcher->stops; i++) matcher->stop[i].matched = 0;
}
