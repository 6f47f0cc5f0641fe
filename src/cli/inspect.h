/* inspect.h - what is known about a model without running it, and its two printed forms. */
#ifndef HADAL_CLI_INSPECT_H
#define HADAL_CLI_INSPECT_H

#include "format/checkpoint.h"
#include "model/kv_planes.h"
#include "model/weight_table.h"

#include <stdio.h>

struct inspection {
    const char *model;            /* as given: a path or a preset's name */
    const char *form;             /* "hugging face", "gguf", "config", "preset" */
    struct checkpoint checkpoint; /* zeroed for a preset */
    struct model_desc desc;
    struct parameter_counts parameters;
    enum dtype kv_type;
    int64_t kv_bytes;     /* of one token, trunk only */
    int64_t bytes;        /* of all tensors, scales included */
    const char *template; /* NULL: none that is known */
    char problem[1024];   /* why the weights do not fit the description; empty: they do, or there are none */
};

/* The tensors of one type. */
struct type_sum {
    int64_t tensors, values, bytes;
    const char
        *panels; /* what matrices of the type are rearranged to for integer products; NULL: they are not */
    bool exact;  /* holding the very same numbers */
};
struct type_sum inspect_type(const struct inspection *inspection, enum dtype dtype);

int64_t inspect_tensor_bytes(const struct tensor *tensor); /* with its scales */

must_use enum status inspect_print_json(const struct inspection *inspection, FILE *stream);
void inspect_print_text(const struct inspection *inspection, FILE *stream);

#endif
