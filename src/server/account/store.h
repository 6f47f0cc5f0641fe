/* store.h - the database of accounts behind one small interface: SQLite in a file, or PostgreSQL by its URL.
 *
 * Statements are written once, in the SQL that both share: whole numbers and text, "?" for a value. Words that begin with
 * "@" are where they differ; each driver's table says what stands there. A store belongs to one thread at a time. */
#ifndef HADAL_SERVER_ACCOUNT_STORE_H
#define HADAL_SERVER_ACCOUNT_STORE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct store_row;

enum { STORE_SCHEMA = 4 /* the newest version */ };

/* A file's path, or "postgresql://...". Made where there is none, and brought to the newest schema. STATUS_UNSUPPORTED when
 * a newer program has changed it. Sentences never hold a password. */
must_use enum status store_open(struct store **store, const char *where);
must_use enum status store_open_version(struct store **store, const char *where, int version); /* for tests */
void store_close(struct store *store); /* NULL allowed */
/* From any thread, for the end: the statement that runs fails, and so do all that follow. */
void store_interrupt(struct store *store);
bool store_is_url(const char *where);
/* Many changes may share a transaction without waiting for those of other programs. */
bool store_groups_changes(const struct store *store);

struct store_value {
    const char *text; /* NULL: a number */
    int64_t number;
};
static inline struct store_value store_number(int64_t number) {
    return (struct store_value){NULL, number};
}
static inline struct store_value store_text(const char *text) {
    return (struct store_value){text ? text : "", 0};
}

/* Called with each row of a result. A failure ends the statement and becomes its status. */
typedef enum status store_row_reader(void *context, const struct store_row *row);
int64_t row_number(const struct store_row *row, int column);
const char *row_text(const struct store_row *row, int column); /* never NULL; until the reader returns */

/* `sql` is a literal: the prepared statement is kept under its address. `read` NULL: rows are not wanted. */
must_use enum status store_run(struct store *store, const char *sql, const struct store_value *value,
                               int values, store_row_reader *read, void *context);
/* Rows that the last statement changed. */
int64_t store_changes(const struct store *store);

#define STORE_VALUES(...)                                                                                    \
    (const struct store_value[]){__VA_ARGS__},                                                               \
        (int)(sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value))
#define store_do(store, sql, ...) store_run(store, sql, STORE_VALUES(__VA_ARGS__), NULL, NULL)

/* One number; `fallback` where there is no row. */
must_use enum status store_ask(struct store *store, const char *sql, const struct store_value *value,
                               int values, int64_t fallback, int64_t *number);

/* A transaction that nobody else's changes come into; nothing of it is there before it is committed. */
must_use enum status store_begin(struct store *store);
/* One that only reads: all of it sees the database as it is at its first statement, and nobody waits for it. */
must_use enum status store_begin_reading(struct store *store);
must_use enum status store_commit(struct store *store);
void store_rollback(struct store *store);
/* A part of a transaction that can be taken back alone. */
must_use enum status store_mark(struct store *store);
must_use enum status store_release(struct store *store, bool keep);

#endif
