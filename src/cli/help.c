/* help.c - overview, --help of each command and the manual page, as loops over the two tables. Owns
 * nothing. A row that several commands share is printed once in the manual and by each in --help. */
#include "cli/help.h"

#include "base/version.h"
#include "cli/commands.h"
#include "cli/page.h"

#include <string.h>

enum { TERM_BYTES = 120, TEXT_BYTES = 1200 };

static const char about[] =
    "hadal runs the DeepSeek language models of the V2, V3 and R1 line, and the R1 distillations, on the "
    "processor: it loads a checkpoint as it was published, and its answers are the reference's.";

static const char sources[] =
    "Every option can be set in three more places: the environment, where --kv-type is HADAL_KV_TYPE; a "
    "section "
    "of the config file, where it is a line such as kv-type = bf16 behind [generate]; and the lines in front "
    "of the first section, which concern every command that has the option. The command line beats the "
    "environment, the environment beats the file, a section beats the lines in front. A flag takes on or "
    "off, as it "
    "does in --json=off. Lines that begin with # are comments; double quotes keep blanks and understand \\n, "
    "\\t, \\\" "
    "and \\\\. An unknown name is an error in each place.";

static void write_exit_status(const struct page *page) {
    page_heading(page, page->roff ? "EXIT STATUS" : "Exit status");
    page_item(page, "0", "The job is done.");
    page_item(page, "1", "The job failed; one line on standard error says why.");
    page_item(page, "2", "The command line, the environment or the config file is wrong.");
}

static void write_environment(const struct page *page) {
    page_heading(page, page->roff ? "ENVIRONMENT AND FILES" : "Environment and files");
    page_paragraphs(page, sources);
    if (!page->roff) fputc('\n', page->stream);
    page_item(page, "HADAL_...", "An option, as described above. Set to nothing, it counts as unset.");
    page_item(page, "$XDG_CONFIG_HOME/hadal/config",
              "The config file; ~/.config/hadal/config where the variable is unset.");
}

/* ---- options ---- */

static void term_write(const struct option_row *row, char term[TERM_BYTES]) {
    int used = 0;
    if (row->letter) used += snprintf(term, TERM_BYTES, "-%c, ", row->letter);
    snprintf(term + used, (size_t)(TERM_BYTES - used), "--%s%s%s", row->name, row->argument ? " " : "",
             row->argument ? row->argument : "");
}

static size_t choices_write(const struct option_row *row, char *text, size_t bytes) {
    size_t used = (size_t)snprintf(text, bytes, " One of:");
    for (const char *choice = row->choices; *choice;) {
        size_t length = strcspn(choice, "|");
        bool last = !choice[length];
        used += (size_t)snprintf(text + used, bytes - used, " %.*s%s", (int)length, choice, last ? "." : ",");
        choice += length + !last;
    }
    return used;
}

/* The row's help with what its other columns say: choices, range, default. */
static void meaning_write(const struct option_row *row, char text[TEXT_BYTES]) {
    size_t used = (size_t)snprintf(text, TEXT_BYTES, "%s", row->help);
    if (row->choices && (!row->argument || !strchr(row->argument, '|')))
        used += choices_write(row, text + used, TEXT_BYTES - used);
    bool ranged = row->low != 0 || row->high != 0;
    if (ranged && row->high > 2e9)
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, " At least %.0f.", row->low);
    else if (ranged)
        used +=
            (size_t)snprintf(text + used, TEXT_BYTES - used, " Range: %.8g to %.8g.", row->low, row->high);
    if (row->repeats)
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, " May be given several times.");
    if (row->fallback) snprintf(text + used, TEXT_BYTES - used, " Default: %s.", row->fallback);
}

/* "Of grpo, sample." */
static void owners_write(const struct option_row *row, char text[TEXT_BYTES]) {
    size_t used = strlen(text);
    used += (size_t)snprintf(text + used, TEXT_BYTES - used, " Of ");
    for (const char *at = row->actions; *at && used + 3 < TEXT_BYTES; at++)
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, *at == '|' ? ", " : "%c", *at);
    snprintf(text + used, TEXT_BYTES - used, ".");
}

