/* books.h - a ledger over a database of a test's own: SQLite in a file, or PostgreSQL where HADAL_TEST_POSTGRES is its URL (of
 * an empty database). */
#ifndef TESTS_SUPPORT_BOOKS_H
#define TESTS_SUPPORT_BOOKS_H

#include "server/account/admin.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern struct scratch scratch;
extern char where[512]; /* of the database */
extern struct ledger ledger;
extern int64_t now; /* 2025-03-10T12:00:00Z at the beginning */

#define OK(expression)                                                                                       \
    do {                                                                                                     \
        if ((expression) != STATUS_OK) fail_msg("%s", status_message());                                     \
    } while (0)

int books_begin(void **state), books_end(void **state); /* of all tests */
int books_setup(void **state),
    books_teardown(void **state); /* of one, with `ledger` over an empty database */
void books_make_empty(void);      /* another database, at `where` */
#define WITH_DATABASE(test) cmocka_unit_test_setup_teardown(test, books_setup, books_teardown)

/* Runs an action in a transaction of its own; the answer, or NULL where it is refused. */
json_t *act(const char *name, const char *arguments);
json_t *act_as(int64_t owner, const char *name, const char *arguments); /* the owner of a key does it */
void done(const char *name, const char *arguments);
void refused(const char *words, const char *name, const char *arguments);
void audit_is_clean(void);
void assert_balance(int64_t account, int64_t granted, int64_t topped, int64_t reserved);
struct ledger_balance balance_of(int64_t account);

enum status in_transaction(enum status status); /* keeps what was done, or takes it back */
/* Of account 1 with key 1, in transactions of their own. */
enum status reserve(const char *request, int64_t prompt, int64_t most, struct ledger_hold *hold);
enum status settle(const char *request, int64_t miss, int64_t output, struct ledger_use *use);
/* Account 1, key 1, V3's prices of spring 2025: 0.27 and 1.10 by day. */
void open_account(const char *fields);

#endif
