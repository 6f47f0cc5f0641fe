/* settings.c - the table of every option of every command, whose rows lie in settings_*.h, and the commands' names.
 * Constant data; nothing else belongs here.
 *
 * Adding an option is adding a row: the flag, the config key, the environment name, --help and the
 * manual page follow from it. */
#include "cli/options.h"

enum {
    CHAT = 1 << COMMAND_CHAT,
    GENERATE = 1 << COMMAND_GENERATE,
    LOGITS = 1 << COMMAND_LOGITS,
    TOKENIZE = 1 << COMMAND_TOKENIZE,
    DETOKENIZE = 1 << COMMAND_DETOKENIZE,
    RENDER = 1 << COMMAND_RENDER,
    INSPECT = 1 << COMMAND_INSPECT,
    QUANTIZE = 1 << COMMAND_QUANTIZE,
    EVAL = 1 << COMMAND_EVAL,
    SYNTH = 1 << COMMAND_SYNTH,
    TRAIN = 1 << COMMAND_TRAIN,
    CHECK = 1 << COMMAND_CHECK,
    BENCH = 1 << COMMAND_BENCH,
    SERVE = 1 << COMMAND_SERVE,
    PLAN = 1 << COMMAND_PLAN,
    ACCOUNT = 1 << COMMAND_ACCOUNT,
    PULL = 1 << COMMAND_PULL,
    SAMPLERS = CHAT | GENERATE,
    RUNNERS = CHAT | GENERATE | LOGITS | BENCH | SERVE | EVAL, /* commands that run a model */
    ALL = (1 << COMMAND_COUNT) - 1
};

#define TEMPLATES                                                                                            \
    "deepseek-v2|deepseek-v3|deepseek-v3-0324|deepseek-r1|deepseek-r1-0528|deepseek-v3.1|"                   \
    "deepseek-v3.1-release|deepseek-r1-distill|deepseek-r1-llama.cpp|"                                       \
    "deepseek-r1-distill-llama.cpp|qwen2.5|llama-3"
#define MOST_INT    9223372036854775807.0
#define MOST_TOKENS 16777216

static const struct option_row rows[] = {
/* clang-format off */
#include "cli/settings_text.h"
#include "cli/settings_files.h"
#include "cli/settings_eval.h"
#include "cli/settings_train.h"
#include "cli/settings_measure.h"
#include "cli/settings_serve.h"
#include "cli/settings_pull.h"
#include "cli/settings_machine.h"
    /* clang-format on */
};

struct option_table settings_table(void) {
    return (struct option_table){rows, COUNT_OF(rows)};
}

static const char *const names[COMMAND_COUNT] = {
    [COMMAND_CHAT] = "chat",
    [COMMAND_GENERATE] = "generate",
    [COMMAND_LOGITS] = "logits",
    [COMMAND_TOKENIZE] = "tokenize",
    [COMMAND_DETOKENIZE] = "detokenize",
    [COMMAND_RENDER] = "render",
    [COMMAND_INSPECT] = "inspect",
    [COMMAND_QUANTIZE] = "quantize",
    [COMMAND_EVAL] = "eval",
    [COMMAND_SYNTH] = "synth",
    [COMMAND_TRAIN] = "train",
    [COMMAND_CHECK] = "check",
    [COMMAND_BENCH] = "bench",
    [COMMAND_SERVE] = "serve",
    [COMMAND_PLAN] = "plan",
    [COMMAND_ACCOUNT] = "account",
    [COMMAND_PULL] = "pull",
};

const char *command_name(enum command command) {
    return names[command];
}
