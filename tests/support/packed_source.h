/* packed_source.h - a small quantised GGUF checkpoint with its weights, and a backend that does nothing but rearrange
 * matrices, for tests of the weight cache. */
#ifndef HADAL_TESTS_SUPPORT_PACKED_SOURCE_H
#define HADAL_TESTS_SUPPORT_PACKED_SOURCE_H

#include "model/packed.h"
#include "support/scratch.h"

struct packed_source {
    struct checkpoint checkpoint;
    struct model_desc desc;
    struct weights weights;
};

/* Writes a checkpoint of random weights; `tied`: Qwen2 whose head is the embedding, otherwise DeepSeek-V3. */
void packed_source_write(const char *path, enum dtype type, bool tied, uint64_t seed);
void packed_source_open(struct packed_source *source, const char *path);
void packed_source_close(struct packed_source *source);

/* Single-threaded. */
struct packing_backend {
    struct backend base; /* first */
    struct backend_ops ops;
    int packs;
    void (*before)(struct packing_backend *backend); /* each pack; NULL: nothing */
    void *context;
};
void packing_backend_make(struct packing_backend *backend);

#endif
