/* prices.c - DeepSeek's price history; see prices.h. */
#include "plan/prices.h"

#include "base/status.h"

#include <stddef.h>
#include <strings.h>

static const struct api_price table[] = {
    {"v2", "2024-05-06", "deepseek-chat", 0.14, 0.14, 0.28, "one price for all input"},
    {"v2.5", "2024-08-02", "deepseek-chat", 0.014, 0.14, 0.28, "the cache on disk: a tenth"},
    {"v3-promotion", "2024-12-26", "deepseek-chat", 0.014, 0.14, 0.28, "until 2025-02-08"},
    {"r1", "2025-01-20", "deepseek-reasoner", 0.14, 0.55, 2.19, ""},
    {"v3", "2025-02-09", "deepseek-chat", 0.07, 0.27, 1.10, ""},
    {"v3-night", "2025-02-26", "deepseek-chat", 0.035, 0.135, 0.55, "16:30 to 00:30 UTC, until 2025-09-05"},
    {"r1-night", "2025-02-26", "deepseek-reasoner", 0.035, 0.135, 0.55,
     "16:30 to 00:30 UTC, until 2025-09-05"},
    {"v3.1", "2025-09-05", "both", 0.07, 0.56, 1.68, "no discount at night"},
    {"v3.2", "2025-09-29", "both", 0.028, 0.28, 0.42, ""},
    {"v4-flash-preview", "2026-04-24", "flash", 0.028, 0.14, 0.28, "cached input 0.0028 from 2026-04-26"},
    {"v4-pro-preview", "2026-04-24", "pro", 0.145, 1.74, 3.48, "a quarter of it in a promotion"},
    {"v4-flash", "2026-08-16", "flash", 0.007, 0.22, 0.66, "twice that at peak hours"},
    {"v4-pro", "2026-08-16", "pro", 0.022, 0.66, 1.98, "twice that at peak hours"},
    {"flash", "2026-09-10", "deepseek-flash", 0.003, 0.15, 0.60, "V4.1-Flash; twice that at peak hours"},
};

const struct api_price *price_at(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(table) ? &table[index] : NULL;
}

const struct api_price *price_find(const char *name) {
    for (size_t i = COUNT_OF(table); i-- > 0;)
        if (!strcasecmp(table[i].name, name)) return &table[i];
    return NULL;
}
