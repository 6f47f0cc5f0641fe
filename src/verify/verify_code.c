/* verify_code.c - programs and their tests. A task has "tests" with one of
 *     {"inputs": [...], "outputs": [...]}     what comes in and what must come out, line by line but for white space at ends
 *     {"code": "...", "before": "..."}        a text that is put behind the program and must end with status 0, and what is put
 *                                             in front of it, which may be left out: a function's head that answers go on from
 * and "language", python where it is not given. The program is the last block of code in the answer, or all of it. */
#include "verify/sandbox.h"
#include "verify/verify.h"

#include <string.h>

enum { TESTS_MOST = 256 };

static const json_t *tests_of(const json_t *line, const char *field) {
    return json_object_get(json_object_get(line, "tests"), field);
}

enum status check_code(const json_t *line, const char *origin) {
    const json_t *inputs = tests_of(line, "inputs"), *outputs = tests_of(line, "outputs"),
                 *code = tests_of(line, "code");
    const char *language = json_string_value(json_object_get(line, "language"));
    size_t count = json_array_size(inputs);
    bool pairs = count && count == json_array_size(outputs);
    for (size_t i = 0; pairs && i < count; i++)
        pairs = json_is_string(json_array_get(inputs, i)) && json_is_string(json_array_get(outputs, i));
    if (language && strcmp(language, "python") != 0)
        return fail(STATUS_FORMAT, "%s: \"language\" %.20s: programs in python alone can be run", origin,
                    language);
    if (count > TESTS_MOST)
        return fail(STATUS_FORMAT, "%s: \"tests\": at most %d of them", origin, TESTS_MOST);
    if (pairs || json_is_string(code)) return STATUS_OK;
    return fail(STATUS_FORMAT,
                "%s: \"tests\" must have \"code\", or as many \"inputs\" as \"outputs\", all texts", origin);
}

/* ```python ... ``` */
static void find_program(const struct verify_request *request, const char **program, size_t *bytes) {
    const char *end = request->answer + request->answer_bytes, *begin = NULL, *stop = NULL;
    *program = request->answer;
    *bytes = request->answer_bytes;
    for (const char *at = request->answer; (at = memmem(at, (size_t)(end - at), "```", 3)); at += 3) {
        if (begin && !stop) {
            stop = at;
            continue;
        }
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (!line) break;
        begin = line + 1;
        stop = NULL;
    }
    if (!begin) { /* the indentation of a first line belongs to the program */
        for (; *program > request->text && ((*program)[-1] == ' ' || (*program)[-1] == '\t'); ++*bytes)
            --*program;
        return;
    }
    *program = begin;
    *bytes = (size_t)((stop ? stop : end) - begin);
}

static size_t line_bytes(const char *text, size_t bytes) {
    const char *end = memchr(text, '\n', bytes);
    return end ? (size_t)(end - text) : bytes;
}

static size_t trimmed(const char *text, size_t bytes) {
    while (bytes && strchr(" \t\r\n", text[bytes - 1]) && text[bytes - 1]) bytes--;
    return bytes;
}

static bool same_output(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    a_bytes = trimmed(a, a_bytes);
    b_bytes = trimmed(b, b_bytes);
    while (a_bytes && b_bytes) {
        size_t x = line_bytes(a, a_bytes), y = line_bytes(b, b_bytes), bytes = trimmed(a, x);
        if (bytes != trimmed(b, y) || memcmp(a, b, bytes) != 0) return false;
        x += x < a_bytes;
        y += y < b_bytes;
        a += x;
        a_bytes -= x;
        b += y;
        b_bytes -= y;
    }
    return !a_bytes && !b_bytes;
}

static enum status run_test(const char *program, size_t bytes, const char *input, const char *expected,
                            bool *passed) {
    static const char *const arguments[] = {"python3", "-I", "-S", "-B", "program", NULL};
    struct sandbox_run run = {.arguments = arguments,
                              .file = program,
                              .file_bytes = bytes,
                              .input = input,
                              .input_bytes = strlen(input),
                              .limits = sandbox_usual()};
    struct sandbox_result result;
    TRY(sandbox_run(&run, &result));
    *passed = !result.exit_status && !result.timed_out && !result.cut &&
              (!expected || same_output(result.output.data ? result.output.data : "", result.output.bytes,
                                        expected, strlen(expected)));
    buffer_free(&result.output);
    return STATUS_OK;
}

static enum status run_pairs(const struct verify_request *request, const char *program, size_t bytes,
                             double *score) {
    const json_t *inputs = tests_of(request->line, "inputs"), *outputs = tests_of(request->line, "outputs");
    size_t count = json_array_size(inputs), passes = 0;
    for (size_t i = 0; i < count; i++) {
        bool passed;
        TRY(run_test(program, bytes, json_string_value(json_array_get(inputs, i)),
                     json_string_value(json_array_get(outputs, i)), &passed));
        passes += passed;
    }
    *score = (double)passes / (double)count;
    return STATUS_OK;
}

enum status score_code(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    const char *program, *code = json_string_value(tests_of(request->line, "code"));
    const char *before = json_string_value(tests_of(request->line, "before"));
    struct buffer whole = {0};
    size_t bytes;
    bool passed = false;
    (void)verifiers;
    find_program(request, &program, &bytes);
    if (!bytes) return STATUS_OK;
    if (!code) return run_pairs(request, program, bytes, score);
    if (before) buffer_append_text(&whole, before);
    buffer_append(&whole, program, bytes);
    buffer_append_text(&whole, "\n");
    buffer_append_text(&whole, code);
    enum status status = buffer_check(&whole, "a program");
    if (status == STATUS_OK) status = run_test(whole.data, whole.bytes, "", NULL, &passed);
    buffer_free(&whole);
    *score = passed;
    return status;
}
