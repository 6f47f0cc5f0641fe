/* options.c - the command line against the settings table, and the typed getters. One owner thread. */
#include "cli/options.h"

#include "cli/hub_cache.h"
#include "cli/option_values.h"
#include "cli/shipped_model.h"
#include "cli/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool row_applies(const struct option_row *row, enum command command) {
    return command == COMMAND_COUNT || row->commands & 1u << command;
}

const struct option_row *option_row_find(enum command command, const char *name) {
    struct option_table table = settings_table();
    bool letter = name[0] && !name[1];
    for (int i = 0; i < table.rows; i++) {
        const struct option_row *row = &table.row[i];
        if (row_applies(row, command) && (letter ? row->letter == name[0] : !strcmp(row->name, name)))
            return row;
    }
    return NULL;
}

bool option_row_fits(const struct option_row *row, const char *action) {
    if (!row->actions || !action) return true;
    const size_t bytes = strlen(action);
    for (const char *at = row->actions; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (!strncmp(at, action, bytes) && (at[bytes] == '|' || !at[bytes])) return true;
    }
    return false;
}

/* "; it belongs to chat, generate" for a name that only other commands know. */
static bool hint_owners(const char *name, char hint[HINT_BYTES]) {
    size_t used = (size_t)snprintf(hint, HINT_BYTES, "; it belongs to");
    bool found = false;
    for (enum command command = 0; command < COMMAND_COUNT; command++) {
        if (!option_row_find(command, name)) continue;
        used += (size_t)snprintf(hint + used, HINT_BYTES - used, "%s %s", found ? "," : "",
                                 command_name(command));
        found = true;
    }
    return found;
}

void option_hint(enum command command, const char *name, const char *prefix, char hint[HINT_BYTES]) {
    struct option_table table = settings_table();
    struct suggestion suggestion = {.wanted = name};
    if (command != COMMAND_COUNT && name[0] && name[1] && hint_owners(name, hint)) return;
    for (int i = 0; i < table.rows; i++)
        if (row_applies(&table.row[i], command) && (!table.row[i].argument_only || prefix[0] == '-'))
            suggestion_offer(&suggestion, table.row[i].name);
    hint[0] = 0;
    if (suggestion.nearest) snprintf(hint, HINT_BYTES, "; did you mean %s%s?", prefix, suggestion.nearest);
}

static struct option_value *value_of(const struct option_values *values, const struct option_row *row) {
    return &values->value[row - settings_table().row];
}

static enum status text_append(struct option_values *values, struct option_value *kept, const char *text) {
    const char **list = arena_take(&values->arena, ((size_t)kept->texts + 1) * sizeof *list);
    if (!list) return fail(STATUS_MEMORY, "out of memory for options");
    for (int i = 0; i < kept->texts; i++) list[i] = kept->text[i];
    list[kept->texts++] = text;
    kept->text = list;
    return STATUS_OK;
}

enum status option_value_set(struct option_values *values, const struct option_row *row, const char *text,
                             enum option_source source, const char *origin) {
    struct option_value *kept = value_of(values, row), value;
    TRY(option_value_parse(row, text, origin, &values->arena, &value));
    if (kept->set && kept->source > source) return STATUS_OK;
    if (row->repeats && kept->set && kept->source == source) return text_append(values, kept, value.text[0]);
    value.source = source;
    *kept = value;
    return STATUS_OK;
}

struct arguments {
    int count, next;
    char **list;
};

/* `attached`: the value that stands in the same argument, or NULL. */
static enum status argument_set(struct option_values *values, const struct option_row *row,
                                const char *attached, struct arguments *arguments, const char *origin) {
    const char *text = attached;
    if (!text && row->kind == OPTION_FLAG) text = "on";
    if (!text && arguments->next < arguments->count) text = arguments->list[arguments->next++];
    if (!text) return fail(STATUS_USAGE, "%s needs a value: %s", origin, row->argument);
    return option_value_set(values, row, text, SOURCE_ARGUMENT, origin);
}

/* --name, --name VALUE, --name=VALUE */
static enum status read_long(struct option_values *values, const char *argument,
                             struct arguments *arguments) {
    const char *equals = strchr(argument, '=');
    size_t bytes = equals ? (size_t)(equals - argument) : strlen(argument);
    char name[64], origin[80], hint[HINT_BYTES];
    snprintf(name, sizeof name, "%.*s", bytes > 60 ? 60 : (int)bytes, argument);
    const struct option_row *row = name[0] && name[1] ? option_row_find(values->command, name) : NULL;
    if (!row) {
        option_hint(values->command, name, "--", hint);
        return fail(STATUS_USAGE, "unknown option --%s%s", name, hint);
    }
    snprintf(origin, sizeof origin, "--%s", name);
    return argument_set(values, row, equals ? equals + 1 : NULL, arguments, origin);
}

/* -n 5, -n5, and flags together: -ab */
static enum status read_letters(struct option_values *values, const char *letters,
                                struct arguments *arguments) {
    if (letters[1] && option_row_find(values->command, letters))
        return fail(STATUS_USAGE, "unknown option -%s; long options take two dashes: --%s", letters, letters);
    for (; *letters; letters++) {
        char name[2] = {letters[0], 0}, origin[3] = {'-', letters[0], 0};
        const struct option_row *row = option_row_find(values->command, name);
        if (!row) return fail(STATUS_USAGE, "unknown option -%.40s", letters);
        bool flag = row->kind == OPTION_FLAG;
        TRY(argument_set(values, row, !flag && letters[1] ? letters + 1 : NULL, arguments, origin));
        if (!flag) break;
    }
    return STATUS_OK;
}

