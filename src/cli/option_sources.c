/* option_sources.c - settings from the environment and from the config file.
 *
 * The file holds `key = value` lines: those in front of the first [command] concern every command that
 * has such an option, those behind it that command alone. Every line is checked, also those of other
 * commands: a mistake shows on the next run, not on the first run that would have needed the line. */
#include "base/buffer.h"
#include "cli/environment.h"
#include "cli/option_values.h"
#include "cli/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_LIMIT = 1 << 20, PATH_LIMIT = 4096 };

/* A row may be known to other commands only: its value is then checked and dropped. */
static enum status value_apply(struct option_values *values, enum command section, const char *name,
                               const char *text, enum option_source source, const char *origin) {
    const struct option_row *own = option_row_find(values->command, name);
    if (own && (section == COMMAND_COUNT || section == values->command))
        return option_value_set(values, own, text, source, origin);
    if (section == COMMAND_COUNT) return STATUS_OK; /* several commands may give the name different ranges */
    struct option_value ignored;
    return option_value_parse(option_row_find(section, name), text, origin, &values->arena, &ignored);
}

/* ---- environment ---- */

/* "HADAL_KV_TYPE=x" -> "kv-type"; false when the entry is not of ours. */
static bool entry_name(const char *entry, char *name, size_t bytes) {
    static const char prefix[] = "HADAL_";
    if (strncmp(entry, prefix, sizeof prefix - 1) != 0) return false;
    entry += sizeof prefix - 1;
    size_t used = 0;
    for (; *entry && *entry != '=' && used + 1 < bytes; entry++)
        name[used++] = *entry == '_' ? '-' : (char)tolower((unsigned char)*entry);
    name[used] = 0;
    return true;
}

static enum status entry_unknown(const char *entry, const char *name) {
    char hint[HINT_BYTES];
    option_hint(COMMAND_COUNT, name, "HADAL_", hint);
    char *suggested = strstr(hint, "HADAL_");
    for (char *c = suggested; c && *c && *c != '?'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return fail(STATUS_USAGE, "unknown environment variable %.*s%s", (int)strcspn(entry, "="), entry, hint);
}

enum status option_values_read_environment(struct option_values *values) {
    const char *entry;
    for (size_t i = 0; (entry = environment_entry(i)); i++) {
        char name[64], origin[80];
        if (!entry_name(entry, name, sizeof name)) continue;
        const char *text = strchr(entry, '=');
        if (!text || !text[1]) continue; /* set to nothing is as good as unset */
        const struct option_row *row = name[0] && name[1] ? option_row_find(COMMAND_COUNT, name) : NULL;
        if (!row || row->argument_only) return entry_unknown(entry, name);
        snprintf(origin, sizeof origin, "%.*s", (int)(text - entry), entry);
        TRY(value_apply(values, COMMAND_COUNT, name, text + 1, SOURCE_ENVIRONMENT, origin));
    }
    return STATUS_OK;
}

/* ---- config file ---- */

struct config_file {
    const char *path;
    int line;
    enum command section; /* COMMAND_COUNT: in front of the first section */
};

static char *trim(char *text) {
    while (isspace((unsigned char)*text)) text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) *--end = 0;
    return text;
}

static enum status section_read(struct config_file *file, char *line) {
    char *end = strchr(line, ']');
    if (!end || *trim(end + 1))
        return fail(STATUS_USAGE, "%s:%d: a section is a line of its own: [generate]", file->path,
                    file->line);
    *end = 0;
    char *name = trim(line + 1);
    struct suggestion suggestion = {.wanted = name};
    for (enum command command = 0; command < COMMAND_COUNT; command++) {
        suggestion_offer(&suggestion, command_name(command));
        if (strcmp(name, command_name(command)) != 0) continue;
        file->section = command;
        return STATUS_OK;
    }
    return fail(STATUS_USAGE, "%s:%d: unknown command [%.40s]%s%s%s", file->path, file->line, name,
                suggestion.nearest ? "; did you mean [" : "", suggestion.nearest ? suggestion.nearest : "",
                suggestion.nearest ? "]?" : "");
}

/* Undoes "..." in place: blanks at the ends count, and \n \t \" \\ are understood. */
static enum status value_unquote(const struct config_file *file, char **value) {
    if (**value != '"') return STATUS_OK;
    char *from = *value + 1, *to = *value;
    while (*from && *from != '"') {
        char c = *from++;
        if (c == '\\') {
            c = *from++;
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
            else if (c != '"' && c != '\\')
                return fail(STATUS_USAGE, "%s:%d: only \\n, \\t, \\\" and \\\\ are known inside quotes",
                            file->path, file->line);
        }
        *to++ = c;
    }
    if (*from != '"' || from[1])
        return fail(STATUS_USAGE, "%s:%d: the closing quote must end the line", file->path, file->line);
    *to = 0;
    return STATUS_OK;
}

static enum status line_read(struct option_values *values, struct config_file *file, char *line) {
    line = trim(line);
    if (!*line || *line == '#') return STATUS_OK;
    if (*line == '[') return section_read(file, line);
    char *equals = strchr(line, '=');
    if (!equals) return fail(STATUS_USAGE, "%s:%d: expected key = value", file->path, file->line);
    *equals = 0;
    char *name = trim(line), *value = trim(equals + 1);
    TRY(value_unquote(file, &value));
    const struct option_row *row = name[0] && name[1] ? option_row_find(file->section, name) : NULL;
    if (!row) {
        char hint[HINT_BYTES];
        option_hint(file->section, name, "", hint);
        return fail(STATUS_USAGE, "%s:%d: unknown setting '%.40s'%s", file->path, file->line, name, hint);
    }
    if (row->argument_only || !strcmp(name, "config-file"))
        return fail(STATUS_USAGE, "%s:%d: %s has no place in a config file", file->path, file->line, name);
    char origin[PATH_LIMIT + 100];
    snprintf(origin, sizeof origin, "%s:%d: %s", file->path, file->line, name);
    return value_apply(values, file->section, name, value, SOURCE_FILE, origin);
}

static enum status lines_read(struct option_values *values, const char *path, char *text, size_t bytes) {
    struct config_file file = {path, 1, COMMAND_COUNT};
    if (memchr(text, 0, bytes)) return fail(STATUS_USAGE, "%s: is not a text file", path);
    for (char *line = text; line; file.line++) {
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        TRY(line_read(values, &file, line));
        line = end ? end + 1 : NULL;
    }
    return STATUS_OK;
}

enum status option_values_read_file(struct option_values *values) {
    char standard[PATH_LIMIT];
    const char *path = option_text(values, "config-file");
    if (!path) {
        if (!user_path(USER_CONFIG, "config", standard, sizeof standard) || access(standard, F_OK) != 0)
            return STATUS_OK;
        path = standard;
    }
    struct buffer buffer;
    TRY(buffer_read_file(&buffer, path, FILE_LIMIT));
    enum status status = lines_read(values, path, buffer.data, buffer.bytes);
    buffer_free(&buffer);
    return status;
}
