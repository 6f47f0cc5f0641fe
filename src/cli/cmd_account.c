/* cmd_account.c - `hadal account`: words and options become the arguments of an action on the accounts' database. */
#include "cli/account.h"
#include "cli/commands.h"
#include "cli/environment.h"
#include "cli/suggest.h"
#include "server/account/admin.h"
#include "server/account/identity.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { REQUESTS_BYTES = 1 << 30 };

/* ---- where ---- */

/* What is missing shows when the file is opened. */
static void make_folders(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

enum status accounts_where(const struct option_values *values, char *where, size_t bytes) {
    const char *given = option_text(values, "accounts");
    if (given) {
        if (strlen(given) >= bytes) return fail(STATUS_USAGE, "--accounts: is too long");
        snprintf(where, bytes, "%s", given);
        return STATUS_OK;
    }
    if (!user_path(USER_STATE, "accounts.db", where, bytes))
        return fail(STATUS_USAGE, "there is no home directory for accounts: give --accounts WHERE");
    make_folders(where);
    return STATUS_OK;
}

enum status accounts_journal(const struct option_values *values, char *path, size_t bytes) {
    const char *given = option_text(values, "accounts-journal"), *where = option_text(values, "accounts");
    if (given || !store_is_url(where)) {
        const int length = snprintf(path, bytes, "%s%s", given ? given : where, given ? "" : ".running");
        return (size_t)length < bytes ? STATUS_OK : fail(STATUS_USAGE, "--accounts-journal: is too long");
    }
    if (!user_path(USER_STATE, "accounts.running", path, bytes))
        return fail(STATUS_USAGE, "there is no home directory for a journal: give --accounts-journal FILE");
    make_folders(path);
    return STATUS_OK;
}

static enum status open_store(const struct option_values *values, struct ledger *ledger) {
    char where[4096], key[KEY_TEXT_BYTES] = "";
    const char *currency = option_text(values, "currency");
    if (currency && !currency_is_valid(currency))
        return fail(STATUS_USAGE, "--currency: three capital letters, such as USD");
    TRY(accounts_where(values, where, sizeof where));
    TRY(store_open(&ledger->store, where));
    TRY(store_begin(ledger->store));
    TRY(identity_first(ledger, currency ? currency : "USD", time(NULL), key));
    TRY(store_commit(ledger->store));
    if (*key)
        fprintf(stderr, "hadal: made the account \"admin\" with this key, which is not shown again:\n%s\n",
                key);
    return STATUS_OK;
}

/* ---- what ---- */

static const struct admin_action *find_action(const char *const *word, int words, int *used) {
    char name[64];
    for (*used = words < 2 ? words : 2; *used > 0; --*used) {
        snprintf(name, sizeof name, *used == 2 ? "%.30s %.30s" : "%.30s", word[0], *used == 2 ? word[1] : "");
        const struct admin_action *action = admin_action_find(name);
        if (action) return action;
    }
    return NULL;
}

/* Names have one word or two. */
static enum status unknown_action(const char *const *word, int words) {
    char name[64];
    if (!words) return fail(STATUS_USAGE, "name an action; hadal account --help lists them");
    for (int used = words < 2 ? 1 : 2; used > 0; used--) {
        struct suggestion suggestion = {.wanted = name};
        snprintf(name, sizeof name, used == 2 ? "%.30s %.30s" : "%.30s", word[0], used == 2 ? word[1] : "");
        for (int i = 0; admin_action_at(i); i++) suggestion_offer(&suggestion, admin_action_at(i)->name);
        if (suggestion.nearest)
            return fail(STATUS_USAGE, "hadal account has no '%s'; did you mean %s?", name,
                        suggestion.nearest);
    }
    return fail(STATUS_USAGE, "hadal account has no '%s'; hadal account --help lists what it has", name);
}

/* Words behind the action are its required fields in order, then the others. */
static enum status take_words(const struct admin_action *action, const char *const *word, int words,
                              json_t *arguments) {
    for (int required = 1; required >= 0; required--)
        for (int i = 0; i < ADMIN_FIELDS && action->fields[i] && words > 0; i++) {
            char field[32];
            const size_t bytes = strlen(action->fields[i]);
            const bool needed = action->fields[i][bytes - 1] == '!';
            if (needed != (required == 1)) continue;
            snprintf(field, sizeof field, "%.*s", (int)(bytes - needed), action->fields[i]);
            json_t *text = json_string(*word);
            if (!text) return fail(STATUS_USAGE, "%s: is no UTF-8", field);
            json_object_set_new(arguments, field, text);
            word++;
            words--;
        }
    return words ? fail(STATUS_USAGE, "%s: unexpected argument '%.40s'", action->name, *word) : STATUS_OK;
}

/* Those that are no words. */
static const char *const options[] = {
    "account",   "role",       "group",     "status",     "note",        "expires", "name",  "models",
    "addresses", "cap",        "count",     "batch",      "model",       "time",    "hit",   "miss",
    "output",    "reasoning",  "prices",    "by",         "since",       "until",   "limit", "request",
    "units",     "cap-period", "currency",  "warn-below", "concurrency", "id",      "key",   "before",
    "kind",      "hour-price", "kwh-price", "watts",      "idle-watts"};

static bool takes(const struct admin_action *action, const char *name) {
    for (int i = 0; i < ADMIN_FIELDS && action->fields[i]; i++)
        if (!strncmp(action->fields[i], name, strlen(name)) &&
            (!action->fields[i][strlen(name)] || action->fields[i][strlen(name)] == '!'))
            return true;
    return false;
}

static enum status take_options(const struct option_values *values, const struct admin_action *action,
                                json_t *arguments) {
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (!option_given(values, options[i])) continue;
        if (!takes(action, options[i])) {
            if (!strcmp(options[i], "currency")) continue; /* of the first account, too */
            return fail(STATUS_USAGE, "%s takes no --%s", action->name, options[i]);
        }
        if (json_object_get(arguments, options[i]))
            return fail(STATUS_USAGE, "--%s: is given twice", options[i]);
        json_t *text = json_string(option_text(values, options[i]));
        if (!text) return fail(STATUS_USAGE, "--%s: is no UTF-8", options[i]);
        json_object_set_new(arguments, options[i], text);
    }
    return STATUS_OK;
}

