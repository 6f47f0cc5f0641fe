/* terminal_text.c - spells control characters out. */
#include "cli/terminal_text.h"

#include "text/utf8.h"

static bool is_control(uint32_t c) {
    if (c == '\n' || c == '\t') return false;
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

void terminal_text_append(struct buffer *out, const char *text, size_t bytes) {
    size_t plain = 0, at = 0; /* text[plain..at) goes as it is */
    while (at < bytes) {
        const unsigned char *here = (const unsigned char *)text + at;
        int length;
        bool whole = utf8_classify(here, bytes - at, &length) == UTF8_WHOLE;
        uint32_t c = whole ? utf8_decode(here, &length) : 0;
        if (whole && !is_control(c)) {
            at += (size_t)length;
            continue;
        }
        buffer_append(out, text + plain, at - plain);
        if (!whole)
            buffer_append_text(out, UTF8_REPLACEMENT);
        else if (c != '\r')
            buffer_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
        at += (size_t)length;
        plain = at;
    }
    buffer_append(out, text + plain, at - plain);
}
