/* adapters.c - published sets of questions, each recognised by its fields, as lines that verify.h reads. The words around a
 * problem are hadal's own: where an answer has to be found, they say where to put it. */
#include "eval/questions.h"

#include "base/buffer.h"
#include "base/rng.h"
#include "verify/math_text.h"

#include <string.h>
#include <xxhash.h>

enum { CHOICES_MOST = 10 };

struct adapter {
    const char *name;
    bool (*fits)(const json_t *line);
    enum status (*adapt)(const json_t *line, const char *origin, json_t *to);
};

/* ---- fields ---- */

static const char *text_of(const json_t *line, const char *first, const char *second) {
    const json_t *value = json_object_get(line, first);
    if (!value && second) value = json_object_get(line, second);
    return json_string_value(value);
}

static const json_t *either(const json_t *line, const char *first, const char *second) {
    const json_t *value = json_object_get(line, first);
    return value ? value : json_object_get(line, second);
}

static enum status lacking(const char *origin, const char *format, const char *fields) {
    return fail(STATUS_FORMAT, "%s: %s needs %s", origin, format, fields);
}

static enum status set(json_t *to, const char *field, json_t *value) {
    if (value && !json_object_set_new(to, field, value)) return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for a question, or its text is no UTF-8");
}

/* The first of the fields that is there, as "id" and as "group". */
static enum status keep_names(const json_t *line, json_t *to) {
    static const char *const ids[] = {"id", "unique_id", "ID", "Record ID", "task_id", "problem_id"};
    static const char *const groups[] = {"group", "subject", "category", "High-level domain", "type", "Year"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        json_t *id = json_object_get(line, ids[i]);
        if (json_is_string(id) || json_is_integer(id)) {
            TRY(set(to, "id", json_incref(id)));
            break;
        }
    }
    for (size_t i = 0; i < COUNT_OF(groups); i++)
        if (json_is_string(json_object_get(line, groups[i])))
            return set(to, "group", json_incref(json_object_get(line, groups[i])));
    return STATUS_OK;
}

static enum status set_printed(json_t *to, const char *field, struct buffer *text) {
    enum status status = buffer_check(text, "a question");
    if (status == STATUS_OK) status = set(to, field, json_stringn(text->data, text->bytes));
    buffer_free(text);
    return status;
}

/* ---- mathematics: AIME, MATH-500 ---- */

static bool is_maths(const json_t *line) {
    return text_of(line, "problem", "Problem") &&
           (either(line, "answer", "Answer") || text_of(line, "solution", NULL));
}

static enum status set_boxed_prompt(json_t *to, const char *problem) {
    struct buffer text = {0}, plain = {0};
    buffer_printf(&text, "%s\n\nReason step by step, and put the final answer within \\boxed{}.", problem);
    buffer_printf(&plain,
                  "Problem: %s\n\nThe solution ends with the answer in \\boxed{}.\n\nSolution:", problem);
    enum status status = set_printed(to, "prompt", &text);
    if (status == STATUS_OK) return set_printed(to, "plain", &plain);
    buffer_free(&plain);
    return status;
}

static enum status adapt_maths(const json_t *line, const char *origin, json_t *to) {
    const char *problem = text_of(line, "problem", "Problem"), *solution = text_of(line, "solution", NULL);
    const char *boxed;
    size_t bytes;
    json_t *answer = (json_t *)either(line, "answer", "Answer");
    if (!problem) return lacking(origin, "aime or math-500", "\"problem\" and \"answer\"");
    if (json_is_string(answer) || json_is_number(answer))
        TRY(set(to, "answer", json_incref(answer)));
    else if (solution && math_boxed(solution, strlen(solution), &boxed, &bytes))
        TRY(set(to, "answer", json_stringn(boxed, bytes)));
    else
        return lacking(origin, "aime or math-500", "\"answer\", or a \"solution\" with a box");
    TRY(set_boxed_prompt(to, problem));
    return set(to, "verifier", json_string("boxed"));
}

/* ---- GSM8K ---- */

static bool is_gsm8k(const json_t *line) {
    const char *answer = text_of(line, "answer", NULL);
    return text_of(line, "question", NULL) && answer && strstr(answer, "####");
}

