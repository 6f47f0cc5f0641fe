/* chat_json.c - messages and tools from JSON that a stranger wrote, and back. Everything is copied into the
 * chat's arena; only the tools stay JSON. Limits are checked before anything is built: an outline pass bounds
 * what the parser may allocate. */
#include "base/json.h"
#include "text/chat.h"
#include "text/json_print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { VALUES_LIMIT = 1 << 20, NAME_LIMIT = 256, SENTENCE_BYTES = 256 };

struct reader {
    const char *origin;
    struct arena *arena;
    int index;            /* of the message */
    size_t content_bytes; /* so far, of all messages */
};

/* "ORIGIN: messages[i]PLACE: sentence"; PLACE is ".content" or the like. */
static enum status printf_like(4, 5)
    refuse(const struct reader *reader, enum status code, const char *place, const char *format, ...) {
    char sentence[SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return fail(code, "%s: messages[%d]%s: %s", reader->origin, reader->index, place, sentence);
}

enum status chat_json_check(const char *text, size_t bytes, const char *origin) {
    if (bytes > CHAT_JSON_LIMIT)
        return fail(STATUS_LIMIT, "%s: %zu bytes of JSON, at most %d are allowed", origin, bytes,
                    CHAT_JSON_LIMIT);
    int depth = 0, values = 0;
    bool quoted = false;
    for (size_t at = 0; at < bytes; at++) {
        char c = text[at];
        if (quoted && c == '\\')
            at++;
        else if (c == '"')
            quoted = !quoted;
        if (quoted) continue;
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        values += c == '[' || c == '{' || c == ',';
        if (depth > CHAT_NESTING_LIMIT)
            return fail(STATUS_LIMIT, "%s: JSON nested more than %d deep", origin, CHAT_NESTING_LIMIT);
        if (values > VALUES_LIMIT)
            return fail(STATUS_LIMIT, "%s: more than %d JSON values", origin, VALUES_LIMIT);
    }
    return STATUS_OK;
}

static enum status parse(const char *text, size_t bytes, const char *origin, json_t **root) {
    TRY(chat_json_check(text, bytes, origin));
    return json_parse(text, bytes, origin, root) == STATUS_OK ? STATUS_OK : STATUS_INPUT;
}

static enum status copy_text(struct reader *reader, const char *place, const json_t *value,
                             const char **copy) {
    const char *text = json_string_value(value);
    size_t bytes = json_string_length(value);
    if (!text) return refuse(reader, STATUS_INPUT, place, "must be a string");
    if (memchr(text, 0, bytes)) return refuse(reader, STATUS_INPUT, place, "contains the character U+0000");
    reader->content_bytes += bytes;
    if (reader->content_bytes > CHAT_CONTENT_LIMIT)
        return refuse(reader, STATUS_LIMIT, place, "all messages together hold more than %d bytes",
                      CHAT_CONTENT_LIMIT);
    *copy = arena_copy(reader->arena, text, bytes);
    return *copy ? STATUS_OK : refuse(reader, STATUS_MEMORY, place, "out of memory");
}

static enum status copy_text_or_null(struct reader *reader, const char *place, const json_t *value,
                                     const char **copy) {
    *copy = NULL;
    return !value || json_is_null(value) ? STATUS_OK : copy_text(reader, place, value, copy);
}

static enum status append_part(struct reader *reader, size_t index, const json_t *part,
                               struct buffer *joined) {
    char place[64];
    snprintf(place, sizeof place, ".content[%zu]", index);
    const char *type = json_string_value(json_object_get(part, "type")), *text;
    if (!json_is_object(part)) return refuse(reader, STATUS_INPUT, place, "must be an object");
    if (!type || strcmp(type, "text") != 0)
        return refuse(reader, STATUS_INPUT, place, "type is \"%.32s\", only \"text\" is possible",
                      type ? type : "");
    snprintf(place, sizeof place, ".content[%zu].text", index);
    TRY(copy_text(reader, place, json_object_get(part, "text"), &text));
    if (index) buffer_append_char(joined, '\n');
    buffer_append_text(joined, text);
    return STATUS_OK;
}

static enum status join_parts(struct reader *reader, const json_t *parts, const char **content) {
    struct buffer joined = {0};
    enum status status = STATUS_OK;
    for (size_t index = 0; status == STATUS_OK && index < json_array_size(parts); index++)
        status = append_part(reader, index, json_array_get(parts, index), &joined);
    if (status == STATUS_OK) status = buffer_check(&joined, "content");
    if (status == STATUS_OK) {
        *content = arena_copy(reader->arena, joined.data, joined.bytes);
        if (!*content) status = refuse(reader, STATUS_MEMORY, ".content", "out of memory");
    }
    buffer_free(&joined);
    return status;
}

static enum status read_content(struct reader *reader, const json_t *object, struct message *message) {
    const json_t *content = json_object_get(object, "content");
    if (json_is_array(content)) return join_parts(reader, content, &message->content);
    if (content && !json_is_null(content) && !json_is_string(content))
        return refuse(reader, STATUS_INPUT, ".content", "must be a string, null or an array of text parts");
    if (!content && message->role != ROLE_ASSISTANT)
        return refuse(reader, STATUS_INPUT, ".content", "is missing");
    return copy_text_or_null(reader, ".content", content, &message->content);
}

static enum status read_role(struct reader *reader, const json_t *object, enum chat_role *role) {
    static const struct {
        const char *name;
        enum chat_role role;
    } roles[] = {{"system", ROLE_SYSTEM},
                 {"developer", ROLE_SYSTEM},
                 {"user", ROLE_USER},
                 {"assistant", ROLE_ASSISTANT},
                 {"tool", ROLE_TOOL}};
    const char *name = json_string_value(json_object_get(object, "role"));
    for (size_t index = 0; name && index < COUNT_OF(roles); index++) {
        if (strcmp(roles[index].name, name) != 0) continue;
        *role = roles[index].role;
        return STATUS_OK;
    }
    return refuse(reader, STATUS_INPUT, ".role",
                  "is \"%.32s\"; possible are system, developer, user, assistant, tool", name ? name : "");
}

/* An object is kept as the text that Python's json writes for it. */
static enum status read_arguments(struct reader *reader, const char *place, const json_t *value,
                                  struct tool_call *call) {
    call->arguments_are_text = json_is_string(value);
    if (call->arguments_are_text) return copy_text(reader, place, value, &call->arguments);
    if (value && !json_is_null(value) && !json_is_object(value))
        return refuse(reader, STATUS_INPUT, place, "must be a string of JSON or an object");
    struct buffer text = {.limit = CHAT_CONTENT_LIMIT};
    if (json_is_object(value))
        json_print(&text, value, 0);
    else
        buffer_append_text(&text, "{}");
    enum status status = buffer_check(&text, "arguments");
    json_t *copy = status == STATUS_OK ? json_stringn_nocheck(text.data, text.bytes) : NULL;
    if (status == STATUS_OK) status = copy_text(reader, place, copy, &call->arguments);
    json_decref(copy);
    buffer_free(&text);
    return status;
}

/* "function" is the only type there is, and may be left out. */
static enum status check_function(const json_t *tool, const json_t **function, const char **why) {
    const json_t *type = json_object_get(tool, "type");
    *function = json_object_get(tool, "function");
    const json_t *name = json_object_get(*function, "name");
    size_t bytes = json_string_length(name);
    *why = NULL;
    if (!json_is_object(tool))
        *why = "must be an object";
    else if (type && (!json_is_string(type) || strcmp(json_string_value(type), "function") != 0))
        *why = "type must be \"function\"";
    else if (!json_is_object(*function))
        *why = "function must be an object";
    else if (!bytes || bytes > NAME_LIMIT || memchr(json_string_value(name), 0, bytes))
        *why = "function.name must be a string of 1 to 256 bytes";
    return *why ? STATUS_INPUT : STATUS_OK;
}

static enum status read_call(struct reader *reader, size_t index, const json_t *object,
                             struct tool_call *call) {
    char place[64];
    const json_t *function;
    const char *why;
    snprintf(place, sizeof place, ".tool_calls[%zu]", index);
    if (check_function(object, &function, &why) != STATUS_OK)
        return refuse(reader, STATUS_INPUT, place, "%s", why);
    snprintf(place, sizeof place, ".tool_calls[%zu].function.name", index);
    TRY(copy_text(reader, place, json_object_get(function, "name"), &call->name));
    snprintf(place, sizeof place, ".tool_calls[%zu].id", index);
    TRY(copy_text_or_null(reader, place, json_object_get(object, "id"), &call->id));
    snprintf(place, sizeof place, ".tool_calls[%zu].function.arguments", index);
    return read_arguments(reader, place, json_object_get(function, "arguments"), call);
}

static enum status read_calls(struct reader *reader, const json_t *object, struct message *message) {
    const json_t *calls = json_object_get(object, "tool_calls");
    size_t count = json_array_size(calls);
    if (calls && !json_is_null(calls) && !json_is_array(calls))
        return refuse(reader, STATUS_INPUT, ".tool_calls", "must be an array");
    if (!count) return STATUS_OK;
    if (message->role != ROLE_ASSISTANT)
        return refuse(reader, STATUS_INPUT, ".tool_calls", "only an assistant's message can have them");
    if (count > CHAT_TOOLS_LIMIT)
        return refuse(reader, STATUS_LIMIT, ".tool_calls", "%zu calls, at most %d are allowed", count,
                      CHAT_TOOLS_LIMIT);
    struct tool_call *call = arena_take(reader->arena, count * sizeof *call);
    if (!call) return refuse(reader, STATUS_MEMORY, ".tool_calls", "out of memory");
    for (size_t index = 0; index < count; index++)
        TRY(read_call(reader, index, json_array_get(calls, index), &call[index]));
    message->tool_call = call;
    message->tool_calls = (int)count;
    return STATUS_OK;
}

static enum status read_message(struct reader *reader, const json_t *object, struct message *message) {
    if (!json_is_object(object)) return refuse(reader, STATUS_INPUT, "", "must be an object");
    TRY(read_role(reader, object, &message->role));
    TRY(read_content(reader, object, message));
    TRY(copy_text_or_null(reader, ".reasoning_content", json_object_get(object, "reasoning_content"),
                          &message->reasoning));
    TRY(copy_text_or_null(reader, ".name", json_object_get(object, "name"), &message->name));
    TRY(copy_text_or_null(reader, ".tool_call_id", json_object_get(object, "tool_call_id"),
                          &message->tool_call_id));
    const json_t *prefix = json_object_get(object, "prefix");
    if (prefix && !json_is_boolean(prefix) && !json_is_null(prefix))
        return refuse(reader, STATUS_INPUT, ".prefix", "must be true or false");
    message->prefix = json_is_true(prefix);
    return read_calls(reader, object, message);
}

static enum status read_messages(struct chat *chat, const json_t *list, const char *origin) {
    struct reader reader = {.origin = origin, .arena = &chat->arena};
    size_t count = json_array_size(list);
    if (!json_is_array(list)) return fail(STATUS_INPUT, "%s: messages must be an array", origin);
    if (count > CHAT_MESSAGES_LIMIT)
        return fail(STATUS_LIMIT, "%s: %zu messages, at most %d are allowed", origin, count,
                    CHAT_MESSAGES_LIMIT);
    struct message *message = arena_take(&chat->arena, count * sizeof *message);
    if (!message) return fail(STATUS_MEMORY, "%s: out of memory for %zu messages", origin, count);
    chat->message = message;
    for (; reader.index < (int)count; reader.index++)
        TRY(read_message(&reader, json_array_get(list, (size_t)reader.index), &message[reader.index]));
    chat->messages = (int)count;
    return STATUS_OK;
}

static enum status check_tools(const json_t *tools, const char *origin) {
    if (!json_is_array(tools)) return fail(STATUS_INPUT, "%s: tools must be an array", origin);
    if (json_array_size(tools) > CHAT_TOOLS_LIMIT)
        return fail(STATUS_LIMIT, "%s: %zu tools, at most %d are allowed", origin, json_array_size(tools),
                    CHAT_TOOLS_LIMIT);
    for (size_t index = 0; index < json_array_size(tools); index++) {
        const json_t *function;
        const char *why;
        if (check_function(json_array_get(tools, index), &function, &why) != STATUS_OK)
            return fail(STATUS_INPUT, "%s: tools[%zu]: %s", origin, index, why);
    }
    return STATUS_OK;
}

/* Takes over `tools`, which may be NULL. */
static void keep_tools(struct chat *chat, json_t *tools) {
    json_decref(chat->root);
    chat->tools = chat->root = tools;
}

static enum status read_chat(struct chat *chat, json_t *root, const char *origin) {
    json_t *tools = json_object_get(root, "tools");
    if (!json_is_object(root) && !json_is_array(root))
        return fail(STATUS_INPUT, "%s: must be an array of messages, or an object with \"messages\"", origin);
    TRY(read_messages(chat, json_is_array(root) ? root : json_object_get(root, "messages"), origin));
    if (!tools || json_is_null(tools)) return STATUS_OK;
    TRY(check_tools(tools, origin));
    keep_tools(chat, json_incref(tools));
    return STATUS_OK;
}

enum status chat_from_json(struct chat *chat, const char *text, size_t bytes, const char *origin) {
    json_t *root;
    *chat = (struct chat){0};
    TRY(parse(text, bytes, origin, &root));
    enum status status = read_chat(chat, root, origin);
    json_decref(root);
    if (status != STATUS_OK) chat_free(chat);
    return status;
}

enum status chat_set_tools(struct chat *chat, const char *text, size_t bytes, const char *origin) {
    json_t *tools;
    TRY(parse(text, bytes, origin, &tools));
    enum status status = check_tools(tools, origin);
    if (status == STATUS_OK)
        keep_tools(chat, tools);
    else
        json_decref(tools);
    return status;
}

void chat_free(struct chat *chat) {
    json_decref(chat->root);
    arena_free(&chat->arena);
    *chat = (struct chat){0};
}

static void print_field(struct buffer *out, const char *name, const char *text) {
    if (!text) return;
    buffer_printf(out, ", \"%s\": ", name);
    json_print_text(out, text, strlen(text));
}

static void print_calls(struct buffer *out, const struct message *message) {
    for (int index = 0; index < message->tool_calls; index++) {
        const struct tool_call *call = &message->tool_call[index];
        buffer_append_text(out, index ? ", {\"type\": \"function\""
                                      : ", \"tool_calls\": [{\"type\": \"function\"");
        print_field(out, "id", call->id);
        buffer_append_text(out, ", \"function\": {\"name\": ");
        json_print_text(out, call->name, strlen(call->name));
        buffer_append_text(out, ", \"arguments\": ");
        if (call->arguments_are_text)
            json_print_text(out, call->arguments, strlen(call->arguments));
        else
            buffer_append_text(out, call->arguments);
        buffer_append_text(out, "}}");
    }
    if (message->tool_calls) buffer_append_char(out, ']');
}

void chat_to_json(const struct chat *chat, struct buffer *out) {
    static const char *const roles[] = {
        [ROLE_SYSTEM] = "system", [ROLE_USER] = "user", [ROLE_ASSISTANT] = "assistant", [ROLE_TOOL] = "tool"};
    buffer_append_text(out, "{\"messages\": [");
    for (int index = 0; index < chat->messages; index++) {
        const struct message *message = &chat->message[index];
        buffer_printf(out, "%s\n{\"role\": \"%s\"", index ? "," : "", roles[message->role]);
        print_field(out, "name", message->name);
        print_field(out, "tool_call_id", message->tool_call_id);
        print_field(out, "reasoning_content", message->reasoning);
        if (message->content)
            print_field(out, "content", message->content);
        else
            buffer_append_text(out, ", \"content\": null");
        print_calls(out, message);
        buffer_append_text(out, message->prefix ? ", \"prefix\": true}" : "}");
    }
    buffer_append_text(out, chat->messages ? "\n]" : "]");
    if (chat->tools) {
        buffer_append_text(out, ",\n\"tools\": ");
        json_print(out, chat->tools, 0);
    }
    buffer_append_text(out, "}\n");
}
