/* safetensors.c - reading *.safetensors: 8 bytes of header length, a JSON header, then the bytes of
 * all tensors without gaps. Owns nothing: views point into the map, names into the caller's arena. */
#include "format/safetensors.h"

#include "base/bytes.h"
#include "base/json.h"

/* A real header is a few hundred bytes per tensor; parsed JSON takes about ten times its text. */
enum { LENGTH_BYTES = 8, HEADER_LIMIT = 64 << 20 };

struct source {
    const struct file_map *map;
    struct arena *arena;
    const uint8_t *data; /* first byte after the header */
    int64_t data_bytes;
};

static enum status read_dtype(const struct source *source, const char *name, const json_t *entry,
                              enum dtype *dtype) {
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    if (!text)
        return fail(STATUS_FORMAT, "%s: tensor %s: field \"dtype\" must be a string", source->map->path,
                    name);
    if (!dtype_from_safetensors(text, dtype))
        return fail(STATUS_UNSUPPORTED, "%s: tensor %s: type \"%.32s\" is not supported", source->map->path,
                    name, text);
    return STATUS_OK;
}

static enum status read_shape(const struct source *source, const char *name, const json_t *entry,
                              struct tensor *tensor) {
    const char *path = source->map->path;
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return fail(STATUS_FORMAT, "%s: tensor %s: field \"shape\" must be an array", path, name);
    size_t rank = json_array_size(shape);
    if (rank > TENSOR_MAX_RANK)
        return fail(STATUS_LIMIT, "%s: tensor %s has %zu dimensions, at most %d are allowed", path, name,
                    rank, TENSOR_MAX_RANK);
    tensor->rank = (uint8_t)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *extent = json_array_get(shape, i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 1)
            return fail(STATUS_FORMAT, "%s: tensor %s: dimension %zu must be a positive whole number", path,
                        name, i);
        tensor->shape[i] = json_integer_value(extent);
    }
    return STATUS_OK;
}

static enum status read_range(const struct source *source, const char *name, const json_t *entry,
                              struct tensor *tensor) {
    const char *path = source->map->path;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return fail(STATUS_FORMAT, "%s: tensor %s: field \"data_offsets\" must be two whole numbers", path,
                    name);
    int64_t begin = json_integer_value(first), end = json_integer_value(last), bytes = 0;
    if (begin < 0 || end < begin)
        return fail(STATUS_FORMAT, "%s: tensor %s: data_offsets %lld to %lld are no range", path, name,
                    (long long)begin, (long long)end);
    if (!shape_bytes(tensor->dtype, tensor->rank, tensor->shape, &bytes))
        return fail(STATUS_FORMAT, "%s: tensor %s: the size of its shape overflows", path, name);
    if (end - begin != bytes)
        return fail(STATUS_FORMAT,
                    "%s: tensor %s: its type and shape need %lld bytes, data_offsets give %lld", path, name,
                    (long long)bytes, (long long)(end - begin));
    if (end > source->data_bytes)
        return fail(STATUS_FORMAT,
                    "%s: tensor %s ends at byte %lld of the data, which has only %lld: is the file cut off?",
                    path, name, (long long)end, (long long)source->data_bytes);
    tensor->data = source->data + begin;
    return STATUS_OK;
}

static enum status read_entry(const struct source *source, const char *name, const json_t *entry,
                              struct named_tensor *item) {
    size_t bytes = strlen(name);
    if (bytes < 1 || bytes > TENSOR_NAME_BYTES)
        return fail(STATUS_LIMIT, "%s: a tensor name of %zu bytes (\"%.32s\"): allowed are 1 to %d",
                    source->map->path, bytes, name, TENSOR_NAME_BYTES);
    if (!json_is_object(entry))
        return fail(STATUS_FORMAT, "%s: tensor %s: not an object", source->map->path, name);
    *item = (struct named_tensor){.path = source->map->path};
    TRY(read_dtype(source, name, entry, &item->tensor.dtype));
    TRY(read_shape(source, name, entry, &item->tensor));
    TRY(read_range(source, name, entry, &item->tensor));
    item->name = arena_copy(source->arena, name, bytes);
    return item->name ? STATUS_OK
                      : fail(STATUS_MEMORY, "%s: out of memory for tensor names", source->map->path);
}

static enum status read_entries(const struct source *source, json_t *header, struct tensor_list *list) {
    const char *name;
    json_t *entry;
    int64_t used = 0;
    size_t first = list->count;
    if (!json_is_object(header))
        return fail(STATUS_FORMAT, "%s: the header is not an object", source->map->path);
    json_object_foreach(header, name, entry) {
        struct named_tensor item;
        int64_t bytes = 0;
        if (!strcmp(name, "__metadata__")) continue;
        TRY(read_entry(source, name, entry, &item));
        MUST(shape_bytes(item.tensor.dtype, item.tensor.rank, item.tensor.shape, &bytes));
        if (!add_fits(used, bytes, &used)) used = INT64_MAX; /* they overlap */
        TRY(tensor_list_append(list, &item));
    }
    TRY(tensor_list_check_overlap(list, first));
    if (used != source->data_bytes) /* without overlap: some bytes belong to nobody */
        return fail(STATUS_FORMAT, "%s: %lld bytes of data, but its tensors take %lld", source->map->path,
                    (long long)source->data_bytes, (long long)used);
    return STATUS_OK;
}

enum status safetensors_parse(const struct file_map *map, struct arena *arena, struct tensor_list *list) {
    TRY(refuse_lfs_pointer(map));
    if (map->bytes < LENGTH_BYTES)
        return fail(STATUS_FORMAT, "%s: %lld bytes are too few for a safetensors file", map->path,
                    (long long)map->bytes);
    uint64_t header_bytes = read_u64(map->data);
    if (header_bytes > (uint64_t)(map->bytes - LENGTH_BYTES))
        return fail(STATUS_FORMAT, "%s: a header of %llu bytes does not fit into the file of %lld bytes",
                    map->path, (unsigned long long)header_bytes, (long long)map->bytes);
    if (header_bytes > HEADER_LIMIT)
        return fail(STATUS_LIMIT, "%s: a header of %llu bytes, at most %d are allowed", map->path,
                    (unsigned long long)header_bytes, HEADER_LIMIT);
    struct source source = {.map = map,
                            .arena = arena,
                            .data = map->data + LENGTH_BYTES + header_bytes,
                            .data_bytes = map->bytes - LENGTH_BYTES - (int64_t)header_bytes};
    json_t *header;
    TRY(json_parse((const char *)map->data + LENGTH_BYTES, header_bytes, map->path, &header));
    enum status status = read_entries(&source, header, list);
    json_decref(header);
    return status;
}
