/* api_keys.h - who may use the server: keys from a file, of which only hashes are kept.
 *
 * A line of the file is a key, or "blake2b:" and the hash of one in hexadecimal digits, then optionally the name of the
 * account that it belongs to and the priority of its requests. Empty lines and those that begin with # count for nothing. Read-only after opening: any
 * thread. */
#ifndef HADAL_SERVER_API_KEYS_H
#define HADAL_SERVER_API_KEYS_H

#include "base/status.h"

#include <stdbool.h>

enum { API_KEYS_LIMIT = 4096, API_KEY_HASH_BYTES = 32, API_ACCOUNT_BYTES = 64, API_PRIORITY_MOST = 100 };

struct api_key {
    unsigned char hash[API_KEY_HASH_BYTES];
    char account[API_ACCOUNT_BYTES + 1]; /* its own name, or "key-N" by its line */
    int priority;                        /* -API_PRIORITY_MOST .. API_PRIORITY_MOST; 0 without one */
};

struct api_keys { /* zeroed: nobody needs a key */
    struct api_key *key;
    int keys;
};

/* Sentences name file and line, never a key. */
must_use enum status api_keys_open(struct api_keys *keys, const char *path);
void api_keys_close(struct api_keys *keys); /* also of a zeroed one */

/* The highest of the account's keys. */
int api_keys_priority(const struct api_keys *keys, const char *account);

/* The key's row; NULL: unknown. Takes as long for every key. */
const struct api_key *api_keys_find(const struct api_keys *keys, const char *text);

#endif
