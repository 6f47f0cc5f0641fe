/* pretokenize.h - cuts text into the pieces that byte-pair merges never cross.
 *
 * A pre-tokenizer is a sequence of stages as tokenizer.json writes it: split by a pattern, split digits,
 * put a space in front. Each stage works inside the pieces of the one before it, so a lookahead sees the end of
 * its piece as the end of the text. The patterns of the known models have matchers of their own, linear on
 * any input; any other pattern runs in PCRE2 under a match limit. Immutable once open; any thread may run it. */
#ifndef HADAL_TEXT_PRETOKENIZE_H
#define HADAL_TEXT_PRETOKENIZE_H

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "text/unicode_classes.h"

#include <stdbool.h>
#include <stddef.h>

struct pretokenizer;

enum pretokenizer_engine {
    PRETOKENIZE_FAST, /* own matchers where a pattern is known */
    PRETOKENIZE_PCRE2 /* every pattern in PCRE2: what the tests compare with */
};

/* `description` is the "pre_tokenizer" of tokenizer.json; `origin` names the file in sentences. */
must_use enum status pretokenizer_from_json(struct pretokenizer **pretokenizer, const json_t *description,
                                            enum pretokenizer_engine engine, const char *origin);

/* What a GGUF's tokenizer.ggml.pre stands for. */
struct pretokenizer_preset {
    const char *name;
    bool whole_words; /* a piece that is a token is that token, whatever the merges say */
    bool composes;    /* the text is brought to NFC first */
    bool adds_bos;    /* unless the file says otherwise */
};
/* STATUS_UNSUPPORTED, naming the known ones, for any other name. */
must_use enum status pretokenizer_from_name(struct pretokenizer **pretokenizer,
                                            const struct pretokenizer_preset **preset, const char *name,
                                            const char *origin);
/* The preset that cuts text as `pretokenizer` does, judged by samples of many scripts. *exact is false where none does: then
 * it is the one that differs in the fewest. `composes` and `whole_words` are what goes with `pretokenizer`. */
must_use enum status pretokenizer_name_of(const struct pretokenizer *pretokenizer, bool composes,
                                          bool whole_words, const char **name, bool *exact);
/* The preset of that index; NULL past the end. */
const char *pretokenizer_preset_name(int index);
void pretokenizer_close(struct pretokenizer *pretokenizer);

const struct unicode_classes *pretokenizer_classes(const struct pretokenizer *pretokenizer);

/* Calls sink for each piece, in order, none empty. `text` is well-formed UTF-8. Pieces point into text or
 * into memory that is taken from the arena; they stay valid as long as both do. */
typedef enum status piece_sink(void *context, const unsigned char *piece, size_t bytes);
must_use enum status pretokenizer_run(const struct pretokenizer *pretokenizer, const unsigned char *text,
                                      size_t bytes, struct arena *arena, piece_sink *sink, void *context);

#endif
