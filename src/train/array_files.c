/* array_files.c - see array_files.h. Both ways are one walk over pieces, each of one tensor and of one rank, on all ranks
 * in the same order: the file streams through a piece's memory, so that the first rank needs no room for what others have. */
#include "train/array_files.h"

#include "base/bytes.h"
#include "format/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 /* floats */, NAME_BYTES = PARAMETER_NAME_BYTES + 16 };

struct piece {
    int array, item, owner;
    int64_t begin, elements; /* of the flat arrays */
};

typedef enum status piece_visitor(void *context, const struct piece *piece);

/* The part of an item that `owner` has. */
static enum status walk_part(const struct parameter *item, int64_t begin, int64_t end, struct piece piece,
                             piece_visitor *visit, void *context) {
    begin = max_i64(begin, item->first);
    end = min_i64(end, item->first + item->elements);
    for (int64_t at = begin; at < end; at += PIECE) {
        piece.begin = at;
        piece.elements = min_i64(PIECE, end - at);
        TRY(visit(context, &piece));
    }
    return STATUS_OK;
}

static enum status walk(const struct parameters *list, const struct flat_arrays *arrays, piece_visitor *visit,
                        void *context) {
    const int64_t whole[] = {0, list->elements};
    const int64_t *border = arrays->comm ? arrays->border : whole;
    int ranks = arrays->comm ? arrays->comm->ranks : 1;
    for (int a = 0; a < arrays->count; a++)
        for (int i = 0; i < list->count; i++)
            for (int r = 0; r < ranks; r++)
                TRY(walk_part(&list->item[i], border[r], border[r + 1],
                              (struct piece){.array = a, .item = i, .owner = r}, visit, context));
    return STATUS_OK;
}

static int rank_of(const struct flat_arrays *arrays) {
    return arrays->comm ? arrays->comm->rank : 0;
}

static enum status agree(const struct flat_arrays *arrays, enum status status) {
    return arrays->comm ? comm_agree(arrays->comm, status) : status;
}

static float *own(const struct flat_arrays *arrays, const struct piece *piece) {
    int64_t begin = arrays->comm ? arrays->border[arrays->comm->rank] : 0;
    return arrays->array[piece->array] + piece->begin - begin;
}

static void tensor_name(const struct parameter *item, const char *prefix, char name[NAME_BYTES]) {
    char bare[PARAMETER_NAME_BYTES];
    parameter_name(item, bare);
    snprintf(name, NAME_BYTES, "%s%s", prefix, bare);
}

/* ---- writing ---- */

struct writing {
    const struct flat_arrays *arrays;
    struct safetensors_writer *writer;
    enum status status; /* of the file: after a failure the others' pieces still come and are met */
    float *room;
};

static enum status declare(struct safetensors_writer *writer, const struct parameters *list,
                           const struct flat_arrays *arrays) {
    char name[NAME_BYTES];
    for (int a = 0; a < arrays->count; a++)
        for (int i = 0; i < list->count; i++) {
            tensor_name(&list->item[i], arrays->prefix[a], name);
            TRY(safetensors_writer_declare(writer, name, DTYPE_F32, list->item[i].rank, list->item[i].shape));
        }
    return STATUS_OK;
}

static enum status write_piece(void *context, const struct piece *piece) {
    struct writing *writing = context;
    const struct flat_arrays *arrays = writing->arrays;
    int64_t bytes = piece->elements * (int64_t)sizeof(float);
    int rank = rank_of(arrays);
    if (rank) return rank == piece->owner ? comm_send(arrays->comm, 0, own(arrays, piece), bytes) : STATUS_OK;
    const float *from = piece->owner ? writing->room : own(arrays, piece);
    if (piece->owner) TRY(comm_receive(arrays->comm, piece->owner, writing->room, bytes));
    if (writing->status == STATUS_OK)
        writing->status = safetensors_writer_append(writing->writer, from, (size_t)bytes);
    return STATUS_OK;
}

