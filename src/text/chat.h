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

struct checkpoint;

enum chat_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

struct tool_call {
    const char *id, *name;
    const char *arguments;   /* JSON text, as the model or client wrote it */
    bool arguments_are_text; /* came as a JSON string: templates that write data as JSON quote them */
};

struct message {
    enum chat_role role;
    const char *content;   /* NULL: null or missing in the JSON, which some templates treat apart from "" */
    const char *reasoning; /* reasoning_content; NULL: none. Past reasoning is dropped by all templates */
    const char *name, *tool_call_id;
    const struct tool_call *tool_call;
    int tool_calls;
    bool prefix; /* the answer is to continue this assistant message (deepseek-v3.1 opens it with <think>) */
};

struct chat {
    const struct message *message;
    int messages;
    const json_t *tools; /* array of {"type":"function","function":{...}} or NULL */
    struct arena arena;  /* owns everything above but tools' root */
    json_t *root;        /* owned; keeps tools alive */
};

enum {
    CHAT_MESSAGES_LIMIT = 4096,
    CHAT_TOOLS_LIMIT = 128,       /* functions, and calls in one message */
    CHAT_NESTING_LIMIT = 128,     /* of the JSON */
    CHAT_CONTENT_LIMIT = 1 << 24, /* bytes of content, reasoning and arguments together */
    CHAT_JSON_LIMIT = 1 << 25     /* bytes of JSON text */
};

/* Messages as the chat API takes them: an array, or an object with "messages" and optional "tools". Content may be a
 * string, null, or an array of {"type":"text","text":...}, whose texts are joined by newlines. "developer" is a system
 * message; tool_calls that are null or empty are none; unknown fields are ignored. Sentences name messages[i].field,
 * codes are STATUS_INPUT and STATUS_LIMIT. On failure *chat is empty. */
must_use enum status chat_from_json(struct chat *chat, const char *text, size_t bytes, const char *origin);
/* Depth and number of values of JSON text, counted without building any: before a parser allocates for them. */
must_use enum status chat_json_check(const char *text, size_t bytes, const char *origin);
/* Replaces the tools by those of a JSON array. On failure the old ones stay. */
must_use enum status chat_set_tools(struct chat *chat, const char *text, size_t bytes, const char *origin);
/* The object form that chat_from_json() reads, one message a line; what is not UTF-8 becomes U+FFFD. */
void chat_to_json(const struct chat *chat, struct buffer *out);
void chat_free(struct chat *chat); /* also for a zeroed one */

/* The names are those of --template. deepseek-v3 is the template of DeepSeek's tokenizer package of January 2025; the
 * first release of V3 and V2.5 count as it. deepseek-r1 is R1's own (not llama.cpp's, which ends the user's turn with
 * an end of sentence). deepseek-v3.1 writes <think></think> where the checkpoint's first template, -release, writes
 * </think> alone. The -llama.cpp ones are what that project puts into GGUF files. */
enum chat_template {
    TEMPLATE_DEEPSEEK_V2,
    TEMPLATE_DEEPSEEK_V3,
    TEMPLATE_DEEPSEEK_R1,
    TEMPLATE_DEEPSEEK_V31,
    TEMPLATE_DEEPSEEK_R1_DISTILL,
    TEMPLATE_QWEN25,
    TEMPLATE_LLAMA3, /* 3.1, with its default date */
    TEMPLATE_DEEPSEEK_V3_0324,
    TEMPLATE_DEEPSEEK_R1_0528,
    TEMPLATE_DEEPSEEK_V31_RELEASE,
    TEMPLATE_DEEPSEEK_R1_LLAMA_CPP,
    TEMPLATE_DEEPSEEK_R1_DISTILL_LLAMA_CPP,
    TEMPLATE_COUNT
};

/* What each does to the generation prompt, behind `<｜Assistant｜>`:
 *
 *     template                      default           on             off
 *     deepseek-r1, -r1-llama.cpp    <think>\n         <think>\n      <think>\n\n</think>\n\n
 *     deepseek-r1-0528              nothing           <think>\n      <think>\n\n</think>\n\n
 *     deepseek-r1-distill           <think>\n         <think>\n      <think>\n</think>
 *     -r1-distill-llama.cpp         <think>\n</think> <think>\n      <think>\n</think>
 *     deepseek-v3.1                 <think></think>   <think>        <think></think>
 *     deepseek-v3.1-release         </think>          <think>        </think>
 *
 * The other models do not think; the setting is ignored. R1-0528 opens its reasoning itself. "Off" is not in the
 * templates of R1: the empty reasoning is the one that these models write themselves when they skip it. */
enum thinking { THINKING_DEFAULT, THINKING_ON, THINKING_OFF };

