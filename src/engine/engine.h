/* engine.h - a model with its cache and tokenizer, stepping batches of sequences.
 *
 * One thread owns an engine and everything in it. A sequence is a list of tokens of which a prefix is
 * cached; each token has a role, prompt or generated, which alone decides the arithmetic form that
 * computes it. engine_step() runs the next uncached tokens of several sequences in one forward. */
#ifndef HADAL_ENGINE_ENGINE_H
#define HADAL_ENGINE_ENGINE_H

#include "engine/draft_pace.h"
#include "engine/kv_pages.h"
#include "model/model.h"
#include "text/chat.h"
#include "text/tokenizer.h"

enum token_role { TOKEN_PROMPT, TOKEN_GENERATED };

struct engine_options {
    struct model_options model; /* context and sequences too; sequences 0: 1 */
    bool no_tokenizer;          /* ids only: no tokenizer files needed */
};

/* Defaults of the checkpoint's generation_config.json; fields are NAN or 0 where it is silent. */
struct generation_defaults {
    double temperature, top_p, min_p, repetition_penalty;
    int64_t top_k;
    bool greedy; /* do_sample false */
};

struct engine {
    struct model model;
    struct kv_pages kv;
    struct tokenizer *tokenizer; /* NULL with no_tokenizer */
    struct generation_defaults defaults;
    int32_t end_token[16]; /* any of them ends an answer */
    int end_tokens;
    int64_t context;
    int sequences, open_sequences;
    struct step_buffers *buffers;
    struct draft_pace pace; /* of all generations */
    bool borrowed;          /* model and tokenizer are somebody else's */
};

struct sequence {
    struct engine *engine;
    int32_t *token;
    uint8_t *role;      /* enum token_role of each token */
    int tokens, cached; /* cached <= tokens are in the pages */
    int module_cached; /* tokens whose row the first MTP module has cached too, each made with its successor */
    int32_t *page;
    int pages;
};

must_use enum status engine_open(struct engine **engine, const struct engine_options *options);

/* An engine over the model of a trainer, which must outlive it and rest while the engine steps. `engine_renew()` comes after
 * each change of the weights, and what was cached before it is to be found no more. tokenizer: NULL allowed. */
struct engine_over {
    const struct model *model;
    struct tokenizer *tokenizer;
    int64_t context; /* tokens of a sequence */
    int sequences;   /* at once */
};
must_use enum status engine_open_over(struct engine **engine, const struct engine_over *over);
void engine_renew(struct engine *engine, const struct model *model);

void engine_close(struct engine *engine); /* NULL allowed; all sequences must be closed */

must_use enum status sequence_open(struct sequence **sequence, struct engine *engine);
void sequence_close(struct sequence *sequence); /* NULL allowed */
/* STATUS_LIMIT beyond the context, STATUS_INPUT for an id outside the vocabulary. */
must_use enum status sequence_append(struct sequence *sequence, const int32_t *token, int count,
                                     enum token_role role);
void sequence_truncate(struct sequence *sequence, int tokens); /* forgets what follows, pages too */
/* Makes the sequence hold exactly these tokens, keeping the longest cached prefix that matches, roles and all; what is
 * still to be computed has the role of a prompt. The last token is always left to be computed, so that its logits can
 * be had. A failure, as of sequence_append(), leaves the prefix. */
must_use enum status sequence_assign(struct sequence *sequence, const int32_t *token, int count);

struct step_item {
    struct sequence *sequence;
    int rows; /* how many uncached tokens to run now, from sequence->cached on; 1 .. tokens - cached */
};

/* Runs all items (distinct sequences, together at most model.max_rows rows) in one forward; item i's rows are
 * [first_row, first_row + rows) in order of the items. The hidden states stay for engine_logits. */
must_use enum status engine_step(struct engine *engine, const struct step_item *item, int items);

/* Logits [count, vocab] of rows of the last step. */
void engine_logits(struct engine *engine, const int32_t *row, int count, float *logits);

/* The first MTP module over the cached tokens [begin, begin + rows), whose hidden states are the model's rows from 0 on and
 * which all have a successor. Writes the module's cache, whose rows before `begin` must be there. */
must_use enum status engine_mtp_step(struct engine *engine, const struct sequence *sequence, int begin,
                                     int rows);

struct module_item {
    const struct sequence *sequence;
    int begin, rows; /* as for engine_mtp_step() */
    int hidden_row;  /* the model's row of the first of them */
};
/* The same over several sequences. Row r of the module is row r of all items in their order; pages remember how far the
 * module has come in them (kv_pages.module_rows). */
must_use enum status engine_mtp_batch(struct engine *engine, const struct module_item *item, int items);
/* Logits [count, vocab] of rows of the last of these. */
void engine_mtp_head(struct engine *engine, const int32_t *row, int count, float *logits);

/* After a step over one sequence: MTP logits [count, vocab] of the step's rows 0 .. count-1, which need the token after
 * each (count is rows, or rows - 1 when the last token has no successor yet). Runs the first MTP module, which attends to
 * the rows that it has run itself: a sequence needs this call after each of its steps, or after none. */
must_use enum status engine_mtp_logits(struct engine *engine, const struct step_item *item, int count,
                                       float *logits);

/* Runs all uncached tokens of a sequence in chunks of at most model.max_rows. `progress` (may be NULL) is told the cached
 * count after each chunk; returning false stops with STATUS_CANCELLED, whole chunks staying cached. Afterwards row
 * *last_row of the last step is the sequence's last token. */
must_use enum status engine_prefill(struct engine *engine, struct sequence *sequence,
                                    bool (*progress)(void *context, int cached), void *context,
                                    int32_t *last_row);

#endif
