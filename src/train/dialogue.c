/* dialogue.c - see dialogue.h. Where an answer begins is found by rendering a conversation twice: up to the answer, as a
 * prompt, and with the answer, as history. What both begin with is the prompt; what history has behind it is the
 * answer, in front of which the reasoning goes that history leaves out. */
#include "train/dialogue.h"

#include <stdlib.h>
#include <string.h>

static const char think_begin[] = "<think>", think_end[] = "</think>";

/* ---- conversations ---- */

static enum status read_chat(struct chat *chat, const json_t *line, const char *origin) {
    json_t *object = json_object();
    json_object_set(object, "messages", json_object_get(line, "messages"));
    if (json_object_get(line, "tools")) json_object_set(object, "tools", json_object_get(line, "tools"));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "%s: out of memory", origin);
    enum status status = chat_from_json(chat, text, strlen(text), origin);
    free(text);
    return status;
}

/* Reasoning apart from what follows it, wherever a line has it. */
struct answer {
    const char *reasoning, *content; /* reasoning NULL: none */
    size_t reasoning_bytes;
};

static struct answer split_answer(const struct message *message) {
    struct answer answer = {message->reasoning, message->content, 0};
    const char *content = message->content;
    if (answer.reasoning) answer.reasoning_bytes = strlen(answer.reasoning);
    if (answer.reasoning || !content || strncmp(content, think_begin, sizeof think_begin - 1) != 0)
        return answer;
    const char *end = strstr(content, think_end);
    if (!end) return answer;
    answer.reasoning = content + sizeof think_begin - 1;
    answer.reasoning += strspn(answer.reasoning, "\n");
    if (answer.reasoning > end) answer.reasoning = end;
    while (end > answer.reasoning && end[-1] == '\n') end--;
    answer.reasoning_bytes = (size_t)(end - answer.reasoning);
    answer.content = strstr(end, think_end) + sizeof think_end - 1;
    answer.content += strspn(answer.content, "\n");
    return answer;
}

/* ---- answers ---- */

struct turn {
    struct prompt asked;    /* what the model sees before it answers */
    struct prompt answered; /* the same with the answer, as history has it */
    struct token_list prompt, answer;
};

static void turn_free(struct turn *turn) {
    prompt_free(&turn->asked);
    prompt_free(&turn->answered);
    token_list_free(&turn->prompt);
    token_list_free(&turn->answer);
}

static bool begins_with(const struct prompt_part *part, const struct prompt_part *beginning) {
    return part->control == beginning->control && part->bytes >= beginning->bytes &&
           !memcmp(part->text, beginning->text, beginning->bytes);
}

static bool is_token(const struct prompt *prompt, int index, const char *token) {
    if (index >= prompt->parts || !prompt->part[index].control) return false;
    return prompt->part[index].bytes == strlen(token) &&
           !memcmp(prompt->part[index].text, token, strlen(token));
}

/* Parts that both begin with; *within is how much of history's next part, a text, still belongs to the prompt. */
static int shared_parts(const struct turn *turn, size_t *within) {
    const struct prompt *asked = &turn->asked, *answered = &turn->answered;
    int shared = 0;
    *within = 0;
    for (; shared < asked->parts && shared < answered->parts; shared++) {
        const struct prompt_part *a = &asked->part[shared], *b = &answered->part[shared];
        if (a->bytes == b->bytes && begins_with(a, b)) continue;
        if (shared + 1 == asked->parts && begins_with(b, a)) *within = a->bytes;
        break;
    }
    return shared;
}

static enum status encode_part(const struct tokenizer *tokenizer, const char *text, size_t bytes,
                               bool control, struct token_list *list) {
    struct prompt_part part = {text, bytes, control};
    struct prompt one = {.part = &part, .parts = 1};
    return bytes ? prompt_encode(&one, tokenizer, list) : STATUS_OK;
}

static enum status encode_reasoning(const struct turn *turn, const struct answer *answer, bool closed,
                                    const struct tokenizer *tokenizer, struct token_list *list) {
    bool opened = turn->asked.thinking;
    if (!opened) {
        TRY(encode_part(tokenizer, think_begin, sizeof think_begin - 1, true, list));
        TRY(encode_part(tokenizer, "\n", 1, false, list));
    }
    TRY(encode_part(tokenizer, answer->reasoning, answer->reasoning_bytes, false, list));
    if (closed) return STATUS_OK; /* the template writes the end itself */
    TRY(encode_part(tokenizer, "\n", 1, false, list));
    TRY(encode_part(tokenizer, think_end, sizeof think_end - 1, true, list));
    return encode_part(tokenizer, "\n\n", 2, false, list);
}

