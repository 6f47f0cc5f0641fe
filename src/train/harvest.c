/* harvest.c - see harvest.h. */
#include "train/harvest.h"

#include "base/bytes.h"
#include "base/file_write.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPTS_AT_ONCE = 32 };

struct harvest {
    const struct harvest_options *options;
    struct harvest_report *report;
    struct task_list tasks;
    struct rollout *rollout;
    struct file_writer file;
    struct rollout_prompt prompt[PROMPTS_AT_ONCE];
    struct rollout_answer *answer; /* [PROMPTS_AT_ONCE * group] */
};

/* ---- a line ---- */

static bool ends(const struct engine *engine, int32_t id) {
    for (int i = 0; i < engine->end_tokens; i++)
        if (engine->end_token[i] == id) return true;
    return false;
}

static enum status answer_text(const struct engine *engine, const struct rollout_answer *answer,
                               struct buffer *text) {
    struct detokenizer detokenizer = {engine->tokenizer, .show_special = true};
    int tokens = answer->tokens - (answer->tokens && ends(engine, answer->id[answer->tokens - 1]));
    for (int i = 0; i < tokens; i++) detokenizer_push(&detokenizer, answer->id[i], text);
    detokenizer_finish(&detokenizer, text);
    buffer_append(text, "", 0);
    return buffer_check(text, "an answer");
}

/* Reasoning and what follows it, as the API would give them. */
static json_t *as_message(const char *text, size_t bytes) {
    static const char begins[] = "<think>", closes[] = "</think>";
    const char *end = text + bytes, *close = memmem(text, bytes, closes, sizeof closes - 1);
    if (!close) return json_pack("{s:s, s:s%}", "role", "assistant", "content", text, bytes);
    const char *reasoning = text, *content = close + sizeof closes - 1;
    if (bytes >= sizeof begins - 1 && !memcmp(text, begins, sizeof begins - 1))
        reasoning += sizeof begins - 1;
    while (reasoning < close && *reasoning == '\n') reasoning++;
    while (close > reasoning && close[-1] == '\n') close--;
    while (content < end && *content == '\n') content++;
    return json_pack("{s:s, s:s%, s:s%}", "role", "assistant", "reasoning_content", reasoning,
                     (size_t)(close - reasoning), "content", content, (size_t)(end - content));
}

static json_t *as_line(const struct harvest *harvest, const json_t *task, const char *text, size_t bytes) {
    const json_t *prompt = json_object_get(task, "prompt"), *given = json_object_get(task, "messages");
    if (harvest->options->form->plain)
        return json_pack("{s:O, s:s%}", "prompt", prompt, "completion", text, bytes);
    json_t *messages = json_array(), *message = as_message(text, bytes), *line = json_object();
    if (!given && json_is_array(prompt)) given = prompt;
    if (given)
        json_array_extend(messages, (json_t *)given);
    else
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", prompt));
    json_array_append_new(messages, message);
    json_object_set_new(line, "messages", messages);
    if (json_object_get(task, "tools")) json_object_set(line, "tools", json_object_get(task, "tools"));
    return line;
}

static enum status write_line(struct harvest *harvest, json_t *line) {
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) return fail(STATUS_MEMORY, "an answer cannot be written");
    size_t bytes = strlen(text);
    text[bytes] = '\n';
    enum status status = file_writer_append(&harvest->file, text, bytes + 1);
    free(text);
    return status;
}

/* ---- a task ---- */

static bool is_new(const struct rollout_answer *answer, int index, const bool *kept) {
    for (int i = 0; i < index; i++)
        if (kept[i] && answer[i].tokens == answer[index].tokens &&
            !memcmp(answer[i].id, answer[index].id, (size_t)answer[i].tokens * sizeof *answer->id))
            return false;
    return true;
}

