/* chat.h - the state of `hadal chat`, shared by its loop (cmd_chat.c) and the commands that a line may begin with. */
#ifndef HADAL_CLI_CHAT_H
#define HADAL_CLI_CHAT_H

#include "cli/chat_input.h"
#include "cli/chat_screen.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/conversation.h"

struct chat_session {
    const struct option_values *values;
    struct engine *engine;
    struct sequence *sequence;
    struct model_options model; /* as opened */
    struct conversation conversation;
    struct render_options render;
    struct generation_options generation;
    struct answer answer; /* the last one */
    struct chat_input input;
    struct chat_screen screen;
    struct progress progress;
    struct arena arena;
    int answers, total_tokens; /* since the start */
    int reused_tokens;         /* prompt tokens that the cache saved */
    bool leave;
    char history_path[4096];
};

/* Answers the conversation and prints the answer. */
must_use enum status chat_answer(struct chat_session *session);

/* Runs `line`, which begins with a slash. STATUS_USAGE and the like leave the conversation as it was. */
must_use enum status chat_command(struct chat_session *session, const char *line);

#endif
