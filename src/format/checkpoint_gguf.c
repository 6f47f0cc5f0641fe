/* checkpoint_gguf.c - one GGUF file or all parts of a split one. Keys come from the first part, tensors
 * from all; the split keys of every part must agree with its name. */
#include "format/checkpoint_load.h"

#include <stdlib.h>

static enum status check_part(const struct gguf *gguf, int part, int parts) {
    int64_t count, number;
    TRY(gguf_get_int_or(gguf, "split.count", 0, UINT16_MAX, 0, &count));
    TRY(gguf_get_int_or(gguf, "split.no", 0, UINT16_MAX, 0, &number));
    if (count <= 1 && parts == 1) return STATUS_OK;
    if (count == 0)
        return fail(STATUS_FORMAT, "%s: part %d of %d by its name, but it has no split.count", gguf->path,
                    part + 1, parts);
    if (parts == 1)
        return fail(STATUS_FORMAT,
                    "%s: is part %lld of %lld of a split model; the names of all parts must end in "
                    "-00001-of-%05lld.gguf and so on",
                    gguf->path, (long long)number + 1, (long long)count, (long long)count);
    if (count != parts || number != part)
        return fail(STATUS_FORMAT, "%s: part %d of %d by its name, but part %lld of %lld by its keys",
                    gguf->path, part + 1, parts, (long long)number + 1, (long long)count);
    return STATUS_OK;
}

static enum status load_part(struct checkpoint *checkpoint, const char *path, int part, int parts) {
    struct file_map *map = &checkpoint->maps[checkpoint->map_count];
    struct gguf gguf;
    enum status status = file_map_open(map, path);
    if (status != STATUS_OK && parts > 1) return fail_within(status, "part %d of %d", part + 1, parts);
    TRY(status);
    checkpoint->map_count++;
    TRY(gguf_parse(map, &checkpoint->arena, &gguf, &checkpoint->tensors));
    if (part == 0) checkpoint->gguf = gguf;
    return check_part(&gguf, part, parts);
}

static enum status check_total(const struct checkpoint *checkpoint) {
    int64_t total, found = (int64_t)checkpoint->tensors.count;
    TRY(gguf_get_int_or(&checkpoint->gguf, "split.tensors.count", 0, INT32_MAX, found, &total));
    if (total != found)
        return fail(STATUS_FORMAT, "%s: split.tensors.count is %lld, but the parts hold %lld tensors",
                    checkpoint->path, (long long)total, (long long)found);
    return STATUS_OK;
}

enum status checkpoint_load_gguf(struct checkpoint *checkpoint, unsigned flags) {
    char **paths;
    int parts;
    TRY(gguf_split_paths(checkpoint->path, &checkpoint->arena, &paths, &parts));
    int wanted = flags & CHECKPOINT_TENSORS ? parts : 1;
    checkpoint->maps = calloc((size_t)wanted, sizeof *checkpoint->maps);
    if (!checkpoint->maps)
        return fail(STATUS_MEMORY, "%s: out of memory for %d parts", checkpoint->path, parts);
    for (int i = 0; i < wanted; i++) TRY(load_part(checkpoint, paths[i], i, parts));
    if (!(flags & CHECKPOINT_TENSORS)) {
        tensor_list_free(&checkpoint->tensors);
        return STATUS_OK;
    }
    TRY(check_total(checkpoint));
    return tensor_list_sort(&checkpoint->tensors);
}