static enum status adapt_gsm8k(const json_t *line, const char *origin, json_t *to) {
    const char *question = text_of(line, "question", NULL), *answer = text_of(line, "answer", NULL);
    const char *mark = answer ? strstr(answer, "####") : NULL;
    char number[64];
    size_t bytes = 0;
    if (!question || !mark) return lacking(origin, "gsm8k", "\"question\", and \"answer\" with ####");
    for (mark += 4; *mark && bytes + 1 < sizeof number; mark++)
        if (!strchr(" ,$\r\n", *mark)) number[bytes++] = *mark;
    number[bytes] = '\0';
    TRY(set(to, "answer", json_string(number)));
    TRY(set_boxed_prompt(to, question));
    return set(to, "verifier", json_string("boxed"));
}

/* ---- one of several: MMLU, GPQA ---- */

static enum status set_choices(json_t *to, const char *question, const char *const *choice, int choices,
                               int right) {
    struct buffer asked = {0}, text = {0};
    char letter[2] = {(char)('A' + right), 0};
    buffer_append_text(&asked, question);
    buffer_append_text(&asked, "\n");
    for (int i = 0; i < choices; i++) buffer_printf(&asked, "\n%c) %s", 'A' + i, choice[i]);
    buffer_printf(
        &text,
        "%s\n\nWhich answer is right? Reason step by step, and end with a line \"Answer: X\", where X "
        "is one of the letters A to %c.",
        asked.data ? asked.data : "", 'A' + choices - 1);
    buffer_append_text(&asked, "\n\nAnswer:");
    enum status status = set_printed(to, "prompt", &text);
    if (status == STATUS_OK)
        status = set_printed(to, "plain", &asked);
    else
        buffer_free(&asked);
    TRY(status);
    TRY(set(to, "answer", json_string(letter)));
    return set(to, "verifier", json_string("choice"));
}

static const json_t *choices_of(const json_t *line) {
    const json_t *list = either(line, "choices", "options");
    if (json_is_object(list)) list = json_object_get(list, "text"); /* as ARC has them */
    return list;
}

/* ARC's choices have labels, "A" to "E" or "1" to "5"; -1: there are none, or none is the answer's. */
static int labelled_choice(const json_t *line, const char *answer) {
    const json_t *labels = json_object_get(either(line, "choices", "options"), "label");
    for (size_t i = 0; answer && i < json_array_size(labels); i++) {
        const char *label = json_string_value(json_array_get(labels, i));
        if (label && !strcmp(label, answer)) return (int)i;
    }
    return -1;
}

static bool is_choice(const json_t *line) {
    return text_of(line, "question", "Question") &&
           (json_is_array(choices_of(line)) || (text_of(line, "A", NULL) && text_of(line, "B", NULL)));
}

/* A letter, or the number of a choice from 0. */
static int right_choice(const json_t *line, int choices) {
    const json_t *answer = either(line, "answer", "answerKey"),
                 *index = json_object_get(line, "answer_index");
    const char *text = json_string_value(answer);
    json_int_t number = -1;
    if (!answer) answer = json_object_get(line, "Answer");
    if (!text) text = json_string_value(answer);
    if (labelled_choice(line, text) >= 0)
        number = labelled_choice(line, text);
    else if (text && *text && !text[1])
        number = *text >= 'a' ? *text - 'a' : *text >= 'A' ? *text - 'A' : *text - '0';
    else if (json_is_integer(answer))
        number = json_integer_value(answer);
    else if (json_is_integer(index))
        number = json_integer_value(index);
    return number >= 0 && number < choices ? (int)number : -1;
}

static enum status adapt_choice(const json_t *line, const char *origin, json_t *to) {
    const json_t *list = choices_of(line);
    const char *choice[CHOICES_MOST], *question = text_of(line, "question", "Question");
    int choices = 0;
    for (; choices < CHOICES_MOST; choices++) {
        char name[2] = {(char)('A' + choices), 0};
        choice[choices] =
            list ? json_string_value(json_array_get(list, (size_t)choices)) : text_of(line, name, NULL);
        if (!choice[choices]) break;
    }
    int right = right_choice(line, choices);
    if (!question || choices < 2 || right < 0 || (list && json_array_size(list) != (size_t)choices))
        return lacking(origin, "mmlu",
                       "\"question\", 2 to 10 answers, and the letter or number of the right one");
    return set_choices(to, question, choice, choices, right);
}

static bool is_gpqa(const json_t *line) {
    return text_of(line, "Question", NULL) && text_of(line, "Correct Answer", NULL);
}