static enum status encode_answer(struct turn *turn, const struct answer *answer,
                                 const struct tokenizer *tokenizer, const char *origin) {
    size_t within;
    const struct prompt *answered = &turn->answered;
    int shared = shared_parts(turn, &within);
    bool whole = shared == turn->asked.parts || within;
    bool thinks = is_token(&turn->asked, shared, think_begin) || is_token(&turn->asked, shared, think_end);
    if (!whole && !thinks)
        return fail(STATUS_UNSUPPORTED, "%s: this template's answers cannot be told from its prompts",
                    origin);
    if (answer->reasoning) {
        bool closed = is_token(answered, shared, think_end);
        TRY(encode_reasoning(turn, answer, closed, tokenizer, &turn->answer));
    }
    for (int i = shared; i < answered->parts; i++, within = 0) {
        const struct prompt_part *part = &answered->part[i];
        TRY(encode_part(tokenizer, part->text + within, part->bytes - within, part->control, &turn->answer));
    }
    return STATUS_OK;
}

/* Message `index` of the chat as an answer to those before it. */
static enum status make_turn(const struct dialogue_form *form, const struct chat *chat, int index,
                             const struct tokenizer *tokenizer, const char *origin, struct turn *turn) {
    struct answer answer = split_answer(&chat->message[index]);
    struct message *message = malloc(((size_t)index + 1) * sizeof *message);
    struct chat before = {message, index, chat->tools, {0}, NULL};
    struct render_options render = form->render;
    if (!message) return fail(STATUS_MEMORY, "%s: out of memory", origin);
    memcpy(message, chat->message, ((size_t)index + 1) * sizeof *message);
    message[index].content = answer.content;
    message[index].prefix = false;
    render.no_generation_prompt = false;
    render.thinking = answer.reasoning ? THINKING_ON : THINKING_OFF;
    enum status status = chat_render(&before, &render, &turn->asked);
    before.messages++;
    render.no_generation_prompt = true;
    if (status == STATUS_OK) status = chat_render(&before, &render, &turn->answered);
    if (status == STATUS_OK) status = prompt_encode(&turn->asked, tokenizer, &turn->prompt);
    if (status == STATUS_OK) status = encode_answer(turn, &answer, tokenizer, origin);
    free(message);
    return status;
}

/* ---- texts ---- */

static enum status append_ids(struct corpus *corpus, const int32_t *id, size_t count, bool learnt) {
    size_t from = corpus->tokens.count;
    for (size_t i = 0; i < count; i++) TRY(token_list_append(&corpus->tokens, id[i]));
    return learnt ? STATUS_OK : corpus_unlearn(corpus, from, corpus->tokens.count);
}

/* Does the prompt go on where the text since `begin` ends? */
static bool goes_on(const struct corpus *corpus, size_t begin, const struct token_list *prompt) {
    size_t count = corpus->tokens.count - begin;
    return prompt->count >= count &&
           !memcmp(prompt->id, corpus->tokens.id + begin, count * sizeof *prompt->id);
}

static enum status add_turn(struct corpus *corpus, size_t *begin, const struct turn *turn) {
    size_t known = corpus->tokens.count - *begin;
    if (known && !goes_on(corpus, *begin, &turn->prompt)) {
        TRY(corpus_end_text(corpus));
        *begin = corpus->tokens.count;
        known = 0;
    }
    TRY(append_ids(corpus, turn->prompt.id + known, turn->prompt.count - known, false));
    return append_ids(corpus, turn->answer.id, turn->answer.count, true);
}

static enum status add_chat(struct corpus *corpus, const struct chat *chat, const char *origin,
                            const struct corpus_options *options) {
    size_t begin = corpus->tokens.count;
    for (int i = 0; i < chat->messages; i++) {
        struct turn turn = {0};
        if (chat->message[i].role != ROLE_ASSISTANT) continue;
        enum status status = make_turn(options->dialogue, chat, i, options->tokenizer, origin, &turn);
        if (status == STATUS_OK) status = add_turn(corpus, &begin, &turn);
        turn_free(&turn);
        TRY(status);
    }
    if (corpus->tokens.count == begin)
        return fail(STATUS_FORMAT, "%s: the conversation has no answer of an assistant", origin);
    return corpus_end_text(corpus);
}

/* ---- prompts and completions ---- */

/* A copy of the line as a conversation: `prompt` and, where not NULL, `completion` are texts or lists of messages. */
static json_t *as_conversation(const json_t *line, const json_t *prompt, const json_t *completion) {
    json_t *messages = json_array(), *made = json_object();
    if (json_is_array(prompt))
        json_array_extend(messages, (json_t *)prompt);
    else
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", prompt));
    if (json_is_array(completion))
        json_array_extend(messages, (json_t *)completion);
    else if (completion)
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "assistant", "content", completion));
    json_object_set_new(made, "messages", messages);
    if (json_object_get(line, "tools")) json_object_set(made, "tools", json_object_get(line, "tools"));
    return made;
}

