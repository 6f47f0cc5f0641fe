/* arithmetic.c - exercises of one operation, and chains of several. */
#include "task.h"

static const char *const plus_signs[] = {"+", " + ", " + ", " plus ", NULL};
static const char *const minus_signs[] = {"-", " - ", " - ", " minus ", "−", NULL};
static const char *const times_signs[] = {"×", " × ", "*", " * ", "x", " x ", " times ", " × ", NULL};
static const char *const divide_signs[] = {"÷", " ÷ ", "/", " / ", " divided by ", NULL};

#define ASKED_IN_ENGLISH                                                                                     \
    "What is %a%o%b?", "%a%o%b", "%a%o%b=", "%a%o%b = ?", "Compute %a%o%b.", "Calculate %a%o%b.",            \
        "How much is %a%o%b?", "what's %a%o%b", "Find %a%o%b.", "Work out %a%o%b.", "%a%o%b equals?",        \
        "Evaluate %a%o%b.", "Can you work out %a%o%b?", "What does %a%o%b equal?",                           \
        "What do you get for %a%o%b?", "What is the result of %a%o%b?", "What is the value of %a%o%b?",      \
        "Solve %a%o%b.", "What's %a%o%b?", "%a%o%b is what?", "Tell me what %a%o%b is.",                     \
        "Give the result of %a%o%b.", "Find the value of %a%o%b.", "Determine %a%o%b.",                      \
        "%a%o%b = ", "How much does %a%o%b make?", "What is the answer to %a%o%b?"
#define ASKED_IN_CHINESE                                                                                     \
    "%a%o%b等于多少？", "%a%o%b=?", "%a%o%b", "计算%a%o%b", "%a%o%b是多少？", "求%a%o%b。",                  \
        "%a%o%b等于几？", "算一下%a%o%b", "%a%o%b的结果是多少？", "请计算 %a%o%b。", "%a%o%b得多少？",       \
        "%a%o%b的值是多少？", "%a%o%b等于什么？", "计算：%a%o%b", "%a%o%b = ?", "请算出%a%o%b的结果。",      \
        "%a%o%b的答案是什么？", "求%a%o%b的值。", "%a%o%b等于"

static const char *const add_english[] = {ASKED_IN_ENGLISH,
                                          "Add %a and %b.",
                                          "What is the sum of %a and %b?",
                                          "Find the sum of %a and %b.",
                                          "Add %b to %a.",
                                          "If I add %a and %b, what do I get?",
                                          "%a and %b together make how much?",
                                          "What is the total of %a and %b?",
                                          "What number is %b more than %a?",
                                          "Increase %a by %b.",
                                          "Compute the sum of %a and %b.",
                                          "What's the sum of %a and %b?",
                                          "Calculate the sum of %a and %b.",
                                          "What do %a and %b add up to?",
                                          "Add together %a and %b.",
                                          NULL};
static const char *const add_chinese[] = {ASKED_IN_CHINESE,
                                          "%a加%b等于多少？",
                                          "%a加上%b是多少？",
                                          "%a与%b的和是多少？",
                                          "求%a和%b的和。",
                                          "把%a和%b加起来是多少？",
                                          "%a加%b",
                                          "比%a多%b的数是多少？",
                                          "%a和%b一共是多少？",
                                          "%a加%b等于几？",
                                          "%a与%b相加等于多少？",
                                          "计算%a与%b的和。",
                                          "%a和%b的和等于多少？",
                                          NULL};
static const char *const subtract_english[] = {ASKED_IN_ENGLISH,
                                               "Subtract %b from %a.",
                                               "Take %b away from %a.",
                                               "What is the difference between %a and %b?",
                                               "What is left when %b is taken from %a?",
                                               "What is %a less %b?",
                                               "How much more is %a than %b?",
                                               "What number is %b less than %a?",
                                               "Decrease %a by %b.",
                                               "What is the difference of %a and %b?",
                                               "Compute the difference between %a and %b.",
                                               "Find the difference between %a and %b.",
                                               "How much is left if you take %b from %a?",
                                               "What remains when %b is subtracted from %a?",
                                               "How much larger is %a than %b?",
                                               NULL};
static const char *const subtract_chinese[] = {ASKED_IN_CHINESE,
                                               "%a减%b等于多少？",
                                               "%a减去%b是多少？",
                                               "%a与%b的差是多少？",
                                               "从%a里拿走%b还剩多少？",
                                               "%a比%b多多少？",
                                               "%a减%b",
                                               "求%a减去%b的差。",
                                               "比%a少%b的数是多少？",
                                               "%a减%b等于几？",
                                               "%a减去%b等于多少？",
                                               "计算%a与%b的差。",
                                               "%a和%b的差是多少？",
                                               "%a与%b相差多少？",
                                               NULL};
