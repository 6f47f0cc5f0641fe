/* logprob_file.c - writing by one pass, and reading that trusts nothing before its checksum fits. */
#include "engine/logprob_file.h"

#include "base/bytes.h"
#include "base/file_write.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { FILE_VERSION = 1, BYTE_ORDER_MARK = 0x01020304, ROW_HEAD_BYTES = 8, MOST_STEPS = 65535 };
static const char magic[8] = "HADALLP";
static const float deepest = 24; /* nats below the largest */

struct file_header {
    char magic[8];
    uint32_t byte_order, version;
    int64_t vocab, windows;
    int32_t window, first, begin, unused;
    uint64_t text_hash;
    uint64_t payload_hash; /* of everything behind the header */
    uint64_t hash;         /* of the header up to here */
};

struct logprob_writer {
    struct file_writer file;
    XXH3_state_t *hash;
    struct file_header header;
    int64_t rows;    /* to come */
    uint8_t bytes[]; /* one row */
};

static uint64_t header_hash(const struct file_header *header) {
    return XXH3_64bits(header, offsetof(struct file_header, hash));
}

static size_t row_bytes(int64_t vocab) {
    return ROW_HEAD_BYTES + (size_t)vocab * sizeof(uint16_t);
}

uint64_t logprob_text_hash(const struct tokenizer *tokenizer, const int32_t *token, int64_t tokens) {
    uint64_t hash = 0;
    for (int64_t i = 0; i < tokens; i++) {
        size_t bytes;
        const char *text = tokenizer_bytes(tokenizer, token[i], &bytes);
        hash = XXH3_64bits_withSeed(text, bytes, hash * 31 + (uint64_t)token[i] + 1);
    }
    return hash;
}

/* ---- writing ---- */

static enum status append(struct logprob_writer *writer, const void *data, size_t bytes) {
    XXH3_64bits_update(writer->hash, data, bytes);
    return file_writer_append(&writer->file, data, bytes);
}

static enum status begin(struct logprob_writer *writer, const char *path,
                         const struct score_windows *windows) {
    writer->hash = XXH3_createState();
    if (!writer->hash) return fail(STATUS_MEMORY, "no memory for a checksum");
    XXH3_64bits_reset(writer->hash);
    TRY(file_writer_open(&writer->file, path));
    if (!writer->file.temporary)
        return fail(STATUS_USAGE, "%s: log-probabilities can only be stored in a regular file", path);
    TRY(file_writer_append(&writer->file, &writer->header, sizeof writer->header));
    return append(writer, windows->token,
                  (size_t)(windows->windows * windows->window) * sizeof *windows->token);
}

enum status logprob_writer_open(struct logprob_writer **writer, const char *path,
                                const struct score_windows *windows, int64_t vocab, uint64_t text_hash) {
    struct logprob_writer *made = *writer = calloc(1, sizeof *made + row_bytes(vocab));
    if (!made) return fail(STATUS_MEMORY, "no memory for a row of %lld entries", (long long)vocab);
    made->header = (struct file_header){.byte_order = BYTE_ORDER_MARK,
                                        .version = FILE_VERSION,
                                        .vocab = vocab,
                                        .windows = windows->windows,
                                        .window = windows->window,
                                        .first = windows->first,
                                        .begin = windows->begin,
                                        .text_hash = text_hash};
    memcpy(made->header.magic, magic, sizeof magic);
    made->rows = windows->windows * score_window_rows(windows);
    enum status status = begin(made, path, windows);
    if (status == STATUS_OK) return STATUS_OK;
    logprob_writer_close(made);
    *writer = NULL;
    return status;
}

enum status logprob_writer_append(struct logprob_writer *writer, const float *logprob) {
    int64_t vocab = writer->header.vocab;
    float most = -INFINITY, least = INFINITY;
    for (int64_t i = 0; i < vocab; i++) {
        most = fmaxf(most, logprob[i]);
        least = fminf(least, logprob[i]);
    }
    if (!isfinite(most))
        return fail(STATUS_INTERNAL, "%s: a row of log-probabilities is not finite", writer->file.path);
    float depth = fminf(deepest, most - least), step = depth / MOST_STEPS;
    float inverse = step > 0 ? 1 / step : 0;
    memcpy(writer->bytes, &most, sizeof most);
    memcpy(writer->bytes + sizeof most, &step, sizeof step);
    for (int64_t i = 0; i < vocab; i++) {
        float steps = (most - logprob[i]) * inverse + 0.5f;
        uint16_t number = steps < MOST_STEPS ? (uint16_t)steps : MOST_STEPS;
        memcpy(writer->bytes + ROW_HEAD_BYTES + 2 * i, &number, sizeof number);
    }
    writer->rows--;
    return append(writer, writer->bytes, row_bytes(vocab));
}

