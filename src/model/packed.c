/* packed.c - where the panels of a model are kept: the decision, the memory, and the weights that point to them. */
#include "model/packed.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "model/packed_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

static const int64_t small_bytes = 2000000000; /* of a model that is arranged in memory at each start */

bool pack_mode_from_name(const char *name, enum pack_mode *mode) {
    static const char *const names[] = {
        [PACK_AUTOMATIC] = "auto", [PACK_MEMORY] = "memory", [PACK_FILE] = "file", [PACK_OFF] = "off"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *mode = (enum pack_mode)i;
        return true;
    }
    return false;
}

/* ---- where ---- */

/* Free bytes of the file system that holds the directory, or would once it exists. INT64_MAX where that cannot be told:
 * writing will say what is wrong. */
static int64_t disk_room(const char *directory) {
    struct statvfs about;
    char *path = strdup(directory), *slash;
    int failed = path ? statvfs(path, &about) : -1;
    while (path && failed && errno == ENOENT && (slash = strrchr(path, '/')) && slash != path) {
        *slash = 0;
        failed = statvfs(path, &about);
    }
    if (path && failed && errno == ENOENT) failed = statvfs(*path == '/' ? "/" : ".", &about);
    free(path);
    int64_t bytes;
    bool known = !failed && multiply_fits((int64_t)about.f_bavail, (int64_t)about.f_frsize, &bytes);
    return known ? bytes : INT64_MAX;
}

static bool has_room(const struct packed *packed) {
    return disk_room(packed->options.cache_dir) >= packed->bytes + packed->bytes / 10;
}

static void describe_room(const struct packed *packed, char *text, size_t bytes) {
    char needed[32], room[32];
    snprintf(text, bytes, "%s has %s free and %s are needed", packed->options.cache_dir,
             bytes_text(disk_room(packed->options.cache_dir), room),
             bytes_text(packed->bytes + packed->bytes / 10, needed));
}

static void choose_automatically(struct packed *packed) {
    char reason[400];
    if (packed->bytes < small_bytes && packed->bytes < packed->options.available / 4) {
        packed->place = PACKED_IN_MEMORY;
    } else if (!packed->path) {
        packed_give_up(packed, "there is no cache directory");
    } else if (has_room(packed)) {
        packed->place = PACKED_IN_FILE;
    } else {
        describe_room(packed, reason, sizeof reason);
        packed_give_up(packed, reason);
    }
}

static enum status choose_file(struct packed *packed, const struct checkpoint *checkpoint) {
    char reason[400];
    if (!packed->path)
        return fail(STATUS_INPUT, "%s: a file of arranged weights needs a cache directory", checkpoint->path);
    packed->place = PACKED_IN_FILE;
    if (has_room(packed)) return STATUS_OK;
    describe_room(packed, reason, sizeof reason);
    return fail(STATUS_IO, "%s", reason);
}

static enum status choose(struct packed *packed, const struct checkpoint *checkpoint) {
    const char *directory = packed->options.cache_dir;
    bool found = false;
    if (packed->options.mode == PACK_MEMORY) {
        packed->place = PACKED_IN_MEMORY;
        return STATUS_OK;
    }
    if (directory && *directory) {
        TRY(packed_path(checkpoint, directory, &packed->path));
        TRY(packed_file_find(packed, checkpoint, &found));
    }
    if (found)
        packed->place = PACKED_IN_FILE;
    else if (packed->options.mode == PACK_FILE)
        TRY(choose_file(packed, checkpoint));
    else
        choose_automatically(packed);
    return STATUS_OK;
}

enum status packed_prepare(struct packed *packed, const struct weights *weights,
                           const struct model_desc *desc, const struct checkpoint *checkpoint,
                           const struct packed_options *options) {
    *packed = (struct packed){.options = *options};
    if (options->mode == PACK_OFF) return STATUS_OK;
    enum status status = packed_layout(packed, weights, desc);
    if (status == STATUS_OK && packed->entries) status = choose(packed, checkpoint);
    if (status != STATUS_OK) packed_close(packed);
    return status;
}

void packed_give_up(struct packed *packed, const char *reason) {
    snprintf(packed->notice, sizeof packed->notice, "weights are used as they are, which is slower: %s",
             reason);
    if (packed->map.bytes) file_map_close(&packed->map);
    packed->place = PACKED_NOWHERE;
    packed->panels = NULL;
    packed->bytes = packed->native_bytes = 0;
}

/* ---- making them ---- */

/* Huge pages need an address that is a multiple of their size. */
static enum status reserve_memory(struct packed *packed) {
    char bytes[32];
    packed->reserved_bytes = packed->bytes + HUGE_PAGE_BYTES;
    void *memory = mmap(NULL, (size_t)packed->reserved_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return fail(STATUS_MEMORY, "no memory for %s of arranged weights", bytes_text(packed->bytes, bytes));
    packed->memory = memory;
    packed->panels = (uint8_t *)(uintptr_t)round_up((int64_t)(uintptr_t)memory, HUGE_PAGE_BYTES);
    madvise(packed->panels, (size_t)packed->bytes, MADV_HUGEPAGE);
    return STATUS_OK;
}

/* The slot of a head that shares the embedding becomes a matrix of its own, with the same numbers. */
static void point_to_panels(const struct packed *packed, struct weights *weights) {
    for (int64_t i = 0; i < packed->entries; i++) {
        const struct packed_entry *entry = &packed->entry[i];
        struct tensor *slot = &weights->slot[entry->slot];
        if (entry->slot != entry->source) *slot = weights->slot[entry->source];
        slot->panels = packed->panels + entry->offset;
        slot->panel_format = (uint8_t)entry->format;
    }
}

static enum status make(struct packed *packed, const struct weights *weights,
                        const struct checkpoint *checkpoint, struct backend *backend) {
    char reason[400];
    if (packed->place == PACKED_IN_MEMORY) {
        TRY(reserve_memory(packed));
        TRY(packed_build_memory(packed, weights, checkpoint, backend));
        mprotect(packed->memory, (size_t)packed->reserved_bytes, PROT_READ); /* constant from here on */
        return STATUS_OK;
    }
    enum status status = packed_build_file(packed, weights, checkpoint, backend);
    if (status != STATUS_IO || packed->options.mode != PACK_AUTOMATIC) return status;
    snprintf(reason, sizeof reason, "%s", status_message());
    TRY(checkpoint_check(checkpoint)); /* which would not be the cache's fault */
    packed_give_up(packed, reason);
    return STATUS_OK;
}

enum status packed_arrange(struct packed *packed, struct weights *weights,
                           const struct checkpoint *checkpoint, struct backend *backend) {
    enum status status = STATUS_OK;
    if (packed->place != PACKED_NOWHERE && !packed->panels)
        status = make(packed, weights, checkpoint, backend);
    packed->options = (struct packed_options){0}; /* its pointers are the caller's */
    if (status == STATUS_OK && packed->place != PACKED_NOWHERE) point_to_panels(packed, weights);
    return status;
}

enum status packed_check(const struct packed *packed) {
    return file_map_check(&packed->map);
}

void packed_close(struct packed *packed) {
    if (packed->map.bytes) file_map_close(&packed->map);
    if (packed->memory) munmap(packed->memory, (size_t)packed->reserved_bytes);
    free(packed->entry);
    free(packed->path);
    *packed = (struct packed){0};
}
