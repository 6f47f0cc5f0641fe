/* dialect.c - the rows. */
#include "server/dialect.h"

#include "base/status.h"

#include <string.h>

const struct dialect *dialect_find(const char *name) {
    static const struct dialect rows[] = {
        /* as DeepSeek's platform is today */
        {.name = "deepseek", .usage_unasked = true},
        /* as it was with R1 alone: reasoning must not come back */
        {.name = "deepseek-r1", .usage_unasked = true, .reasoning_refused = true},
        {.name = "openai", .usage_apart = true, .developer_role = true, .unknown_models = true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}
