/* reply.c - the steps of reply.h. A token that must come is chosen like any other, from a mask that allows it alone, so
 * that its log-probability is reported and the random numbers go on. */
#include "engine/reply.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

static const char *const finish_names[] = {
    [FINISH_NONE] = "none",           [FINISH_STOP] = "stop",         [FINISH_LENGTH] = "length",
    [FINISH_CANCELLED] = "cancelled", [FINISH_DEADLINE] = "deadline",
};

const char *finish_name(enum finish finish) {
    return finish_names[finish];
}

/* ---- opening ---- */

static size_t mask_words(const struct reply *reply) {
    return (size_t)divide_up(reply->sampler.vocab, 32);
}

static bool limits_reasoning(const struct reasoning_budget *budget) {
    return budget->counted && budget->tokens >= 0;
}

static enum status open_closing(struct reply *reply, const struct reasoning_budget *budget) {
    int closings = budget->closing ? budget->closings : 1;
    const int32_t *from = budget->closing ? budget->closing : &budget->end_id;
    reply->thinking = budget->counted && budget->thinking;
    if (!limits_reasoning(budget)) return STATUS_OK;
    if (closings < 1 || closings > CLOSINGS_LIMIT)
        return fail(STATUS_LIMIT, "reasoning: %d closing tokens; 1 to %d are allowed", closings,
                    CLOSINGS_LIMIT);
    for (int i = 0; i < closings; i++)
        if (from[i] < 0 || from[i] >= reply->sampler.vocab)
            return fail(STATUS_INPUT, "reasoning: the closing token id %d is outside the vocabulary of %d",
                        from[i], reply->sampler.vocab);
    reply->closing = calloc((size_t)closings, sizeof *reply->closing);
    if (!reply->closing) return fail(STATUS_MEMORY, "no memory for an answer");
    memcpy(reply->closing, from, (size_t)closings * sizeof *from);
    reply->closings = closings;
    return STATUS_OK;
}

static void forget_lists(struct reply_options *options) {
    options->stop = NULL;
    options->sampling.bias = NULL;
    options->reasoning.closing = NULL;
}

static enum status open_parts(struct reply *reply, const struct reply_options *options) {
    const struct engine *engine = reply->engine;
    int64_t vocab = engine->model.desc.vocab;
    MUST(vocab > 0 && vocab < INT32_MAX && reply->room >= 0);
    TRY(sampler_open(&reply->sampler, &options->sampling, (int32_t)vocab));
    TRY(stop_matcher_open(&reply->stop, options->stop, options->stops));
    TRY(open_closing(reply, &options->reasoning));
    forget_lists(&reply->options);
    reply->detokenizer = (struct detokenizer){engine->tokenizer, .show_special = options->show_special};
    return STATUS_OK;
}

enum status reply_open(struct reply *reply, const struct engine *engine, const struct reply_options *options,
                       int64_t room) {
    if (options->max_tokens >= 0 && options->max_tokens < room) room = options->max_tokens;
    *reply = (struct reply){.engine = engine, .options = *options, .room = room};
    enum status status = open_parts(reply, options);
    if (status != STATUS_OK) reply_close(reply);
    return status;
}

void reply_close(struct reply *reply) {
    sampler_close(&reply->sampler);
    stop_matcher_close(&reply->stop);
    buffer_free(&reply->raw);
    buffer_free(&reply->shown);
    free(reply->allowed);
    free(reply->closing);
    free(reply->id);
    *reply = (struct reply){0};
}

enum status reply_begin(struct reply *reply, const int32_t *prompt, int tokens) {
    bool masked = reply->options.mask.allow || reply->closing;
    if (reply->id) return STATUS_OK;
    TRY(sampler_see_prompt(&reply->sampler, prompt, tokens));
    if (masked && !reply->allowed) reply->allowed = calloc(mask_words(reply), sizeof *reply->allowed);
    if (!masked || reply->allowed) reply->id = calloc((size_t)reply->room + 1, sizeof *reply->id);
    return reply->id ? STATUS_OK : fail(STATUS_MEMORY, "no memory for an answer");
}

int reply_shown_tokens(const struct reply *reply, size_t *part) {
    const struct tokenizer *tokenizer = reply->detokenizer.tokenizer;
    int64_t left = reply->shown_bytes;
    int shown = 0;
    *part = 0;
    if (!reply->cut) return reply->tokens;
    for (; shown < reply->tokens; shown++) {
        size_t bytes;
        (void)tokenizer_bytes(tokenizer, reply->id[shown], &bytes);
        if (!reply->options.show_special && tokenizer_is_special(tokenizer, reply->id[shown])) bytes = 0;
        if ((int64_t)bytes > left) break;
        left -= (int64_t)bytes;
    }
    if (shown < reply->tokens) *part = (size_t)left;
    return shown;
}

/* ---- choosing ---- */

bool reply_is_full(const struct reply *reply, int more) {
    return reply->tokens + more >= reply->room;
}

