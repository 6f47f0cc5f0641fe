/* group_counts.c - see group_counts.h. */
#include "server/group_counts.h"

#include <stdio.h>
#include <string.h>

static struct group_row *row_of(struct group_counts *counts, const char *group, const char *currency) {
    for (int i = 0; i < counts->rows; i++)
        if (!strcmp(counts->row[i].group, group) && !strcmp(counts->row[i].currency, currency))
            return &counts->row[i];
    if (counts->rows == GROUP_ROWS) return &counts->row[GROUP_ROWS - 1];
    const bool last = counts->rows == GROUP_ROWS - 1;
    struct group_row *row = &counts->row[counts->rows++];
    snprintf(row->group, sizeof row->group, "%s", last ? "other" : group);
    snprintf(row->currency, sizeof row->currency, "%s", last ? "" : currency);
    return row;
}

void group_counts_add(struct group_counts *counts, const struct ledger_use *use) {
    struct group_row *row = row_of(counts, use->group, use->currency);
    row->requests++;
    row->micros += use->amount;
    for (int class = 0; class < PRICE_CLASSES; class ++) row->units[class] += use->units.units[class];
}
