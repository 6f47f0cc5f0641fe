/* gguf.h - GGUF version 2 and 3, single or split files: typed keys and tensor views; and a writer. */
#ifndef HADAL_FORMAT_GGUF_H
#define HADAL_FORMAT_GGUF_H

#include "base/arena.h"
#include "base/file_map.h"
#include "format/tensor_file.h"

#include <stdbool.h>

enum gguf_type { /* as in the file */
                 GGUF_U8,
                 GGUF_I8,
                 GGUF_U16,
                 GGUF_I16,
                 GGUF_U32,
                 GGUF_I32,
                 GGUF_F32,
                 GGUF_BOOL,
                 GGUF_STRING,
                 GGUF_ARRAY,
                 GGUF_U64,
                 GGUF_I64,
                 GGUF_F64
};

struct gguf_text {
    const char *data;
    size_t bytes;
}; /* not NUL-terminated; inside the map */

struct gguf_value {
    const char *key;                /* in the arena */
    enum gguf_type type, item_type; /* item_type for arrays */
    const uint8_t *data;            /* first byte of the payload inside the map */
    uint64_t count;                 /* items of an array, else 1 */
    const struct gguf_text *text;   /* string or array of strings: count entries in the arena */
};

struct gguf {
    const char *path;
    uint32_t version;
    struct gguf_value *value; /* sorted by key */
    size_t values;
};

/* Parses header, keys and tensor table of one mapped file. Tensor views go to `list`, names to `arena`. */
must_use enum status gguf_parse(const struct file_map *map, struct arena *arena, struct gguf *gguf,
                                struct tensor_list *list);

size_t gguf_type_bytes(enum gguf_type type); /* of one item; 0 for strings and arrays */
const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key); /* NULL: none */
/* Any integer type, range checked; float types accept integers too. The _or forms accept a missing key. */
must_use enum status gguf_get_int(const struct gguf *gguf, const char *key, int64_t low, int64_t high,
                                  int64_t *value);
must_use enum status gguf_get_int_or(const struct gguf *gguf, const char *key, int64_t low, int64_t high,
                                     int64_t fallback, int64_t *value);
must_use enum status gguf_get_real_or(const struct gguf *gguf, const char *key, double fallback,
                                      double *value);
must_use enum status gguf_get_bool_or(const struct gguf *gguf, const char *key, bool fallback, bool *value);
/* A NUL-terminated copy in the arena; *value = NULL when missing. */
must_use enum status gguf_get_text_or(const struct gguf *gguf, struct arena *arena, const char *key,
                                      const char **value);
/* Item `index` of an array of numbers (the caller checks the index against count); also of a single value, index 0.
 * Items that are no integers, or too large for int64_t, read as INT64_MIN; items that are no numbers as NaN. */
int64_t gguf_array_int(const struct gguf_value *value, uint64_t index);
double gguf_array_real(const struct gguf_value *value, uint64_t index);

/* "x-00001-of-00003.gguf" -> number of files 3 and their paths; 1 and the path itself otherwise. A part other than
 * the first is refused with the name of the first. */
must_use enum status gguf_split_paths(const char *path, struct arena *arena, char ***paths, int *count);

/* Writer: keys, then tensor declarations, then data in the declared order, in pieces of any size. Published by
 * finish; close removes an unfinished file. What goes wrong with a key is reported by the next append or finish. */
struct gguf_writer;
must_use enum status gguf_writer_open(struct gguf_writer **writer, const char *path);
void gguf_writer_text(struct gguf_writer *writer, const char *key, const char *value);
void gguf_writer_u32(struct gguf_writer *writer, const char *key, uint32_t value);
void gguf_writer_f32(struct gguf_writer *writer, const char *key, float value);
void gguf_writer_bool(struct gguf_writer *writer, const char *key, bool value);
void gguf_writer_texts(struct gguf_writer *writer, const char *key, const struct gguf_text *text,
                       size_t count);
void gguf_writer_i32s(struct gguf_writer *writer, const char *key, const int32_t *value, size_t count);
/* A key of a parsed file as it is. */
void gguf_writer_value(struct gguf_writer *writer, const struct gguf_value *value);
void gguf_writer_f32s(struct gguf_writer *writer, const char *key, const float *value, size_t count);
/* shape outermost first. */
must_use enum status gguf_writer_declare(struct gguf_writer *writer, const char *name, enum dtype dtype,
                                         int rank, const int64_t *shape);
must_use enum status gguf_writer_append(struct gguf_writer *writer, const void *data, size_t bytes);
must_use enum status gguf_writer_finish(struct gguf_writer *writer);
void gguf_writer_close(struct gguf_writer *writer);

#endif
