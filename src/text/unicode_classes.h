/* unicode_classes.h - sixteen bits about every code point, in a compact two-step table.
 *
 * The pre-tokenizers ask for general categories and for ranges that a tokenizer file spells out; the
 * normaliser asks which code points NFC may touch. The table follows Unicode 16, which is what the
 * reference tokenizers' regular expressions know; see the note at the supplement in the .c file.
 * Immutable once open; any thread may read. */
#ifndef HADAL_TEXT_UNICODE_CLASSES_H
#define HADAL_TEXT_UNICODE_CLASSES_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CLASS_LETTER = 1,
    CLASS_MARK = 2,
    CLASS_NUMBER = 4,
    CLASS_PUNCTUATION = 8,
    CLASS_SYMBOL = 16,
    CLASS_SPACE = 32,     /* White_Space */
    CLASS_UNSETTLED = 64, /* NFC may change it, reorder it or join it to its predecessor */
    CLASS_CUSTOM = 128,   /* the first of CLASS_CUSTOM_COUNT bits that the opener defines */
    CLASS_CUSTOM_COUNT = 9
};

struct code_range {
    uint32_t first, last;
};

/* Code points of one custom class. */
struct code_range_list {
    struct code_range *range;
    int count, capacity;
};
must_use enum status code_range_append(struct code_range_list *list, uint32_t first, uint32_t last);

struct unicode_classes {
    uint16_t (*block)[256];
    uint16_t block_of[0x1100];
};

/* custom[i] gets the bit CLASS_CUSTOM << i. */
must_use enum status unicode_classes_open(struct unicode_classes *classes,
                                          const struct code_range_list *custom, int count);
void unicode_classes_close(struct unicode_classes *classes);

static inline unsigned class_of(const struct unicode_classes *classes, uint32_t code_point) {
    return classes->block[classes->block_of[code_point >> 8]][code_point & 0xFF];
}
/* Of U+0000 to U+00FF, for the fast paths. */
static inline const uint16_t *classes_of_ascii(const struct unicode_classes *classes) {
    return classes->block[classes->block_of[0]];
}

/* \w of the reference's single_word test: Alphabetic, marks, decimal digits, connectors, joiners. */
bool is_word_character(const struct unicode_classes *classes, uint32_t code_point);

#endif
