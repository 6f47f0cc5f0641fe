/* utf8.h - decoding, checking and repairing UTF-8. Pure functions, any thread.
 *
 * A damaged sequence is replaced the way the reference tokenizers' lossy decoding does it: one U+FFFD
 * for each maximal prefix of a well-formed character, one for each byte that cannot begin a character. */
#ifndef HADAL_TEXT_UTF8_H
#define HADAL_TEXT_UTF8_H

#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT       "\xEF\xBF\xBD" /* U+FFFD */
#define UTF8_REPLACEMENT_BYTES 3

/* One code point of well-formed UTF-8; its length goes to *bytes. */
static inline uint32_t utf8_decode(const unsigned char *at, int *bytes) {
    if (at[0] < 0x80) return *bytes = 1, at[0];
    if (at[0] < 0xE0) return *bytes = 2, (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
    if (at[0] < 0xF0) return *bytes = 3, (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    *bytes = 4;
    return (at[0] & 0x07u) << 18 | (at[1] & 0x3Fu) << 12 | (at[2] & 0x3Fu) << 6 | (at[3] & 0x3Fu);
}

/* Writes a scalar value as 1 to 4 bytes and returns their number. */
int utf8_encode(uint32_t code_point, unsigned char out[4]);

/* What stands at text[0..bytes), bytes > 0: `length` bytes of a whole character, of a beginning that the end of the
 * text cuts off, or of a sequence that can never become a character. */
enum utf8_kind { UTF8_WHOLE, UTF8_CUT, UTF8_BROKEN };
enum utf8_kind utf8_classify(const unsigned char *text, size_t bytes, int *length);

/* Length of the longest well-formed prefix. */
size_t utf8_valid_bytes(const char *text, size_t bytes);

/* Appends the text with every damaged sequence replaced by U+FFFD. */
void utf8_repair(struct buffer *out, const char *text, size_t bytes);

#endif
