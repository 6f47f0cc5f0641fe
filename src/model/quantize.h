/* quantize.h - writes any checkpoint that loads as one GGUF file in another number format.
 *
 * Tensor by tensor, a few rows of each thread in memory at a time; what has the wanted format already is
 * copied. Nothing appears under the target's name before it is complete. */
#ifndef HADAL_MODEL_QUANTIZE_H
#define HADAL_MODEL_QUANTIZE_H

#include "format/checkpoint.h"
#include "model/gguf_layout.h"

/* Matrices whose GGUF name matches the shell pattern take this format instead; the last match counts. Norms, biases,
 * routers and the projection of MTP modules are left as they are. */
struct quantize_override {
    const char *pattern;
    enum dtype type;
};

struct quantize_options {
    const char *source, *path;
    struct gguf_mix mix;
    const struct quantize_override *override;
    int overrides;
    const char *imatrix; /* the file of an importance matrix; NULL: none */
    bool no_mtp;         /* leave the modules out */
    int threads;         /* 0: one for each processor */
    /* Writes the tokenizer's keys of a Hugging Face directory, which lie above this layer; those of a GGUF file are
     * copied. NULL: none. */
    enum status (*write_tokenizer)(void *context, const struct checkpoint *checkpoint,
                                   const struct model_desc *desc, struct gguf_writer *writer);
    void *tokenizer_context;
    bool (*progress)(void *context, int64_t done,
                     int64_t total); /* bytes; NULL allowed; false: stop and remove */
    void *progress_context;
};

struct quantize_count {
    int64_t tensors, elements, bytes;
    int64_t copied; /* elements whose bytes went over unchanged */
    double error,
        reference; /* sums of squares over the others: of what encoding changed, and of the values */
};

struct quantize_result {
    struct quantize_count all, type[DTYPE_COUNT];
    /* With an importance matrix: tensors that it weighed, and those that it could have and has no data for; and matrices
     * of single experts among the former that no token of its text reached. */
    int64_t weighed, unweighed, experts_unweighed;
    char first_unweighed[160]; /* a name; "" without any */
};

/* Root of the mean square error relative to the values' own; 0 where nothing was converted. */
double quantize_relative_error(const struct quantize_count *count);

/* STATUS_USAGE for a format that this build cannot write or a pattern that matches nothing; STATUS_FORMAT for a tensor
 * with values that are not finite, or that the format cannot hold. */
must_use enum status quantize(const struct quantize_options *options, struct quantize_result *result);

#endif