/* The order is by the question's own text: the same in every run, so that runs can be paired. */
static enum status adapt_gpqa(const json_t *line, const char *origin, json_t *to) {
    static const char *const fields[] = {"Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2",
                                         "Incorrect Answer 3"};
    enum { ANSWERS = COUNT_OF(fields) };
    const char *question = text_of(line, "Question", NULL), *choice[ANSWERS];
    int place[ANSWERS], right = 0;
    struct rng rng;
    for (int i = 0; i < ANSWERS; i++) {
        if (!question || !text_of(line, fields[i], NULL))
            return lacking(origin, "gpqa",
                           "\"Question\", \"Correct Answer\" and three of \"Incorrect Answer\"");
        place[i] = i;
    }
    rng_seed(&rng, XXH64(question, strlen(question), 0));
    for (int i = ANSWERS - 1; i > 0; i--) {
        int other = (int)(rng_next(&rng) % (uint64_t)(i + 1)), kept = place[i];
        place[i] = place[other];
        place[other] = kept;
    }
    for (int i = 0; i < ANSWERS; i++) {
        choice[i] = text_of(line, fields[place[i]], NULL);
        while (strchr(" \n\r\t", *choice[i]) && *choice[i]) choice[i]++;
        if (!place[i]) right = i;
    }
    return set_choices(to, question, choice, ANSWERS, right);
}

/* ---- HumanEval ---- */

static bool is_humaneval(const json_t *line) {
    return text_of(line, "prompt", NULL) && text_of(line, "entry_point", NULL) && text_of(line, "test", NULL);
}

static enum status set_tests(json_t *to, const char *prompt, const char *test, const char *entry) {
    struct buffer code = {0};
    buffer_printf(&code, "%s\n\ncheck(%s)\n", test, entry);
    enum status status = buffer_check(&code, "a test");
    if (status == STATUS_OK)
        status =
            set(to, "tests",
                json_pack("{s:s, s:s%}", "before", prompt, "code", code.data ? code.data : "", code.bytes));
    buffer_free(&code);
    return status;
}

static enum status adapt_humaneval(const json_t *line, const char *origin, json_t *to) {
    static const char *const stops[] = {"\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(", "\n```"};
    const char *prompt = text_of(line, "prompt", NULL), *test = text_of(line, "test", NULL);
    const char *entry = text_of(line, "entry_point", NULL);
    struct buffer text = {0};
    json_t *stop = json_array();
    if (!prompt || !test || !entry) {
        json_decref(stop);
        return lacking(origin, "humaneval", "\"prompt\", \"test\" and \"entry_point\"");
    }
    for (size_t i = 0; i < COUNT_OF(stops); i++) json_array_append_new(stop, json_string(stops[i]));
    TRY(set(to, "stop", stop));
    buffer_printf(&text,
                  "Complete this function. Answer with the whole function in one block of Python code.\n\n"
                  "```python\n%s```",
                  prompt);
    TRY(set_printed(to, "prompt", &text));
    TRY(set(to, "plain", json_string(prompt)));
    TRY(set_tests(to, prompt, test, entry));
    return set(to, "verifier", json_string("code"));
}

/* ---- the table, in the order of looking ---- */

static const struct adapter adapters[] = {
    {"humaneval", is_humaneval, adapt_humaneval},
    {"gpqa", is_gpqa, adapt_gpqa},
    {"gsm8k", is_gsm8k, adapt_gsm8k},
    {"mmlu", is_choice, adapt_choice},
    {"aime", is_maths, adapt_maths},
    {"math-500", is_maths, adapt_maths},
};

const char *question_format_at(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(adapters) ? adapters[index].name : NULL;
}

static enum status apply(const struct adapter *adapter, json_t **line, const char *origin) {
    json_t *to = json_object();
    if (!to) return fail(STATUS_MEMORY, "no memory for a question");
    enum status status = keep_names(*line, to);
    if (status == STATUS_OK) status = adapter->adapt(*line, origin, to);
    if (status != STATUS_OK) {
        json_decref(to);
        return status;
    }
    json_decref(*line);
    *line = to;
    return STATUS_OK;
}

static bool is_own(const json_t *line) {
    return json_object_get(line, "verifier") || json_object_get(line, "messages");
}

enum status question_adapt(json_t **line, const char *format, const char *origin) {
    if (format && !strcmp(format, "hadal")) return STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(adapters); i++)
        if (format ? !strcmp(adapters[i].name, format) : !is_own(*line) && adapters[i].fits(*line))
            return apply(&adapters[i], line, origin);
    if (!format) return STATUS_OK;
    return fail(STATUS_USAGE, "--format %.40s: is not known", format);
}
