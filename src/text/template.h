/* template.h - what the chat templates share: one render_*() function for each form of prompt, called by
 * chat_render(), and the helpers that they write with.
 *
 * Each function follows its published Jinja template turn by turn, also where that template is odd (a flag
 * that is never reset, tool calls that are lost): the models and other programs see exactly that text. */
#ifndef HADAL_TEXT_TEMPLATE_H
#define HADAL_TEXT_TEMPLATE_H

#include "text/prompt.h"

struct render {
    const struct chat *chat;
    const struct render_options *options;
    struct prompt_builder out;
    bool thinking; /* the prompt ends inside <think> */
};

typedef enum status render_function(struct render *render);
render_function render_deepseek_v2;
render_function render_deepseek_v3; /* also R1 */
render_function render_deepseek_distill;
render_function render_deepseek_0324; /* V3-0324 and R1-0528 */
render_function render_deepseek_v31;
render_function render_deepseek_r1_llama_cpp;
render_function render_qwen25;
render_function render_llama3;

void put(struct render *render, const char *literal); /* the template's own words: control tokens count */
void put_text(struct render *render, const char *text);
void put_bos(struct render *render, const char *fallback);
/* Content that the template cannot do without: STATUS_INPUT when it is null. */
must_use enum status put_content(struct render *render, const struct message *message);
must_use enum status content_required(const struct render *render, const struct message *message);
/* The arguments as they are, or as Jinja's tojson writes them: a string of JSON text is quoted once more. */
void put_arguments(struct render *render, const struct tool_call *call, bool as_json);
/* STATUS_INPUT: messages[i].field does not fit this template. */
must_use enum status refuse_message(const struct render *render, const struct message *message,
                                    const char *field, const char *why);

#define DEEPSEEK_BOS "<｜begin▁of▁sentence｜>"
#define DEEPSEEK_EOS "<｜end▁of▁sentence｜>"

/* DeepSeek's forms. The system prompt in front is all system messages, joined by empty lines, or the last one. */
must_use enum status put_system_prompt(struct render *render, bool joined);
/* Behind it, where they are to be described: the functions, and how to call them. */
void put_fenced_tools(struct render *render);
void put_plain_tools(struct render *render);
/* Behind the first or the last </think>; the whole content when there is none. */
const char *behind_reasoning(const char *content, bool last);
/* "function<sep>NAME\n```json\nARGUMENTS\n```" between the tokens of one call. */
void put_fenced_call(struct render *render, const struct tool_call *call, bool arguments_as_json);
/* Opens reasoning, or writes `closed` when thinking is off. */
void put_thinking(struct render *render, const char *open, const char *closed);

#endif
