/* order_format.c - the form that answers must have, in the spellings of DeepSeek and OpenAI (response_format), of
 * llama-server (grammar, json_schema) and of vLLM (structured_outputs, guided_...). One of them at most. */
#include "server/order_fields.h"

#include <string.h>

static enum status set_form(struct order *order, enum order_format format, const json_t *form,
                            const char *field) {
    if (order->format != FORMAT_TEXT)
        return fail(STATUS_INPUT, "%s: an answer cannot have the form of %s as well", field,
                    order->form_field);
    order->format = format;
    order->form = form;
    order->form_field = field;
    if (format == FORMAT_JSON_SCHEMA && !json_is_object(form) && !json_is_boolean(form))
        return fail(STATUS_INPUT, "%s: must be an object", field);
    if (format == FORMAT_GRAMMAR && !json_is_string(form))
        return fail(STATUS_INPUT, "%s: must be a string, the grammar", field);
    if (format == FORMAT_CHOICE && json_array_size(form) == 0)
        return fail(STATUS_INPUT, "%s: must be an array of strings", field);
    for (size_t i = 0; format == FORMAT_CHOICE && i < json_array_size(form); i++)
        if (json_string_length(json_array_get(form, i)) == 0)
            return fail(STATUS_INPUT, "%s[%zu]: must be a string, and not empty", field, i);
    return STATUS_OK;
}

static enum status read_response_format(struct order *order, const json_t *format) {
    const json_t *object = json_object_get(format, "json_schema"),
                 *schema = json_object_get(object, "schema");
    const char *type = json_string_value(json_object_get(format, "type"));
    if (!format || json_is_null(format)) return STATUS_OK;
    if (!type) return fail(STATUS_INPUT, "response_format.type: must be a string");
    if (!strcmp(type, "text")) return STATUS_OK;
    if (!strcmp(type, "json_object")) {
        /* llama-server has the schema here, too */
        schema = json_object_get(format, "schema");
        return set_form(order, json_object_size(schema) ? FORMAT_JSON_SCHEMA : FORMAT_JSON_OBJECT, schema,
                        "response_format.schema");
    }
    if (!strcmp(type, "json_schema"))
        return set_form(order, FORMAT_JSON_SCHEMA, schema, "response_format.json_schema.schema");
    if (!strcmp(type, "grammar"))
        return set_form(order, FORMAT_GRAMMAR, json_object_get(format, "grammar"), "response_format.grammar");
    return fail(STATUS_INPUT,
                "response_format.type: unknown variant `%.32s`, expected one of `text`, "
                "`json_object`, `json_schema`, `grammar`",
                type);
}

struct form_field {
    const char *field, *name; /* name: in the sentences */
    enum order_format format;
};

/* Fields that are missing, null, or an empty string, as some clients send for none, say nothing. */
static enum status read_fields(struct order *order, const json_t *object, const struct form_field *row,
                               int rows) {
    for (int i = 0; i < rows; i++) {
        const json_t *form = json_object_get(object, row[i].field);
        if (!form || json_is_null(form) || (json_is_string(form) && json_string_length(form) == 0)) continue;
        TRY(set_form(order, row[i].format, form, row[i].name));
    }
    return STATUS_OK;
}

enum status order_read_format(struct order *order, const json_t *root) {
    static const struct form_field fields[] = {{"grammar", "grammar", FORMAT_GRAMMAR},
                                               {"json_schema", "json_schema", FORMAT_JSON_SCHEMA},
                                               {"guided_grammar", "guided_grammar", FORMAT_GRAMMAR},
                                               {"guided_json", "guided_json", FORMAT_JSON_SCHEMA},
                                               {"guided_choice", "guided_choice", FORMAT_CHOICE}},
                                   outputs[] = {{"grammar", "structured_outputs.grammar", FORMAT_GRAMMAR},
                                                {"json", "structured_outputs.json", FORMAT_JSON_SCHEMA},
                                                {"choice", "structured_outputs.choice", FORMAT_CHOICE}};
    TRY(read_response_format(order, json_object_get(root, "response_format")));
    TRY(read_fields(order, root, fields, (int)COUNT_OF(fields)));
    return read_fields(order, json_object_get(root, "structured_outputs"), outputs, (int)COUNT_OF(outputs));
}
