/* group_counts.h - what accounts were charged, summed up by their groups, for /metrics. Groups and currencies are an
 * operator's to name, so there is a bound: those that come when the table is full are counted together as "other". On the
 * thread of the network. */
#ifndef HADAL_SERVER_GROUP_COUNTS_H
#define HADAL_SERVER_GROUP_COUNTS_H

#include "server/account/ledger.h"

enum { GROUP_ROWS = 32 };

struct group_row {
    char group[LEDGER_NAME_BYTES], currency[CURRENCY_BYTES];
    int64_t requests, micros, units[PRICE_CLASSES];
};

struct group_counts {
    struct group_row row[GROUP_ROWS];
    int rows;
};

void group_counts_add(struct group_counts *counts, const struct ledger_use *use);

#endif
