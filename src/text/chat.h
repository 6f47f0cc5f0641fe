/* chat.h - messages, and the prompt that each model generation was trained on.
 *
 * A template writes a prompt as a list of parts: control tokens, which only templates write, and text,
 * which is tokenized with added tokens disabled. What a user sends can therefore never become a
 * control token, although the printed prompt string is the published one. */
#ifndef HADAL_TEXT_CHAT_H
#define HADAL_TEXT_CHAT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/json.h"
#include "text/tokenizer.h"

enum chat_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct tool_call {
    const char *id, *name;
    const char *arguments; /* JSON text, as the model or client wrote it */
};

struct message {
    enum chat_role role;
    const char *content;   /* NULL: null in the JSON, which some templates treat apart from "" */
    const char *reasoning; /* reasoning_content; NULL: none */
    const char *name, *tool_call_id;
    const struct tool_call *tool_call;
    int tool_calls;
};

struct chat {
    const struct message *message;
    int messages;
    const json_t *tools;  /* array of {"type":"function","function":{...}} or NULL */
    struct arena arena;   /* owns everything above but tools' root */
    json_t *root;         /* owned; keeps tools alive */
};

/* Messages as the chat API takes them: an array, or an object with "messages" and optional "tools". Content may be a
 * string, null, or an array of {"type":"text","text":...}. Sentences name messages[i].field. */
must_use enum status chat_from_json(struct chat *chat, const char *text, size_t bytes, const char *origin);
void chat_free(struct chat *chat);

enum chat_template {
    TEMPLATE_DEEPSEEK_V2, TEMPLATE_DEEPSEEK_V3, TEMPLATE_DEEPSEEK_R1, TEMPLATE_DEEPSEEK_V31,
    TEMPLATE_DEEPSEEK_R1_DISTILL, TEMPLATE_QWEN25, TEMPLATE_LLAMA3, TEMPLATE_COUNT
};

enum thinking { THINKING_DEFAULT, THINKING_ON, THINKING_OFF }; /* default: on where the model always thinks */

const char *chat_template_name(enum chat_template template); /* "deepseek-v3" */
bool chat_template_from_name(const char *name, enum chat_template *template);
/* Recognises a published Jinja template by its marks; false when it is none of ours. */
bool chat_template_recognise(const char *jinja, enum chat_template *template);
bool chat_template_thinks(enum chat_template template, enum thinking thinking); /* does the answer start with reasoning? */

struct render_options {
    enum chat_template template;
    enum thinking thinking;
    bool no_generation_prompt;
    const char *bos; /* text of the bos token; NULL: the template family's own */
};

/* parts[].control: the text is the content of an added token */
struct prompt_part { const char *text; size_t bytes; bool control; };
struct prompt {
    struct prompt_part *part;
    int parts;
    struct arena arena;
};
must_use enum status chat_render(const struct chat *chat, const struct render_options *options, struct prompt *prompt);
void prompt_free(struct prompt *prompt);

/* The prompt string, parts joined. */
void prompt_text(const struct prompt *prompt, struct buffer *out);
/* Ids: control parts by tokenizer_find (as plain text when the vocabulary lacks them), the text between in PLAIN mode. */
must_use enum status prompt_encode(const struct prompt *prompt, const struct tokenizer *tokenizer, struct token_list *list);

/* Splits generated text into reasoning and answer while it streams; tags may arrive in pieces. */
struct reasoning_splitter {
    bool thinking; /* start value: the prompt ended inside <think> */
    bool seen_any; /* internal */
    char held[16]; /* a possible beginning of <think> or </think> */
    int held_bytes;
};
enum text_kind { TEXT_REASONING, TEXT_ANSWER };
typedef void text_sink(void *context, enum text_kind kind, const char *text, size_t bytes);
void reasoning_split(struct reasoning_splitter *splitter, const char *text, size_t bytes, text_sink *sink, void *context);
void reasoning_split_finish(struct reasoning_splitter *splitter, text_sink *sink, void *context);

#endif
