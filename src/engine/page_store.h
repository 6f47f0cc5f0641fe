/* page_store.h - pages of the cache of prefixes on the disk: a folder of files, and the thread that reads and writes them.
 *
 * One file holds one page: which checkpoint, arithmetic and cache type made it, its key, roles and tokens, its entries and
 * a checksum over all of it. A file that is not whole, not of this model or not what was looked for is no page: reading it
 * fails, it is removed, and the tokens are computed. Files appear whole or not at all, so that a process may be killed at
 * any time. Which files there are is known from their names alone; the folder is read once, at opening.
 *
 * The engine's thread owns the list of files and asks; the storage thread owns nothing but the task at hand. They meet at
 * two queues of as many tasks as there are buffers. Nothing here waits for the disk but opening and closing. */
#ifndef HADAL_ENGINE_PAGE_STORE_H
#define HADAL_ENGINE_PAGE_STORE_H

#include "engine/prefix_cache.h"

struct page_store;

struct page_store_options {
    const char *directory;
    int64_t most_bytes;    /* of all files */
    int64_t written_bytes; /* that may be written in a day: disks wear out */
    const struct kv_pages *kv;
    void (*wake)(void *context); /* a task is done; called by the storage thread */
    void *context;
};

/* STATUS_IO when the folder cannot be used, or another process uses it. */
must_use enum status page_store_open(struct page_store **store, const struct page_store_options *options);
/* Finishes what was begun. NULL allowed. */
void page_store_close(struct page_store *store);

/* Where the files of this model are, which no other process uses meanwhile. */
const char *page_store_folder(const struct page_store *store);

/* Writes a page of the cache, unless it is there, the day's bytes are used up, or the disk is behind; tells whether it will
 * be there. */
bool page_store_put(struct page_store *store, const struct prefix_page *page, int32_t number);
/* Is there anything left of the bytes of this day? */
bool page_store_may_write(struct page_store *store);
/* Waits until everything that was asked for is done; false after `seconds`. */
bool page_store_wait(struct page_store *store, double seconds);

/* Is there a page with this key behind one whose form is `before`? The roles are those of `*roles` if there is such a page,
 * and otherwise, unless `exact`, those of another. */
bool page_store_has(const struct page_store *store, const struct prefix_key *key, uint64_t before, bool exact,
                    uint64_t *roles);

struct page_read { /* what is to be read, and whose it is */
    uint64_t request;
    int choice, index;
    struct prefix_key key;
    uint64_t before, roles;
    int32_t token[KV_PAGE_TOKENS];
};
/* False: all buffers are in use. */
bool page_store_read(struct page_store *store, const struct page_read *read);
/* The next read that is done, in the order in which they were asked for; false: none is. `bytes` are the page's entries,
 * NULL when there is no such page, and are valid until the next call. */
bool page_store_take(struct page_store *store, struct page_read *read, const uint8_t **bytes);

struct page_store_counts {
    int64_t files, bytes, written_bytes, read_bytes, damaged;
};
struct page_store_counts page_store_counts(const struct page_store *store);

#endif
