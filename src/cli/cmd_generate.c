/* cmd_generate.c - `hadal generate`: a prompt in, its continuation out, as it comes or as one JSON object. */
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/answer_options.h"
#include "cli/commands.h"
#include "cli/open_engine.h"
#include "cli/progress.h"
#include "cli/terminal_text.h"
#include "engine/conversation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROMPT_BYTES = 1 << 28 };

struct generate_job {
    const struct option_values *values;
    struct engine *engine;
    struct sequence *sequence;
    struct conversation conversation;
    struct generation generation;
    struct generation_options options;
    struct arena arena;
    struct buffer prompt, text, safe;
    struct progress progress;
    json_t *logprobs; /* array with --logprobs */
    bool json, terminal;
    int write_error;   /* errno of standard output */
    int prompt_tokens; /* the first ones of the sequence */
    double load_seconds;
};

/* ---- prompt ---- */

/* Standard input for "-", as -p or as --prompt-file. */
static enum status read_prompt(struct generate_job *job) {
    const char *text = option_text(job->values, "prompt"), *file = option_text(job->values, "prompt-file");
    if (text && !strcmp(text, "-")) file = "-";
    if (file) return buffer_read_file(&job->prompt, file, PROMPT_BYTES);
    buffer_append_text(&job->prompt, text);
    return buffer_check(&job->prompt, "the prompt");
}

static enum status check_sources(const struct option_values *values) {
    const int64_t *ids;
    bool has_ids = option_ints(values, "ids", &ids) > 0;
    int sources = (option_text(values, "prompt") != NULL) + (option_text(values, "prompt-file") != NULL);
    if (sources + has_ids != 1)
        return fail(STATUS_USAGE, "%s: give one of -p TEXT, --prompt-file FILE and --ids IDS",
                    sources + has_ids ? "more than one prompt" : "no prompt");
    if (has_ids && option_flag(values, "chat"))
        return fail(STATUS_USAGE, "--chat needs a text: ids are the whole prompt");
    if (!option_flag(values, "chat") && option_text(values, "system"))
        return fail(STATUS_USAGE, "--system needs --chat");
    return STATUS_OK;
}

static enum status assign_ids(struct generate_job *job) {
    const int64_t *ids;
    int count = option_ints(job->values, "ids", &ids);
    for (int i = 0; i < count; i++)
        TRY(sequence_append(job->sequence, &(int32_t){(int32_t)ids[i]}, 1, TOKEN_PROMPT));
    return STATUS_OK;
}

/* The text as it is, behind the token that begins every text. */
static enum status assign_text(struct generate_job *job) {
    const struct tokenizer *tokenizer = job->engine->tokenizer;
    struct token_list list = {0};
    enum status status = STATUS_OK;
    if (tokenizer_adds_bos(tokenizer)) status = token_list_append(&list, tokenizer_bos(tokenizer));
    if (status == STATUS_OK)
        status = tokenizer_encode(tokenizer, job->prompt.data, job->prompt.bytes, TOKENIZE_SPECIAL, &list);
    if (status == STATUS_OK && list.count > (size_t)job->engine->context)
        status = fail(STATUS_LIMIT, "the prompt has %zu tokens, more than the context of %lld", list.count,
                      (long long)job->engine->context);
    if (status == STATUS_OK) status = sequence_append(job->sequence, list.id, (int)list.count, TOKEN_PROMPT);
    token_list_free(&list);
    return status;
}

static enum status assign_chat(struct generate_job *job) {
    struct render_options render;
    bool thinking;
    TRY(render_options_from(job->values, &job->engine->model.checkpoint, &job->arena, &render));
    TRY(conversation_set_system(&job->conversation, option_text(job->values, "system")));
    TRY(conversation_add(&job->conversation, ROLE_USER, job->prompt.data, job->prompt.bytes));
    return conversation_prompt(&job->conversation, &render, job->sequence, &thinking);
}

static enum status assign_prompt(struct generate_job *job) {
    const int64_t *ids;
    if (option_ints(job->values, "ids", &ids) > 0) return assign_ids(job);
    return option_flag(job->values, "chat") ? assign_chat(job) : assign_text(job);
}

/* ---- output ---- */

static bool show_prefill(void *context, int done, int total) {
    struct generate_job *job = context;
    (void)total;
    progress_update(&job->progress, done);
    return true;
}

static void print_text(struct generate_job *job, const char *text, size_t bytes) {
    if (job->terminal) {
        buffer_clear(&job->safe);
        terminal_text_append(&job->safe, text, bytes);
        text = job->safe.data;
        bytes = job->safe.bytes;
    }
    if (bytes) fwrite(text, 1, bytes, stdout);
    if (fflush(stdout) && !job->write_error) job->write_error = errno;
}

static json_t *logprob_json(const struct choice *choice) {
    json_t *top = json_array();
    for (int i = 0; i < choice->tops; i++)
        json_array_append_new(
            top, json_pack("{s:i,s:f}", "id", choice->top[i].id, "logprob", (double)choice->top[i].logprob));
    return json_pack("{s:i,s:f,s:o}", "id", choice->id, "logprob", (double)choice->logprob, "top", top);
}

static bool show_piece(void *context, const struct piece *piece) {
    struct generate_job *job = context;
    progress_finish(&job->progress);
    if (job->json)
        buffer_append(&job->text, piece->text, piece->bytes);
    else
        print_text(job, piece->text, piece->bytes);
    if (job->logprobs && piece->choice) json_array_append_new(job->logprobs, logprob_json(piece->choice));
    return !ferror(stdout);
}

static json_t *ids_json(const int32_t *id, int count) {
    json_t *array = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(array, json_integer(id[i]));
    return array;
}

