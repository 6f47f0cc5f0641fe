/* prices.h - what DeepSeek's API has cost, in dollars for a million tokens: rows of history. Constant data. */
#ifndef HADAL_PLAN_PRICES_H
#define HADAL_PLAN_PRICES_H

struct api_price {
    const char *name;      /* "r1": the latest row of a name is the one that stands for it */
    const char *from;      /* the day, in UTC */
    const char *model;     /* as billed */
    double hit, miss, out; /* input found in the cache, other input, output */
    const char *remark;    /* "" */
};

const struct api_price *price_at(int index);          /* NULL past the end; oldest first */
const struct api_price *price_find(const char *name); /* the latest of that name; NULL: none */

#endif