static const char *const multiply_english[] = {ASKED_IN_ENGLISH,
                                               "Multiply %a by %b.",
                                               "What is the product of %a and %b?",
                                               "Find the product of %a and %b.",
                                               "What is %a multiplied by %b?",
                                               "Multiply %a and %b.",
                                               "%a multiplied by %b",
                                               "Compute the product of %a and %b.",
                                               "What's the product of %a and %b?",
                                               "Calculate the product of %a and %b.",
                                               "How much is %a multiplied by %b?",
                                               "What do you get when you multiply %a by %b?",
                                               NULL};
static const char *const multiply_chinese[] = {ASKED_IN_CHINESE,
                                               "%a乘以%b等于多少？",
                                               "%a乘%b是多少？",
                                               "%a与%b的积是多少？",
                                               "求%a和%b的乘积。",
                                               "%a的%b倍是多少？",
                                               "%a乘以%b",
                                               "%b个%a是多少？",
                                               "%a乘%b等于多少？",
                                               "%a乘以%b等于几？",
                                               "计算%a与%b的积。",
                                               "%a和%b的积是多少？",
                                               "%a与%b相乘等于多少？",
                                               NULL};
static const char *const divide_english[] = {
    ASKED_IN_ENGLISH,
    "Divide %a by %b.",
    "What is %a divided by %b?",
    "What are the quotient and remainder of %a divided by %b?",
    "How many times does %b go into %a, and what is left?",
    "Divide %a by %b with remainder.",
    "What is the remainder when %a is divided by %b?",
    "Find the quotient and the remainder of %a ÷ %b.",
    "Find the quotient and remainder when %a is divided by %b.",
    "Compute the quotient of %a and %b.",
    "Compute %a divided by %b with remainder.",
    "What do you get when you divide %a by %b?",
    "If %a is divided by %b, what are the quotient and the remainder?",
    NULL};
static const char *const divide_chinese[] = {ASKED_IN_CHINESE,
                                             "%a除以%b等于多少？",
                                             "%a除以%b商和余数是多少？",
                                             "%a除以%b余几？",
                                             "%a÷%b的商和余数各是多少？",
                                             "求%a除以%b的商和余数。",
                                             "%a里面有几个%b，还余多少？",
                                             "%a除以%b等于几？",
                                             "计算%a除以%b的商和余数。",
                                             "%a除以%b，商是多少，余数是多少？",
                                             "用%a除以%b得多少？",
                                             "%a除以%b",
                                             NULL};

static const struct wording add_wording = {{add_english, add_chinese}, plus_signs};
static const struct wording subtract_wording = {{subtract_english, subtract_chinese}, minus_signs};
static const struct wording multiply_wording = {{multiply_english, multiply_chinese}, times_signs};
static const struct wording divide_wording = {{divide_english, divide_chinese}, divide_signs};

static void finish(struct task *task, int a, const char *sign, int b, int result) {
    text_add(&task->answer, "%d", result);
    text_add(&task->key, "%d%s%d", a, sign, b);
    text_add(&task->reply, "%d %s %d = %d", a, sign, b, result);
}

static int draw_operand(struct rng *rng,
                        int most_digits) { /* longer numbers, of which there are more, come more often */
    int digits = draw(rng, 1, most_digits + 2);
    return draw_digits(rng, digits > most_digits ? most_digits : digits);
}

void make_addition(struct task *task, struct rng *rng) {
    task_begin(task, rng);
    int a = draw_operand(rng, 5), b = draw_operand(rng, 5);
    task_ask(task, rng, &add_wording, a, b);
    task_vary(task, rng);
    finish(task, a, "+", b, think_add(&task->thought, a, b));
}

void make_subtraction(struct task *task, struct rng *rng) {
    task_begin(task, rng);
    int a = draw_operand(rng, 5), b = draw_operand(rng, 5);
    if (a < b && chance(rng, 0.7)) {
        int swap = a;
        a = b;
        b = swap;
    }
    task_ask(task, rng, &subtract_wording, a, b);
    task_vary(task, rng);
    finish(task, a, "-", b, think_subtract(&task->thought, a, b));
}

static void make_product(struct task *task, struct rng *rng, int a, int b) {
    task_begin(task, rng);
    if (chance(rng, 0.5)) {
        int swap = a;
        a = b;
        b = swap;
    }
    task_ask(task, rng, &multiply_wording, a, b);
    task_vary(task, rng);
    finish(task, a, "×", b, think_multiply(&task->thought, a, b));
}

void make_product_small(struct task *task, struct rng *rng) {
    int digits = draw(rng, 1, 3);
    make_product(task, rng, draw_digits(rng, digits), draw_digits(rng, digits == 3 ? 1 : draw(rng, 1, 2)));
}

void make_product_3x2(struct task *task, struct rng *rng) {
    make_product(task, rng, draw_digits(rng, 3), draw_digits(rng, 2));
}

void make_product_3x3(struct task *task, struct rng *rng) {
    make_product(task, rng, draw_digits(rng, 3), draw_digits(rng, 3));
}

