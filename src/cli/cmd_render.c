/* cmd_render.c - `hadal render`: messages in, the prompt string out, exactly and without a newline behind it. */
#include "cli/answer_options.h"
#include "cli/commands.h"
#include "format/checkpoint.h"
#include "text/chat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct render_job {
    struct chat chat;
    struct prompt prompt;
    struct buffer messages, tools, text;
    struct arena arena;
    struct render_options options;
};

/* --template wins over the model's own; the model still names its bos token. */
static enum status read_options(const struct option_values *values, struct render_job *job) {
    const char *model = option_text(values, "model");
    struct checkpoint checkpoint = {0};
    if (!model && !option_text(values, "template"))
        return fail(STATUS_USAGE, "no model and no template given: name one with --model or --template");
    if (model) TRY(checkpoint_open(&checkpoint, model, 0));
    enum status status = render_options_from(values, model ? &checkpoint : NULL, &job->arena, &job->options);
    if (status == STATUS_OK) job->options.no_generation_prompt = option_flag(values, "no-generation-prompt");
    checkpoint_close(&checkpoint);
    return status;
}

/* What sentences call a file. */
static const char *origin_of(const char *path) {
    return strcmp(path, "-") != 0 ? path : "standard input";
}

static enum status read_messages(const struct option_values *values, struct render_job *job) {
    const char *const *list, *tools = option_text(values, "tools");
    if (option_positionals(values, &list) != 1)
        return fail(STATUS_USAGE, "give one file of messages (- is standard input)");
    TRY(buffer_read_file(&job->messages, list[0], CHAT_JSON_LIMIT));
    TRY(chat_from_json(&job->chat, job->messages.data, job->messages.bytes, origin_of(list[0])));
    if (!tools) return STATUS_OK;
    TRY(buffer_read_file(&job->tools, tools, CHAT_JSON_LIMIT));
    return chat_set_tools(&job->chat, job->tools.data, job->tools.bytes, origin_of(tools));
}

static enum status print_prompt(struct render_job *job) {
    prompt_text(&job->prompt, &job->text);
    TRY(buffer_check(&job->text, "prompt"));
    fwrite(job->text.data, 1, job->text.bytes, stdout);
    return fflush(stdout) || ferror(stdout) ? fail(STATUS_IO, "standard output: %s", strerror(errno))
                                            : STATUS_OK;
}

static enum status render(const struct option_values *values, struct render_job *job) {
    TRY(read_options(values, job));
    TRY(read_messages(values, job));
    TRY(chat_render(&job->chat, &job->options, &job->prompt));
    return print_prompt(job);
}

enum status command_render(const struct option_values *values) {
    struct render_job job = {0};
    enum status status = render(values, &job);
    chat_free(&job.chat);
    prompt_free(&job.prompt);
    buffer_free(&job.messages);
    buffer_free(&job.tools);
    buffer_free(&job.text);
    arena_free(&job.arena);
    return status;
}
