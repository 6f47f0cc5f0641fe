/* order.c - exercises about order: which is larger, sorting, parity, who is the tallest. */
#include "task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparison: whole numbers and decimals ---- */
enum { PLACES = 3, SHOWN = 16 };

struct decimal {
    int whole, fraction, places;
    char shown[SHOWN];
};

static struct decimal draw_decimal(struct rng *rng, int digits, bool with_fraction) {
    struct decimal number = {.whole = draw_digits(rng, digits)};
    if (with_fraction) number.places = draw(rng, 1, PLACES - 1);
    if (number.places) number.fraction = draw(rng, 1, number.places == 1 ? 9 : 99);
    if (number.places)
        snprintf(number.shown, SHOWN, "%d.%0*d", number.whole, number.places, number.fraction);
    else
        snprintf(number.shown, SHOWN, "%d", number.whole);
    return number;
}

static int in_hundredths(struct decimal number) {
    return number.whole * 100 + (number.places == 1 ? number.fraction * 10 : number.fraction);
}

static void write_padded(struct text *text, int hundredths, int width, bool fraction) {
    text_clear(text);
    text_add(text, "%0*d", width, hundredths / 100);
    if (fraction) text_add(text, ".%02d", hundredths % 100);
}

enum asked { LARGER, SMALLER, IS_MORE, IS_LESS };

static enum asked what_is_asked(const char *pattern) {
    bool whether = strstr(pattern, "Is ") || strstr(pattern, "吗") || strstr(pattern, "是不是");
    if (whether)
        return strstr(pattern, "less") || strstr(pattern, "small") || strstr(pattern, "小") ? IS_LESS
                                                                                            : IS_MORE;
    return strstr(pattern, "small") || strstr(pattern, "less") || strstr(pattern, "min") ||
                   strstr(pattern, "小？")
               ? SMALLER
               : LARGER;
}

/* What is asked; both written with as many digits, then digit by digit from the front to the first that differs; what follows
 * for the question. */
static void think_compare(struct text *thought, struct decimal a, struct decimal b, enum asked asked) {
    static const char *const questions[] = {"max", "min", ">?", "<?"};
    struct text x, y;
    bool fraction = a.places || b.places;
    int p = in_hundredths(a), q = in_hundredths(b), width = 1;
    for (int limit = 10; a.whole >= limit || b.whole >= limit; limit *= 10) width++;
    write_padded(&x, p, width, fraction);
    write_padded(&y, q, width, fraction);
    text_add(thought, "%s\n%s %s\n", questions[asked], x.data, y.data);
    for (size_t i = 0; i < x.used; i++) {
        char left = x.data[i], right = y.data[i];
        text_add(thought, "%c%c%c ", left, left == right ? '=' : left < right ? '<' : '>', right);
        if (left != right) break;
    }
    text_add(thought, "\n%s%c%s", a.shown, p == q ? '=' : p < q ? '<' : '>', b.shown);
    if (p == q)
        text_add(thought, "\n");
    else if (asked == LARGER || asked == SMALLER)
        text_add(thought, ": %s\n", (p > q) == (asked == LARGER) ? a.shown : b.shown);
    else
        text_add(thought, ": %s\n", (p > q) == (asked == IS_MORE) ? "yes" : "no");
}

static void answer_comparison(struct task *task, struct decimal a, struct decimal b, enum asked asked) {
    int p = in_hundredths(a), q = in_hundredths(b);
    bool chinese = task->language == CHINESE, yes = (p > q) == (asked == IS_MORE);
    if (p == q) {
        text_add(&task->reply, chinese ? "%s 和 %s 相等。" : "%s and %s are equal.", a.shown, b.shown);
    } else if (asked == IS_MORE || asked == IS_LESS) {
        text_add(&task->reply, "%s%s %c %s%s",
                 chinese ? (yes ? "是的，" : "不是，")
                 : yes   ? "Yes, "
                         : "No, ",
                 a.shown, p > q ? '>' : '<', b.shown, chinese ? "。" : ".");
    } else {
        const char *hit = (p > q) == (asked == LARGER) ? a.shown : b.shown;
        text_add(&task->reply, "%s %s%s",
                 chinese            ? (asked == SMALLER ? "较小的是" : "较大的是")
                 : asked == SMALLER ? "The smaller one is"
                                    : "The larger one is",
                 hit, chinese ? "。" : ".");
        text_add(&task->answer, "%s", hit);
    }
}

