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
    enum status status; /* of the file: after a failure the others' pieces still come and have to be met */
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
    if (rank)
        return rank == piece->owner ? arrays->comm->ops->send(arrays->comm, 0, own(arrays, piece), bytes)
                                    : STATUS_OK;
    const float *from = piece->owner ? writing->room : own(arrays, piece);
    if (piece->owner) TRY(arrays->comm->ops->receive(arrays->comm, piece->owner, writing->room, bytes));
    if (writing->status == STATUS_OK)
        writing->status = safetensors_writer_append(writing->writer, from, (size_t)bytes);
    return STATUS_OK;
}

enum status array_file_write(const char *path, const struct parameters *list,
                             const struct flat_arrays *arrays) {
    struct writing writing = {.arrays = arrays};
    if (rank_of(arrays)) return walk(list, arrays, write_piece, &writing);
    writing.room = malloc(PIECE * sizeof *writing.room);
    if (!writing.room) return fail(STATUS_MEMORY, "%s: no memory to write it", path);
    writing.status = safetensors_writer_open(&writing.writer, path);
    bool opened = writing.status == STATUS_OK;
    if (opened) writing.status = declare(writing.writer, list, arrays);
    enum status status = walk(list, arrays, write_piece, &writing);
    if (status == STATUS_OK) status = writing.status;
    if (status == STATUS_OK) status = safetensors_writer_finish(writing.writer);
    if (opened) safetensors_writer_close(writing.writer);
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
        return rank == piece->owner ? arrays->comm->ops->receive(arrays->comm, 0, own(arrays, piece), bytes)
                                    : STATUS_OK;
    const float *from = reading->data[piece->array * reading->list->count + piece->item] + piece->begin -
                        reading->list->item[piece->item].first;
    if (piece->owner) return arrays->comm->ops->send(arrays->comm, piece->owner, from, bytes);
    memcpy(own(arrays, piece), from, (size_t)bytes);
    return STATUS_OK;
}

/* All ranks go on together when the first has found all tensors. */
static enum status read_arrays(const char *path, struct reading *reading) {
    struct file_map map;
    struct arena arena = {0};
    struct tensor_list found = {0};
    struct comm *comm = reading->arrays->comm;
    enum status status = file_map_open(&map, path);
    bool opened = status == STATUS_OK;
    if (opened) status = safetensors_parse(&map, &arena, &found);
    if (status == STATUS_OK) status = tensor_list_sort(&found);
    if (status == STATUS_OK) status = find_tensors(&found, path, reading);
    if (comm) status = comm_agree(comm, status);
    if (status == STATUS_OK) status = walk(reading->list, reading->arrays, read_piece, reading);
    if (status == STATUS_OK) status = file_map_check(&map);
    tensor_list_free(&found);
    arena_free(&arena);
    if (opened) file_map_close(&map);
    return status;
}

enum status array_file_read(const char *path, const struct parameters *list,
                            const struct flat_arrays *arrays) {
    struct reading reading = {.list = list, .arrays = arrays};
    if (rank_of(arrays)) {
        TRY(comm_agree(arrays->comm, STATUS_OK));
        return walk(list, arrays, read_piece, &reading);
    }
    reading.data = calloc((size_t)arrays->count * (size_t)list->count + 1, sizeof *reading.data);
    if (!reading.data) return fail(STATUS_MEMORY, "%s: no memory to read it", path);
    enum status status = read_arrays(path, &reading);
    free(reading.data);
    return status;
}
