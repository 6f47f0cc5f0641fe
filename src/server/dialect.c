/* dialect.c - the rows. */
#include "server/dialect.h"

#include "base/status.h"

#include <string.h>

const struct dialect *dialect_find(const char *name) {
    static const struct dialect rows[] = {
        /* as DeepSeek's platform is today, and as it was with earlier models */
        {.name = "deepseek",
         .usage_unasked = true,
         .pass_back = PASS_BACK_TOOLS,
         .answer_tokens = 8192,
         .thinking_tokens = 65536,
         .middle_tokens = 4096},
        {.name = "deepseek-v4",
         .usage_unasked = true,
         .pass_back = PASS_BACK_CALLS,
         .answer_tokens = 8192,
         .thinking_tokens = 65536,
         .middle_tokens = 4096},
        {.name = "deepseek-v3.2",
         .usage_unasked = true,
         .pass_back = PASS_BACK_TURN,
         .answer_tokens = 4096,
         .thinking_tokens = 32768,
         .middle_tokens = 4096},
        {.name = "deepseek-r1",
         .usage_unasked = true,
         .logprobs_refused = true,
         .pass_back = PASS_BACK_REFUSED,
         .answer_tokens = 4096,
         .thinking_tokens = 32768,
         .middle_tokens = 4096},
        {.name = "openai",
         .usage_apart = true,
         .developer_role = true,
         .unknown_models = true,
         .created = true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}
