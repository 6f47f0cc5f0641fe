/* cmd_plan.c - `hadal plan`: which plan is asked for, and how a sheet is printed. */
#include "cli/commands.h"
#include "cli/plan.h"
#include "cli/suggest.h"
#include "plan/sheet_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status print_json(const struct sheet *sheet) {
    json_t *object = sheet_json(sheet);
    char *text = object ? json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "no memory for the plan");
    puts(text);
    free(text);
    return STATUS_OK;
}

static enum status print_text(const struct option_values *values, const struct sheet *sheet) {
    struct buffer text = {0};
    if (option_flag(values, "html"))
        sheet_write_page(&text, sheet);
    else
        sheet_write_text(&text, sheet, option_flag(values, "formulas"));
    enum status status = buffer_check(&text, "the plan");
    if (status == STATUS_OK) fputs(text.data, stdout);
    buffer_free(&text);
    return status;
}

enum status plan_print_sheet(const struct option_values *values, struct sheet *sheet) {
    const char *const *set;
    int sets = option_texts(values, "set", &set);
    for (int i = 0; i < sets; i++) TRY(sheet_set_text(sheet, set[i]));
    TRY(sheet_compute(sheet));
    if (option_flag(values, "json") && option_flag(values, "html"))
        return fail(STATUS_USAGE, "--json and --html are two forms: choose one");
    return option_flag(values, "json") ? print_json(sheet) : print_text(values, sheet);
}

static enum status plan_preset(const struct option_values *values) {
    const char *const *word;
    if (option_positionals(values, &word) < 2) return plan_list_presets(values);
    const struct sheet_kind *kind = preset_find(word[1]);
    struct suggestion suggestion = {.wanted = word[1]};
    struct sheet sheet;
    for (int i = 0; preset_at(i); i++) suggestion_offer(&suggestion, preset_at(i)->name);
    if (!kind && suggestion.nearest)
        return fail(STATUS_USAGE, "no preset '%.40s'; did you mean %s?", word[1], suggestion.nearest);
    if (!kind) return fail(STATUS_USAGE, "no preset '%.40s'; hadal plan preset lists them", word[1]);
    sheet_start(&sheet, kind);
    return plan_print_sheet(values, &sheet);
}

static const struct form {
    const char *name;
    enum status (*run)(const struct option_values *values);
    int words;
} forms[] = {{"fit", plan_fit, 2},
             {"serve", plan_serve, 2},
             {"train", plan_train, 2},
             {"preset", plan_preset, 2},
             {"hardware", plan_list_hardware, 1},
             {"prices", plan_list_prices, 1}};

enum status command_plan(const struct option_values *values) {
    const char *const *word;
    int words = option_positionals(values, &word);
    if (!words) return fail(STATUS_USAGE, "name fit, serve, train, preset, hardware or prices");
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (strcmp(word[0], forms[i].name) != 0) continue;
        if (words > forms[i].words)
            return fail(STATUS_USAGE, "unexpected argument '%.40s'", word[forms[i].words]);
        return forms[i].run(values);
    }
    return fail(STATUS_USAGE, "hadal plan %.40s: name fit, serve, train, preset, hardware or prices",
                word[0]);
}
