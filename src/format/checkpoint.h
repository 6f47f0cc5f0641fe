/* checkpoint.h - a model on disk, whatever its container: a Hugging Face directory or GGUF file(s).
 *
 * Opening maps every file and lists every tensor by the name that the container uses; nothing is
 * decoded or copied. FP8 weights of safetensors are paired with their `weight_scale_inv` here: the pair
 * appears as one tensor with scale set, and the scale tensor leaves the list. */
#ifndef HADAL_FORMAT_CHECKPOINT_H
#define HADAL_FORMAT_CHECKPOINT_H

#include "base/arena.h"
#include "base/file_map.h"
#include "base/json.h"
#include "format/gguf.h"
#include "format/tensor_file.h"

enum checkpoint_kind { CHECKPOINT_HUGGING_FACE, CHECKPOINT_GGUF };

struct checkpoint {
    enum checkpoint_kind kind;
    char *path;                 /* as given by the user */
    json_t *config;             /* HF: config.json; GGUF: NULL */
    json_t *generation_config;  /* HF, NULL when there is none */
    json_t *tokenizer_config;   /* HF, NULL when there is none */
    struct gguf gguf;           /* GGUF: keys of the first file */
    struct tensor_list tensors; /* sorted; empty unless CHECKPOINT_TENSORS was asked for */
    struct file_map *maps;
    size_t map_count;
    struct arena arena;
};

enum { CHECKPOINT_TENSORS = 1 }; /* without it only config (and GGUF keys) are read: inspect, tokenize */

/* `path`: a directory, a .gguf file, or a config.json (then no tensors). A path that is none of these is
 * refused with what was expected. */
must_use enum status checkpoint_open(struct checkpoint *checkpoint, const char *path, unsigned flags);
/* STATUS_IO when a mapped file has shrunk since. */
must_use enum status checkpoint_check(const struct checkpoint *checkpoint);
int64_t checkpoint_bytes(const struct checkpoint *checkpoint); /* of all mapped files */
void checkpoint_close(struct checkpoint *checkpoint);

#endif