enum status logprob_writer_finish(struct logprob_writer *writer) {
    MUST(writer->rows == 0);
    writer->header.payload_hash = XXH3_64bits_digest(writer->hash);
    writer->header.hash = header_hash(&writer->header);
    TRY(file_writer_patch(&writer->file, 0, &writer->header, sizeof writer->header));
    return file_writer_finish(&writer->file);
}

void logprob_writer_close(struct logprob_writer *writer) {
    if (!writer) return;
    file_writer_close(&writer->file);
    XXH3_freeState(writer->hash);
    free(writer);
}

/* ---- reading ---- */

static bool sizes_fit(const struct file_header *header, int64_t file_bytes) {
    int64_t tokens, token_bytes, rows, all;
    if (header->vocab < 1 || header->vocab > 1 << 24 || header->window < 2 || header->windows < 1)
        return false;
    if (header->first < 0 || header->first > header->window - 2) return false;
    if (header->begin < -1 || header->begin >= header->vocab) return false;
    return multiply_fits(header->windows, header->window, &tokens) &&
           multiply_fits(tokens, (int64_t)sizeof(int32_t), &token_bytes) &&
           multiply_fits(header->windows, header->window - 1 - header->first, &rows) &&
           multiply_fits(rows, (int64_t)row_bytes(header->vocab), &rows) &&
           add_fits(token_bytes, rows, &all) && add_fits(all, (int64_t)sizeof *header, &all) &&
           all == file_bytes;
}

static const char *problem(const struct file_map *map, struct file_header *header) {
    if (map->bytes < (int64_t)sizeof *header) return "too short for stored log-probabilities";
    memcpy(header, map->data, sizeof *header);
    if (memcmp(header->magic, magic, sizeof magic) != 0) return "not a file of stored log-probabilities";
    if (header->byte_order != BYTE_ORDER_MARK) return "of a machine with another order of bytes";
    if (header->version != FILE_VERSION) return "stored by another version of hadal";
    if (header->hash != header_hash(header)) return "its header is damaged";
    if (!sizes_fit(header, map->bytes)) return "its size is not what its header says";
    const uint8_t *payload = map->data + sizeof *header;
    if (header->payload_hash != XXH3_64bits(payload, (size_t)map->bytes - sizeof *header))
        return "its contents are damaged: the checksum does not fit";
    for (int64_t i = 0; i < header->windows * header->window; i++) {
        int64_t id = (int32_t)read_u32(payload + 4 * i);
        if (id < 0 || id >= header->vocab) return "a token is outside the vocabulary";
    }
    return NULL;
}

enum status logprob_file_parse(struct logprob_file *file, struct file_map map) {
    struct file_header header;
    *file = (struct logprob_file){.map = map};
    const char *wrong = problem(&map, &header);
    if (wrong) return fail(STATUS_FORMAT, "%s: %s", map.path, wrong);
    const void *token = map.data + sizeof header; /* the header keeps them aligned */
    int64_t token_bytes = header.windows * header.window * (int64_t)sizeof(int32_t);
    file->windows = (struct score_windows){token, header.windows, header.window, header.first, header.begin};
    file->vocab = header.vocab;
    file->text_hash = header.text_hash;
    file->rows = map.data + sizeof header + token_bytes;
    return STATUS_OK;
}

enum status logprob_file_open(struct logprob_file *file, const char *path) {
    struct file_map map;
    *file = (struct logprob_file){0};
    TRY(file_map_open(&map, path));
    enum status status = logprob_file_parse(file, map);
    if (status == STATUS_OK) status = file_map_check(&map);
    if (status == STATUS_OK) return STATUS_OK;
    file_map_close(&map);
    *file = (struct logprob_file){0};
    return status;
}

void logprob_file_close(struct logprob_file *file) {
    file_map_close(&file->map);
    *file = (struct logprob_file){0};
}

void logprob_file_row(const struct logprob_file *file, int64_t window, int row, float *logprob) {
    int64_t index = window * score_window_rows(&file->windows) + row;
    const uint8_t *at = file->rows + index * (int64_t)row_bytes(file->vocab);
    float most = read_f32(at), step = read_f32(at + 4);
    for (int64_t i = 0; i < file->vocab; i++)
        logprob[i] = most - step * (float)read_u16(at + ROW_HEAD_BYTES + 2 * i);
}
