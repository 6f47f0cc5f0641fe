/* page_file.c - header, entries and a checksum of both. */
#include "engine/page_file.h"

#include "base/file_write.h"
#include "base/version.h"
#include "model/packed_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { PAGE_VERSION = 1, CHECKSUM_BYTES = 16 };
static const char magic[8] = {'h', 'a', 'd', 'a', 'l', 'k', 'v', '\n'};

/* ---- identity ---- */

/* Levels of processors differ in bits, and so do weights that are arranged for integer products from those that are not. */
enum status page_model(const struct model *model, uint8_t identity[16]) {
    struct packed_identity checkpoint;
    char about[256];
    TRY(packed_identity(&model->checkpoint, &checkpoint));
    const char *backend = backend_description(model->backend); /* "cpu avx512, 2 threads" */
    int bytes =
        snprintf(about, sizeof about, "%s %.*s %s %d %d %d %d", HADAL_VERSION, (int)strcspn(backend, ","),
                 backend, dtype_traits(model->plane[0].dtype)->name, model->strict,
                 model->packed.place != PACKED_NOWHERE, model->desc.layers, (int)sizeof(struct page_header));
    MUST(bytes > 0 && (size_t)bytes < sizeof about);
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, 16);
    crypto_generichash_update(&state, (const uint8_t *)&checkpoint, sizeof checkpoint);
    crypto_generichash_update(&state, (const uint8_t *)about, (size_t)bytes);
    crypto_generichash_final(&state, identity, 16);
    return STATUS_OK;
}

/* ---- names ---- */

void page_name_write(const struct page_name *name, char text[PAGE_NAME_BYTES]) {
    for (size_t i = 0; i < sizeof name->key.bytes; i++) snprintf(text + 2 * i, 3, "%02x", name->key.bytes[i]);
    snprintf(text + 64, PAGE_NAME_BYTES - 64, "-%016llx-%016llx", (unsigned long long)name->before,
             (unsigned long long)name->roles);
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, int digits, uint64_t *value) {
    *value = 0;
    for (int i = 0; i < digits; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0) return false;
        *value = *value << 4 | (uint64_t)digit;
    }
    return true;
}

bool page_name_read(const char *text, struct page_name *name) {
    uint64_t value;
    if (strlen(text) != 64 + 2 * 17 || text[64] != '-' || text[81] != '-') return false;
    for (size_t i = 0; i < sizeof name->key.bytes; i++) {
        if (!read_hex(text + 2 * i, 2, &value)) return false;
        name->key.bytes[i] = (uint8_t)value;
    }
    return read_hex(text + 65, 16, &name->before) && read_hex(text + 82, 16, &name->roles);
}

/* ---- files ---- */

void page_header_fill(struct page_header *header, const uint8_t model[16], const struct page_name *name,
                      const int32_t token[KV_PAGE_TOKENS], int64_t page_bytes) {
    *header = (struct page_header){.version = PAGE_VERSION,
                                   .page_bytes = (uint64_t)page_bytes,
                                   .before = name->before,
                                   .roles = name->roles};
    memcpy(header->magic, magic, sizeof magic);
    memcpy(header->model, model, sizeof header->model);
    memcpy(header->key, name->key.bytes, sizeof header->key);
    memcpy(header->token, token, sizeof header->token);
}

int64_t page_file_bytes(int64_t page_bytes) {
    return (int64_t)sizeof(struct page_header) + page_bytes + CHECKSUM_BYTES;
}

static void checksum(const struct page_header *header, const uint8_t *bytes, uint8_t sum[CHECKSUM_BYTES]) {
    XXH64_hash_t of_header = XXH3_64bits(header, sizeof *header);
    XXH128_hash_t all = XXH3_128bits_withSeed(bytes, header->page_bytes, of_header);
    memcpy(sum, &all.low64, 8);
    memcpy(sum + 8, &all.high64, 8);
}

static enum status append_all(struct file_writer *writer, const struct page_header *header,
                              const uint8_t *bytes) {
    uint8_t sum[CHECKSUM_BYTES];
    checksum(header, bytes, sum);
    TRY(file_writer_append(writer, header, sizeof *header));
    TRY(file_writer_append(writer, bytes, header->page_bytes));
    TRY(file_writer_append(writer, sum, sizeof sum));
    return file_writer_finish(writer);
}

enum status page_file_write(const char *path, const struct page_header *header, const uint8_t *bytes) {
    struct file_writer writer = {0};
    enum status status = file_writer_open(&writer, path);
    writer.lazy = true; /* what the system loses is a miss, and waiting for a busy disk would lose more */
    if (status == STATUS_OK) status = append_all(&writer, header, bytes);
    file_writer_close(&writer);
    return status;
}

/* The system may give less than was asked for. */
static bool read_all(int file, void *data, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        ssize_t got = read(file, (char *)data + at, bytes - at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += (size_t)got;
    }
    return true;
}

static bool read_parts(int file, const struct page_header *wanted, uint8_t *bytes) {
    struct page_header header;
    uint8_t sum[CHECKSUM_BYTES], made[CHECKSUM_BYTES];
    struct stat about;
    if (fstat(file, &about) || about.st_size != page_file_bytes((int64_t)wanted->page_bytes)) return false;
    if (!read_all(file, &header, sizeof header) || memcmp(&header, wanted, sizeof header) != 0) return false;
    if (!read_all(file, bytes, wanted->page_bytes) || !read_all(file, sum, sizeof sum)) return false;
    checksum(wanted, bytes, made);
    return !memcmp(sum, made, sizeof sum);
}

enum status page_file_read(const char *path, const struct page_header *header, uint8_t *bytes) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) return fail(STATUS_NOT_FOUND, "%s: no page", path);
    bool good = read_parts(file, header, bytes);
    close(file);
    return good ? STATUS_OK : fail(STATUS_FORMAT, "%s: not the page that was looked for", path);
}
