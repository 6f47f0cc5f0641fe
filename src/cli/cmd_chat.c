/* cmd_chat.c - `hadal chat`: reads a message, answers it, and so on. */
#include "cli/answer_options.h"
#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/environment.h"
#include "cli/open_engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- answers ---- */

static bool hear_prefill(void *context, int done, int total) {
    struct chat_session *session = context;
    session->progress.total = total;
    progress_update(&session->progress, done);
    return !chat_input_interrupted(&session->input);
}

static void hear_text(void *context, enum text_kind kind, const char *text, size_t bytes) {
    struct chat_session *session = context;
    progress_finish(&session->progress);
    chat_screen_text(&session->screen, kind, text, bytes);
}

static bool hear_token(void *context, const struct choice *choice) {
    struct chat_session *session = context;
    (void)choice;
    progress_finish(&session->progress);
    chat_screen_token(&session->screen);
    return !ferror(stdout) && !chat_input_interrupted(&session->input);
}

static void print_speed(const struct generation_timings *timings) {
    fprintf(stderr, "prompt %d tokens, %d cached, %.1f tokens/s; answer %d tokens, %.1f tokens/s",
            timings->prompt_tokens, timings->cached_tokens, prefill_speed(timings), timings->generated_tokens,
            decode_speed(timings));
    char drafts[DRAFTS_TEXT_BYTES];
    fprintf(stderr, "%s\n", drafts_text(timings, drafts));
}

static void report_end(struct chat_session *session) {
    const struct answer *answer = &session->answer;
    bool full = session->sequence->tokens >= session->engine->context;
    if (answer->finish == FINISH_CANCELLED)
        chat_screen_note(&session->screen, answer->timings.generated_tokens
                                               ? "[stopped]"
                                               : "[stopped before the answer; the message does not count]");
    if (answer->finish == FINISH_LENGTH && !full)
        chat_screen_note(&session->screen, "[cut after %d tokens]", answer->timings.generated_tokens);
    if (answer->finish == FINISH_LENGTH && full)
        fprintf(stderr, "hadal chat: the context of %lld tokens is full; /clear starts a new conversation\n",
                (long long)session->engine->context);
    if (option_flag(session->values, "stats")) print_speed(&answer->timings);
}

/* A fixed seed gives the same conversation again, and /retry another answer. */
static struct generation_options next_options(const struct chat_session *session) {
    struct generation_options options = session->generation;
    options.sampling.seed += (uint64_t)session->answers;
    return options;
}

enum status chat_answer(struct chat_session *session) {
    struct generation_options options = next_options(session);
    struct answer *answer = &session->answer;
    struct answer_events events = {session, hear_prefill, hear_text, hear_token};
    enum chat_template template = session->render.template;
    bool thinks = chat_template_thinks(template, chat_thinking_wanted(template, session->render.thinking));
    progress_start(&session->progress, "reading", 0, "tokens");
    chat_screen_begin(&session->screen, thinks);
    enum status status = conversation_answer(&session->conversation, &session->render, &options,
                                             session->sequence, &events, answer);
    progress_finish(&session->progress);
    chat_screen_end(&session->screen);
    TRY(status);
    session->answers++;
    session->total_tokens += answer->timings.generated_tokens;
    session->reused_tokens += answer->timings.cached_tokens;
    report_end(session);
    return STATUS_OK;
}

/* A message that could not be answered, or was stopped before its answer began, is taken back. */
static enum status send_message(struct chat_session *session, const char *text, size_t bytes) {
    int messages = session->conversation.messages;
    TRY(conversation_add(&session->conversation, ROLE_USER, text, bytes));
    enum status status = chat_answer(session);
    if (status != STATUS_OK || session->conversation.messages == messages + 1)
        conversation_truncate(&session->conversation, messages);
    return status;
}

/* ---- lines ---- */

