/* store.c - what both databases have in common: words of a dialect, kept statements, transactions. */
#include "server/account/store.h"

#include "server/account/store_driver.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE_BYTES = 512 };

struct store {
    const struct store_driver *driver;
    void *connection;
    struct {
        const char *sql;
        void *statement;
    } kept[STORE_STATEMENTS];
    int64_t changes;
    bool in_transaction;
    atomic_bool interrupted;
};

bool store_is_url(const char *where) {
    return !strncmp(where, "postgresql://", 13) || !strncmp(where, "postgres://", 11);
}

bool store_groups_changes(const struct store *store) {
    return store->driver->groups_changes;
}

const struct store_driver *store_driver_of(const struct store *store) {
    return store->driver;
}

int64_t row_number(const struct store_row *row, int column) {
    return row->number(row, column);
}

const char *row_text(const struct store_row *row, int column) {
    const char *text = row->text(row, column);
    return text ? text : "";
}

/* ---- statements ---- */

static const struct store_word *word_at(const struct store_driver *driver, const char *at) {
    for (const struct store_word *word = driver->word; word->word; word++)
        if (!strncmp(at, word->word, strlen(word->word))) return word;
    return NULL;
}

static enum status translate(const struct store_driver *driver, const char *sql, char text[STORE_SQL_BYTES]) {
    size_t bytes = 0;
    int value = 0;
    for (const char *at = sql; *at && bytes < STORE_SQL_BYTES - 64; at++) {
        const struct store_word *word = *at == '@' ? word_at(driver, at) : NULL;
        if (word) {
            bytes += (size_t)snprintf(text + bytes, STORE_SQL_BYTES - bytes, "%s", word->meaning);
            at += strlen(word->word) - 1;
        } else if (*at == '?' && driver->numbered) {
            bytes += (size_t)snprintf(text + bytes, STORE_SQL_BYTES - bytes, "$%d", ++value);
        } else {
            text[bytes++] = *at;
        }
        if (bytes >= STORE_SQL_BYTES - 64) return fail(STATUS_INTERNAL, "a statement is too long");
    }
    text[bytes] = '\0';
    return STATUS_OK;
}

static enum status prepare(struct store *store, const char *sql, void **statement) {
    char text[STORE_SQL_BYTES];
    TRY(translate(store->driver, sql, text));
    return store->driver->prepare(store->connection, text, statement);
}

static enum status find_statement(struct store *store, const char *sql, void **statement) {
    size_t at = ((uintptr_t)sql >> 3) % STORE_STATEMENTS;
    for (int i = 0; i < STORE_STATEMENTS && store->kept[at].sql; i++) {
        if (store->kept[at].sql == sql) {
            *statement = store->kept[at].statement;
            return STATUS_OK;
        }
        at = (at + 1) % STORE_STATEMENTS;
    }
    MUST(!store->kept[at].sql);
    TRY(prepare(store, sql, statement));
    store->kept[at].sql = sql;
    store->kept[at].statement = *statement;
    return STATUS_OK;
}

static void forget_statements(struct store *store) {
    for (int i = 0; i < STORE_STATEMENTS; i++)
        if (store->kept[i].sql) store->driver->finish(store->connection, store->kept[i].statement);
    memset(store->kept, 0, sizeof store->kept);
}

static enum status run(struct store *store, const char *sql, const struct store_value *value, int values,
                       store_row_reader *read, void *context) {
    void *statement;
    MUST(values <= STORE_VALUES_LIMIT);
    TRY(find_statement(store, sql, &statement));
    return store->driver->run(store->connection, statement, value, values, read, context, &store->changes);
}

enum status store_run(struct store *store, const char *sql, const struct store_value *value, int values,
                      store_row_reader *read, void *context) {
    enum status status =
        atomic_load(&store->interrupted) ? STATUS_IO : run(store, sql, value, values, read, context);
    if (status == STATUS_OK || !atomic_load(&store->interrupted)) return status;
    return fail(STATUS_UNAVAILABLE, "accounts: the program is ending");
}

enum status store_run_once(struct store *store, const char *sql) {
    void *statement;
    TRY(prepare(store, sql, &statement));
    enum status status =
        store->driver->run(store->connection, statement, NULL, 0, NULL, NULL, &store->changes);
    store->driver->finish(store->connection, statement);
    return status;
}

int64_t store_changes(const struct store *store) {
    return store->changes;
}

static enum status read_number(void *context, const struct store_row *row) {
    *(int64_t *)context = row_number(row, 0);
    return STATUS_OK;
}

enum status store_ask(struct store *store, const char *sql, const struct store_value *value, int values,
                      int64_t fallback, int64_t *number) {
    *number = fallback;
    return store_run(store, sql, value, values, read_number, number);
}

/* ---- transactions ---- */

static enum status begin(struct store *store, const char *sql) {
    MUST(!store->in_transaction);
    if (store->driver->renew(store->connection)) forget_statements(store);
    TRY(store_run(store, sql, NULL, 0, NULL, NULL));
    store->in_transaction = true;
    return STATUS_OK;
}

enum status store_begin(struct store *store) {
    return begin(store, "@begin");
}

enum status store_begin_reading(struct store *store) {
    return begin(store, "@read");
}

enum status store_commit(struct store *store) {
    enum status status = store_run(store, "COMMIT", NULL, 0, NULL, NULL);
    if (status == STATUS_OK)
        store->in_transaction = false;
    else
        store_rollback(store);
    return status;
}

/* What made it necessary is what the caller says: a failure in here is not. */
static enum status undo(struct store *store, const char *sql) {
    char sentence[SENTENCE_BYTES];
    snprintf(sentence, sizeof sentence, "%s", status_message());
    TRY(run(store, sql, NULL, 0, NULL, NULL));
    return fail(STATUS_OK, "%s", sentence);
}

void store_rollback(struct store *store) {
    if (!store->in_transaction) return;
    store->in_transaction = false;
    if (undo(store, "ROLLBACK") != STATUS_OK) return;
}

enum status store_mark(struct store *store) {
    return store_run(store, "SAVEPOINT part", NULL, 0, NULL, NULL);
}

enum status store_release(struct store *store, bool keep) {
    if (!keep) TRY(undo(store, "ROLLBACK TO SAVEPOINT part"));
    return store_run(store, "RELEASE SAVEPOINT part", NULL, 0, NULL, NULL);
}

/* ---- opening ---- */

enum status store_open_version(struct store **store, const char *where, int version) {
    struct store *opened = calloc(1, sizeof *opened);
    *store = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for the accounts");
    opened->driver = store_is_url(where) ? &store_postgres : &store_sqlite;
    enum status status = opened->driver->open(&opened->connection, where);
    if (status == STATUS_OK) status = store_migrate(opened, version);
    if (status == STATUS_OK)
        *store = opened;
    else
        store_close(opened);
    return status;
}

enum status store_open(struct store **store, const char *where) {
    return store_open_version(store, where, STORE_SCHEMA);
}

void store_interrupt(struct store *store) {
    atomic_store(&store->interrupted, true);
    store->driver->interrupt(store->connection);
}

void store_close(struct store *store) {
    if (!store) return;
    if (store->connection) {
        store_rollback(store);
        forget_statements(store);
        store->driver->close(store->connection);
    }
    free(store);
}
