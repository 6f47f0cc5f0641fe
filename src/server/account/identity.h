/* identity.h - keys: making them, and whose a key is. A key is shown when it is made and kept as a hash.
 *
 * On the thread that owns the store, inside a transaction of the caller's. */
#ifndef HADAL_SERVER_ACCOUNT_IDENTITY_H
#define HADAL_SERVER_ACCOUNT_IDENTITY_H

#include "server/account/ledger.h"

enum { KEY_TEXT_BYTES = 64, KEY_HASH_TEXT_BYTES = 65, KEY_TAIL_BYTES = 5 };

struct identity {
    int64_t account, key;
    char name[LEDGER_NAME_BYTES], currency[CURRENCY_BYTES];
    bool admin, limited; /* limited: to models, addresses or a cap */
};

/* The hash under which a key, or a code, is kept. */
void secret_hash(const char *text, char hash[KEY_HASH_TEXT_BYTES]);
/* "sk-" and random digits. */
void secret_make(const char *prefix, char text[KEY_TEXT_BYTES]);

/* STATUS_DENIED: there is no such key, it has expired, was revoked, or is not for this address; or the account is
 * suspended. */
must_use enum status identity_find(struct ledger *ledger, const char *hash, const char *address, int64_t now,
                                   struct identity *identity);

/* Makes the account "admin" and a key of it where there is no account yet; otherwise key is "". */
must_use enum status identity_first(struct ledger *ledger, const char *currency, int64_t now,
                                    char key[KEY_TEXT_BYTES]);

#endif
