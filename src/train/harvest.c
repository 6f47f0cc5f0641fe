/* harvest.c - see harvest.h. */
#include "train/harvest.h"

#include "base/bytes.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPTS_AT_ONCE = 32 };

struct harvest {
    const struct harvest_options *options;
    struct harvest_lines lines;
    struct task_list tasks;
    struct rollout *rollout;
    struct rollout_prompt prompt[PROMPTS_AT_ONCE];
    struct rollout_answer *answer; /* [PROMPTS_AT_ONCE * group] */
};

/* ---- a line ---- */

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

static json_t *as_line(const struct harvest_lines *lines, const json_t *task, const char *text,
                       size_t bytes) {
    const json_t *prompt = json_object_get(task, "prompt"), *given = json_object_get(task, "messages");
    if (lines->form->plain) return json_pack("{s:O, s:s%}", "prompt", prompt, "completion", text, bytes);
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

static enum status write_line(struct harvest_lines *lines, json_t *line) {
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) return fail(STATUS_MEMORY, "an answer cannot be written");
    size_t bytes = strlen(text);
    text[bytes] = '\n';
    enum status status = file_writer_append(&lines->file, text, bytes + 1);
    free(text);
    return status;
}

/* ---- a task ---- */

static bool is_new(const struct harvest_answer *answer, int index, const bool *kept) {
    for (int i = 0; i < index; i++)
        if (kept[i] && answer[i].bytes == answer[index].bytes &&
            !memcmp(answer[i].text, answer[index].text, answer[index].bytes))
            return false;
    return true;
}

static enum status take_answer(struct harvest_lines *lines, const json_t *task,
                               const struct harvest_answer *answer, int index, bool *kept, bool *right) {
    struct verdict verdict;
    TRY(verify(lines->verifiers, task, "a task", answer[index].text, answer[index].bytes, &verdict));
    *right = verdict.right;
    kept[index] = verdict.right && !answer[index].cut && is_new(answer, index, kept);
    return kept[index] ? write_line(lines, as_line(lines, task, answer[index].text, answer[index].bytes))
                       : STATUS_OK;
}

enum status harvest_open(struct harvest_lines *lines, const char *output) {
    return file_writer_open(&lines->file, output);
}

enum status harvest_take(struct harvest_lines *lines, const json_t *task, const struct harvest_answer *answer,
                         int answers) {
    bool kept[SERVICE_CHOICES_LIMIT] = {false}, solved = false;
    int written = 0;
    MUST(answers <= SERVICE_CHOICES_LIMIT);
    for (int i = 0; i < answers; i++) {
        bool right;
        lines->report.answers++;
        if (lines->most && written == lines->most) continue;
        TRY(take_answer(lines, task, answer, i, kept, &right));
        written += kept[i];
        lines->report.right += right;
        lines->report.kept += kept[i];
        solved |= right;
    }
    lines->report.solved += solved;
    lines->report.tasks++;
    return STATUS_OK;
}

enum status harvest_finish(struct harvest_lines *lines) {
    return file_writer_finish(&lines->file);
}

void harvest_close(struct harvest_lines *lines) {
    file_writer_close(&lines->file);
}

/* ---- an engine's answers ---- */

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

static enum status take_task(struct harvest *harvest, const json_t *task,
                             const struct rollout_answer *answer) {
    const int group = harvest->options->group;
    struct buffer text[SERVICE_CHOICES_LIMIT] = {{0}};
    struct harvest_answer said[SERVICE_CHOICES_LIMIT];
    enum status status = STATUS_OK;
    for (int i = 0; i < group && status == STATUS_OK; i++) {
        status = answer_text(harvest->options->engine, &answer[i], &text[i]);
        said[i] = (struct harvest_answer){text[i].data, text[i].bytes, answer[i].truncated};
    }
    if (status == STATUS_OK) status = harvest_take(&harvest->lines, task, said, group);
    for (int i = 0; i < group; i++) buffer_free(&text[i]);
    return status;
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
    harvest->lines.report.all_tasks = harvest->tasks.tasks;
    harvest->answer = calloc((size_t)(PROMPTS_AT_ONCE * options->group), sizeof *harvest->answer);
    if (!harvest->answer) return fail(STATUS_MEMORY, "no memory for answers");
    TRY(rollout_open_engine(&harvest->rollout, options->engine));
    TRY(harvest_open(&harvest->lines, options->output));
    for (int64_t first = 0; first < harvest->tasks.tasks; first += PROMPTS_AT_ONCE) {
        TRY(take_round(harvest, first, (int)min_i64(PROMPTS_AT_ONCE, harvest->tasks.tasks - first)));
        if (options->progress && !options->progress(options->context, &harvest->lines.report))
            return fail(STATUS_CANCELLED, "stopped after %lld of %lld tasks",
                        (long long)harvest->lines.report.tasks, (long long)harvest->tasks.tasks);
    }
    return harvest_finish(&harvest->lines);
}

enum status harvest_run(const struct harvest_options *options, struct harvest_report *report) {
    struct harvest harvest = {
        .options = options,
        .lines = {.form = options->form, .verifiers = options->verifiers, .most = options->most}};
    enum status status = run(&harvest);
    *report = harvest.lines.report;
    harvest_close(&harvest.lines);
    rollout_close(harvest.rollout);
    free(harvest.answer);
    tasks_close(&harvest.tasks);
    return status;
}
