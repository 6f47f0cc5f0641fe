/* ledger_prices.c - lists of prices in the database: added, never changed. A request is billed by the list that was in
 * force when it was accepted. */
#include "server/account/ledger.h"

#include <stdlib.h>
#include <string.h>

struct stored {
    int64_t id, frozen;
    char *name, *text;
};

static enum status read_list(void *context, const struct store_row *row) {
    struct stored *stored = context;
    free(stored->name);
    free(stored->text);
    stored->id = row_number(row, 0);
    stored->frozen = row_number(row, 1);
    stored->name = strdup(row_text(row, 2));
    stored->text = strdup(row_text(row, 3));
    return stored->name && stored->text ? STATUS_OK : fail(STATUS_MEMORY, "out of memory for prices");
}

static enum status load(struct ledger *ledger, int64_t id, struct stored *stored) {
    *stored = (struct stored){0};
    TRY(store_run(ledger->store, "SELECT id, frozen, name, content FROM price_lists WHERE id = ?",
                  STORE_VALUES(store_number(id)), read_list, stored));
    return stored->id ? STATUS_OK : fail(STATUS_NOT_FOUND, "there is no list of prices %lld", (long long)id);
}

static enum status parse(const struct stored *stored, struct price_list *list) {
    TRY(price_list_parse(list, stored->text, strlen(stored->text), stored->name));
    if (stored->frozen < 0) return STATUS_OK;
    enum status status = price_list_freeze(list, stored->frozen, stored->name);
    if (status != STATUS_OK) price_list_close(list);
    return status;
}

static enum status latest(struct ledger *ledger, int64_t *id) {
    TRY(store_ask(ledger->store, "SELECT COALESCE(MAX(id), 0) FROM price_lists", NULL, 0, 0, id));
    if (*id) return STATUS_OK;
    return fail(STATUS_NOT_FOUND, "there are no prices: choose them with hadal account prices set NAME");
}

enum status ledger_prices(struct ledger *ledger, int64_t *id, const struct price_list **list) {
    struct stored stored;
    if (!*id) TRY(latest(ledger, id));
    for (int i = 0; i < LEDGER_LISTS; i++)
        if (ledger->list[i].id == *id) {
            *list = &ledger->list[i].list;
            return STATUS_OK;
        }
    const int slot = ledger->next_list++ % LEDGER_LISTS;
    price_list_close(&ledger->list[slot].list);
    ledger->list[slot].id = 0;
    enum status status = load(ledger, *id, &stored);
    if (status == STATUS_OK) status = parse(&stored, &ledger->list[slot].list);
    if (status == STATUS_OK) ledger->list[slot].id = *id;
    *list = &ledger->list[slot].list;
    free(stored.name);
    free(stored.text);
    return status;
}

enum status ledger_add_prices(struct ledger *ledger, const char *name, const char *text, int64_t frozen,
                              int64_t now) {
    struct stored stored = {0};
    struct price_list list;
    int64_t id;
    bool equal = false;
    TRY(price_list_parse(&list, text, strlen(text), name));
    price_list_close(&list);
    if (latest(ledger, &id) == STATUS_OK && load(ledger, id, &stored) == STATUS_OK)
        equal = !strcmp(stored.text, text) && stored.frozen == frozen && !strcmp(stored.name, name);
    free(stored.name);
    free(stored.text);
    if (equal) return STATUS_OK;
    return store_do(ledger->store,
                    "INSERT INTO price_lists (created, name, frozen, content) VALUES (?, ?, ?, ?)",
                    store_number(now), store_text(name), store_number(frozen), store_text(text));
}

enum status ledger_set_prices(struct ledger *ledger, const char *name, int64_t now) {
    struct buffer text = {0};
    int64_t frozen;
    enum status status = price_text_find(name, &text, &frozen);
    if (status == STATUS_OK && strlen(text.data ? text.data : "") != text.bytes)
        status = fail(STATUS_INPUT, "%.200s: is no text", name);
    if (status == STATUS_OK) status = ledger_add_prices(ledger, name, text.data, frozen, now);
    buffer_free(&text);
    return status;
}
