/* api_keys.c - the file of keys, and finding one without telling by the time how near a guess was. */
#include "server/api_keys.h"

#include "base/buffer.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 1 << 20, KEY_BYTES_LEAST = 8 };

static const char hash_mark[] = "blake2b:";

static void hash_of(const char *text, size_t bytes, unsigned char *hash) {
    crypto_generichash(hash, API_KEY_HASH_BYTES, (const unsigned char *)text, bytes, NULL, 0);
}

static enum status read_hash(struct api_key *key, const char *word, const char *path, int line) {
    const char *digits = word + sizeof hash_mark - 1, *end;
    size_t bytes;
    if (sodium_hex2bin(key->hash, sizeof key->hash, digits, strlen(digits), NULL, &bytes, &end) || *end ||
        bytes != sizeof key->hash)
        return fail(STATUS_INPUT, "%s:%d: behind %s there must be 64 hexadecimal digits", path, line,
                    hash_mark);
    return STATUS_OK;
}

static enum status read_priority(struct api_key *key, const char *word, const char *path, int line) {
    char *end;
    long value = word ? strtol(word, &end, 10) : 0;
    if (word && (*end || value < -API_PRIORITY_MOST || value > API_PRIORITY_MOST))
        return fail(STATUS_INPUT, "%s:%d: a priority is a number from %d to %d", path, line,
                    -API_PRIORITY_MOST, API_PRIORITY_MOST);
    key->priority = (int)value;
    return STATUS_OK;
}

static enum status read_line(struct api_key *key, char *text, const char *path, int line) {
    static const char blanks[] = " \t\r";
    char *rest, *word = strtok_r(text, blanks, &rest), *account = word ? strtok_r(NULL, blanks, &rest) : NULL;
    if (!strncmp(word, hash_mark, sizeof hash_mark - 1))
        TRY(read_hash(key, word, path, line));
    else if (strlen(word) < KEY_BYTES_LEAST)
        return fail(STATUS_INPUT, "%s:%d: a key needs at least %d characters", path, line, KEY_BYTES_LEAST);
    else
        hash_of(word, strlen(word), key->hash);
    if (account && strlen(account) > API_ACCOUNT_BYTES)
        return fail(STATUS_INPUT, "%s:%d: an account's name has at most %d bytes", path, line,
                    API_ACCOUNT_BYTES);
    TRY(read_priority(key, account ? strtok_r(NULL, blanks, &rest) : NULL, path, line));
    if (account && strtok_r(NULL, blanks, &rest))
        return fail(STATUS_INPUT, "%s:%d: a key, an account, a priority, and nothing else", path, line);
    if (account)
        strcpy(key->account, account);
    else
        snprintf(key->account, sizeof key->account, "key-%d", line);
    return STATUS_OK;
}

static enum status read_lines(struct api_keys *keys, char *text, const char *path) {
    int line = 1;
    for (char *at = text, *next; at; at = next, line++) {
        next = strchr(at, '\n');
        if (next) *next++ = '\0';
        at += strspn(at, " \t\r");
        if (!*at || *at == '#') continue;
        if (keys->keys == API_KEYS_LIMIT)
            return fail(STATUS_LIMIT, "%s: more than %d keys", path, API_KEYS_LIMIT);
        TRY(read_line(&keys->key[keys->keys], at, path, line));
        keys->keys++;
    }
    return keys->keys ? STATUS_OK : fail(STATUS_INPUT, "%s: holds no key", path);
}

enum status api_keys_open(struct api_keys *keys, const char *path) {
    struct buffer text = {0};
    *keys = (struct api_keys){0};
    if (sodium_init() < 0) return fail(STATUS_INTERNAL, "the library of hashes does not start");
    TRY(buffer_read_file(&text, path, FILE_BYTES));
    keys->key = calloc(API_KEYS_LIMIT, sizeof *keys->key);
    enum status status = keys->key ? STATUS_OK : fail(STATUS_MEMORY, "%s: out of memory", path);
    if (status == STATUS_OK && memchr(text.data, 0, text.bytes))
        status = fail(STATUS_INPUT, "%s: is no text", path);
    if (status == STATUS_OK) status = read_lines(keys, text.data, path);
    if (text.data) sodium_memzero(text.data, text.bytes);
    buffer_free(&text);
    if (status != STATUS_OK) api_keys_close(keys);
    return status;
}

void api_keys_close(struct api_keys *keys) {
    free(keys->key);
    *keys = (struct api_keys){0};
}

int api_keys_priority(const struct api_keys *keys, const char *account) {
    bool any = false;
    int most = 0;
    for (int i = 0; i < keys->keys; i++) {
        const struct api_key *key = &keys->key[i];
        if (strcmp(key->account, account) || (any && key->priority <= most)) continue;
        most = key->priority;
        any = true;
    }
    return most;
}

const struct api_key *api_keys_find(const struct api_keys *keys, const char *text) {
    unsigned char hash[API_KEY_HASH_BYTES];
    const struct api_key *found = NULL;
    hash_of(text, strlen(text), hash);
    for (int i = 0; i < keys->keys; i++)
        if (!sodium_memcmp(hash, keys->key[i].hash, sizeof hash)) found = &keys->key[i];
    return found;
}
