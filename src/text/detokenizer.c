/* detokenizer.c - token ids to text as they come, whole characters only. See tokenizer.h. */
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <string.h>

/* One byte behind the held beginning of a character. A byte that does not continue it is tried again alone. */
static void push_byte(struct detokenizer *detokenizer, unsigned char byte, struct buffer *out) {
    int length;
    detokenizer->held[detokenizer->held_bytes++] = byte;
    while (detokenizer->held_bytes) {
        enum utf8_kind kind = utf8_classify(detokenizer->held, (size_t)detokenizer->held_bytes, &length);
        if (kind == UTF8_CUT) return;
        if (kind == UTF8_WHOLE)
            buffer_append(out, detokenizer->held, (size_t)length);
        else
            buffer_append(out, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES);
        detokenizer->held_bytes -= length;
        memmove(detokenizer->held, detokenizer->held + length, (size_t)detokenizer->held_bytes);
    }
}

void detokenizer_push(struct detokenizer *detokenizer, int32_t id, struct buffer *out) {
    size_t bytes;
    const char *text = tokenizer_bytes(detokenizer->tokenizer, id, &bytes);
    if (!detokenizer->show_special && tokenizer_is_special(detokenizer->tokenizer, id)) return;
    while (bytes) {
        size_t whole = detokenizer->held_bytes ? 0 : utf8_valid_bytes(text, bytes);
        if (whole) {
            buffer_append(out, text, whole);
        } else {
            push_byte(detokenizer, (unsigned char)*text, out);
            whole = 1;
        }
        text += whole;
        bytes -= whole;
    }
}

void detokenizer_finish(struct detokenizer *detokenizer, struct buffer *out) {
    if (detokenizer->held_bytes) buffer_append(out, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES);
    detokenizer->held_bytes = 0;
}