void make_comparison(struct task *task, struct rng *rng) {
    static const char *const english[] = {"Which is larger, %a or %b?",
                                          "Which is bigger: %a or %b?",
                                          "Is %a greater than %b?",
                                          "Compare %a and %b.",
                                          "Which number is greater, %a or %b?",
                                          "%a or %b, which is bigger?",
                                          "Which is more, %a or %b?",
                                          "Is %a less than %b?",
                                          "Which is smaller, %a or %b?",
                                          "What is the maximum of %a and %b?",
                                          "Which of the two is the larger number: %a, %b?",
                                          "What is the minimum of %a and %b?",
                                          "Which number is smaller, %a or %b?",
                                          "Which is less, %a or %b?",
                                          "Is %a larger than %b?",
                                          "Is %a bigger than %b?",
                                          "Is %a smaller than %b?",
                                          NULL};
    static const char *const chinese[] = {"%a和%b哪个大？",
                                          "%a和%b哪个更大？",
                                          "比较%a和%b的大小。",
                                          "%a大还是%b大？",
                                          "%a比%b大吗？",
                                          "%a和%b哪个小？",
                                          "%a比%b小吗？",
                                          "%a与%b谁大？",
                                          "%a和%b谁更小？",
                                          "%a是不是比%b大？",
                                          "%a大于%b吗？",
                                          "%a小于%b吗？",
                                          NULL};
    task_begin(task, rng);
    int digits = draw(rng, 1, 5);
    bool fraction = chance(rng, 0.35);
    struct decimal a = draw_decimal(rng, fraction && digits > 3 ? 2 : digits, fraction),
                   b = draw_decimal(rng, digits, false);
    if (fraction || chance(rng, 0.5))
        b = draw_decimal(rng, fraction && digits > 3 ? 2 : draw(rng, 1, digits), fraction);
    if (fraction && chance(rng, 0.7)) { /* 9.11 and 9.8 */
        b.whole = a.whole;
        if (b.places) snprintf(b.shown, SHOWN, "%d.%0*d", b.whole, b.places, b.fraction);
    }
    const char *pattern = draw_word(rng, task->language == ENGLISH ? english : chinese);
    for (const char *at = pattern; *at; at++)
        if (at[0] == '%')
            text_add(&task->question, "%s", (++at)[0] == 'a' ? a.shown : b.shown);
        else
            text_add(&task->question, "%c", *at);
    task_vary(task, rng);
    enum asked asked = what_is_asked(pattern);
    think_compare(&task->thought, a, b, asked);
    text_add(&task->key, "compare %s %s", a.shown, b.shown);
    answer_comparison(task, a, b, asked);
}

/* ---- sorting ---- */
enum { SORTED = 6 };

static void write_list(struct text *text, const int *number, int count, const char *between) {
    for (int i = 0; i < count; i++) text_add(text, "%s%d", i ? between : "", number[i]);
}

static int width_of(const int *number, int count) {
    int width = 1;
    for (int i = 0; i < count; i++)
        for (int limit = 10, digits = 1; number[i] >= limit; limit *= 10)
            if (++digits > width) width = digits;
    return width;
}

static void write_padded_list(struct text *text, const int *number, int count, int width) {
    for (int i = 0; i < count; i++) text_add(text, "%s%0*d", i ? " " : "", width, number[i]);
}

/* Takes the smallest (or largest) of `lines` that is left, line by line; all are written with as many digits. */
static void think_sort(struct text *thought, int *number, int count, int lines, bool down) {
    int left[SORTED], rest = count, width = width_of(number, count);
    memcpy(left, number, sizeof *number * (size_t)count);
    for (int done = 0; done < lines; done++) {
        int best = 0;
        for (int i = 1; i < rest; i++)
            if (down ? left[i] > left[best] : left[i] < left[best]) best = i;
        write_padded_list(thought, left, rest, width);
        text_add(thought, "%c%0*d\n", down ? '>' : '<', width, left[best]);
        number[done] = left[best];
        memmove(left + best, left + best + 1, sizeof *left * (size_t)(--rest - best));
    }
}

