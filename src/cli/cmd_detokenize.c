/* cmd_detokenize.c - `hadal detokenize`: a JSON array of token ids from standard input, their bytes out.
 *
 * The bytes are those of the tokens, unchanged: half a character stays half a character, and control tokens print as
 * they are written. */
#include "base/json.h"
#include "cli/commands.h"
#include "cli/open_engine.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { JSON_BYTES = 1 << 30 };

struct detokenize_job {
    struct tokenizer *tokenizer;
    struct buffer text, out;
    json_t *ids;
};

static enum status write_tokens(struct detokenize_job *job) {
    json_t *item;
    size_t i, bytes;
    int32_t vocabulary = tokenizer_vocabulary(job->tokenizer);
    if (!json_is_array(job->ids))
        return fail(STATUS_INPUT, "standard input: expected a JSON array of token ids");
    json_array_foreach(job->ids, i, item) {
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item))
            return fail(STATUS_INPUT, "standard input: item %zu is not a whole number", i);
        if (id < 0 || id >= vocabulary)
            return fail(STATUS_INPUT, "standard input: item %zu is token %lld, the vocabulary has 0 to %d", i,
                        (long long)id, vocabulary - 1);
        const char *text = tokenizer_bytes(job->tokenizer, (int32_t)id, &bytes);
        buffer_append(&job->out, text, bytes);
    }
    return buffer_check(&job->out, "the text");
}

static enum status detokenize(const struct option_values *values, struct detokenize_job *job) {
    const char *model;
    TRY(model_path_from(values, &model));
    TRY(tokenizer_open(&job->tokenizer, model));
    TRY(buffer_read_file(&job->text, "-", JSON_BYTES));
    TRY(json_parse(job->text.data, job->text.bytes, "standard input", &job->ids));
    TRY(write_tokens(job));
    if (fwrite(job->out.data, 1, job->out.bytes, stdout) != job->out.bytes || fflush(stdout))
        return fail(STATUS_IO, "standard output: %s", strerror(errno));
    return STATUS_OK;
}

enum status command_detokenize(const struct option_values *values) {
    struct detokenize_job job = {0};
    enum status status = detokenize(values, &job);
    json_decref(job.ids);
    tokenizer_close(job.tokenizer);
    buffer_free(&job.text);
    buffer_free(&job.out);
    return status;
}