/* ---- doing it ---- */

static enum status run_action(const struct admin_action *action, struct ledger *ledger,
                              const json_t *arguments, json_t **answer) {
    const struct admin_order order = {action, arguments, 0, time(NULL)};
    if (!ledger->store) return admin_run(ledger, &order, answer);
    TRY(action->reads ? store_begin_reading(ledger->store) : store_begin(ledger->store));
    enum status status = admin_run(ledger, &order, answer);
    if (status == STATUS_OK)
        status = store_commit(ledger->store);
    else
        store_rollback(ledger->store);
    return status;
}

static enum status print_json(const json_t *answer, size_t flags) {
    char *text = json_dumps(answer, flags);
    if (!text) return fail(STATUS_MEMORY, "out of memory for the answer");
    puts(text);
    free(text);
    return STATUS_OK;
}

static enum status print_answer(const struct option_values *values, const json_t *answer) {
    const json_t *clean = json_object_get(answer, "clean");
    if (option_flag(values, "json"))
        TRY(print_json(answer, JSON_INDENT(1)));
    else
        TRY(option_flag(values, "csv") ? account_print_csv(answer) : account_print_text(answer));
    return json_is_false(clean) ? fail(STATUS_FORMAT, "the ledger is not what it should be") : STATUS_OK;
}

/* A line of JSON for each line of the file, each the arguments of a quote. */
static enum status quote_lines(const struct admin_action *action, struct ledger *ledger, json_t *common,
                               char *text) {
    int number = 1;
    for (char *line = text, *next; line && *line; line = next, number++) {
        json_t *arguments = NULL, *answer = NULL;
        char origin[32];
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        snprintf(origin, sizeof origin, "line %d", number);
        TRY(json_parse(line, strlen(line), origin, &arguments));
        json_object_update_missing(arguments, common);
        enum status status = run_action(action, ledger, arguments, &answer);
        if (status == STATUS_OK) status = print_json(json_object_get(answer, "bill"), JSON_COMPACT);
        json_decref(arguments);
        json_decref(answer);
        if (status != STATUS_OK) return fail_within(status, "%s", origin);
    }
    return STATUS_OK;
}

static enum status run_file(const char *path, const struct admin_action *action, struct ledger *ledger,
                            json_t *common) {
    struct buffer text = {0};
    if (strcmp(action->name, "quote")) return fail(STATUS_USAGE, "%s takes no --file", action->name);
    TRY(buffer_read_file(&text, path, REQUESTS_BYTES));
    buffer_append_char(&text, '\0');
    enum status status = buffer_check(&text, path);
    if (status == STATUS_OK) status = quote_lines(action, ledger, common, text.data);
    buffer_free(&text);
    return status;
}

static enum status run(const struct option_values *values, const struct admin_action *action,
                       struct ledger *ledger, json_t *arguments) {
    const char *file = option_text(values, "file");
    json_t *answer = NULL;
    /* named prices and tokens need no database */
    const bool alone = !strcmp(action->name, "quote") && json_object_get(arguments, "prices") &&
                       !json_object_get(arguments, "request");
    if (!alone) TRY(open_store(values, ledger));
    if (file) return run_file(file, action, ledger, arguments);
    TRY(run_action(action, ledger, arguments, &answer));
    enum status status = print_answer(values, answer);
    json_decref(answer);
    return status;
}

enum status command_account(const struct option_values *values) {
    const char *const *word;
    int used, words = option_positionals(values, &word);
    const struct admin_action *action = find_action(word, words, &used);
    struct ledger ledger = {0};
    if (!action) return unknown_action(word, words);
    if (option_flag(values, "json") && option_flag(values, "csv"))
        return fail(STATUS_USAGE, "--json and --csv are two forms: choose one");
    if (sodium_init() < 0) return fail(STATUS_INTERNAL, "the library of hashes does not start");
    json_t *arguments = json_object();
    if (!arguments) return fail(STATUS_MEMORY, "out of memory for arguments");
    enum status status = take_words(action, word + used, words - used, arguments);
    if (status == STATUS_OK) status = take_options(values, action, arguments);
    if (status == STATUS_OK) status = run(values, action, &ledger, arguments);
    struct store *store = ledger.store;
    ledger_close(&ledger);
    store_close(store);
    json_decref(arguments);
    return status;
}