/* -1: the model decides. Once the closing has begun it comes whole. */
static int32_t forced_token(const struct reply *reply) {
    if (!reply->closing) return -1;
    if (reply->closed) return reply->closed < reply->closings ? reply->closing[reply->closed] : -1;
    bool over = reply->thinking && reply->reasoning_tokens >= reply->options.reasoning.tokens;
    return over ? reply->closing[0] : -1;
}

static const uint32_t *allow_only(struct reply *reply, int32_t id) {
    memset(reply->allowed, 0, mask_words(reply) * sizeof *reply->allowed);
    reply->allowed[id / 32] |= UINT32_C(1) << id % 32;
    return reply->allowed;
}

/* What may come next; NULL: anything. */
static const uint32_t *allowed_tokens(struct reply *reply, int32_t forced) {
    const struct token_mask *mask = &reply->options.mask;
    if (forced >= 0) return allow_only(reply, forced);
    if (!mask->allow || !mask->allow(mask->context, reply->options.choice, reply->allowed)) return NULL;
    return reply->allowed;
}

/* The chosen token may leave too little room for what must follow it. */
static enum status choose_in_time(struct reply *reply, struct sample_space *space, const float *logits,
                                  struct choice *choice) {
    const struct token_mask *mask = &reply->options.mask;
    const int64_t room = reply->room - reply->tokens - 1;
    if (!mask->instead) return STATUS_OK;
    const int32_t id = mask->instead(mask->context, reply->options.choice, choice->id, room);
    if (id < 0) return STATUS_OK;
    reply->shortened = true;
    reply->sampler.allowed = allow_only(reply, id);
    return sampler_choose(&reply->sampler, space, logits, choice);
}

enum status reply_choose(struct reply *reply, struct sample_space *space, const float *logits,
                         struct choice *choice) {
    int32_t forced = forced_token(reply);
    reply->sampler.allowed = allowed_tokens(reply, forced);
    enum status status = sampler_choose(&reply->sampler, space, logits, choice);
    if (status == STATUS_OK && forced < 0 && reply->sampler.allowed)
        status = choose_in_time(reply, space, logits, choice);
    reply->sampler.allowed = NULL;
    TRY(status);
    if (forced >= 0) reply->closed++;
    return STATUS_OK;
}

/* ---- taking ---- */

static bool is_end_token(const struct engine *engine, int32_t id) {
    for (int i = 0; i < engine->end_tokens; i++)
        if (engine->end_token[i] == id) return true;
    return false;
}

/* The tags themselves are reasoning. */
static void count_reasoning(struct reply *reply, int32_t id) {
    const struct reasoning_budget *budget = &reply->options.reasoning;
    if (!budget->counted) return;
    if (!reply->thinking && budget->begin_id >= 0 && id == budget->begin_id && !reply->reasoning_tokens)
        reply->thinking = true;
    if (reply->thinking) reply->reasoning_tokens++;
    if (id == budget->end_id) reply->thinking = false;
}

static enum status give_piece(struct reply *reply, const struct choice *choice, struct piece *piece) {
    const struct buffer *shown = &reply->shown;
    TRY(buffer_check(&reply->raw, "a token's text"));
    TRY(buffer_check(shown, "a token's text"));
    *piece = (struct piece){shown->bytes ? shown->data : "", shown->bytes, choice};
    return STATUS_OK;
}

enum status reply_take(struct reply *reply, const struct choice *choice, struct piece *piece) {
    const struct token_mask *mask = &reply->options.mask;
    bool end = !reply->options.ignore_end && is_end_token(reply->engine, choice->id);
    MUST(reply->tokens <= reply->room);
    buffer_clear(&reply->raw);
    buffer_clear(&reply->shown);
    reply->id[reply->tokens++] = choice->id;
    sampler_see_generated(&reply->sampler, choice->id);
    count_reasoning(reply, choice->id);
    if (mask->accept) mask->accept(mask->context, reply->options.choice, choice->id);
    if (reply->detokenizer.tokenizer && (!end || (reply->options.show_special && !reply->options.hide_end)))
        detokenizer_push(&reply->detokenizer, choice->id, &reply->raw);
    reply->cut = stop_matcher_push(&reply->stop, reply->raw.data, reply->raw.bytes, &reply->shown);
    reply->shown_bytes += (int64_t)reply->shown.bytes;
    if (reply->cut || end) reply->finish = reply->shortened && !reply->cut ? FINISH_LENGTH : FINISH_STOP;
    return give_piece(reply, choice, piece);
}

enum status reply_flush(struct reply *reply, struct piece *piece) {
    buffer_clear(&reply->raw);
    buffer_clear(&reply->shown);
    if (reply->cut) return give_piece(reply, NULL, piece);
    if (reply->detokenizer.tokenizer) detokenizer_finish(&reply->detokenizer, &reply->raw);
    if (!stop_matcher_push(&reply->stop, reply->raw.data, reply->raw.bytes, &reply->shown))
        stop_matcher_finish(&reply->stop, &reply->shown);
    return give_piece(reply, NULL, piece);
}