void make_division(struct task *task, struct rng *rng) {
    task_begin(task, rng);
    int b = chance(rng, 0.6) ? draw(rng, 1, 9) : draw(rng, 10, 99),
        a = draw_digits(rng, draw(rng, b > 9 ? 2 : 1, 5));
    if (chance(rng, 0.2) && a > b) a -= a % b; /* without a remainder more often than by luck */
    task_ask(task, rng, &divide_wording, a, b);
    task_vary(task, rng);
    int rest, quotient = think_divide(&task->thought, a, b, task->language == ENGLISH ? "r" : "余", &rest);
    text_add(&task->key, "%d÷%d", a, b);
    text_add(&task->reply, "%d ÷ %d = %d", a, b, quotient);
    if (rest)
        text_add(&task->reply, task->language == ENGLISH ? " remainder %d" : " 余 %d", rest);
    else
        text_add(&task->answer, "%d", quotient);
}

/* ---- chains: a + b × c - d, in the order of precedence ---- */
enum { LINKS = 4 };
struct chain {
    int count, number[LINKS];
    char sign[LINKS]; /* sign[i] stands in front of number[i] */
    int open;         /* number[open - 1] and number[open] are in brackets; 0: none are */
};

static void write_chain(struct text *text, const struct chain *chain, const char *blank) {
    for (int i = 0; i < chain->count; i++) {
        const char *sign = chain->sign[i] == '*' ? "×" : chain->sign[i] == '-' ? "-" : "+";
        if (i) text_add(text, "%s%s%s", blank, sign, blank);
        text_add(text, "%s%d%s", chain->open == i + 1 ? "(" : "", chain->number[i],
                 chain->open && chain->open == i ? ")" : "");
    }
}

static int join(struct text *thought, int a, char sign, int b) {
    if (sign == '*') return think_multiply(thought, a, b);
    if (sign == '-' && a < 0) return -think_add(thought, -a, b); /* -a - b = -(a + b) */
    if (sign == '-') return think_subtract(thought, a, b);
    return a < 0 ? think_subtract(thought, b, -a) : think_add(thought, a, b);
}

static void fold(struct text *thought, struct chain *chain,
                 int at) { /* number[at - 1] and number[at] become one */
    chain->number[at - 1] = join(thought, chain->number[at - 1], chain->sign[at], chain->number[at]);
    for (int i = at + 1; i < chain->count; i++) {
        chain->number[i - 1] = chain->number[i];
        chain->sign[i - 1] = chain->sign[i];
    }
    chain->count--;
}

static int think_chain(struct text *thought, struct chain *chain) {
    while (chain->count > 1) {
        int at = 1;
        for (int i = chain->count - 1; i > 0; i--)
            if (chain->sign[i] == '*') at = i;
        if (chain->open) at = chain->open;
        chain->open = 0;
        fold(thought, chain, at);
        write_chain(thought, chain, "");
        text_add(thought, "\n");
    }
    return chain->number[0];
}

/* (a + b) × c, or c × (a + b), where there is a product and what it is of is not below zero. */
static void put_brackets(struct chain *chain) {
    int at = 1;
    while (at < chain->count && chain->sign[at] != '*') at++;
    int open = at == chain->count ? 0 : at > 1 ? at - 1 : at + 1;
    if (open && (chain->sign[open] == '+' || chain->number[open - 1] >= chain->number[open]))
        chain->open = open;
}

void make_chain(struct task *task, struct rng *rng) {
    static const char *const english[] = {"What is %s?",
                                          "Compute %s.",
                                          "%s",
                                          "%s = ?",
                                          "Calculate %s.",
                                          "How much is %s?",
                                          "Evaluate %s.",
                                          "Work out %s.",
                                          "Simplify %s.",
                                          "What is the value of %s?",
                                          "%s=",
                                          NULL};
    static const char *const chinese[] = {"%s等于多少？", "计算%s。",         "%s=?",     "%s", "求%s的值。",
                                          "%s是多少？",   "%s的结果是多少？", "算一下%s", NULL};
    task_begin(task, rng);
    struct chain chain = {.count = draw(rng, 3, LINKS)};
    for (int i = 0, products = 0; i < chain.count; i++) {
        chain.sign[i] = "+-*"[draw(rng, 0, products ? 1 : 2)];
        products += i && chain.sign[i] == '*';
        chain.number[i] = draw(rng, 1, chance(rng, 0.2) ? 999 : 99);
        if (i && chain.sign[i] == '*') chain.number[i] = draw(rng, 2, 12);
    }
    if (chance(rng, 0.4)) put_brackets(&chain);
    struct text shown;
    text_clear(&shown);
    write_chain(&shown, &chain, chance(rng, 0.6) ? " " : "");
    const char *pattern = draw_word(rng, task->language == ENGLISH ? english : chinese);
    for (const char *at = pattern; *at; at++)
        if (at[0] == '%')
            text_add(&task->question, "%s", (at++, shown.data));
        else
            text_add(&task->question, "%c", *at);
    task_vary(task, rng);
    write_chain(&task->key, &chain, "");
    write_chain(&task->thought, &chain, "");
    write_chain(&task->reply, &chain, " ");
    text_add(&task->thought, "\n");
    int result = think_chain(&task->thought, &chain);
    text_add(&task->reply, " = %d", result);
    text_add(&task->answer, "%d", result);
}
