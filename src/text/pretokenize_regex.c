/* pretokenize_regex.c - patterns that have no matcher of their own, in PCRE2.
 *
 * tokenizer.json is written for Oniguruma with Ruby's syntax. Where PCRE2 reads the same letters differently the pattern
 * is rewritten (\s, \w, \h, \uHHHH, and $ that also stands before a newline); what cannot be said is refused.
 *
 * A pattern can be written so that matching takes for ever. PCRE2's own limits count anew from every place in the text,
 * so the work of a whole text is counted here, in a callout before each item of the pattern. */
#include "text/pretokenize_stage.h"

#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

enum {
    PATTERN_BYTES = 32768,
    WORK_LEAST = 1 << 21,
    WORK_PER_BYTE = 256, /* patterns in use need about 30 */
    JIT_STACK_FIRST = 32 * 1024,
    JIT_STACK_MOST = 1024 * 1024
};

struct translation {
    struct buffer out;
    const char *at;
    bool in_class;
    const char *refused; /* what has no equivalent */
};

static bool is_hex(char c) {
    return strchr("0123456789abcdefABCDEF", c) && c;
}

/* A class as it is written inside and outside of brackets, and negated outside. */
static void put_set(struct translation *t, const char *inside, bool negated) {
    if (t->in_class && negated) {
        t->refused = "a negated class inside brackets";
        return;
    }
    if (t->in_class) return buffer_append_text(&t->out, inside);
    buffer_append_text(&t->out, negated ? "[^" : "[");
    buffer_append_text(&t->out, inside);
    buffer_append_char(&t->out, ']');
}

/* At a backslash. */
static void translate_escape(struct translation *t) {
    static const char word[] = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}²³¹¼-¾", hex[] = "0-9A-Fa-f";
    char letter = t->at[1];
    if (!letter) {
        t->refused = "a backslash at the end";
        return;
    }
    t->at += 2;
    switch (letter) {
    case 's': buffer_append_text(&t->out, "\\p{White_Space}"); return;
    case 'S': buffer_append_text(&t->out, "\\P{White_Space}"); return;
    case 'w': put_set(t, word, false); return;
    case 'W': put_set(t, word, true); return;
    case 'h': put_set(t, hex, false); return;
    case 'H': put_set(t, hex, true); return;
    case 'u':
        if (!is_hex(t->at[0]) || !is_hex(t->at[1]) || !is_hex(t->at[2]) || !is_hex(t->at[3])) break;
        buffer_printf(&t->out, "\\x{%.4s}", t->at);
        t->at += 4;
        return;
    default: break;
    }
    buffer_append_char(&t->out, '\\');
    buffer_append_char(&t->out, letter);
}

static void copy(struct translation *t, size_t bytes) {
    buffer_append(&t->out, t->at, bytes);
    t->at += bytes;
}

/* In brackets, at neither a backslash nor the closing bracket. */
static void translate_in_class(struct translation *t) {
    const char *end = t->at[0] == '[' && t->at[1] == ':' ? strstr(t->at, ":]") : NULL;
    if (end) return copy(t, (size_t)(end + 2 - t->at));
    if (*t->at == '[') t->refused = "brackets inside brackets";
    if (t->at[0] == '&' && t->at[1] == '&') t->refused = "&& inside brackets";
    copy(t, 1);
}

/* "(?imx-imx": Ruby's m is PCRE2's s. */
static void translate_group(struct translation *t) {
    size_t letters = strspn(t->at + 2, "imx-");
    bool options = letters && (t->at[2 + letters] == ':' || t->at[2 + letters] == ')');
    copy(t, 2);
    for (; options && letters; letters--, t->at++) buffer_append_char(&t->out, *t->at == 'm' ? 's' : *t->at);
}

/* "{1,3}+" repeats in Ruby and is possessive in PCRE2. */
static bool is_repeated_interval(const char *at) {
    size_t bytes = strspn(at + 1, "0123456789,");
    return bytes && at[1 + bytes] == '}' && at[2 + bytes] == '+';
}

static void translate(struct translation *t) {
    while (*t->at && !t->refused) {
        if (*t->at == '\\') {
            translate_escape(t);
        } else if (t->in_class) {
            if (*t->at == ']') {
                t->in_class = false;
                copy(t, 1);
            } else {
                translate_in_class(t);
            }
        } else if (*t->at == '[') {
            t->in_class = true;
            copy(t, t->at[1] == '^' ? 2 : 1);
            if (*t->at == ']') copy(t, 1); /* the first one is a member */
        } else if (t->at[0] == '(' && t->at[1] == '?') {
            translate_group(t);
        } else {
            if (*t->at == '{' && is_repeated_interval(t->at)) t->refused = "a repeated interval";
            copy(t, 1);
        }
    }
}

