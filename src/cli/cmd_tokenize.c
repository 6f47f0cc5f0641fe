/* cmd_tokenize.c - `hadal tokenize`: text from standard input, a JSON array of token ids on one line. */
#include "cli/commands.h"
#include "cli/open_engine.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 1 << 30 };

struct tokenize_job {
    struct tokenizer *tokenizer;
    struct token_list list;
    struct buffer text, out;
};

static void write_ids(struct buffer *out, const struct token_list *list) {
    char digits[16];
    buffer_append_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        int bytes = snprintf(digits, sizeof digits, i ? ",%d" : "%d", list->id[i]);
        buffer_append(out, digits, (size_t)bytes);
    }
    buffer_append_text(out, "]\n");
}

static enum status tokenize(const struct option_values *values, struct tokenize_job *job) {
    const char *model;
    enum tokenize_mode mode = option_flag(values, "plain") ? TOKENIZE_PLAIN : TOKENIZE_SPECIAL;
    TRY(model_path_from(values, &model));
    TRY(tokenizer_open(&job->tokenizer, model));
    TRY(buffer_read_file(&job->text, "-", TEXT_BYTES));
    TRY(tokenizer_encode(job->tokenizer, job->text.data, job->text.bytes, mode, &job->list));
    job->out.limit = SIZE_MAX / 2;
    write_ids(&job->out, &job->list);
    TRY(buffer_check(&job->out, "the ids"));
    if (fwrite(job->out.data, 1, job->out.bytes, stdout) != job->out.bytes || fflush(stdout))
        return fail(STATUS_IO, "standard output: %s", strerror(errno));
    return STATUS_OK;
}

enum status command_tokenize(const struct option_values *values) {
    struct tokenize_job job = {0};
    enum status status = tokenize(values, &job);
    tokenizer_close(job.tokenizer);
    token_list_free(&job.list);
    buffer_free(&job.text);
    buffer_free(&job.out);
    return status;
}