static enum status take_answer(struct harvest *harvest, const json_t *task,
                               const struct rollout_answer *answer, int index, bool *kept, bool *right) {
    struct buffer text = {0};
    struct verdict verdict;
    enum status status = answer_text(harvest->options->engine, &answer[index], &text);
    if (status == STATUS_OK)
        status = verify(harvest->options->verifiers, task, "a task", text.data, text.bytes, &verdict);
    *right = status == STATUS_OK && verdict.right;
    kept[index] = *right && !answer[index].truncated && is_new(answer, index, kept);
    if (kept[index]) status = write_line(harvest, as_line(harvest, task, text.data, text.bytes));
    buffer_free(&text);
    return status;
}

static enum status take_task(struct harvest *harvest, const json_t *task,
                             const struct rollout_answer *answer) {
    const struct harvest_options *options = harvest->options;
    struct harvest_report *report = harvest->report;
    bool kept[SERVICE_CHOICES_LIMIT] = {false}, solved = false;
    int lines = 0;
    for (int i = 0; i < options->group; i++) {
        bool right;
        report->answers++;
        if (options->most && lines == options->most) continue;
        TRY(take_answer(harvest, task, answer, i, kept, &right));
        lines += kept[i];
        report->right += right;
        report->kept += kept[i];
        solved |= right;
    }
    report->solved += solved;
    report->tasks++;
    return STATUS_OK;
}

/* ---- all of them ---- */

static enum status take_round(struct harvest *harvest, int64_t first, int count) {
    const struct harvest_options *options = harvest->options;
    for (int p = 0; p < count; p++) {
        struct rng rng;
        rng_seed_stream(&rng, options->seed, (uint64_t)(first + p));
        harvest->prompt[p] = (struct rollout_prompt){task_prompt(&harvest->tasks, first + p),
                                                     harvest->tasks.task[first + p].tokens, rng_next(&rng)};
    }
    struct rollout_request request = {.prompt = harvest->prompt,
                                      .prompts = count,
                                      .group = options->group,
                                      .sampling = options->sampling,
                                      .longest = options->longest};
    enum status status = rollout_run(harvest->rollout, &request, harvest->answer);
    for (int p = 0; status == STATUS_OK && p < count; p++)
        status = take_task(harvest, harvest->tasks.task[first + p].line,
                           harvest->answer + (int64_t)p * options->group);
    for (int i = 0; i < count * options->group; i++) rollout_answer_free(&harvest->answer[i]);
    return status;
}

static enum status run(struct harvest *harvest) {
    const struct harvest_options *options = harvest->options;
    struct task_reader reader = {options->form, options->engine->tokenizer, options->verifiers};
    for (int i = 0; i < options->datas; i++) TRY(tasks_add(&harvest->tasks, options->data[i], &reader));
    if (!harvest->tasks.tasks) return fail(STATUS_INPUT, "%s: there are no tasks", options->data[0]);
    MUST(options->group >= 1 && options->group <= SERVICE_CHOICES_LIMIT);
    harvest->report->all_tasks = harvest->tasks.tasks;
    harvest->answer = calloc((size_t)(PROMPTS_AT_ONCE * options->group), sizeof *harvest->answer);
    if (!harvest->answer) return fail(STATUS_MEMORY, "no memory for answers");
    TRY(rollout_open_engine(&harvest->rollout, options->engine));
    TRY(file_writer_open(&harvest->file, options->output));
    for (int64_t first = 0; first < harvest->tasks.tasks; first += PROMPTS_AT_ONCE) {
        TRY(take_round(harvest, first, (int)min_i64(PROMPTS_AT_ONCE, harvest->tasks.tasks - first)));
        if (options->progress && !options->progress(options->context, harvest->report))
            return fail(STATUS_CANCELLED, "stopped after %lld of %lld tasks",
                        (long long)harvest->report->tasks, (long long)harvest->tasks.tasks);
    }
    return file_writer_finish(&harvest->file);
}

enum status harvest_run(const struct harvest_options *options, struct harvest_report *report) {
    struct harvest harvest = {.options = options, .report = report};
    *report = (struct harvest_report){0};
    enum status status = run(&harvest);
    file_writer_close(&harvest.file);
    rollout_close(harvest.rollout);
    free(harvest.answer);
    tasks_close(&harvest.tasks);
    return status;
}
