/* utf8.c - see utf8.h. */
#include "text/utf8.h"

#include "base/bytes.h"

int utf8_encode(uint32_t code_point, unsigned char out[4]) {
    if (code_point < 0x80) {
        out[0] = (unsigned char)code_point;
        return 1;
    }
    int bytes = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = bytes - 1; i > 0; i--) {
        out[i] = (unsigned char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    out[0] = (unsigned char)(lead[bytes] | code_point);
    return bytes;
}

enum utf8_kind utf8_classify(const unsigned char *text, size_t bytes, int *length) {
    unsigned char lead = text[0], low = 0x80,
                  high = 0xBF; /* allowed second byte: no overlong form, no surrogate */
    int need = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    *length = 1;
    if (need == 1) return UTF8_WHOLE;
    if (need == 0) return UTF8_BROKEN;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    for (; *length < need; ++*length, low = 0x80, high = 0xBF) {
        if ((size_t)*length == bytes) return UTF8_CUT;
        if (text[*length] < low || text[*length] > high) return UTF8_BROKEN;
    }
    return UTF8_WHOLE;
}

size_t utf8_valid_bytes(const char *text, size_t bytes) {
    const unsigned char *at = (const unsigned char *)text;
    size_t i = 0;
    while (i < bytes) {
        int length;
        if (at[i] < 0x80) {
            while (bytes - i >= 8 && !(read_u64(at + i) & 0x8080808080808080u)) i += 8;
            if (i < bytes && at[i] < 0x80) i++;
            continue;
        }
        if (utf8_classify(at + i, bytes - i, &length) != UTF8_WHOLE) return i;
        i += (size_t)length;
    }
    return i;
}

void utf8_repair(struct buffer *out, const char *text, size_t bytes) {
    while (bytes) {
        size_t valid = utf8_valid_bytes(text, bytes);
        buffer_append(out, text, valid);
        text += valid;
        bytes -= valid;
        if (!bytes) return;
        int length;
        (void)utf8_classify((const unsigned char *)text, bytes, &length);
        buffer_append(out, UTF8_REPLACEMENT, UTF8_REPLACEMENT_BYTES);
        text += length;
        bytes -= (size_t)length;
    }
}
