/* chat_commands.c - what a line that begins with a slash does: one row and one function for each command. */
#include "base/file_write.h"
#include "base/memory.h"
#include "cli/answer_options.h"
#include "cli/chat.h"
#include "cli/environment.h"
#include "cli/suggest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef enum status run_command(struct chat_session *session, const char *argument);

struct command_entry {
    const char *name, *argument, *help;
    run_command *run;
};

static run_command run_help, run_think, run_system, run_save, run_load, run_stats, run_clear, run_retry,
    run_exit;

static const struct command_entry commands[] = {
    {"help", "", "this list", run_help},
    {"think", "", "show the reasoning, or fold it into one line", run_think},
    {"think", " on|off", "let the model reason or not, where it has the choice", run_think},
    {"system", " [TEXT]", "set the system message, or show it; - removes it", run_system},
    {"save", " FILE", "write the conversation as JSON", run_save},
    {"load", " FILE", "go on with a conversation from a file", run_load},
    {"stats", "", "tokens, speed, cache and memory", run_stats},
    {"clear", "", "forget the conversation, but not the system message", run_clear},
    {"retry", "", "answer the last message again", run_retry},
    {"exit", "", "leave, as Ctrl-D does", run_exit},
    {"quit", "", "the same", run_exit},
};

static enum status run_help(struct chat_session *session, const char *argument) {
    (void)session, (void)argument;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        int used = printf("/%s%s", commands[i].name, commands[i].argument);
        printf("%*s%s\n", used < 18 ? 18 - used : 1, "", commands[i].help);
    }
    puts("\nA line that ends in \\ goes on in the next; lines between \"\"\" and \"\"\" are one message.\n"
         "Ctrl-C stops an answer. A message may begin with a slash when it is written twice: //");
    return STATUS_OK;
}

static enum status run_think(struct chat_session *session, const char *argument) {
    struct chat_screen *screen = &session->screen;
    if (!*argument) {
        screen->folded = !screen->folded;
        printf("reasoning is %s\n", screen->folded ? "folded into one line" : "shown");
        const struct buffer *last = &session->answer.reasoning;
        if (!screen->folded && last->bytes) chat_screen_reasoning(screen, last->data, last->bytes);
        return STATUS_OK;
    }
    bool on = !strcmp(argument, "on");
    if (!on && strcmp(argument, "off") != 0)
        return fail(STATUS_USAGE, "/think takes on, off or nothing, not '%.40s'", argument);
    enum chat_template template = session->render.template;
    session->render.thinking = on ? THINKING_ON : THINKING_OFF;
    if (on && !chat_template_thinks(template, THINKING_ON))
        printf("%s has no reasoning to ask for\n", chat_template_name(template));
    else
        printf("reasoning is %s\n", on ? "on" : "off");
    return STATUS_OK;
}

static enum status run_system(struct chat_session *session, const char *argument) {
    if (*argument)
        return conversation_set_system(&session->conversation, strcmp(argument, "-") != 0 ? argument : NULL);
    const char *system = conversation_system(&session->conversation);
    chat_screen_line(&session->screen, system ? system : "there is no system message");
    return STATUS_OK;
}

/* "~/x" as a shell has it. */
static enum status expand_path(const char *argument, const char *command, struct buffer *path) {
    const char *home = environment_get("HOME");
    if (!*argument) return fail(STATUS_USAGE, "/%s needs the name of a file", command);
    if (home && argument[0] == '~' && argument[1] == '/') {
        buffer_append_text(path, home);
        argument++;
    }
    buffer_append_text(path, argument);
    return buffer_check(path, "the name of a file");
}

static enum status write_file(const char *path, const struct buffer *text) {
    struct file_writer writer = {0};
    enum status status = file_writer_open(&writer, path);
    if (status == STATUS_OK) status = file_writer_append(&writer, text->data, text->bytes);
    if (status == STATUS_OK) status = file_writer_finish(&writer);
    file_writer_close(&writer);
    return status;
}