/* The first rank's, which sees the file. */
static enum status open_writing(struct writing *writing, const char *path, const struct parameters *list) {
    writing->room = malloc(PIECE * sizeof *writing->room);
    if (!writing->room) return fail(STATUS_MEMORY, "%s: no memory to write it", path);
    TRY(safetensors_writer_open(&writing->writer, path));
    return declare(writing->writer, list, writing->arrays);
}

enum status array_file_write(const char *path, const struct parameters *list,
                             const struct flat_arrays *arrays) {
    struct writing writing = {.arrays = arrays};
    bool first = !rank_of(arrays);
    enum status status = first ? open_writing(&writing, path, list) : STATUS_OK;
    status = agree(arrays, status);
    if (status == STATUS_OK) status = walk(list, arrays, write_piece, &writing);
    if (status == STATUS_OK) {
        status = writing.status;
        if (status == STATUS_OK && first) status = safetensors_writer_finish(writing.writer);
        status = agree(arrays, status);
    }
    if (writing.writer) safetensors_writer_close(writing.writer);
    free(writing.room);
    return status;
}

/* ---- reading ---- */

struct reading {
    const struct parameters *list;
    const struct flat_arrays *arrays;
    const float **data; /* [count * items] */
};

static enum status find_tensors(const struct tensor_list *found, const char *path,
                                const struct reading *reading) {
    char name[NAME_BYTES];
    const struct parameters *list = reading->list;
    for (int a = 0; a < reading->arrays->count; a++)
        for (int i = 0; i < list->count; i++) {
            const struct parameter *item = &list->item[i];
            tensor_name(item, reading->arrays->prefix[a], name);
            const struct named_tensor *named = tensor_list_find(found, name);
            if (!named || named->tensor.dtype != DTYPE_F32 ||
                tensor_elements(&named->tensor) != item->elements)
                return fail(STATUS_FORMAT, "%s: no tensor %s of %lld F32 values", path, name,
                            (long long)item->elements);
            reading->data[a * list->count + i] = named->tensor.data;
        }
    return STATUS_OK;
}

static enum status read_piece(void *context, const struct piece *piece) {
    const struct reading *reading = context;
    const struct flat_arrays *arrays = reading->arrays;
    int64_t bytes = piece->elements * (int64_t)sizeof(float);
    int rank = rank_of(arrays);
    if (rank)
        return rank == piece->owner ? comm_receive(arrays->comm, 0, own(arrays, piece), bytes) : STATUS_OK;
    const float *from = reading->data[piece->array * reading->list->count + piece->item] + piece->begin -
                        reading->list->item[piece->item].first;
    if (piece->owner) return comm_send(arrays->comm, piece->owner, from, bytes);
    memcpy(own(arrays, piece), from, (size_t)bytes);
    return STATUS_OK;
}

/* The file as the first rank sees it; the others see none. */
struct source {
    struct file_map map;
    bool opened;
    struct arena arena;
    struct tensor_list found;
};

static enum status open_source(struct source *source, const char *path, struct reading *reading) {
    size_t tensors = (size_t)reading->arrays->count * (size_t)reading->list->count;
    reading->data = calloc(tensors + 1, sizeof *reading->data);
    if (!reading->data) return fail(STATUS_MEMORY, "%s: no memory to read it", path);
    TRY(file_map_open(&source->map, path));
    source->opened = true;
    TRY(safetensors_parse(&source->map, &source->arena, &source->found));
    TRY(tensor_list_sort(&source->found));
    return find_tensors(&source->found, path, reading);
}

static void close_source(struct source *source, struct reading *reading) {
    tensor_list_free(&source->found);
    arena_free(&source->arena);
    if (source->opened) file_map_close(&source->map);
    free(reading->data);
}

enum status array_file_read(const char *path, const struct parameters *list,
                            const struct flat_arrays *arrays) {
    struct reading reading = {.list = list, .arrays = arrays};
    struct source source = {0};
    bool first = !rank_of(arrays);
    enum status status = first ? open_source(&source, path, &reading) : STATUS_OK;
    status = agree(arrays, status);
    if (status == STATUS_OK) status = walk(list, arrays, read_piece, &reading);
    if (status == STATUS_OK) status = agree(arrays, first ? file_map_check(&source.map) : STATUS_OK);
    close_source(&source, &reading);
    return status;
}