static enum status take_line(struct chat_session *session, const struct buffer *line) {
    const char *text = line->data;
    if (!text[strspn(text, " \t\r\n")]) return STATUS_OK;
    if (text[0] != '/') return send_message(session, text, line->bytes);
    if (text[1] == '/') return send_message(session, text + 1, line->bytes - 1);
    return chat_command(session, text);
}

/* On a terminal a failure is told and the conversation goes on; in a pipe it ends the program. */
static enum status take_or_tell(struct chat_session *session, const struct buffer *line) {
    enum status status = take_line(session, line);
    fflush(stdout);
    if (status == STATUS_OK || !session->input.terminal) return status;
    fprintf(stderr, "%s\n", status_message());
    return STATUS_OK;
}

static enum status run_loop(struct chat_session *session) {
    struct buffer line = {0};
    enum input_event event = INPUT_MESSAGE;
    enum status status = STATUS_OK;
    bool warned = false;
    while (status == STATUS_OK && !session->leave && !ferror(stdout)) {
        status = chat_input_read(&session->input, &line, &event);
        if (status != STATUS_OK || event == INPUT_END || (event == INPUT_INTERRUPTED && warned)) break;
        warned = event == INPUT_INTERRUPTED;
        if (warned) chat_screen_note(&session->screen, "(Ctrl-C again or Ctrl-D leaves)");
        if (event == INPUT_MESSAGE) status = take_or_tell(session, &line);
    }
    buffer_free(&line);
    return status;
}

/* ---- opening ---- */

static const char *history_path(struct chat_session *session) {
    const char *given = option_text(session->values, "history");
    if (given) return *given ? given : NULL;
    bool found = user_path(USER_STATE, "history", session->history_path, sizeof session->history_path);
    return found ? session->history_path : NULL;
}

static enum status open_model(struct chat_session *session) {
    struct engine_options options;
    TRY(engine_options_from(session->values, &options));
    TRY(open_engine(&session->engine, &options));
    session->model = options.model;
    TRY(generation_options_from(session->values, session->engine, &session->arena, &session->generation));
    TRY(render_options_from(session->values, &session->engine->model.checkpoint, &session->arena,
                            &session->render));
    TRY(conversation_set_system(&session->conversation, option_text(session->values, "system")));
    return sequence_open(&session->sequence, session->engine);
}

/* Is the template that of the checkpoint's family, for want of its own and of a choice? */
static bool template_guessed(const struct chat_session *session) {
    enum chat_template template;
    bool guessed;
    return !option_text(session->values, "template") &&
           chat_template_choose(&session->engine->model.checkpoint, &template, &guessed) == STATUS_OK &&
           guessed;
}

static void greet(struct chat_session *session) {
    const char *template = chat_template_name(session->render.template);
    if (template_guessed(session))
        fprintf(stderr,
                "hadal chat: the checkpoint has no chat template; using %s, --template chooses another\n",
                template);
    chat_screen_note(&session->screen, "%s, template %s, context %lld tokens; /help lists commands",
                     session->engine->model.checkpoint.path, template, (long long)session->engine->context);
}

static enum status chat(struct chat_session *session) {
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    const char *first = option_text(session->values, "prompt");
    session->screen = (struct chat_screen){.stream = stdout,
                                           .terminal = isatty(STDOUT_FILENO) != 0,
                                           .colour = isatty(STDOUT_FILENO) && !environment_get("NO_COLOR")};
    TRY(open_model(session));
    TRY(chat_input_open(&session->input, terminal, history_path(session)));
    greet(session);
    if (first) TRY(send_message(session, first, strlen(first)));
    return run_loop(session);
}

enum status command_chat(const struct option_values *values) {
    struct chat_session session = {.values = values};
    enum status status = chat(&session);
    chat_input_close(&session.input);
    chat_screen_free(&session.screen);
    answer_free(&session.answer);
    conversation_close(&session.conversation);
    sequence_close(session.sequence);
    engine_close(session.engine);
    arena_free(&session.arena);
    return status;
}
