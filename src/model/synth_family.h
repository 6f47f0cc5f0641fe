/* synth_family.h - what differs between the made-up tokenizers of the architectures. Constant data. */
#ifndef HADAL_MODEL_SYNTH_FAMILY_H
#define HADAL_MODEL_SYNTH_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

struct synth_special {
    int32_t id; /* as published */
    const char *content;
    bool hidden; /* the "special" flag: not part of printed text */
};

enum { SYNTH_SPECIALS = 24, SYNTH_PATTERNS = 5 };

struct synth_family {
    const char *architecture, *preset;   /* preset NULL: any */
    const char *gguf_pre;                /* tokenizer.ggml.pre */
    const char *pattern[SYNTH_PATTERNS]; /* regular expressions that split text, one after the other */
    bool compose;                        /* Unicode NFC first */
    bool ignore_merges;
    struct synth_special special[SYNTH_SPECIALS]; /* bos, eos, pad, then the others; pad may repeat eos */
    const char *jinja;                            /* chat template; NULL: the architecture's default */
    double temperature;
};

const struct synth_family *synth_family_find(const char *architecture, const char *preset);

#endif
