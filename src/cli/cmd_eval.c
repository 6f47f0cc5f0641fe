/* cmd_eval.c - `hadal eval`: chooses the mode by the options that were given. */
#include "cli/commands.h"
#include "cli/eval.h"

static const struct eval_mode modes[] = {
    {{"perplexity", "compare"}, eval_text},
    {{"questions"}, eval_questions},
    {{"results"}, eval_results},
};

enum status command_eval(const struct option_values *values) {
    for (size_t i = 0; i < COUNT_OF(modes); i++)
        for (size_t o = 0; o < COUNT_OF(modes[i].option) && modes[i].option[o]; o++)
            if (option_given(values, modes[i].option[o])) return modes[i].run(values);
    return fail(STATUS_USAGE,
                "nothing to evaluate: name a text with --perplexity, stored predictions with --compare, "
                "questions with --questions, or recorded answers with --results");
}
