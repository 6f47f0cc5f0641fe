/* job_form.c */
#include "server/job_form.h"

#include "server/api.h"
#include "text/gbnf.h"
#include "text/json_grammar.h"
#include "text/tool_calls.h"

/* The tree of tokens is made for the first answer that needs one. */
static enum status open_mask(struct job *job, struct grammar *grammar) {
    struct api *api = job->api;
    const struct engine *engine = service_engine(api->service);
    enum status status = STATUS_OK;
    pthread_mutex_lock(&api->trie_lock);
    if (!api->trie) status = token_trie_open(&api->trie, engine->tokenizer, engine->model.desc.vocab);
    if (status == STATUS_OK && !api->masks) status = mask_shared_open(&api->masks, api->trie);
    pthread_mutex_unlock(&api->trie_lock);
    if (status == STATUS_OK)
        return job_mask_open(&job->mask, grammar, &(struct job_vocabulary){engine, api->trie, api->masks},
                             job->order.choices, job->thinking);
    grammar_close(grammar);
    return status;
}

static enum status choice_grammar(struct grammar **grammar, const json_t *list) {
    struct grammar_builder builder = {0};
    const struct expression *sum = NULL;
    const int root = grammar_declare(&builder);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *text = json_array_get(list, i);
        const struct expression *one =
            grammar_bytes(&builder, json_string_value(text), json_string_length(text));
        sum = sum ? grammar_either(&builder, sum, one) : one;
    }
    grammar_define(&builder, root, sum);
    const enum status status = grammar_open(grammar, &builder, root);
    grammar_builder_free(&builder);
    return status;
}

static enum status form_grammar(struct grammar **grammar, const struct order *order) {
    const json_t *form = order->form;
    *grammar = NULL;
    switch (order->format) {
    case FORMAT_TEXT: break;
    case FORMAT_JSON_OBJECT: return json_object_grammar(grammar);
    case FORMAT_JSON_SCHEMA: return schema_grammar(grammar, form, order->form_field);
    case FORMAT_GRAMMAR:
        return gbnf_grammar(grammar, json_string_value(form), json_string_length(form), order->form_field);
    case FORMAT_CHOICE: return choice_grammar(grammar, form);
    }
    return STATUS_OK;
}

/* Calls that the model makes by itself: strict functions get the arguments that they ask for. */
static enum status bind_calls(struct job *job) {
    struct tool_binding binding;
    struct grammar *grammar;
    if (job->tools == TOOL_FORMAT_NONE || !tool_calls_any_strict(job->order.chat.tools)) return STATUS_OK;
    TRY(tool_calls_bind(job->order.chat.tools, job->tools, &binding, &grammar));
    TRY(open_mask(job, grammar));
    job_mask_bind(job->mask, &binding);
    return STATUS_OK;
}

enum status job_constrain(struct job *job, struct grammar *call) {
    struct grammar *grammar = call;
    if (!call) TRY(form_grammar(&grammar, &job->order));
    if (!grammar) return bind_calls(job);
    TRY(open_mask(job, grammar));
    if (call && job->tools == TOOL_FORMAT_PLAIN)
        job_mask_separator(job->mask, tool_call_separator(job->tools));
    return STATUS_OK;
}