static enum status run_save(struct chat_session *session, const char *argument) {
    struct chat chat = conversation_chat(&session->conversation);
    struct buffer path = {0}, text = {0};
    enum status status = expand_path(argument, "save", &path);
    if (status == STATUS_OK) {
        chat_to_json(&chat, &text);
        status = buffer_check(&text, "the conversation");
    }
    if (status == STATUS_OK) status = write_file(path.data, &text);
    if (status == STATUS_OK) printf("%d messages written to %s\n", chat.messages, path.data);
    buffer_free(&path);
    buffer_free(&text);
    return status;
}

static enum status run_load(struct chat_session *session, const char *argument) {
    struct buffer path = {0}, text = {0};
    enum status status = expand_path(argument, "load", &path);
    if (status == STATUS_OK) status = buffer_read_file(&text, path.data, CHAT_JSON_LIMIT);
    if (status == STATUS_OK)
        status = conversation_load(&session->conversation, text.data, text.bytes, path.data);
    if (status == STATUS_OK) printf("%d messages read\n", session->conversation.messages);
    buffer_free(&path);
    buffer_free(&text);
    return status;
}

/* Resident memory of this process, or -1. */
static int64_t memory_resident(void) {
    long long pages;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return -1;
    bool read = fscanf(file, "%*d %lld", &pages) == 1;
    fclose(file);
    return read ? (int64_t)pages * sysconf(_SC_PAGESIZE) : -1;
}

static enum status run_stats(struct chat_session *session, const char *argument) {
    (void)argument;
    const struct generation_timings *last = &session->answer.timings;
    const struct engine *engine = session->engine;
    struct memory_plan plan = model_memory_plan(&engine->model, &session->model);
    char weights[32], cache[32], work[32], resident[32];
    printf("context   %d of %lld tokens, %d cached\n", session->sequence->tokens, (long long)engine->context,
           session->sequence->cached);
    printf("prompt    %d tokens, %d from the cache, %d computed in %.2f s (%.1f tokens/s)\n",
           last->prompt_tokens, last->cached_tokens, last->prompt_tokens - last->cached_tokens,
           last->prefill_seconds, prefill_speed(last));
    printf("answer    %d tokens in %.2f s (%.1f tokens/s)\n", last->generated_tokens, last->decode_seconds,
           decode_speed(last));
    char drafts[DRAFTS_TEXT_BYTES];
    if (*drafts_text(last, drafts)) printf("drafts    %s\n", drafts + 2);
    printf("so far    %d answers, %d tokens generated, %d prompt tokens from the cache\n", session->answers,
           session->total_tokens, session->reused_tokens);
    printf("memory    weights %s, cache %s, computing %s; resident %s\n", bytes_text(plan.weights, weights),
           bytes_text(plan.kv, cache), bytes_text(plan.activations + plan.scratch, work),
           bytes_text(memory_resident(), resident));
    return STATUS_OK;
}

static enum status run_clear(struct chat_session *session, const char *argument) {
    (void)argument;
    conversation_truncate(&session->conversation, conversation_system(&session->conversation) != NULL);
    return STATUS_OK;
}

static enum status run_retry(struct chat_session *session, const char *argument) {
    struct conversation *conversation = &session->conversation;
    (void)argument;
    int messages = conversation->messages;
    while (messages && conversation->message[messages - 1].role == ROLE_ASSISTANT) messages--;
    if (!messages || conversation->message[messages - 1].role == ROLE_SYSTEM)
        return fail(STATUS_USAGE, "/retry: there is no message to answer");
    conversation_truncate(conversation, messages);
    return chat_answer(session);
}

static enum status run_exit(struct chat_session *session, const char *argument) {
    (void)argument;
    session->leave = true;
    return STATUS_OK;
}

enum status chat_command(struct chat_session *session, const char *line) {
    char name[32];
    size_t bytes = strcspn(++line, " \t\n");
    const char *argument = line + bytes + strspn(line + bytes, " \t\n");
    snprintf(name, sizeof name, "%.*s", bytes > 30 ? 30 : (int)bytes, line);
    struct suggestion suggestion = {.wanted = name};
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (!strcmp(commands[i].name, name)) return commands[i].run(session, argument);
        suggestion_offer(&suggestion, commands[i].name);
    }
    char hint[60] = "/help lists them.";
    if (suggestion.nearest) snprintf(hint, sizeof hint, "did you mean /%s?", suggestion.nearest);
    return fail(STATUS_USAGE,
                "unknown command /%s; %s A message that begins with a slash is written with two", name, hint);
}