const char *chat_template_name(enum chat_template template); /* "deepseek-v3" */
bool chat_template_from_name(const char *name, enum chat_template *template);
/* Recognises a published Jinja template by its marks, however it is laid out; false when it is none of ours. */
bool chat_template_recognise(const char *jinja, enum chat_template *template);
/* Does the generation prompt end inside <think>? struct prompt says it exactly: behind tool results some do not. */
bool chat_template_thinks(enum chat_template template, enum thinking thinking);
/* Does the template write a space of its own in front of an answer in history? Then the model writes that space first, and it
 * is no part of the answer: with it the next prompt would have two. */
bool chat_template_spaces(enum chat_template template);
/* What an answer should use where nobody said: on for models that always reason, whatever their template's text does
 * by itself. */
enum thinking chat_thinking_wanted(enum chat_template template, enum thinking thinking);
/* The checkpoint's own template; without one, that of its family: then *guessed is true (NULL: not asked for).
 * STATUS_UNSUPPORTED when it has one that is unknown, since any other prompt would be wrong. */
must_use enum status chat_template_choose(const struct checkpoint *checkpoint, enum chat_template *template,
                                          bool *guessed);
/* Its template's own Jinja text, in `arena`; NULL when it has none. */
must_use enum status chat_template_text(const struct checkpoint *checkpoint, struct arena *arena,
                                        const char **jinja);
/* Text of the checkpoint's bos token, in `arena`; NULL when it names none. */
must_use enum status chat_bos(const struct checkpoint *checkpoint, struct arena *arena, const char **bos);

struct render_options {
    enum chat_template template;
    enum thinking thinking;
    bool no_generation_prompt;
    bool tools_described; /* also by templates that have no place for tools: behind the system prompt */
    const char *bos;      /* text of the bos token; NULL: the template family's own. Qwen's has none */
};

/* part[].control: the text is the content of an added token. Neighbouring text is one part; the parts lie one behind
 * the other in one string. */
struct prompt_part {
    const char *text;
    size_t bytes;
    bool control;
};
struct prompt {
    struct prompt_part *part;
    int parts;
    bool thinking; /* it ends inside <think>: start value of the reasoning splitter */
    struct arena arena;
};
/* STATUS_INPUT, naming messages[i].field, where the template has no form for what the chat holds. Tools are left out
 * by templates that have no place for them (deepseek-*, but r1-llama.cpp) unless `tools_described` asks for them: V3.1
 * has a published text, V3 and R1 get the form of calls that they were trained on, V2 has none. */
must_use enum status chat_render(const struct chat *chat, const struct render_options *options,
                                 struct prompt *prompt);
void prompt_free(struct prompt *prompt); /* also for a zeroed one */

/* The prompt string, parts joined. */
void prompt_text(const struct prompt *prompt, struct buffer *out);
/* Ids: control parts by tokenizer_find (as plain text when the vocabulary lacks them), the text between in PLAIN mode. */
must_use enum status prompt_encode(const struct prompt *prompt, const struct tokenizer *tokenizer,
                                   struct token_list *list);

/* Ids of a stretch of text that are known already. */
typedef enum status text_lookup(void *context, const char *text, size_t bytes, struct token_list *list,
                                bool *found);
/* The same, but that text between control parts is looked up first. */
must_use enum status prompt_encode_known(const struct prompt *prompt, const struct tokenizer *tokenizer,
                                         text_lookup *lookup, void *context, struct token_list *list);

/* Splits generated text into reasoning and answer while it streams; tags may arrive in pieces, and how the text is
 * cut does not change the result. <think> counts where nothing but white space (8 bytes at most) came before it; the
 * next </think> ends the reasoning, and <think> may follow again; elsewhere the tags are text. The tags are dropped
 * with the newlines behind them and up to 8 before </think>. Reasoning that never ends stays reasoning. */
struct reasoning_splitter {
    bool thinking;  /* start value: the prompt ended inside <think> */
    bool spaced;    /* start value: one space in front of everything is the template's, and is dropped */
    bool seen_any;  /* internal: the current kind has had text */
    bool after_tag; /* internal: a tag came before this kind */
    char held[16];  /* white space, then a possible beginning of <think> or </think> */
    int held_bytes;
};
enum text_kind { TEXT_REASONING, TEXT_ANSWER };
typedef void text_sink(void *context, enum text_kind kind, const char *text, size_t bytes); /* bytes > 0 */
void reasoning_split(struct reasoning_splitter *splitter, const char *text, size_t bytes, text_sink *sink,
                     void *context);
void reasoning_split_finish(struct reasoning_splitter *splitter, text_sink *sink, void *context);

#endif
