/* packed_build.c - rearranging all matrices, a slice at a time, into memory or into the cache file.
 *
 * Beyond the result a build needs one slice of memory: pages of the checkpoint that have been read are given up as it
 * goes. Whoever builds holds a lock on the cache directory; the others wait for the file. A partial file that is found
 * under the lock was left by a process that died, and is removed. */
#include "base/bytes.h"
#include "base/file_write.h"
#include "kernel/panel.h"
#include "model/packed_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { SLICE_BYTES = 16 << 20, AHEAD_BYTES = 64 << 20, LOCK_WAIT_NANOSECONDS = 100 * 1000 * 1000 };

struct builder {
    struct packed *packed;
    const struct weights *weights;
    const struct checkpoint *checkpoint;
    struct backend *backend;
    int64_t done;
    int64_t ahead; /* the first matrix that has not been asked for */
    /* of a file */
    struct file_writer writer;
    struct packed_record *record;
    uint8_t *slice;
    XXH3_state_t *hash;
};

static enum status report(const struct builder *builder) {
    const struct packed_options *options = &builder->packed->options;
    if (!options->progress ||
        options->progress(options->progress_context, builder->done, builder->packed->bytes))
        return STATUS_OK;
    return fail(STATUS_CANCELLED, "%s: stopped while its weights were arranged", builder->checkpoint->path);
}

/* ---- the checkpoint's pages ---- */

static void advise(const struct tensor *w, int advice, bool inside) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)w->data,
              end = begin + (uintptr_t)tensor_bytes(w);
    begin = (inside ? begin + page - 1 : begin) & ~(page - 1);
    end = inside ? end & ~(page - 1) : end;
    if (end > begin) madvise((void *)begin, end - begin, advice); /* NOLINT: advice may be ignored */
}

/* A step reads the matrices in another order than they have in the checkpoint: the disk hears of them early. */
static void read_ahead(struct builder *builder, int64_t index) {
    const struct packed *packed = builder->packed;
    while (builder->ahead < packed->entries &&
           packed->entry[builder->ahead].offset < packed->entry[index].offset + AHEAD_BYTES) {
        advise(&builder->weights->slot[packed->entry[builder->ahead].source], MADV_WILLNEED, false);
        builder->ahead++;
    }
}

/* Out of this process, and the first to go from the page cache when memory is short. */
static void give_up_pages(const struct tensor *w) {
    advise(w, MADV_COLD, true);
    advise(w, MADV_DONTNEED, true);
}

/* ---- matrices ---- */

static enum status take_slice(struct builder *builder, const uint8_t *slice, int64_t bytes) {
    if (builder->record) {
        XXH3_64bits_update(builder->hash, slice, (size_t)bytes);
        TRY(file_writer_append(&builder->writer, slice, (size_t)bytes));
    }
    builder->done += bytes;
    return report(builder);
}

/* Panels are independent of each other, so that a run of them is what the run of their outputs becomes. */
static enum status build_matrix(struct builder *builder, const struct packed_entry *entry) {
    struct tensor w = tensor_flat(&builder->weights->slot[entry->source]);
    int64_t panel_bytes = panel_row_bytes((enum panel_format)entry->format, w.shape[1]);
    int64_t outs = w.shape[0], at_once = max_i64(SLICE_BYTES / panel_bytes, 1) * PANEL_OUTS;
    for (int64_t out = 0; out < outs; out += at_once) {
        struct tensor rows = tensor_rows(&w, out, min_i64(at_once, outs - out));
        int64_t before = out / PANEL_OUTS * panel_bytes;
        uint8_t *to = builder->record ? builder->slice : builder->packed->panels + entry->offset + before;
        builder->backend->ops->pack(builder->backend, &rows, entry->format, to);
        TRY(take_slice(builder, to, divide_up(rows.shape[0], PANEL_OUTS) * panel_bytes));
    }
    return STATUS_OK;
}

static enum status build_matrices(struct builder *builder) {
    const struct packed *packed = builder->packed;
    for (int64_t i = 0; i < packed->entries; i++) {
        const struct packed_entry *entry = &packed->entry[i];
        read_ahead(builder, i);
        if (builder->record) XXH3_64bits_reset(builder->hash);
        TRY(build_matrix(builder, entry));
        if (builder->record) {
            builder->record[i] = (struct packed_record){entry->slot,
                                                        entry->offset,
                                                        entry->bytes,
                                                        XXH3_64bits_digest(builder->hash),
                                                        (uint32_t)entry->format,
                                                        0};
            TRY(file_writer_pad(&builder->writer, PACKED_ALIGNMENT, 0));
        }
        builder->done = entry->offset + round_up(entry->bytes, PACKED_ALIGNMENT);
        give_up_pages(&builder->weights->slot[entry->source]);
    }
    return checkpoint_check(builder->checkpoint); /* lost pages read as zeros */
}

enum status packed_build_memory(struct packed *packed, const struct weights *weights,
                                const struct checkpoint *checkpoint, struct backend *backend) {
    struct builder builder = {packed, weights, checkpoint, backend};
    packed->built = true;
    return build_matrices(&builder);
}

/* ---- the file ---- */

enum status packed_file_find(struct packed *packed, const struct checkpoint *checkpoint, bool *found) {
    struct packed_identity identity;
    *found = false;
    TRY(packed_identity(checkpoint, &identity));
    enum status status = file_map_open(&packed->map, packed->path);
    if (status != STATUS_OK) return status == STATUS_MEMORY || status == STATUS_LIMIT ? status : STATUS_OK;
    *found =
        !packed_file_problem(&packed->map, packed, &identity) && file_map_check(&packed->map) == STATUS_OK;
    if (*found)
        packed->panels = (uint8_t *)(uintptr_t)packed->map.data + packed_payload_offset(packed->entries);
    else
        file_map_close(&packed->map);
    return STATUS_OK;
}

