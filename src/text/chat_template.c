/* chat_template.c - the table of templates: names, whether they think, how a published Jinja text is told,
 * and chat_render(). Constant data; any thread. */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

enum thinks { THINKS_NEVER, THINKS_ALWAYS, THINKS_ON_REQUEST }; /* what THINKING_DEFAULT means */

struct template_row {
    const char *name;
    render_function *render;
    enum thinks thinks;
};

static const struct template_row rows[TEMPLATE_COUNT] = {
    [TEMPLATE_DEEPSEEK_V2] = {"deepseek-v2", render_deepseek_v2, THINKS_NEVER},
    [TEMPLATE_DEEPSEEK_V3] = {"deepseek-v3", render_deepseek_v3, THINKS_NEVER},
    [TEMPLATE_DEEPSEEK_R1] = {"deepseek-r1", render_deepseek_v3, THINKS_ALWAYS},
    [TEMPLATE_DEEPSEEK_V31] = {"deepseek-v3.1", render_deepseek_v31, THINKS_ON_REQUEST},
    [TEMPLATE_DEEPSEEK_R1_DISTILL] = {"deepseek-r1-distill", render_deepseek_distill, THINKS_ALWAYS},
    [TEMPLATE_QWEN25] = {"qwen2.5", render_qwen25, THINKS_NEVER},
    [TEMPLATE_LLAMA3] = {"llama-3", render_llama3, THINKS_NEVER},
    [TEMPLATE_DEEPSEEK_V3_0324] = {"deepseek-v3-0324", render_deepseek_0324, THINKS_NEVER},
    [TEMPLATE_DEEPSEEK_R1_0528] = {"deepseek-r1-0528", render_deepseek_0324, THINKS_ON_REQUEST},
    [TEMPLATE_DEEPSEEK_V31_RELEASE] = {"deepseek-v3.1-release", render_deepseek_v31, THINKS_ON_REQUEST},
    [TEMPLATE_DEEPSEEK_R1_LLAMA_CPP] = {"deepseek-r1-llama.cpp", render_deepseek_r1_llama_cpp, THINKS_ALWAYS},
    [TEMPLATE_DEEPSEEK_R1_DISTILL_LLAMA_CPP] = {"deepseek-r1-distill-llama.cpp", render_deepseek_distill,
                                                THINKS_ON_REQUEST},
};

const char *chat_template_name(enum chat_template template) {
    return rows[template].name;
}

bool chat_template_from_name(const char *name, enum chat_template *template) {
    for (int index = 0; index < TEMPLATE_COUNT; index++) {
        if (strcmp(rows[index].name, name) != 0) continue;
        *template = (enum chat_template)index;
        return true;
    }
    return false;
}

bool chat_template_thinks(enum chat_template template, enum thinking thinking) {
    switch (rows[template].thinks) {
    case THINKS_NEVER: return false;
    case THINKS_ALWAYS: return thinking != THINKING_OFF;
    case THINKS_ON_REQUEST: return thinking == THINKING_ON;
    }
    return false;
}

bool chat_template_spaces(enum chat_template template) {
    return template == TEMPLATE_DEEPSEEK_V2;
}

enum thinking chat_thinking_wanted(enum chat_template template, enum thinking thinking) {
    bool reasoner =
        template == TEMPLATE_DEEPSEEK_R1_DISTILL_LLAMA_CPP || rows[template].thinks == THINKS_ALWAYS;
    return thinking == THINKING_DEFAULT && reasoner ? THINKING_ON : thinking;
}

enum status chat_render(const struct chat *chat, const struct render_options *options,
                        struct prompt *prompt) {
    *prompt = (struct prompt){0};
    MUST(options->template >= 0 && options->template <TEMPLATE_COUNT);
    struct render render = {.chat = chat, .options = options, .out.text.limit = PROMPT_LIMIT};
    enum status status = rows[options->template].render(&render);
    if (status == STATUS_OK) status = prompt_finish(&render.out, prompt);
    if (status == STATUS_OK) prompt->thinking = render.thinking;
    prompt_builder_free(&render.out);
    return status;
}

enum { JINJA_LIMIT = 1 << 20, MARKS_MOST = 5 };