static void draw_list(struct rng *rng, int *number, int count) {
    int digits = draw(rng, 1, 3);
    for (int i = 0; i < count; i++) number[i] = draw_digits(rng, draw(rng, 1, digits));
}

/* Fills %l of a pattern. */
static void ask_list(struct task *task, struct rng *rng, const char *pattern, const int *number, int count) {
    bool commas = task->language == ENGLISH || chance(rng, 0.3);
    for (const char *at = pattern; *at; at++)
        if (at[0] == '%')
            write_list(&task->question, number, count, (at++, commas ? ", " : "、"));
        else
            text_add(&task->question, "%c", *at);
    task_vary(task, rng);
}

static void make_sorted(struct task *task, struct rng *rng) {
    static const char *const up_english[] = {"Sort %l.",
                                             "Sort %l in ascending order.",
                                             "Put %l in order from smallest to largest.",
                                             "Arrange %l from least to greatest.",
                                             "Sort these numbers: %l",
                                             "Order %l from small to large.",
                                             "Sort the numbers %l ascending.",
                                             "Sort the following numbers in ascending order: %l.",
                                             "Sort the numbers %l from smallest to largest.",
                                             "Arrange these numbers in increasing order: %l",
                                             "Put these numbers in ascending order: %l.",
                                             "List %l in increasing order.",
                                             "Sort from smallest to largest: %l",
                                             NULL};
    static const char *const down_english[] = {"Sort %l in descending order.",
                                               "Put %l in order from largest to smallest.",
                                               "Arrange %l from greatest to least.",
                                               "Order %l from large to small.",
                                               "Sort %l descending.",
                                               "Sort the following numbers in descending order: %l.",
                                               "Sort the numbers %l from largest to smallest.",
                                               "Arrange these numbers in decreasing order: %l",
                                               "Put these numbers in descending order: %l.",
                                               "List %l in decreasing order.",
                                               "Sort from largest to smallest: %l",
                                               NULL};
    static const char *const up_chinese[] = {"把%l从小到大排序。",
                                             "将%l按从小到大的顺序排列。",
                                             "给%l排序。",
                                             "从小到大排列：%l",
                                             "请把%l按升序排列。",
                                             "从小到大排序：%l",
                                             "把下面的数从小到大排列：%l",
                                             "把这些数按从小到大排序：%l",
                                             "升序排列：%l",
                                             NULL};
    static const char *const down_chinese[] = {"把%l从大到小排序。",
                                               "将%l按从大到小的顺序排列。",
                                               "从大到小排列：%l",
                                               "请把%l按降序排列。",
                                               "从大到小排序：%l",
                                               "把下面的数从大到小排列：%l",
                                               "把这些数按从大到小排序：%l",
                                               "降序排列：%l",
                                               NULL};
    int count = draw(rng, 3, SORTED), number[SORTED];
    bool down = chance(rng, 0.35), english = task->language == ENGLISH;
    draw_list(rng, number, count);
    const char *pattern = draw_word(rng, english ? (down ? down_english : up_english)
                                         : down  ? down_chinese
                                                 : up_chinese);
    ask_list(task, rng, pattern, number, count);
    text_add(&task->key, "sort %d ", down);
    write_list(&task->key, number, count, " ");
    think_sort(&task->thought, number, count, count, down);
    write_list(&task->reply, number, count, ", ");
}

