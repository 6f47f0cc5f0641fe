/* packed_file.c - the bytes of a cache file: a header of one page, the table of matrices, the panels. Sealing, the
 * comparison at each start, and the verification of everything. Every file is hostile: nothing of one is used before it
 * equals what is expected, or, in the verification, is within bounds. */
#include "base/bytes.h"
#include "kernel/panel.h"
#include "model/packed_parts.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { FILE_VERSION = 1, BYTE_ORDER_MARK = 0x01020304 };
static const char magic[8] = "HADALPK";

int64_t packed_payload_offset(int64_t entries) {
    return PACKED_ALIGNMENT + round_up(entries * (int64_t)sizeof(struct packed_record), PACKED_ALIGNMENT);
}

static uint64_t header_hash(const struct packed_header *header) {
    return XXH3_64bits(header, offsetof(struct packed_header, hash));
}

static size_t table_bytes(int64_t entries) {
    return (size_t)entries * sizeof(struct packed_record);
}

void packed_header_seal(struct packed_header *header, const struct packed *packed,
                        const struct packed_identity *identity, const char *source,
                        const struct packed_record *record) {
    *header = (struct packed_header){.byte_order = BYTE_ORDER_MARK,
                                     .version = FILE_VERSION,
                                     .panel_version = PANEL_LAYOUT_VERSION,
                                     .identity = {identity->half[0], identity->half[1]},
                                     .entries = packed->entries,
                                     .payload_offset = packed_payload_offset(packed->entries),
                                     .table_hash = XXH3_64bits(record, table_bytes(packed->entries))};
    memcpy(header->magic, magic, sizeof magic);
    header->file_bytes = header->payload_offset + packed->bytes;
    snprintf(header->source, sizeof header->source, "%s", source);
    header->hash = header_hash(header);
}

/* What any cache file must be, whatever it is for. */
static const char *general_problem(const struct file_map *map, struct packed_header *header) {
    if (map->bytes < PACKED_ALIGNMENT) return "too short";
    memcpy(header, map->data, sizeof *header);
    if (memcmp(header->magic, magic, sizeof magic) != 0) return "not a cache of hadal";
    if (header->byte_order != BYTE_ORDER_MARK) return "of a machine with another order of bytes";
    if (header->version != FILE_VERSION) return "of another version of hadal";
    if (header->hash != header_hash(header)) return "its header is damaged";
    if (header->panel_version != PANEL_LAYOUT_VERSION) return "of another version of hadal";
    if (header->file_bytes != map->bytes) return "its size is not what its header says";
    if (header->entries < 0 || header->entries > map->bytes / (int64_t)sizeof(struct packed_record) ||
        header->payload_offset != packed_payload_offset(header->entries) ||
        header->payload_offset > map->bytes)
        return "its table of contents does not fit in";
    if (header->table_hash != XXH3_64bits(map->data + PACKED_ALIGNMENT, table_bytes(header->entries)))
        return "its table of contents is damaged";
    return NULL;
}

static struct packed_record record_at(const struct file_map *map, int64_t index) {
    struct packed_record record;
    memcpy(&record, map->data + PACKED_ALIGNMENT + table_bytes(index), sizeof record);
    return record;
}

const char *packed_file_problem(const struct file_map *map, const struct packed *packed,
                                const struct packed_identity *identity) {
    struct packed_header header;
    const char *problem = general_problem(map, &header);
    if (problem) return problem;
    if (header.identity[0] != identity->half[0] || header.identity[1] != identity->half[1])
        return "the checkpoint has changed since";
    if (header.entries != packed->entries || header.file_bytes != header.payload_offset + packed->bytes)
        return "it holds other matrices";
    for (int64_t i = 0; i < packed->entries; i++) {
        const struct packed_entry *entry = &packed->entry[i];
        struct packed_record record = record_at(map, i);
        if (record.slot != entry->slot || record.offset != entry->offset || record.bytes != entry->bytes ||
            record.format != (uint32_t)entry->format)
            return "it holds other matrices";
    }
    return NULL;
}

/* ---- everything ---- */

static enum status verify_record(const struct file_map *map, const struct packed_header *header,
                                 int64_t index) {
    struct packed_record record = record_at(map, index);
    int64_t end, most = map->bytes - header->payload_offset;
    if (record.offset < 0 || record.bytes < 0 || !add_fits(record.offset, record.bytes, &end) || end > most)
        return fail(STATUS_FORMAT, "%s: matrix %lld lies outside the file", map->path, (long long)index);
    const uint8_t *panels = map->data + header->payload_offset + record.offset;
    if (XXH3_64bits(panels, (size_t)record.bytes) == record.hash) return STATUS_OK;
    return fail(STATUS_FORMAT,
                "%s: the panels of matrix %lld are damaged; remove the file, and it is made anew", map->path,
                (long long)index);
}

static enum status verify_all(const struct file_map *map, bool (*progress)(void *, int64_t, int64_t),
                              void *progress_context, struct packed_report *report) {
    struct packed_header header;
    const char *problem = general_problem(map, &header);
    if (problem) return fail(STATUS_FORMAT, "%s: %s", map->path, problem);
    report->matrices = header.entries;
    report->bytes = map->bytes;
    header.source[sizeof header.source - 1] = 0;
    snprintf(report->source, sizeof report->source, "%s", header.source);
    for (int64_t i = 0; i < header.entries; i++) {
        TRY(verify_record(map, &header, i));
        int64_t done = header.payload_offset + record_at(map, i).offset;
        if (progress && !progress(progress_context, done, map->bytes))
            return fail(STATUS_CANCELLED, "%s: stopped", map->path);
    }
    return file_map_check(map);
}

enum status packed_verify(const char *path, bool (*progress)(void *, int64_t, int64_t),
                          void *progress_context, struct packed_report *report) {
    struct file_map map;
    *report = (struct packed_report){0};
    TRY(file_map_open(&map, path));
    enum status status = verify_all(&map, progress, progress_context, report);
    file_map_close(&map);
    return status;
}
