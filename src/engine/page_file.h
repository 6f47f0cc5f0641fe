/* page_file.h - the file of one page: its name, and reading and writing it. Pure functions but for the disk; any thread. */
#ifndef HADAL_ENGINE_PAGE_FILE_H
#define HADAL_ENGINE_PAGE_FILE_H

#include "engine/prefix_cache.h"

struct page_header { /* the beginning of a file, as it is in memory: little-endian, without gaps */
    char magic[8];
    uint64_t version, page_bytes;
    uint8_t model[16]; /* of which the page is a page */
    uint8_t key[32];
    uint64_t before, roles;
    int32_t token[KV_PAGE_TOKENS];
};

struct page_name { /* what a name says */
    struct prefix_key key;
    uint64_t before, roles;
};

/* Everything that decides the bits of a page besides tokens and roles: checkpoint, formats, arithmetic. */
must_use enum status page_model(const struct model *model, uint8_t identity[16]);

enum { PAGE_NAME_BYTES = 128 };
void page_name_write(const struct page_name *name, char text[PAGE_NAME_BYTES]);
bool page_name_read(const char *text, struct page_name *name); /* false: it is no page's name */

void page_header_fill(struct page_header *header, const uint8_t model[16], const struct page_name *name,
                      const int32_t token[KV_PAGE_TOKENS], int64_t page_bytes);
int64_t page_file_bytes(int64_t page_bytes);

must_use enum status page_file_write(const char *path, const struct page_header *header,
                                     const uint8_t *bytes);
/* STATUS_NOT_FOUND without a file; STATUS_FORMAT for one that is not whole or has another header. */
must_use enum status page_file_read(const char *path, const struct page_header *header, uint8_t *bytes);

#endif
