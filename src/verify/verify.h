/* verify.h - is an answer right? Rules that look at a model's text and at the fields of the task's line:
 *
 *     numeric    the last number of the answer equals "answer"; within "tolerance", where that is given
 *     exact      the answer is "answer" but for white space around it
 *     boxed      the last \boxed{...} of the answer says what "answer" says, by the rules of math_text.h
 *     choice     the letter that the answer settles on is that of "answer" (verify_choice.c)
 *     format     <think>, reasoning, </think> and then an answer, once and in this order
 *     language   the share of words, of the whole text, in the script of "language": en or zh
 *     countdown  an expression of + - * / and brackets gives "target", with each of "numbers" used at most once
 *     code       a program passes the "tests" of its task in a sandbox (sandbox.h); the score is the share that pass
 *     external   a program of the user's says so (verify_external.c)
 *
 * A line names what applies to it in "verifier": a name, or a list of names and of {"name", "weight"}. Without that the
 * run's own apply. A reward is the sum of weight times score, each score being between 0 and 1; an answer counts
 * as right when the first of them gives 1. Text is a stranger's and may be anything. Owned by one thread. */
#ifndef HADAL_VERIFY_VERIFY_H
#define HADAL_VERIFY_VERIFY_H

#include "base/json.h"

struct verify_request {
    const json_t *line; /* the task */
    const char *text;   /* of the model, reasoning and all; terminated, but may hold NUL bytes too */
    size_t bytes;
    const char *answer; /* behind the last </think>, without white space around it; not terminated */
    size_t answer_bytes;
    const char *origin; /* names the task in sentences */
};

struct verdict {
    double reward;
    bool right;
};

enum { VERIFIERS_MOST = 8 };
struct verifier_choice {
    const struct verifier_row *row;
    double weight;
};
struct verifiers {
    struct verifier_choice choice[VERIFIERS_MOST];
    int choices;
    const char *command;       /* of `external`, or NULL; borrowed */
    struct external *external; /* it runs */
};

/* names [count]: "name" or "name=weight". STATUS_USAGE names what is unknown. */
must_use enum status verifiers_open(struct verifiers *verifiers, const char *const *names, int count);
/* The program of `external`: words apart by spaces, which are given to no shell. */
void verifiers_set_command(struct verifiers *verifiers, const char *command);
void verifiers_close(struct verifiers *verifiers); /* zeroed allowed */

/* Does anything say when an answer is right? */
bool verifiers_apply(const struct verifiers *verifiers, const json_t *line);
/* Is the task one that can be verified: are its verifiers known and the fields there that they need? */
must_use enum status verifiers_check(const struct verifiers *verifiers, const json_t *line,
                                     const char *origin);
/* Fails for what is wrong with the task or the machine, never for what is wrong with the text. */
must_use enum status verify(struct verifiers *verifiers, const json_t *line, const char *origin,
                            const char *text, size_t bytes, struct verdict *verdict);

/* What an answer comes down to, such as the content of its box, by the first rule that can say so: what a vote over several
 * answers counts. *result NULL where there is nothing; otherwise the caller frees. *rule is the name of that rule, "" where
 * such answers come down to nothing. */
must_use enum status verify_result(const struct verifiers *verifiers, const json_t *line, const char *origin,
                                   const char *text, size_t bytes, char **result, const char **rule);
/* Do two results that a rule found say the same? Under a name that is unknown: are they the same text? */
bool verify_same(const char *rule, const char *a, const char *b);

/* ---- the rules, in the files behind this header ---- */

struct verifier_row {
    const char *name;
    /* What of the line is needed; NULL: nothing. */
    enum status (*check)(const json_t *line, const char *origin);
    enum status (*score)(struct verifiers *verifiers, const struct verify_request *request, double *score);
    /* The stretch of the answer that says what it comes down to; false: none. NULL: such answers have none. */
    bool (*result)(const struct verify_request *request, const char **text, size_t *bytes);
    bool (*same)(const char *a, size_t a_bytes, const char *b, size_t b_bytes); /* of results; NULL: equal */
};

enum status check_answer_text(const json_t *line, const char *origin); /* "answer" is a text or a number */
/* "answer" as text, in `room`; numbers are written out. */
const char *answer_field(const json_t *line, char room[64]);

enum status check_numeric(const json_t *line, const char *origin);
enum status score_numeric(struct verifiers *verifiers, const struct verify_request *request, double *score);
enum status score_exact(struct verifiers *verifiers, const struct verify_request *request, double *score);
bool result_numeric(const struct verify_request *request, const char **text, size_t *bytes);
bool same_numeric(const char *a, size_t a_bytes, const char *b, size_t b_bytes);
bool result_exact(const struct verify_request *request, const char **text, size_t *bytes);
bool result_boxed(const struct verify_request *request, const char **text, size_t *bytes);
enum status check_choice(const json_t *line, const char *origin);
enum status score_choice(struct verifiers *verifiers, const struct verify_request *request, double *score);
bool result_choice(const struct verify_request *request, const char **text, size_t *bytes);
enum status score_format(struct verifiers *verifiers, const struct verify_request *request, double *score);
enum status score_boxed(struct verifiers *verifiers, const struct verify_request *request, double *score);
enum status check_language(const json_t *line, const char *origin);
enum status score_language(struct verifiers *verifiers, const struct verify_request *request, double *score);
enum status check_countdown(const json_t *line, const char *origin);
enum status score_countdown(struct verifiers *verifiers, const struct verify_request *request, double *score);
enum status check_code(const json_t *line, const char *origin);
enum status score_code(struct verifiers *verifiers, const struct verify_request *request, double *score);
enum status score_external(struct verifiers *verifiers, const struct verify_request *request, double *score);
void external_close(struct external *external); /* NULL allowed */

#endif
