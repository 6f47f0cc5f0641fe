/* code_set.c */
#include "text/code_set.h"

#include <stdlib.h>

bool code_set_add(struct code_set *set, uint32_t low, uint32_t high) {
    if (set->ranges == CODE_RANGES_LIMIT) return false;
    set->range[set->ranges++] = (struct code_range){low, high};
    return true;
}

static int compare_ranges(const void *one, const void *other) {
    const struct code_range *a = one, *b = other;
    return (a->low > b->low) - (a->low < b->low);
}

void code_set_settle(struct code_set *set) {
    int kept = 0;
    qsort(set->range, (size_t)set->ranges, sizeof *set->range, compare_ranges);
    for (int i = 0; i < set->ranges; i++) {
        if (kept > 0 && set->range[i].low <= set->range[kept - 1].high + 1) {
            if (set->range[i].high > set->range[kept - 1].high)
                set->range[kept - 1].high = set->range[i].high;
        } else {
            set->range[kept++] = set->range[i];
        }
    }
    set->ranges = kept;
}

bool code_set_add_complement(struct code_set *set, struct code_set *of) {
    uint32_t next = 0;
    bool room = true;
    code_set_settle(of);
    for (int i = 0; i < of->ranges; i++) {
        if (of->range[i].low > next) room = code_set_add(set, next, of->range[i].low - 1) && room;
        next = of->range[i].high + 1;
    }
    return next <= CODE_LAST ? code_set_add(set, next, CODE_LAST) && room : room;
}