static void write_option(const struct page *page, const struct option_row *row, bool with_owners) {
    char term[TERM_BYTES], text[TEXT_BYTES];
    term_write(row, term);
    meaning_write(row, text);
    if (with_owners && row->actions) owners_write(row, text);
    page_item(page, term, text);
}

/* Which rows a page has: those of some commands, of one action or of all. */
struct choice {
    unsigned commands;
    const char *action;
    bool shared_alone; /* only those that every action takes */
    bool with_owners;  /* each says which actions take it */
};

static bool is_chosen(const struct option_row *row, struct choice choice, enum option_group group) {
    return (row->commands & choice.commands) && row->group == group && option_row_fits(row, choice.action) &&
           !(choice.shared_alone && row->actions);
}

static int count_options(struct choice choice, enum option_group group) {
    struct option_table table = settings_table();
    int count = 0;
    for (int i = 0; i < table.rows; i++) count += is_chosen(&table.row[i], choice, group);
    return count;
}

static void write_options(const struct page *page, struct choice choice, enum option_group group) {
    struct option_table table = settings_table();
    for (int i = 0; i < table.rows; i++)
        if (is_chosen(&table.row[i], choice, group)) write_option(page, &table.row[i], choice.with_owners);
}

static const char *const group_title[GROUP_COUNT] = {
    [GROUP_OWN] = "Options",
    [GROUP_SAMPLING] = "Sampling options",
    [GROUP_MODEL] = "Model and machine",
    [GROUP_COMMON] = "Common options",
};

/* ---- pages ---- */

/* Pairs of lines: purpose, command line. */
static void write_examples(const struct page *page, const char *examples) {
    char purpose[200], line[300];
    while (*examples) {
        size_t purpose_bytes = strcspn(examples, "\n");
        snprintf(purpose, sizeof purpose, "%.*s", (int)purpose_bytes, examples);
        examples += purpose_bytes + (examples[purpose_bytes] == '\n');
        size_t line_bytes = strcspn(examples, "\n");
        snprintf(line, sizeof line, "%.*s", (int)line_bytes, examples);
        examples += line_bytes + (examples[line_bytes] == '\n');
        page_example(page, purpose, line);
    }
}

void help_write_overview(FILE *stream) {
    struct page page = page_text(stream);
    const struct command_row *row = command_rows();
    fprintf(stream, "hadal %s - DeepSeek models on the processor\n", HADAL_VERSION);
    page_heading(&page, "Usage");
    page_line(&page, "hadal COMMAND [options]");
    page_heading(&page, "Commands");
    for (enum command command = 0; command < COMMAND_COUNT; command++)
        page_item(&page, command_name(command), row[command].summary);
    page_heading(&page, "First steps");
    page_example(&page, "Talk to the small model that comes with hadal:", "hadal chat");
    page_example(&page, "Talk to another:", "hadal chat -m MODEL");
    page_example(&page, "Everything about one command:", "hadal help COMMAND");
    page_heading(&page, "Models");
    page_paragraphs(
        &page, "MODEL is a Hugging Face directory (config.json, tokenizer.json, *.safetensors) or a .gguf "
               "file. Name yours once and for all with HADAL_MODEL or a line model = PATH in "
               "~/.config/hadal/config. Commands that run a model take, where none is named, the small one "
               "that comes "
               "with hadal, which calculates.");
    write_exit_status(&page);
}

static void write_groups(const struct page *page, struct choice choice) {
    for (enum option_group group = 0; group < GROUP_COUNT; group++) {
        if (!count_options(choice, group)) continue;
        page_heading(page, group_title[group]);
        write_options(page, choice, group);
    }
}

static bool has_actions(enum command command) {
    int count;
    const struct action_row *row = action_rows(&count);
    for (int i = 0; i < count; i++)
        if (row[i].command == command) return true;
    return false;
}

static void write_actions(const struct page *page, enum command command) {
    int count;
    const struct action_row *row = action_rows(&count);
    char line[200];
    page_heading(page, "Actions");
    for (int i = 0; i < count; i++)
        if (row[i].command == command) page_item(page, row[i].name, row[i].summary);
    snprintf(line, sizeof line, "hadal help %s ACTION", command_name(command));
    page_example(page, "What an action does, and the options that it takes:", line);
}