static json_t *timings_json(const struct generate_job *job) {
    const struct generation_timings *timings = &job->generation.timings;
    return json_pack("{s:i,s:i,s:i,s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "prompt_tokens",
                     timings->prompt_tokens, "cached_tokens", timings->cached_tokens, "generated_tokens",
                     timings->generated_tokens, "drafted", timings->drafted, "accepted", timings->accepted,
                     "acceptance", draft_acceptance(timings), "draft_gain", timings->draft_gain,
                     "load_seconds", job->load_seconds, "prefill_seconds", timings->prefill_seconds,
                     "decode_seconds", timings->decode_seconds, "prefill_tokens_per_second",
                     prefill_speed(timings), "decode_tokens_per_second", decode_speed(timings));
}

static enum status print_json(struct generate_job *job) {
    const struct generation *generation = &job->generation;
    TRY(buffer_check(&job->text, "the text"));
    json_t *text = json_stringn(job->text.bytes ? job->text.data : "", job->text.bytes);
    json_t *root =
        json_pack("{s:o,s:o,s:o,s:s,s:o}", "prompt_ids", ids_json(job->sequence->token, job->prompt_tokens),
                  "ids", ids_json(generation->reply.id, generation->timings.generated_tokens), "text", text,
                  "finish_reason", finish_name(generation->reply.finish), "timings", timings_json(job));
    if (root && job->logprobs) json_object_set(root, "logprobs", job->logprobs);
    bool written = root && json_dumpf(root, stdout, JSON_REAL_PRECISION(9)) == 0;
    json_decref(root);
    if (!written && !ferror(stdout)) return fail(STATUS_MEMORY, "no memory for the JSON");
    putchar('\n');
    return STATUS_OK;
}

static void print_stats(const struct generate_job *job) {
    const struct generation_timings *timings = &job->generation.timings;
    fprintf(stderr,
            "prompt %d tokens in %.2f s (%.1f/s), answer %d tokens in %.2f s (%.1f/s), loaded in %.2f s",
            timings->prompt_tokens, timings->prefill_seconds, prefill_speed(timings),
            timings->generated_tokens, timings->decode_seconds, decode_speed(timings), job->load_seconds);
    char drafts[DRAFTS_TEXT_BYTES];
    fprintf(stderr, "%s\n", drafts_text(timings, drafts));
}

/* Fewer tokens than were asked for, and not because the model had no more to say. */
static void warn_if_full(const struct generate_job *job) {
    int64_t context = job->engine->context;
    if (job->generation.reply.finish == FINISH_LENGTH && job->sequence->tokens >= context &&
        job->generation.timings.generated_tokens < job->options.max_tokens)
        fprintf(stderr, "hadal generate: stopped after %d of %lld tokens: the context of %lld is full\n",
                job->generation.timings.generated_tokens, (long long)job->options.max_tokens,
                (long long)context);
}

/* ---- whole ---- */

/* A checkpoint without a tokenizer still continues ids. */
static bool lacks_tokenizer(const char *model) {
    struct buffer path = {0};
    buffer_printf(&path, "%s/tokenizer.json", model);
    bool lacks = !path.failed && access(model, F_OK) == 0 && access(path.data, F_OK) != 0;
    size_t bytes = strlen(model);
    bool gguf = bytes > 5 && !strcmp(model + bytes - 5, ".gguf");
    buffer_free(&path);
    return lacks && !gguf;
}

static enum status open_all(struct generate_job *job) {
    struct engine_options options;
    const int64_t *ids;
    double start = clock_seconds();
    TRY(engine_options_from(job->values, &options));
    options.no_tokenizer = option_ints(job->values, "ids", &ids) > 0 && lacks_tokenizer(options.model.path);
    TRY(open_engine(&job->engine, &options));
    job->load_seconds = clock_seconds() - start;
    return sequence_open(&job->sequence, job->engine);
}

static enum status generate(struct generate_job *job) {
    job->json = option_flag(job->values, "json");
    job->terminal = !job->json && isatty(STDOUT_FILENO);
    TRY(check_sources(job->values));
    const int64_t *ids;
    if (option_ints(job->values, "ids", &ids) == 0) TRY(read_prompt(job));
    TRY(open_all(job));
    TRY(generation_options_from(job->values, job->engine, &job->arena, &job->options));
    job->options.show_special = option_flag(job->values, "show-special");
    if (job->json && option_given(job->values, "logprobs")) {
        job->options.sampling.logprobs = (int)option_int(job->values, "logprobs");
        job->logprobs = json_array();
    }
    TRY(assign_prompt(job));
    job->prompt_tokens = job->sequence->tokens;
    TRY(generation_open(&job->generation, job->sequence, &job->options));
    progress_start(&job->progress, "reading the prompt", job->prompt_tokens, "tokens");
    TRY(generation_run(&job->generation, &(struct generation_events){job, show_prefill, show_piece}));
    if (!job->json) print_text(job, "\n", 1);
    warn_if_full(job);
    if (job->write_error) return fail(STATUS_IO, "standard output: %s", strerror(job->write_error));
    return job->json ? print_json(job) : STATUS_OK;
}

enum status command_generate(const struct option_values *values) {
    struct generate_job job = {.values = values};
    enum status status = generate(&job);
    progress_finish(&job.progress);
    if (status == STATUS_OK && option_flag(values, "stats")) print_stats(&job);
    generation_close(&job.generation);
    conversation_close(&job.conversation);
    sequence_close(job.sequence);
    engine_close(job.engine);
    arena_free(&job.arena);
    buffer_free(&job.prompt);
    buffer_free(&job.text);
    buffer_free(&job.safe);
    json_decref(job.logprobs);
    return status;
}
