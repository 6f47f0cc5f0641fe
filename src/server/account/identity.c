/* identity.c - see identity.h. */
#include "server/account/identity.h"

#include "server/account/words.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { HASH_BYTES = 32, SECRET_BYTES = 24 };

void secret_hash(const char *text, char hash[KEY_HASH_TEXT_BYTES]) {
    unsigned char bytes[HASH_BYTES];
    crypto_generichash(bytes, sizeof bytes, (const unsigned char *)text, strlen(text), NULL, 0);
    sodium_bin2hex(hash, KEY_HASH_TEXT_BYTES, bytes, sizeof bytes);
}

void secret_make(const char *prefix, char text[KEY_TEXT_BYTES]) {
    unsigned char bytes[SECRET_BYTES];
    char digits[2 * SECRET_BYTES + 1];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(digits, sizeof digits, bytes, sizeof bytes);
    snprintf(text, KEY_TEXT_BYTES, "%.8s%s", prefix, digits);
    sodium_memzero(bytes, sizeof bytes);
    sodium_memzero(digits, sizeof digits);
}

struct found {
    struct identity *identity;
    const char *address;
    int64_t now;
    bool any, expired, revoked, elsewhere, suspended;
};

static enum status read_key(void *context, const struct store_row *row) {
    struct found *found = context;
    const int64_t expires = row_number(row, 3);
    found->any = true;
    found->identity->key = row_number(row, 0);
    found->identity->account = row_number(row, 1);
    found->revoked = row_number(row, 2) > 0;
    found->expired = expires > 0 && expires <= found->now;
    found->elsewhere = *row_text(row, 4) && !words_have_address(row_text(row, 4), found->address);
    snprintf(found->identity->name, sizeof found->identity->name, "%s", row_text(row, 5));
    snprintf(found->identity->currency, sizeof found->identity->currency, "%s", row_text(row, 6));
    found->identity->admin = !strcmp(row_text(row, 7), "admin");
    found->identity->limited = *row_text(row, 4) || *row_text(row, 9) || row_number(row, 10) > 0;
    found->suspended = strcmp(row_text(row, 8), "active") != 0;
    return STATUS_OK;
}

enum status identity_find(struct ledger *ledger, const char *hash, const char *address, int64_t now,
                          struct identity *identity) {
    struct found found = {.identity = identity, .address = address, .now = now};
    *identity = (struct identity){0};
    TRY(store_run(ledger->store,
                  "SELECT keys.id, keys.account, keys.revoked, keys.expires, keys.addresses, accounts.name, "
                  "accounts.currency, accounts.role, accounts.status, keys.models, keys.cap FROM keys JOIN "
                  "accounts ON accounts.id = "
                  "keys.account WHERE keys.hash = ?",
                  STORE_VALUES(store_text(hash)), read_key, &found));
    if (!found.any) return fail(STATUS_DENIED, "is invalid");
    if (found.revoked) return fail(STATUS_DENIED, "was revoked");
    if (found.expired) return fail(STATUS_DENIED, "has expired");
    if (found.elsewhere) return fail(STATUS_DENIED, "is not for the address %.45s", address);
    if (found.suspended) return fail(STATUS_DENIED, "belongs to a suspended account");
    return STATUS_OK;
}

enum status identity_first(struct ledger *ledger, const char *currency, int64_t now,
                           char key[KEY_TEXT_BYTES]) {
    char hash[KEY_HASH_TEXT_BYTES];
    int64_t accounts, account;
    key[0] = '\0';
    TRY(store_ask(ledger->store, "SELECT COUNT(*) FROM accounts", NULL, 0, 0, &accounts));
    if (accounts > 0) return STATUS_OK;
    TRY(store_ask(
        ledger->store,
        "INSERT INTO accounts (name, role, group_name, currency, status, concurrency, warn_below, warned, "
        "created) VALUES ('admin', 'admin', 'default', ?, 'active', 0, -1, 0, ?) RETURNING id",
        STORE_VALUES(store_text(currency), store_number(now)), 0, &account));
    secret_make("sk-", key);
    secret_hash(key, hash);
    return store_do(
        ledger->store,
        "INSERT INTO keys (account, name, hash, tail, created, expires, revoked, models, addresses, cap, "
        "cap_period) VALUES (?, 'first', ?, ?, ?, 0, 0, '', '', 0, 'total')",
        store_number(account), store_text(hash), store_text(key + strlen(key) - 4), store_number(now));
}