/* Room for header and table, which are known at the end; then the panels. */
static enum status write_file(struct builder *builder, const struct packed_identity *identity) {
    const struct packed *packed = builder->packed;
    struct packed_header header;
    struct packed_identity now;
    TRY(file_writer_append(&builder->writer, "", 1));
    TRY(file_writer_pad(&builder->writer, packed_payload_offset(packed->entries), 0));
    TRY(build_matrices(builder));
    TRY(packed_identity(builder->checkpoint, &now));
    if (memcmp(&now, identity, sizeof now) != 0)
        return fail(STATUS_IO, "%s: changed while its weights were arranged", builder->checkpoint->path);
    char *source = realpath(builder->checkpoint->path, NULL);
    packed_header_seal(&header, packed, identity, source ? source : builder->checkpoint->path,
                       builder->record);
    free(source);
    TRY(file_writer_patch(&builder->writer, 0, &header, sizeof header));
    TRY(file_writer_patch(&builder->writer, PACKED_ALIGNMENT, builder->record,
                          (size_t)packed->entries * sizeof *builder->record));
    return file_writer_finish(&builder->writer);
}

static enum status build_and_publish(struct packed *packed, const struct weights *weights,
                                     const struct checkpoint *checkpoint, struct backend *backend) {
    struct builder builder = {packed, weights, checkpoint, backend};
    struct packed_identity identity;
    int64_t slice = 0;
    for (int64_t i = 0; i < packed->entries; i++) {
        const struct packed_entry *entry = &packed->entry[i];
        const struct tensor *w = &weights->slot[entry->source];
        int64_t panel = panel_row_bytes((enum panel_format)entry->format, w->shape[w->rank - 1]);
        slice = max_i64(slice, min_i64(entry->bytes, max_i64(SLICE_BYTES, panel)));
    }
    TRY(packed_identity(checkpoint, &identity));
    builder.record = calloc((size_t)packed->entries, sizeof *builder.record);
    builder.slice = aligned_alloc(PACKED_ALIGNMENT, (size_t)round_up(slice, PACKED_ALIGNMENT));
    builder.hash = XXH3_createState();
    enum status status = builder.record && builder.slice && builder.hash
                             ? file_writer_open(&builder.writer, packed->path)
                             : fail(STATUS_MEMORY, "%s: no memory to arrange weights", checkpoint->path);
    if (status == STATUS_OK) status = write_file(&builder, &identity);
    file_writer_close(&builder.writer);
    XXH3_freeState(builder.hash);
    free(builder.slice);
    free(builder.record);
    return status;
}

/* ---- the directory ---- */

static enum status make_directories(const char *directory) {
    char *path = strdup(directory);
    if (!path) return fail(STATUS_MEMORY, "%s: out of memory", directory);
    int failed = 0;
    for (char *at = path + 1; !failed; at++) {
        if (*at && *at != '/') continue;
        char end = *at;
        *at = 0;
        failed = mkdir(path, 0700) && errno != EEXIST && errno != EISDIR && errno != EROFS; /* NOLINT */
        *at = end;
        if (!end) break;
    }
    free(path);
    return failed ? fail(STATUS_IO, "%s: cannot make the cache directory: %s", directory, strerror(errno))
                  : STATUS_OK;
}

/* Waits until nobody else builds in the directory. *lock is -1 where the file system has no locks. */
static enum status lock_directory(const struct builder *builder, const char *directory, int *lock) {
    *lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return fail(STATUS_IO, "%s: %s", directory, strerror(errno));
    while (flock(*lock, LOCK_EX | LOCK_NB)) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) {
            close(*lock);
            *lock = -1;
            return STATUS_OK;
        }
        enum status status = report(builder);
        if (status != STATUS_OK) {
            close(*lock);
            return status;
        }
        nanosleep(&(struct timespec){0, LOCK_WAIT_NANOSECONDS}, NULL);
    }
    return STATUS_OK;
}

/* Partial files of caches, which under the lock are nobody's. */
static void sweep(const char *directory) {
    DIR *entries = opendir(directory);
    if (!entries) return;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strstr(entry->d_name, ".hadal.partial-")) unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
}

static enum status build_under_lock(struct packed *packed, const struct weights *weights,
                                    const struct checkpoint *checkpoint, struct backend *backend) {
    bool found;
    TRY(packed_file_find(packed, checkpoint, &found)); /* another process may have made it */
    if (found) return STATUS_OK;
    TRY(build_and_publish(packed, weights, checkpoint, backend));
    packed->built = true;
    TRY(packed_file_find(packed, checkpoint, &found));
    return found ? STATUS_OK : fail(STATUS_IO, "%s: is not what was just written", packed->path);
}

enum status packed_build_file(struct packed *packed, const struct weights *weights,
                              const struct checkpoint *checkpoint, struct backend *backend) {
    const char *directory = packed->options.cache_dir;
    struct builder waiting = {packed, weights, checkpoint, backend};
    int lock;
    TRY(make_directories(directory));
    TRY(lock_directory(&waiting, directory, &lock));
    if (lock >= 0) sweep(directory);
    enum status status = build_under_lock(packed, weights, checkpoint, backend);
    if (lock >= 0) close(lock);
    return status;
}