static enum status encode_plain(const struct tokenizer *tokenizer, const json_t *text,
                                struct token_list *list) {
    return tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), TOKENIZE_PLAIN,
                            list);
}

static enum status begin_plain(const struct tokenizer *tokenizer, const json_t *prompt,
                               struct token_list *list) {
    if (tokenizer_adds_bos(tokenizer) && tokenizer_bos(tokenizer) >= 0)
        TRY(token_list_append(list, tokenizer_bos(tokenizer)));
    return encode_plain(tokenizer, prompt, list);
}

static enum status add_plain(struct corpus *corpus, const json_t *prompt, const json_t *completion,
                             const struct corpus_options *options) {
    size_t begin = corpus->tokens.count;
    TRY(begin_plain(options->tokenizer, prompt, &corpus->tokens));
    TRY(corpus_unlearn(corpus, begin, corpus->tokens.count));
    TRY(encode_plain(options->tokenizer, completion, &corpus->tokens));
    int32_t end = tokenizer_eos(options->tokenizer);
    if (end >= 0) TRY(token_list_append(&corpus->tokens, end));
    return corpus->tokens.count > begin ? corpus_end_text(corpus) : STATUS_OK;
}

static bool is_text_or_list(const json_t *value) {
    return json_is_string(value) || json_is_array(value);
}

static enum status add_pair(struct corpus *corpus, const json_t *line, const char *origin,
                            const struct corpus_options *options) {
    const json_t *prompt = json_object_get(line, "prompt"), *completion = json_object_get(line, "completion");
    if (!completion) completion = json_object_get(line, "answer");
    if (!is_text_or_list(prompt) || !is_text_or_list(completion))
        return fail(STATUS_FORMAT,
                    "%s: expected \"text\", \"messages\", or \"prompt\" with \"completion\" or \"answer\"",
                    origin);
    if (options->dialogue->plain) {
        if (json_is_string(prompt) && json_is_string(completion))
            return add_plain(corpus, prompt, completion, options);
        return fail(STATUS_FORMAT, "%s: without a template prompt and completion must be texts", origin);
    }
    struct chat chat;
    json_t *made = as_conversation(line, prompt, completion);
    enum status status = read_chat(&chat, made, origin);
    json_decref(made);
    TRY(status);
    status = add_chat(corpus, &chat, origin, options);
    chat_free(&chat);
    return status;
}

enum status corpus_add_dialogue(struct corpus *corpus, const json_t *line, const char *origin,
                                const struct corpus_options *options) {
    struct chat chat;
    if (!json_object_get(line, "messages")) return add_pair(corpus, line, origin, options);
    if (options->dialogue->plain) return fail(STATUS_FORMAT, "%s: messages need a template", origin);
    TRY(read_chat(&chat, line, origin));
    enum status status = add_chat(corpus, &chat, origin, options);
    chat_free(&chat);
    return status;
}

/* ---- prompts alone ---- */

static enum status render_prompt(const struct dialogue_form *form, const struct tokenizer *tokenizer,
                                 struct chat *chat, const char *origin, struct token_list *list) {
    struct render_options render = form->render;
    struct prompt prompt;
    while (chat->messages && chat->message[chat->messages - 1].role == ROLE_ASSISTANT) chat->messages--;
    if (!chat->messages) return fail(STATUS_FORMAT, "%s: nothing is asked", origin);
    render.no_generation_prompt = false;
    render.thinking = chat_thinking_wanted(render.template, render.thinking);
    TRY(chat_render(chat, &render, &prompt));
    enum status status = prompt_encode(&prompt, tokenizer, list);
    prompt_free(&prompt);
    return status;
}

enum status dialogue_prompt(const struct dialogue_form *form, const struct tokenizer *tokenizer,
                            const json_t *line, const char *origin, struct token_list *list) {
    const json_t *messages = json_object_get(line, "messages"), *prompt = json_object_get(line, "prompt");
    struct chat chat;
    if (!messages && !is_text_or_list(prompt))
        return fail(STATUS_FORMAT, "%s: expected \"prompt\" or \"messages\"", origin);
    if (form->plain) {
        if (json_is_string(prompt)) return begin_plain(tokenizer, prompt, list);
        return fail(STATUS_FORMAT, "%s: without a template \"prompt\" must be a text", origin);
    }
    json_t *made = messages ? json_incref((json_t *)line) : as_conversation(line, prompt, NULL);
    enum status status = read_chat(&chat, made, origin);
    json_decref(made);
    TRY(status);
    status = render_prompt(form, tokenizer, &chat, origin, list);
    chat_free(&chat);
    return status;
}