void help_write_command(FILE *stream, enum command command) {
    struct page page = page_text(stream);
    const struct command_row *row = &command_rows()[command];
    const bool acts = has_actions(command);
    char usage[300];
    fprintf(stream, "hadal %s - %s\n", command_name(command), row->summary);
    page_heading(&page, "Usage");
    snprintf(usage, sizeof usage, "hadal %s %s", command_name(command), row->arguments);
    page_line(&page, usage);
    page_heading(&page, "Description");
    page_paragraphs(&page, row->description);
    if (acts) write_actions(&page, command);
    write_groups(&page, (struct choice){.commands = 1u << command, .shared_alone = acts});
    page_heading(&page, "Examples");
    write_examples(&page, row->examples);
    write_environment(&page);
    write_exit_status(&page);
}

void help_write_action(FILE *stream, const struct action_row *action) {
    struct page page = page_text(stream);
    const char *command = command_name(action->command);
    char usage[300];
    fprintf(stream, "hadal %s %s - %s\n", command, action->name, action->summary);
    page_heading(&page, "Usage");
    snprintf(usage, sizeof usage, "hadal %s %s %s", command, action->name, action->arguments);
    page_line(&page, usage);
    page_heading(&page, "Description");
    page_paragraphs(&page, action->description);
    write_groups(&page, (struct choice){.commands = 1u << action->command, .action = action->name});
    page_heading(&page, "Examples");
    write_examples(&page, action->examples);
    write_environment(&page);
    write_exit_status(&page);
}

static void write_manual_actions(const struct page *page, enum command command) {
    int count;
    const struct action_row *row = action_rows(&count);
    char usage[300];
    for (int i = 0; i < count; i++) {
        if (row[i].command != command) continue;
        snprintf(usage, sizeof usage, "hadal %s %s %s", command_name(command), row[i].name, row[i].arguments);
        page_line(page, usage);
        page_paragraphs(page, row[i].description);
        write_examples(page, row[i].examples);
    }
}

static void write_manual_command(const struct page *page, enum command command) {
    const struct command_row *row = &command_rows()[command];
    char usage[300];
    snprintf(usage, sizeof usage, "hadal %s", command_name(command));
    page_subheading(page, usage);
    snprintf(usage, sizeof usage, "hadal %s %s", command_name(command), row->arguments);
    page_line(page, usage);
    page_paragraphs(page, row->description);
    write_manual_actions(page, command);
    write_options(page, (struct choice){.commands = 1u << command, .with_owners = has_actions(command)},
                  GROUP_OWN);
    write_examples(page, row->examples);
}

/* "Sampling options (chat, generate)": the commands that have at least one of the group. */
static void group_heading(const struct page *page, enum option_group group) {
    char title[300];
    size_t used = (size_t)snprintf(title, sizeof title, "%s", group_title[group]);
    const char *separator = " (";
    for (enum command command = 0; command < COMMAND_COUNT; command++) {
        if (!count_options((struct choice){.commands = 1u << command}, group)) continue;
        used += (size_t)snprintf(title + used, sizeof title - used, "%s%s", separator, command_name(command));
        separator = ", ";
    }
    snprintf(title + used, sizeof title - used, ")");
    page_subheading(page, title);
}

void help_write_manual(FILE *stream) {
    struct page page = page_roff(stream);
    fprintf(stream, ".TH HADAL 1 \"\" \"hadal %s\" \"User Commands\"\n", HADAL_VERSION);
    page_heading(&page, "NAME");
    fputs("hadal \\- DeepSeek models on the processor\n", stream);
    page_heading(&page, "SYNOPSIS");
    page_line(&page, "hadal COMMAND [options]");
    page_line(&page, "hadal help [COMMAND]");
    page_line(&page, "hadal --version");
    page_heading(&page, "DESCRIPTION");
    page_paragraphs(&page, about);
    page_heading(&page, "COMMANDS");
    for (enum command command = 0; command < COMMAND_COUNT; command++) write_manual_command(&page, command);
    page_heading(&page, "SHARED OPTIONS");
    page_paragraphs(&page, "Each command's own --help lists which of these it takes.");
    for (enum option_group group = GROUP_SAMPLING; group < GROUP_COUNT; group++) {
        group_heading(&page, group);
        write_options(&page, (struct choice){.commands = ~0u}, group);
    }
    write_environment(&page);
    write_exit_status(&page);
}