static enum status compile(struct stage *stage, const char *text, size_t bytes, uint32_t options,
                           const char *origin) {
    int error;
    size_t offset;
    unsigned char words[128] = "";
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) return fail(STATUS_MEMORY, "no memory to compile a pattern");
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    stage->code = pcre2_compile((PCRE2_SPTR)text, bytes, options, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (!stage->code) {
        (void)pcre2_get_error_message(error, words, sizeof words);
        return fail(STATUS_UNSUPPORTED, "%s: pre_tokenizer: pattern \"%.64s\": %s", origin, stage->pattern,
                    (char *)words);
    }
    (void)pcre2_jit_compile(stage->code, PCRE2_JIT_COMPLETE); /* without it the interpreter runs */
    return STATUS_OK;
}

enum status stage_compile(struct stage *stage, const char *pattern, bool literal, const char *origin) {
    struct translation t = {.at = pattern};
    if (strlen(pattern) > PATTERN_BYTES)
        return fail(STATUS_LIMIT, "%s: pre_tokenizer: a pattern has more than %d bytes", origin,
                    PATTERN_BYTES);
    stage->pattern = strdup(pattern);
    if (!stage->pattern) return fail(STATUS_MEMORY, "no memory for a pattern");
    stage->match = match_regex;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
    if (literal) return compile(stage, pattern, strlen(pattern), PCRE2_UTF | PCRE2_LITERAL, origin);
    translate(&t);
    enum status status = buffer_check(&t.out, "pattern");
    if (t.refused)
        status = fail(STATUS_UNSUPPORTED, "%s: pre_tokenizer: pattern \"%.64s\" has %s", origin, pattern,
                      t.refused);
    if (status == STATUS_OK)
        status = compile(stage, t.out.data ? t.out.data : "", t.out.bytes, options, origin);
    buffer_free(&t.out);
    return status;
}

/* ------- matching */

static int count_work(pcre2_callout_block *block, void *data) {
    struct regex_run *run = data;
    size_t at = block->current_position;
    uint64_t work = 1 + (at > run->at ? at - run->at : run->at - at);
    run->at = at;
    if (work > run->left) return PCRE2_ERROR_CALLOUT;
    run->left -= work;
    return 0;
}

enum status regex_run_open(struct regex_run *run, size_t text_bytes) {
    run->match_data = pcre2_match_data_create(1, NULL);
    run->context = pcre2_match_context_create(NULL);
    run->jit_stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, NULL);
    if (!run->match_data || !run->context) return fail(STATUS_MEMORY, "no memory to match a pattern");
    run->left = WORK_LEAST + (uint64_t)text_bytes * WORK_PER_BYTE;
    (void)pcre2_set_callout(run->context, count_work, run);
    if (run->jit_stack) pcre2_jit_stack_assign(run->context, NULL, run->jit_stack);
    return STATUS_OK;
}

void regex_run_close(struct regex_run *run) {
    pcre2_match_data_free(run->match_data);
    pcre2_match_context_free(run->context);
    pcre2_jit_stack_free(run->jit_stack);
}

/* Places are counted from the piece's beginning; the step there from the last match is none. */
static int run_match(const struct stage *stage, struct stage_input *input, size_t start, uint32_t options) {
    size_t bytes = (size_t)(input->end - input->begin);
    input->regex->at = start;
    return pcre2_match(stage->code, input->begin, bytes, start, PCRE2_NO_UTF_CHECK | options,
                       input->regex->match_data, input->regex->context);
}

bool match_regex(const struct stage *stage, struct stage_input *input, const unsigned char *from,
                 struct match *match) {
    size_t start = (size_t)(from - input->begin);
    int result = run_match(stage, input, start, 0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter's stack is the heap */
        result = run_match(stage, input, start, PCRE2_NO_JIT);
    if (result >= 0) {
        const size_t *offset = pcre2_get_ovector_pointer(input->regex->match_data);
        match->begin = input->begin + offset[0];
        match->end = input->begin + offset[1];
        return offset[0] >= start && offset[0] <= offset[1]; /* \K moves the beginning */
    }
    if (result != PCRE2_ERROR_NOMATCH)
        input->status =
            fail(STATUS_LIMIT, "pre-tokenizer pattern \"%.64s\" takes too long on this text (PCRE2 error %d)",
                 stage->pattern, result);
    return false;
}
