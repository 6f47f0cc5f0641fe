/* store_sqlite.c - accounts in a file. Write-ahead log, so that readers and the writer do not wait for each other; each
 * commit reaches the disk before it returns. */
#include "server/account/store_driver.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum { BUSY_MILLISECONDS = 15000 };

static enum status failed(sqlite3 *database, const char *what) {
    const int code = sqlite3_errcode(database) & 0xff;
    return fail(code == SQLITE_BUSY     ? STATUS_UNAVAILABLE
                : code == SQLITE_NOMEM  ? STATUS_MEMORY
                : code == SQLITE_NOTADB ? STATUS_FORMAT
                                        : STATUS_IO,
                "accounts: %s: %.200s", what, sqlite3_errmsg(database));
}

static void close_file(void *connection) {
    sqlite3_close(connection);
}

static enum status open_file(void **connection, const char *where) {
    static const char settings[] =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;";
    sqlite3 *database;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const mode_t before = umask(077); /* it holds hashes of keys, and who spent what */
    const int code = sqlite3_open_v2(where, &database, flags, NULL);
    *connection = database;
    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(database, BUSY_MILLISECONDS);
        sqlite3_exec(database, settings, NULL, NULL, NULL);
    }
    umask(before);
    if (!database) return fail(STATUS_MEMORY, "out of memory for the accounts");
    if (code == SQLITE_OK && sqlite3_errcode(database) == SQLITE_OK) return STATUS_OK;
    return fail_within(failed(database, "cannot open"), "%.200s", where);
}

static void interrupt(void *connection) {
    sqlite3_interrupt(connection);
}

static bool renew(void *connection) {
    (void)connection;
    return false;
}

static enum status prepare(void *connection, const char *sql, void **statement) {
    sqlite3_stmt *prepared;
    if (sqlite3_prepare_v3(connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, NULL) != SQLITE_OK)
        return failed(connection, "cannot prepare");
    *statement = prepared;
    return STATUS_OK;
}

static void finish(void *connection, void *statement) {
    (void)connection;
    sqlite3_finalize(statement);
}

static int64_t number_of(const struct store_row *row, int column) {
    return sqlite3_column_int64(row->result, column);
}

static const char *text_of(const struct store_row *row, int column) {
    return (const char *)sqlite3_column_text(row->result, column);
}

static enum status run(void *connection, void *statement, const struct store_value *value, int values,
                       store_row_reader *read, void *context, int64_t *changes) {
    const struct store_row row = {statement, 0, number_of, text_of};
    enum status status = STATUS_OK;
    int code;
    for (int i = 0; i < values; i++) {
        code = value[i].text ? sqlite3_bind_text(statement, i + 1, value[i].text, -1, SQLITE_STATIC)
                             : sqlite3_bind_int64(statement, i + 1, value[i].number);
        if (code != SQLITE_OK) return failed(connection, "cannot bind");
    }
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && status == STATUS_OK)
        if (read) status = read(context, &row);
    if (status == STATUS_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        status = failed(connection, "cannot change or read");
    *changes = sqlite3_changes64(connection);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

static const struct store_word words[] = {{"@id", "INTEGER PRIMARY KEY AUTOINCREMENT"},
                                          {"@begin", "BEGIN IMMEDIATE"},
                                          {"@read", "BEGIN"},
                                          {"@lock", ""},
                                          {"@alone", "SELECT 1"},
                                          {NULL, NULL}};

static const char *const immutable[] = {
    "CREATE TRIGGER @_no_update BEFORE UPDATE ON @ BEGIN SELECT RAISE(ABORT, 'rows of @ never change'); END",
    "CREATE TRIGGER @_no_delete BEFORE DELETE ON @ BEGIN SELECT RAISE(ABORT, 'rows of @ never change'); END",
    NULL};

const struct store_driver store_sqlite = {.name = "SQLite",
                                          .word = words,
                                          .immutable = immutable,
                                          .groups_changes = true,
                                          .open = open_file,
                                          .close = close_file,
                                          .interrupt = interrupt,
                                          .renew = renew,
                                          .prepare = prepare,
                                          .finish = finish,
                                          .run = run};
