/* kv_pages.h - the cache of all sequences: a pool of pages of 64 tokens, counted by reference so that sequences can share
 * a prefix. Owned by the engine's thread. */
#ifndef HADAL_ENGINE_KV_PAGES_H
#define HADAL_ENGINE_KV_PAGES_H

#include "model/model.h"

struct kv_pages {
    struct model *model;
    struct kv_plane_view *view; /* [layers + mtp_layers][KV_PLANES] */
    void *memory;
    int32_t *references;  /* [pages] */
    uint8_t *module_rows; /* [pages] rows from a page's beginning that the first MTP module has cached too */
    bool *kept;           /* [pages] one of the references is that of a cache of prefixes */
    int32_t *free_page;   /* stack */
    int32_t free_pages, pages;
    int32_t idle_pages; /* kept, and nobody else refers to them */
};

must_use enum status kv_pages_open(struct kv_pages *kv, struct model *model, int32_t pages);
void kv_pages_close(struct kv_pages *kv);
must_use enum status kv_page_take(struct kv_pages *kv, int32_t *page); /* STATUS_LIMIT when none is free */
void kv_page_share(struct kv_pages *kv, int32_t page);
void kv_page_release(struct kv_pages *kv, int32_t page);

/* A cache of prefixes keeps a page that it has no reference to yet, and forgets one that is idle, which is free then. */
void kv_page_keep(struct kv_pages *kv, int32_t page);
void kv_page_forget(struct kv_pages *kv, int32_t page);

/* The first `rows` entries of another page, those of MTP modules included. What is behind them counts for nothing. */
void kv_page_copy(struct kv_pages *kv, int32_t to, int32_t from, int rows);

/* The trunk's entries of one page, in the order of layers and planes. */
int64_t kv_page_bytes(const struct kv_pages *kv);
void kv_page_read(const struct kv_pages *kv, int32_t page, uint8_t *bytes);
void kv_page_write(struct kv_pages *kv, int32_t page, const uint8_t *bytes);

#endif