/* The largest or smallest of several. */
static void make_extreme(struct task *task, struct rng *rng) {
    static const char *const most_english[] = {
        "What is the largest of %l?",       "Which is the largest: %l?",   "What is the maximum of %l?",
        "Which number is the biggest: %l?", "Find the largest number: %l", NULL};
    static const char *const least_english[] = {
        "What is the smallest of %l?",       "Which is the smallest: %l?",   "What is the minimum of %l?",
        "Which number is the smallest: %l?", "Find the smallest number: %l", NULL};
    static const char *const most_chinese[] = {"%l中最大的是哪个？", "%l里最大的数是多少？",
                                               "找出最大的数：%l", "%l哪个最大？", NULL};
    static const char *const least_chinese[] = {"%l中最小的是哪个？", "%l里最小的数是多少？",
                                                "找出最小的数：%l", "%l哪个最小？", NULL};
    static const char *const replies[LANGUAGES][2] = {{"The smallest is %d.", "The largest is %d."},
                                                      {"最小的是 %d。", "最大的是 %d。"}};
    int count = draw(rng, 3, SORTED), number[SORTED];
    bool most = chance(rng, 0.5), english = task->language == ENGLISH;
    draw_list(rng, number, count);
    ask_list(task, rng,
             draw_word(rng, english ? (most ? most_english : least_english)
                            : most  ? most_chinese
                                    : least_chinese),
             number, count);
    text_add(&task->key, "extreme %d ", most);
    write_list(&task->key, number, count, " ");
    think_sort(&task->thought, number, count, 1, most);
    text_add(&task->reply, replies[task->language][most], number[0]);
    text_add(&task->answer, "%d", number[0]);
}

void make_sorting(struct task *task, struct rng *rng) {
    task_begin(task, rng);
    if (chance(rng, 0.8))
        make_sorted(task, rng);
    else
        make_extreme(task, rng);
}

/* ---- parity ---- */
static void make_even_or_odd(struct task *task, struct rng *rng) {
    static const char *const english[] = {"Is %d even or odd?",
                                          "Is %d odd or even?",
                                          "Is the number %d even?",
                                          "Tell whether %d is even or odd.",
                                          "Is %d an odd number?",
                                          "What is the parity of %d?",
                                          "Is %d divisible by 2?",
                                          "Is %d an even number?",
                                          "Is %d odd?",
                                          "Is %d even?",
                                          "Is the number %d odd or even?",
                                          "Is the number %d even or odd?",
                                          "Determine whether %d is odd or even.",
                                          NULL};
    static const char *const chinese[] = {
        "%d是奇数还是偶数？",     "%d是偶数吗？",           "%d是奇数吗？",
        "判断%d的奇偶性。",       "%d能被2整除吗？",        "%d是偶数还是奇数？",
        "判断%d是奇数还是偶数。", "数字%d是奇数还是偶数？", NULL};
    int number = draw_digits(rng, draw(rng, 1, 6));
    const char *pattern = draw_word(rng, task->language == ENGLISH ? english : chinese);
    for (const char *at = pattern; *at; at++)
        if (at[0] == '%')
            text_add(&task->question, "%d", (at++, number));
        else
            text_add(&task->question, "%c", *at);
    task_vary(task, rng);
    bool odd = number % 2;
    text_add(&task->key, "parity %d", number);
    text_add(&task->thought, "%d: %d\n", number, number % 10);
    if (task->language == ENGLISH)
        text_add(&task->reply, "%d is %s.", number, odd ? "odd" : "even");
    else
        text_add(&task->reply, "%d 是%s。", number, odd ? "奇数" : "偶数");
}

static void make_count_of_ones(struct task *task, struct rng *rng) {
    static const char *const english[] = {"Is the number of 1s in %s even or odd?",
                                          "Does %s contain an even or an odd number of ones?",
                                          "What is the parity of the bits %s?", NULL};
    static const char *const chinese[] = {"%s里1的个数是奇数还是偶数？", "%s中有奇数个1还是偶数个1？", NULL};
    char bits[16];
    int count = draw(rng, 3, 12), ones = 0;
    for (int i = 0; i < count; i++) bits[i] = (char)('0' + draw(rng, 0, 1));
    bits[count] = '\0';
    const char *pattern = draw_word(rng, task->language == ENGLISH ? english : chinese);
    for (const char *at = pattern; *at; at++)
        if (at[0] == '%')
            text_add(&task->question, "%s", (at++, bits));
        else
            text_add(&task->question, "%c", *at);
    task_vary(task, rng);
    text_add(&task->key, "bits %s", bits);
    for (int i = 0; i < count; i++) text_add(&task->thought, "%c:%d ", bits[i], ones += bits[i] == '1');
    text_add(&task->thought, "\n");
    if (task->language == ENGLISH)
        text_add(&task->reply, "There are %d ones, which is %s.", ones, ones % 2 ? "odd" : "even");
    else
        text_add(&task->reply, "一共有 %d 个 1，是%s。", ones, ones % 2 ? "奇数" : "偶数");
}