/* What a template's text has, and has not, once layout is taken out: white space, written-out newlines, and the kind of
 * quotes. The first row that fits wins. */
struct mark_row {
    enum chat_template template;
    const char *has[MARKS_MOST], *lacks[MARKS_MOST];
};

static const struct mark_row mark_rows[] = {
    {TEMPLATE_LLAMA3,
     {"<|start_header_id|>", "CuttingKnowledgeDate:December2023", "tools_in_user_message"},
     {"strftime_now", "'output'", "<think>"}},
    {TEMPLATE_QWEN25,
     {"<|im_start|>", "YouareQwen,createdbyAlibabaCloud.", "<tool_call>"},
     {"<think>", "</think>", "enable_thinking"}},
    {TEMPLATE_DEEPSEEK_V2,
     {"{{'User:'+message['content']+''}}", "'Assistant:'+message['content']+eos_token"},
     {"<think>"}},
    {TEMPLATE_DEEPSEEK_V31, {"'<｜Assistant｜><think></think>'", "<｜tool▁output▁begin｜>"}, {"tool_ns"}},
    {TEMPLATE_DEEPSEEK_V31_RELEASE, {"'<｜Assistant｜></think>'", "<｜tool▁output▁begin｜>"}, {"tool_ns"}},
    {TEMPLATE_DEEPSEEK_R1_LLAMA_CPP, {"flush_tool_outputs", "'<｜Assistant｜><think>'"}},
    {TEMPLATE_DEEPSEEK_R1_0528, {"'<｜User｜>'+content+'<｜Assistant｜>'"}, {"tool_ns", "<think>"}},
    {TEMPLATE_DEEPSEEK_V3_0324,
     {"'<｜User｜>'+message['content']+'<｜Assistant｜>'"},
     {"</tools>", "<think>"}},
    {TEMPLATE_DEEPSEEK_R1_DISTILL_LLAMA_CPP,
     {"'<｜Assistant｜><think>'", "message['role']=='assistant'andmessage['tool_calls']", "enable_thinking"}},
    {TEMPLATE_DEEPSEEK_R1,
     {"'<｜Assistant｜><think>'", "'tool_calls'inmessage", "'<｜User｜>'+message['content']}}"}},
    {TEMPLATE_DEEPSEEK_R1_DISTILL,
     {"'<｜Assistant｜><think>'", "message['content']isnone", "'<｜User｜>'+message['content']}}"}},
    {TEMPLATE_DEEPSEEK_V3,
     {"{{'<｜Assistant｜>'}}", "<｜tool▁outputs▁end｜>", "'<｜User｜>'+message['content']}}"},
     {"<think>"}},
};

static bool row_fits(const struct mark_row *row, const char *text) {
    for (int index = 0; index < MARKS_MOST; index++) {
        if (row->has[index] && !strstr(text, row->has[index])) return false;
        if (row->lacks[index] && strstr(text, row->lacks[index])) return false;
    }
    return true;
}

/* Also writes "{{-" and "-}}", which trim the layout around them, as "{{" and "}}". */
static char *without_layout(const char *jinja) {
    char *text = malloc(strlen(jinja) + 1), *to = text;
    if (!text) return NULL;
    for (const char *at = jinja; *at; at++) {
        if (strchr(" \t\r\n", *at)) continue;
        bool newline = at[0] == '\\' && at[1] == 'n';
        bool trim =
            *at == '-' && (!strncmp(at + 1, "}}", 2) || (at - jinja >= 2 && !strncmp(at - 2, "{{", 2)));
        at += newline;
        if (!newline && !trim) *to++ = *at == '"' ? '\'' : *at;
    }
    *to = 0;
    return text;
}

bool chat_template_recognise(const char *jinja, enum chat_template *template) {
    if (strnlen(jinja, JINJA_LIMIT) == JINJA_LIMIT) return false;
    char *text = without_layout(jinja);
    bool found = false;
    for (size_t index = 0; text && !found && index < COUNT_OF(mark_rows); index++) {
        found = row_fits(&mark_rows[index], text);
        if (found) *template = mark_rows[index].template;
    }
    free(text);
    return found;
}
