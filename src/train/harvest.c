/* harvest.c - see harvest.h. */
#include "train/harvest.h"

#include "base/bytes.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

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

static enum status take_line(struct harvest_lines *lines, json_t *line) {
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) return fail(STATUS_MEMORY, "an answer cannot be written");
    buffer_append(&lines->text, text, strlen(text));
    buffer_append_char(&lines->text, '\n');
    free(text);
    return buffer_check(&lines->text, "right answers");
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
    return kept[index] ? take_line(lines, as_line(lines, task, answer[index].text, answer[index].bytes))
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

enum status harvest_write(struct harvest_lines *lines) {
    if (lines->text.bytes) TRY(file_writer_append(&lines->file, lines->text.data, lines->text.bytes));
    buffer_clear(&lines->text);
    return STATUS_OK;
}

enum status harvest_finish(struct harvest_lines *lines) {
    return file_writer_finish(&lines->file);
}

void harvest_close(struct harvest_lines *lines) {
    file_writer_close(&lines->file);
    buffer_free(&lines->text);
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

/* ---- from rank to rank ---- */

/* What this rank has counted since `before` becomes what all have. */
static enum status add_reports(struct comm *comm, const struct harvest_report *before,
                               struct harvest_report *report) {
    int64_t more[] = {report->tasks - before->tasks, report->solved - before->solved,
                      report->answers - before->answers, report->right - before->right,
                      report->kept - before->kept};
    TRY(comm_sum(comm, more, COUNT_OF(more)));
    *report = (struct harvest_report){.tasks = before->tasks + more[0],
                                      .all_tasks = report->all_tasks,
                                      .solved = before->solved + more[1],
                                      .answers = before->answers + more[2],
                                      .right = before->right + more[3],
                                      .kept = before->kept + more[4]};
    return STATUS_OK;
}

/* The first writes its own lines and then those of the others, as they come: a file that fails does not keep these waiting. */
static enum status gather_lines(struct harvest *harvest, const int64_t *size, char *room) {
    struct comm *comm = harvest->options->comm;
    struct harvest_lines *lines = &harvest->lines;
    enum status status = comm->rank ? STATUS_OK : harvest_write(lines);
    for (int r = 1; r < comm->ranks; r++) {
        if (!size[r]) continue;
        if (comm->rank == r) TRY(comm_send(comm, 0, lines->text.data, size[r]));
        if (comm->rank) continue;
        TRY(comm_receive(comm, r, room, size[r]));
        if (status == STATUS_OK) status = file_writer_append(&lines->file, room, (size_t)size[r]);
    }
    buffer_clear(&lines->text);
    return status;
}

static enum status take_room(const struct comm *comm, const int64_t *size, char **room) {
    int64_t most = 1;
    for (int r = 0; r < comm->ranks; r++) most = max_i64(most, size[r]);
    *room = malloc((size_t)most);
    return *room ? STATUS_OK : fail(STATUS_MEMORY, "no memory for the answers of other ranks");
}

static enum status share_lines(struct harvest *harvest) {
    struct comm *comm = harvest->options->comm;
    char *room = NULL;
    if (comm->ranks == 1) return harvest_write(&harvest->lines);
    int64_t *size = calloc((size_t)comm->ranks, sizeof *size);
    if (!size) return fail(STATUS_MEMORY, "no memory for what %d ranks say", comm->ranks);
    size[comm->rank] = (int64_t)harvest->lines.text.bytes;
    enum status status = comm_merge(comm, size, comm->ranks * (int64_t)sizeof *size);
    if (status == STATUS_OK) status = comm_agree(comm, take_room(comm, size, &room));
    if (status == STATUS_OK) status = gather_lines(harvest, size, room);
    free(room);
    free(size);
    return status;
}

/* All have read the same and sample alike. */
static enum status compare_ranks(const struct harvest *harvest) {
    const struct harvest_options *o = harvest->options;
    const double number[] = {
        (double)(o->seed >> 32), (double)(o->seed & UINT32_MAX), o->group,          o->longest,       o->most,
        o->sampling.temperature, (double)o->sampling.top_k,      o->sampling.top_p, o->sampling.min_p};
    uint64_t mine = XXH64(number, sizeof number, tasks_identity(&harvest->tasks)), first = mine;
    TRY(comm_broadcast(o->comm, 0, &first, sizeof first));
    return comm_agree(o->comm, mine == first ? STATUS_OK
                                             : fail(STATUS_INPUT, "was started with other data or options "
                                                                  "than the first rank"));
}

/* ---- all of them ---- */

/* This rank's part of a round, `count` tasks from `first` on. */
static enum status take_part(struct harvest *harvest, int64_t first, int count) {
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
    enum status status = count ? rollout_run(harvest->rollout, &request, harvest->answer) : STATUS_OK;
    for (int p = 0; status == STATUS_OK && p < count; p++)
        status = take_task(harvest, harvest->tasks.task[first + p].line,
                           harvest->answer + (int64_t)p * options->group);
    for (int i = 0; i < count * options->group; i++) rollout_answer_free(&harvest->answer[i]);
    return status;
}

static enum status take_round(struct harvest *harvest, int64_t first, int64_t count) {
    struct comm *comm = harvest->options->comm;
    int64_t begin = count * comm->rank / comm->ranks, end = count * (comm->rank + 1) / comm->ranks;
    struct harvest_report before = harvest->lines.report;
    TRY(take_part(harvest, first + begin, (int)(end - begin)));
    TRY(add_reports(comm, &before, &harvest->lines.report));
    return share_lines(harvest);
}

static enum status check_going(const struct harvest *harvest) {
    const struct harvest_options *options = harvest->options;
    const struct harvest_report *report = &harvest->lines.report;
    bool going = !options->progress || options->progress(options->context, report);
    TRY(comm_all(options->comm, going, &going));
    return going ? STATUS_OK
                 : fail(STATUS_CANCELLED, "stopped after %lld of %lld tasks", (long long)report->tasks,
                        (long long)report->all_tasks);
}

static enum status open_harvest(struct harvest *harvest) {
    const struct harvest_options *options = harvest->options;
    struct task_reader reader = {options->form, options->engine->tokenizer, options->verifiers};
    for (int i = 0; i < options->datas; i++) TRY(tasks_add(&harvest->tasks, options->data[i], &reader));
    if (!harvest->tasks.tasks) return fail(STATUS_INPUT, "%s: there are no tasks", options->data[0]);
    MUST(options->group >= 1 && options->group <= SERVICE_CHOICES_LIMIT);
    harvest->lines.report.all_tasks = harvest->tasks.tasks;
    harvest->answer = calloc((size_t)(PROMPTS_AT_ONCE * options->group), sizeof *harvest->answer);
    if (!harvest->answer) return fail(STATUS_MEMORY, "no memory for answers");
    TRY(rollout_open_engine(&harvest->rollout, options->engine));
    TRY(compare_ranks(harvest));
    return options->comm->rank ? STATUS_OK : harvest_open(&harvest->lines, options->output);
}

static enum status run(struct harvest *harvest) {
    struct comm *comm = harvest->options->comm;
    int64_t round = (int64_t)PROMPTS_AT_ONCE * comm->ranks;
    TRY(comm_agree(comm, open_harvest(harvest)));
    for (int64_t first = 0; first < harvest->tasks.tasks; first += round) {
        TRY(take_round(harvest, first, min_i64(round, harvest->tasks.tasks - first)));
        TRY(check_going(harvest));
    }
    return comm_agree(comm, comm->rank ? STATUS_OK : harvest_finish(&harvest->lines));
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
