/* tool_calls.h - calls of tools in generated text: what is text and what a call, while it streams; and answers that must
 * be a call.
 *
 * Each model generation writes calls in its own form. Arguments are passed on as they come, so a call that turns out not
 * to be one has begun already: then it is said to be broken. How the text is cut does not change the result. */
#ifndef HADAL_TEXT_TOOL_CALLS_H
#define HADAL_TEXT_TOOL_CALLS_H

#include "text/chat.h"

struct grammar;

enum tool_format {
    TOOL_FORMAT_NONE,   /* the template has no form for calls */
    TOOL_FORMAT_FENCED, /* V3, R1: control tokens, and the arguments between ```json and ``` */
    TOOL_FORMAT_PLAIN,  /* V3.1: control tokens alone */
    TOOL_FORMAT_TAGGED, /* Qwen: {"name":...,"arguments":...} between <tool_call> and </tool_call> */
    TOOL_FORMAT_BARE    /* Llama: the answer is {"name":...,"parameters":...} */
};
enum tool_format chat_template_tool_format(enum chat_template template);

/* Names of functions are [A-Za-z0-9_-], which is what clients may declare; what else stands there is no call. */
enum { TOOL_NAME_LIMIT = 64, TOOL_HEAD_LIMIT = 256 };
bool tool_name_is_valid(const char *name, size_t bytes);

enum tool_event {
    TOOL_TEXT,
    TOOL_CALL_BEGIN,  /* the text is the function's name, whole */
    TOOL_ARGUMENTS,   /* a piece of them: an object of JSON, as far as brackets and quotes tell */
    TOOL_CALL_END,    /* the object is complete */
    TOOL_CALL_BROKEN, /* it ended, or went on as no JSON does; what follows is text */
};
typedef void tool_sink(void *context, enum tool_event event, const char *text, size_t bytes);

/* Start value: the format, and zeros. Control tokens must be visible in the text. White space before a call (8 bytes at
 * most), and what closes it, is dropped. */
struct tool_call_parser {
    enum tool_format format;
    enum { TOOL_STATE_TEXT, TOOL_STATE_ARGUMENTS, TOOL_STATE_BEHIND } state; /* internal, like the rest */
    bool seen_any, quoted, escaped;
    int depth, held_bytes;
    char held[TOOL_HEAD_LIMIT]; /* what may become the beginning of a call */
};
void tool_calls_parse(struct tool_call_parser *parser, const char *text, size_t bytes, tool_sink *sink,
                      void *context);
void tool_calls_finish(struct tool_call_parser *parser, tool_sink *sink, void *context);

/* What stands in front of a function's name, and between it and the arguments. */
const char *tool_call_opening(enum tool_format format);
const char *tool_call_separator(enum tool_format format);

/* An answer that is a call of the function `name`, or of any one (NULL): the text that it begins with, control tokens in
 * it, and the grammar of the rest. Arguments follow the function's schema; where that has no grammar they are any object,
 * but for strict functions, which are then refused. STATUS_INPUT: there is no such function, or no form for calls. */
must_use enum status tool_calls_force(const json_t *tools, const char *name, enum tool_format format,
                                      struct buffer *opening, struct grammar **grammar);
/* How an answer that may be a call comes under a grammar: behind a control token (NULL: from its first byte), once it has
 * followed it for so many bytes. */
struct tool_binding {
    const char *token;
    size_t free_bytes;
    const char *separator; /* a control token that the grammar says by its text; NULL: none */
};
struct tool_binding tool_call_binding(enum tool_format format);
bool tool_calls_any_strict(const json_t *tools);
/* The grammar of a call from its binding to the end of its arguments: strict functions get what their schemas say, others
 * any object. */
must_use enum status tool_calls_bind(const json_t *tools, enum tool_format format,
                                     struct tool_binding *binding, struct grammar **grammar);
/* Have the schemas of strict functions a grammar? */
must_use enum status tool_schemas_check(const json_t *tools);

#endif
