/* synth_vocabulary.h - a made-up byte-level BPE vocabulary of any size: bytes, the family's special tokens
 * at their published ids, and words of made-up syllables with the merges that lead to them. Whatever a
 * random model says is pronounceable, and every text can be tokenized. */
#ifndef HADAL_MODEL_SYNTH_VOCABULARY_H
#define HADAL_MODEL_SYNTH_VOCABULARY_H

#include "base/arena.h"
#include "model/desc.h"

enum synth_token { /* as in tokenizer.ggml.token_type */
                   SYNTH_WORD = 1,
                   SYNTH_CONTROL = 3,
                   SYNTH_ADDED = 4,
                   SYNTH_UNUSED = 5
};

struct synth_family; /* pre-tokenizer, special tokens, template */

struct synth_vocabulary {
    const struct synth_family *family;
    int64_t size;
    struct gguf_text *token; /* [size] in the byte-level alphabet; special tokens as they are */
    int32_t *type;           /* [size] enum synth_token */
    struct gguf_text *merge; /* "left right" */
    size_t merges;
    int32_t bos, eos, pad;
    struct arena arena;
};

/* `name`, a preset's or NULL, picks among templates of one architecture. A vocabulary that has no room for the bytes and
 * the special tokens is refused. */
must_use enum status synth_vocabulary_open(struct synth_vocabulary *vocabulary, const struct model_desc *desc,
                                           const char *name);
void synth_vocabulary_close(struct synth_vocabulary *vocabulary);

/* tokenizer.ggml.* */
void synth_vocabulary_to_gguf(const struct synth_vocabulary *vocabulary, struct gguf_writer *writer);
/* tokenizer.json, tokenizer_config.json and generation_config.json in `directory`. */
must_use enum status synth_vocabulary_to_files(const struct synth_vocabulary *vocabulary,
                                               const struct model_desc *desc, const char *directory);

#endif
