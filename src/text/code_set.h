/* code_set.h - sets of characters, as patterns and grammars write them in brackets. Pure functions on the caller's struct. */
#ifndef HADAL_TEXT_CODE_SET_H
#define HADAL_TEXT_CODE_SET_H

#include <stdbool.h>
#include <stdint.h>

enum { CODE_RANGES_LIMIT = 256, CODE_LAST = 0x10FFFF };

struct code_range {
    uint32_t low, high;
};

/* In any order, and overlapping, until code_set_settle(): then ascending with gaps between. */
struct code_set {
    struct code_range range[CODE_RANGES_LIMIT];
    int ranges;
};

bool code_set_add(struct code_set *set, uint32_t low, uint32_t high); /* false: too many */
void code_set_settle(struct code_set *set);
/* Adds all that is not in `of`, which is settled. False: too many. */
bool code_set_add_complement(struct code_set *set, struct code_set *of);

#endif
