/* kv_pages.c - the page pool: memory laid out by the model's declared planes, a stack of free pages, counts. */
#include "engine/kv_pages.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

static int64_t plane_bytes(const struct kv_plane *plane, int64_t pages) {
    return round_up(pages * KV_PAGE_TOKENS * plane->heads * plane->entry_bytes, 64);
}

static void lay_out(struct kv_pages *kv, int layers) {
    uint8_t *at = kv->memory;
    for (int layer = 0; layer < layers; layer++) {
        for (int i = 0; i < KV_PLANES; i++) {
            const struct kv_plane *plane = &kv->model->plane[i];
            kv->view[layer * KV_PLANES + i] =
                (struct kv_plane_view){at, plane->dtype, plane->heads, plane->width, plane->entry_bytes};
            at += plane_bytes(plane, kv->pages);
        }
    }
}

enum status kv_pages_open(struct kv_pages *kv, struct model *model, int32_t pages) {
    int layers = model->desc.layers + model->desc.mtp_layers;
    int64_t bytes = 0;
    *kv = (struct kv_pages){.model = model, .pages = pages, .free_pages = pages};
    for (int i = 0; i < KV_PLANES; i++) bytes += plane_bytes(&model->plane[i], pages) * layers;
    kv->memory = model->backend->ops->allocate(model->backend, bytes);
    kv->view = calloc((size_t)layers * KV_PLANES, sizeof *kv->view);
    kv->references = calloc((size_t)pages, sizeof *kv->references);
    kv->module_rows = calloc((size_t)pages, sizeof *kv->module_rows);
    kv->kept = calloc((size_t)pages, sizeof *kv->kept);
    kv->free_page = calloc((size_t)pages, sizeof *kv->free_page);
    if (!kv->memory || !kv->view || !kv->references || !kv->module_rows || !kv->kept || !kv->free_page) {
        kv_pages_close(kv);
        return fail(STATUS_MEMORY, "no memory for a cache of %d pages (%lld bytes)", pages, (long long)bytes);
    }
    lay_out(kv, layers);
    for (int32_t i = 0; i < pages; i++) kv->free_page[i] = pages - 1 - i; /* page 0 is taken first */
    return STATUS_OK;
}

void kv_pages_close(struct kv_pages *kv) {
    if (kv->memory) kv->model->backend->ops->release(kv->model->backend, kv->memory);
    free(kv->view);
    free(kv->references);
    free(kv->module_rows);
    free(kv->kept);
    free(kv->free_page);
    *kv = (struct kv_pages){0};
}

enum status kv_page_take(struct kv_pages *kv, int32_t *page) {
    if (!kv->free_pages) return fail(STATUS_LIMIT, "all %d pages of the cache are in use", kv->pages);
    *page = kv->free_page[--kv->free_pages];
    kv->references[*page] = 1;
    kv->module_rows[*page] = 0;
    return STATUS_OK;
}

void kv_page_share(struct kv_pages *kv, int32_t page) {
    MUST(kv->references[page] > 0);
    kv->idle_pages -= kv->kept[page] && kv->references[page] == 1;
    kv->references[page]++;
}

void kv_page_release(struct kv_pages *kv, int32_t page) {
    MUST(kv->references[page] > kv->kept[page]);
    if (--kv->references[page] == 0)
        kv->free_page[kv->free_pages++] = page;
    else
        kv->idle_pages += kv->kept[page] && kv->references[page] == 1;
}

void kv_page_keep(struct kv_pages *kv, int32_t page) {
    MUST(kv->references[page] > 0 && !kv->kept[page]);
    kv->references[page]++;
    kv->kept[page] = true;
}

void kv_page_forget(struct kv_pages *kv, int32_t page) {
    MUST(kv->references[page] == 1 && kv->kept[page]);
    kv->kept[page] = false;
    kv->references[page] = 0;
    kv->idle_pages--;
    kv->free_page[kv->free_pages++] = page;
}

/* ---- the bytes of a page ---- */

static size_t page_bytes(const struct kv_plane_view *view) {
    return (size_t)KV_PAGE_TOKENS * (size_t)view->heads * (size_t)view->entry_bytes;
}

static int trunk_views(const struct kv_pages *kv) {
    return kv->model->desc.layers * KV_PLANES;
}

void kv_page_copy(struct kv_pages *kv, int32_t to, int32_t from, int rows) {
    const int views = (kv->model->desc.layers + kv->model->desc.mtp_layers) * KV_PLANES;
    for (int i = 0; i < views; i++) {
        size_t each = page_bytes(&kv->view[i]);
        memcpy(kv->view[i].data + (size_t)to * each, kv->view[i].data + (size_t)from * each, each);
    }
    kv->module_rows[to] = (uint8_t)min_i64(kv->module_rows[from], rows);
}

int64_t kv_page_bytes(const struct kv_pages *kv) {
    int64_t bytes = 0;
    for (int i = 0; i < trunk_views(kv); i++) bytes += (int64_t)page_bytes(&kv->view[i]);
    return bytes;
}

void kv_page_read(const struct kv_pages *kv, int32_t page, uint8_t *bytes) {
    for (int i = 0; i < trunk_views(kv); i++) {
        size_t each = page_bytes(&kv->view[i]);
        memcpy(bytes, kv->view[i].data + (size_t)page * each, each);
        bytes += each;
    }
}

void kv_page_write(struct kv_pages *kv, int32_t page, const uint8_t *bytes) {
    for (int i = 0; i < trunk_views(kv); i++) {
        size_t each = page_bytes(&kv->view[i]);
        memcpy(kv->view[i].data + (size_t)page * each, bytes, each);
        bytes += each;
    }
}