void make_parity(struct task *task, struct rng *rng) {
    task_begin(task, rng);
    if (chance(rng, 0.7))
        make_even_or_odd(task, rng);
    else
        make_count_of_ones(task, rng);
}

/* ---- ranking: A is taller than B, C is shorter than B ---- */
enum { PERSONS = 3 };

struct scale { /* how people are compared: more, less */
    const char *than[2][LANGUAGES], *extreme[2][LANGUAGES];
};

static const struct scale scales[] = {
    {{{"taller than", "高"}, {"shorter than", "矮"}}, {{"the tallest", "最高"}, {"the shortest", "最矮"}}},
    {{{"older than", "大"}, {"younger than", "小"}}, {{"the oldest", "最大"}, {"the youngest", "最小"}}},
    {{{"faster than", "快"}, {"slower than", "慢"}}, {{"the fastest", "最快"}, {"the slowest", "最慢"}}},
    {{{"heavier than", "重"}, {"lighter than", "轻"}}, {{"the heaviest", "最重"}, {"the lightest", "最轻"}}},
};

static void draw_names(struct rng *rng, enum language language, const char *name[PERSONS]) {
    static const char *const english[] = {"Tom",   "Anna", "Ben",   "Lucy",  "Sam",   "Mary", "Jack",  "Emma",
                                          "Peter", "Kate", "David", "Lily",  "Alice", "Bob",  "Carol", "Dan",
                                          "Eve",   "John", "Amy",   "Max",   "Nina",  "Paul", "Rosa",  "Tim",
                                          "Zoe",   "Mia",  "Leo",   "Grace", NULL};
    static const char *const chinese[] = {"小明", "小红", "小华", "小丽", "小刚", "小芳", "小军",
                                          "小美", "小强", "小李", "小王", "小张", "小赵", "小陈",
                                          "小林", "小兰", "小东", "小英", "小龙", "小雨", NULL};
    for (int i = 0; i < PERSONS; i++) {
        bool seen = true;
        while (seen) {
            name[i] = draw_word(rng, language == ENGLISH ? english : chinese);
            seen = (i > 0 && name[i] == name[0]) || (i > 1 && name[i] == name[1]);
        }
    }
}

/* One statement about two persons, of whom the first has more; the thinking has it as it is said. */
static void state_pair(struct task *task, const struct scale *scale, const char *const *name, bool less,
                       const char *end) {
    const char *first = name[less], *second = name[!less];
    if (task->language == ENGLISH)
        text_add(&task->question, "%s is %s %s%s", first, scale->than[less][ENGLISH], second, end);
    else
        text_add(&task->question, "%s比%s%s%s", first, second, scale->than[less][CHINESE], end);
    text_add(&task->thought, "%s%c%s ", first, less ? '<' : '>', second);
}

void make_ranking(struct task *task, struct rng *rng) {
    task_begin(task, rng);
    bool english = task->language == ENGLISH, last = chance(rng, 0.5), turned = chance(rng, 0.5);
    const struct scale *scale = &scales[draw(rng, 0, (int)(sizeof scales / sizeof *scales) - 1)];
    bool given = chance(rng, 0.2); /* If A is taller than B and B is taller than C, who is the tallest? */
    const char *name[PERSONS], *between = english ? (!given && chance(rng, 0.5) ? ". " : " and ") : "，";
    draw_names(rng, task->language, name);
    if (given) text_add(&task->question, english ? "If " : "如果");
    state_pair(task, scale, name + turned, chance(rng, 0.25), between);
    state_pair(task, scale, name + !turned, chance(rng, 0.25),
               english ? (given ? ", " : ". ")
               : given ? "，"
                       : "。");
    const char *asked = scale->extreme[last][task->language], *hit = name[last ? PERSONS - 1 : 0];
    text_add(&task->question, english ? (given ? "who is %s?" : "Who is %s?") : "谁%s？", asked);
    task_vary(task, rng);
    text_add(&task->key, "rank %s %s %s %s", name[0], name[1], name[2], asked);
    text_add(&task->thought, "\n%s>%s>%s\n%s %s\n", name[0], name[1], name[2], last ? "min" : "max", hit);
    text_add(&task->reply, english ? "%s is %s." : "%s%s。", hit, asked);
}
