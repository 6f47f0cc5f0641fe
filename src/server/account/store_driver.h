/* store_driver.h - what a database has to offer to be a store: store.c, store_schema.c and the drivers alone see this. */
#ifndef HADAL_SERVER_ACCOUNT_STORE_DRIVER_H
#define HADAL_SERVER_ACCOUNT_STORE_DRIVER_H

#include "server/account/store.h"

enum { STORE_SQL_BYTES = 4096, STORE_STATEMENTS = 256, STORE_VALUES_LIMIT = 32 };

struct store_word {
    const char *word, *meaning;
};

struct store_driver {
    const char *name;
    const struct store_word *word; /* ends with NULL */
    const char *const *immutable;  /* statements that forbid changing rows of the table "@"; ends with NULL */
    bool numbered;                 /* values are $1, $2, ... */
    bool groups_changes;
    enum status (*open)(void **connection, const char *where);
    void (*close)(void *connection);
    void (*interrupt)(void *connection); /* of any thread */
    bool (*renew)(void *connection); /* true: the connection was lost and is new, its statements are gone */
    enum status (*prepare)(void *connection, const char *sql, void **statement);
    void (*finish)(void *connection, void *statement);
    enum status (*run)(void *connection, void *statement, const struct store_value *value, int values,
                       store_row_reader *read, void *context, int64_t *changes);
};

extern const struct store_driver store_sqlite, store_postgres;

/* What a reader sees of a row: the driver's own object, and how to look into it. */
struct store_row {
    void *result;
    int index;
    int64_t (*number)(const struct store_row *row, int column);
    const char *(*text)(const struct store_row *row, int column);
};

const struct store_driver *store_driver_of(const struct store *store);
/* A statement that is not kept. */
must_use enum status store_run_once(struct store *store, const char *sql);
/* store_schema.c */
must_use enum status store_migrate(struct store *store, int version);

#endif