static enum status read_arguments(struct option_values *values, int argc, char **argv) {
    struct arguments arguments = {argc, 0, argv};
    bool only_positionals = false;
    while (arguments.next < argc) {
        const char *argument = argv[arguments.next++];
        if (only_positionals || argument[0] != '-' || !argument[1])
            values->positional[values->positionals++] = argument;
        else if (!strcmp(argument, "--"))
            only_positionals = true;
        else if (argument[1] == '-')
            TRY(read_long(values, argument + 2, &arguments));
        else
            TRY(read_letters(values, argument + 1, &arguments));
    }
    return STATUS_OK;
}

static enum status read_defaults(struct option_values *values) {
    struct option_table table = settings_table();
    for (int i = 0; i < table.rows; i++) {
        const struct option_row *row = &table.row[i];
        if (!row_applies(row, values->command) || !row->fallback) continue;
        TRY(option_value_set(values, row, row->fallback, SOURCE_DEFAULT, row->name));
    }
    return STATUS_OK;
}

/* ---- models by their names on a hub ---- */

static enum status resolve_model(struct option_values *values, const char **text) {
    char *path;
    TRY(hub_cache_resolve(*text, &path));
    if (!path) return STATUS_OK;
    *text = arena_copy(&values->arena, path, strlen(path));
    free(path);
    return *text ? STATUS_OK : fail(STATUS_MEMORY, "out of memory for options");
}

static enum status find_shipped(struct option_values *values) {
    char path[4096];
    if (!shipped_model_find(path, sizeof path)) return STATUS_OK;
    values->shipped_model = arena_copy(&values->arena, path, strlen(path));
    return values->shipped_model ? STATUS_OK : fail(STATUS_MEMORY, "out of memory for options");
}

static enum status resolve_models(struct option_values *values) {
    static const struct {
        enum command command;
        int positional;
    } words[] = {{COMMAND_INSPECT, 0}, {COMMAND_QUANTIZE, 0}, {COMMAND_PLAN, 1}};
    struct option_table table = settings_table();
    for (int i = 0; i < table.rows; i++) {
        struct option_value *value = &values->value[i];
        if (!table.row[i].names_model || !row_applies(&table.row[i], values->command)) continue;
        for (int t = 0; t < value->texts; t++) TRY(resolve_model(values, &value->text[t]));
    }
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].command == values->command && words[i].positional < values->positionals)
            TRY(resolve_model(values, &values->positional[words[i].positional]));
    return STATUS_OK;
}

static enum status read_all(struct option_values *values, int argc, char **argv) {
    TRY(read_defaults(values));
    TRY(read_arguments(values, argc, argv));
    if (option_flag(values, "help")) return STATUS_OK;
    TRY(option_values_read_environment(values));
    TRY(option_values_read_file(values)); /* last: its name may come from either of the others */
    TRY(find_shipped(values));
    return resolve_models(values);
}

enum status options_check_action(const struct option_values *values, const char *action) {
    struct option_table table = settings_table();
    for (int i = 0; i < table.rows; i++) {
        const struct option_row *row = &table.row[i];
        const struct option_value *value = &values->value[i];
        if (!row_applies(row, values->command) || !value->set || value->source != SOURCE_ARGUMENT) continue;
        if (!option_row_fits(row, action))
            return fail(STATUS_USAGE, "%s takes no --%s; that belongs to %s", action, row->name,
                        row->actions);
    }
    return STATUS_OK;
}

enum status options_parse(struct option_values **values, enum command command, int argc, char **argv) {
    *values = NULL;
    struct option_values *made = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "out of memory for options");
    made->command = command;
    made->value = arena_take(&made->arena, (size_t)settings_table().rows * sizeof *made->value);
    made->positional = arena_take(&made->arena, ((size_t)argc + 1) * sizeof *made->positional);
    enum status status = made->value && made->positional ? read_all(made, argc, argv)
                                                         : fail(STATUS_MEMORY, "out of memory for options");
    if (status == STATUS_OK)
        *values = made;
    else
        options_free(made);
    return status;
}

void options_free(struct option_values *values) {
    if (!values) return;
    arena_free(&values->arena);
    free(values);
}

static const struct option_value *value_get(const struct option_values *values, const char *name,
                                            enum option_kind kind) {
    const struct option_row *row = option_row_find(values->command, name);
    MUST(row && row->kind == kind);
    return value_of(values, row);
}

bool option_given(const struct option_values *values, const char *name) {
    const struct option_row *row = option_row_find(values->command, name);
    MUST(row);
    const struct option_value *value = value_of(values, row);
    return value->set && value->source != SOURCE_DEFAULT;
}

bool option_flag(const struct option_values *values, const char *name) {
    return value_get(values, name, OPTION_FLAG)->whole != 0;
}

int64_t option_int(const struct option_values *values, const char *name) {
    return value_get(values, name, OPTION_INT)->whole;
}

double option_real(const struct option_values *values, const char *name) {
    return value_get(values, name, OPTION_REAL)->real;
}

int option_texts(const struct option_values *values, const char *name, const char *const **list) {
    const struct option_row *row = option_row_find(values->command, name);
    MUST(row && (row->kind == OPTION_TEXT || row->kind == OPTION_CHOICE));
    const struct option_value *value = value_of(values, row);
    *list = value->text;
    return value->texts;
}

const char *option_text(const struct option_values *values, const char *name) {
    const char *const *list;
    int texts = option_texts(values, name, &list);
    return texts ? list[texts - 1] : NULL;
}

int option_ints(const struct option_values *values, const char *name, const int64_t **list) {
    const struct option_value *value = value_get(values, name, OPTION_INTS);
    *list = value->list;
    return value->items;
}

const char *option_shipped_model(const struct option_values *values) {
    return values->shipped_model;
}

int option_positionals(const struct option_values *values, const char *const **list) {
    *list = values->positional;
    return values->positionals;
}
