/* partial.c - see partial.h. */
#include "hub/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20 };
static const int64_t mark = INT64_C(0x31545241504c4448); /* "HDLPART1" */

struct table_head {
    int64_t mark, bytes, part_bytes;
};

static char *joined(const char *target, const char *ending) {
    char *path = NULL;
    return asprintf(&path, "%s%s", target, ending) < 0 ? NULL : path;
}

static enum status system_failed(const char *path, const char *what) {
    return fail(STATUS_IO, "%.300s: %s: %s", path, what, strerror(errno));
}

/* ---- opening ---- */

static enum status map_table(struct partial *partial, bool *kept) {
    struct stat about;
    int file = open(partial->table_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return system_failed(partial->table_path, "cannot be opened");
    *kept = !fstat(file, &about) && about.st_size == partial->table_bytes;
    if (!*kept && (ftruncate(file, 0) || posix_fallocate(file, 0, partial->table_bytes))) {
        close(file);
        return system_failed(partial->table_path, "cannot be written");
    }
    partial->table = mmap(NULL, (size_t)partial->table_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (partial->table != MAP_FAILED) return STATUS_OK;
    partial->table = NULL;
    return fail(STATUS_MEMORY, "%.300s: cannot be mapped", partial->table_path);
}

/* A table is trusted when it is of this size, and each count within its part. */
static bool fits(const struct partial *partial) {
    const struct table_head *head = partial->table;
    if (head->mark != mark || head->bytes != partial->bytes || head->part_bytes != PARTIAL_PART_BYTES)
        return false;
    for (int i = 0; i < partial->parts; i++)
        if (partial->done[i] < 0 || partial->done[i] > partial_end(partial, i) - partial_begin(partial, i))
            return false;
    return true;
}

static enum status open_files(struct partial *partial) {
    struct stat about;
    bool kept = false;
    partial->file = open(partial->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (partial->file < 0) return system_failed(partial->path, "cannot be opened");
    bool whole = !fstat(partial->file, &about) && about.st_size == partial->bytes;
    TRY(map_table(partial, &kept));
    partial->done = (int64_t *)(void *)((char *)partial->table + sizeof(struct table_head));
    if (whole && kept && fits(partial)) return STATUS_OK;
    memset(partial->table, 0, (size_t)partial->table_bytes);
    if (ftruncate(partial->file, 0) || ftruncate(partial->file, partial->bytes))
        return system_failed(partial->path, "cannot be written");
    *(struct table_head *)partial->table = (struct table_head){mark, partial->bytes, PARTIAL_PART_BYTES};
    return STATUS_OK;
}

enum status partial_open(struct partial *partial, const char *target, int64_t bytes) {
    int64_t parts = bytes / PARTIAL_PART_BYTES + (bytes % PARTIAL_PART_BYTES != 0);
    *partial = (struct partial){.file = -1, .bytes = bytes};
    if (parts > INT32_MAX) return fail(STATUS_LIMIT, "%.300s: too large", target);
    partial->parts = (int)parts;
    partial->table_bytes = (int64_t)sizeof(struct table_head) + parts * (int64_t)sizeof *partial->done;
    partial->path = joined(target, ".hadal-partial");
    partial->table_path = joined(target, ".hadal-parts");
    enum status status = partial->path && partial->table_path ? open_files(partial)
                                                              : fail(STATUS_MEMORY, "no memory for a file");
    if (status != STATUS_OK) partial_close(partial);
    return status;
}

void partial_close(struct partial *partial) {
    if (partial->path && partial->file >= 0) close(partial->file);
    if (partial->table) munmap(partial->table, (size_t)partial->table_bytes);
    free(partial->path);
    free(partial->table_path);
    *partial = (struct partial){.file = -1};
}

/* ---- bytes ---- */

int64_t partial_begin(const struct partial *partial, int part) {
    (void)partial;
    return part * PARTIAL_PART_BYTES;
}

int64_t partial_end(const struct partial *partial, int part) {
    int64_t end = (part + 1) * PARTIAL_PART_BYTES;
    return end < partial->bytes ? end : partial->bytes;
}

enum status partial_write(struct partial *partial, int64_t offset, const void *data, int64_t bytes) {
    for (const char *from = data; bytes > 0;) {
        ssize_t part = pwrite(partial->file, from, (size_t)bytes, offset);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return system_failed(partial->path, "cannot be written");
        from += part;
        offset += part;
        bytes -= part;
    }
    return STATUS_OK;
}

int64_t partial_bytes_done(const struct partial *partial) {
    int64_t done = 0;
    for (int i = 0; i < partial->parts; i++) done += partial->done[i];
    return done;
}

void partial_forget(struct partial *partial) {
    memset(partial->done, 0, (size_t)partial->parts * sizeof *partial->done);
}

/* ---- the end ---- */

static enum status digest(const struct partial *partial, EVP_MD_CTX *context, char *text) {
    unsigned char hash[EVP_MAX_MD_SIZE], *data = malloc(READ_BYTES);
    unsigned hash_bytes = 0;
    enum status status = data ? STATUS_OK : fail(STATUS_MEMORY, "no memory for a checksum");
    for (int64_t at = 0; status == STATUS_OK && at < partial->bytes;) {
        ssize_t part = pread(partial->file, data, READ_BYTES, at);
        if (part <= 0)
            status = system_failed(partial->path, "cannot be read");
        else
            EVP_DigestUpdate(context, data, (size_t)part);
        at += part;
    }
    free(data);
    if (status != STATUS_OK) return status;
    EVP_DigestFinal_ex(context, hash, &hash_bytes);
    for (unsigned i = 0; i < hash_bytes; i++) snprintf(text + 2 * (size_t)i, 3, "%02x", hash[i]);
    return STATUS_OK;
}

enum status partial_check(const struct partial *partial, const char *hash, bool *same) {
    char text[2 * EVP_MAX_MD_SIZE + 1] = "", head[48];
    bool large = strlen(hash) == 64;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *same = false;
    if (!context || !EVP_DigestInit_ex(context, large ? EVP_sha256() : EVP_sha1(), NULL)) {
        EVP_MD_CTX_free(context);
        return fail(STATUS_MEMORY, "no memory for a checksum");
    }
    int bytes =
        snprintf(head, sizeof head, "blob %lld", (long long)partial->bytes); /* what git puts in front */
    if (!large) EVP_DigestUpdate(context, head, (size_t)bytes + 1);
    enum status status = digest(partial, context, text);
    EVP_MD_CTX_free(context);
    *same = status == STATUS_OK && !strcmp(text, hash);
    return status;
}

enum status partial_publish(struct partial *partial, const char *target) {
    if (fdatasync(partial->file)) return system_failed(partial->path, "cannot be written");
    if (rename(partial->path, target)) return system_failed(target, "cannot be made");
    (void)unlink(partial->table_path); /* what is left of it is of no file */
    partial_close(partial);
    return STATUS_OK;
}
