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

/* Both written with as many digits, then digit by digit from the front to the first that differs. */
static void think_compare(struct text *thought, struct decimal a, struct decimal b) {
    struct text x, y;
    bool fraction = a.places || b.places;
    int p = in_hundredths(a), q = in_hundredths(b), width = 1;
    for (int limit = 10; a.whole >= limit || b.whole >= limit; limit *= 10) width++;
    write_padded(&x, p, width, fraction);
    write_padded(&y, q, width, fraction);
    text_add(thought, "%s %s\n", x.data, y.data);
    for (size_t i = 0; i < x.used; i++) {
        char left = x.data[i], right = y.data[i];
        text_add(thought, "%c%c%c ", left, left == right ? '=' : left < right ? '<' : '>', right);
        if (left != right) break;
    }
    text_add(thought, "\n%s%c%s\n", a.shown, p == q ? '=' : p < q ? '<' : '>', b.shown);
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
                                          NULL};
    static const char *const chinese[] = {"%a和%b哪个大？", "%a和%b哪个更大？", "比较%a和%b的大小。",
                                          "%a大还是%b大？", "%a比%b大吗？",     "%a和%b哪个小？",
                                          "%a比%b小吗？",   "%a与%b谁大？",     NULL};
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
    think_compare(&task->thought, a, b);
    text_add(&task->key, "compare %s %s", a.shown, b.shown);
    int p = in_hundredths(a), q = in_hundredths(b);
    bool smaller = strstr(pattern, "smaller") || strstr(pattern, "哪个小");
    bool chinese_reply = task->language == CHINESE;
    const char *hit = (p > q) != smaller ? a.shown : b.shown;
    if (p == q) {
        text_add(&task->reply, chinese_reply ? "%s 和 %s 相等。" : "%s and %s are equal.", a.shown, b.shown);
    } else if (strstr(pattern, "Is ") || strstr(pattern, "吗")) {
        bool yes = (p > q) == (strstr(pattern, "less") == NULL && strstr(pattern, "小吗") == NULL);
        text_add(&task->reply,
                 chinese_reply ? (yes ? "是的，%s %s %s。" : "不是，%s %s %s。")
                 : yes         ? "Yes, %s %s %s."
                               : "No, %s %s %s.",
                 a.shown, p > q ? ">" : "<", b.shown);
    } else {
        text_add(&task->reply,
                 chinese_reply ? (smaller ? "较小的是 %s。" : "较大的是 %s。")
                 : smaller     ? "The smaller one is %s."
                               : "The larger one is %s.",
                 hit);
        text_add(&task->answer, "%s", hit);
    }
}

/* ---- sorting ---- */
enum { SORTED = 6 };

static void write_list(struct text *text, const int *number, int count, const char *between) {
    for (int i = 0; i < count; i++) text_add(text, "%s%d", i ? between : "", number[i]);
}

/* Takes the smallest (or largest) that is left, line by line. */
static void think_sort(struct text *thought, int *number, int count, bool down) {
    int left[SORTED], rest = count;
    memcpy(left, number, sizeof *number * (size_t)count);
    for (int done = 0; done < count; done++) {
        int best = 0;
        for (int i = 1; i < rest; i++)
            if (down ? left[i] > left[best] : left[i] < left[best]) best = i;
        write_list(thought, left, rest, " ");
        text_add(thought, ": %d\n", left[best]);
        number[done] = left[best];
        memmove(left + best, left + best + 1, sizeof *left * (size_t)(--rest - best));
    }
}

void make_sorting(struct task *task, struct rng *rng) {
    static const char *const up_english[] = {"Sort %l.",
                                             "Sort %l in ascending order.",
                                             "Put %l in order from smallest to largest.",
                                             "Arrange %l from least to greatest.",
                                             "Sort these numbers: %l",
                                             "Order %l from small to large.",
                                             "Sort the numbers %l ascending.",
                                             NULL};
    static const char *const down_english[] = {"Sort %l in descending order.",
                                               "Put %l in order from largest to smallest.",
                                               "Arrange %l from greatest to least.",
                                               "Order %l from large to small.",
                                               "Sort %l descending.",
                                               NULL};
    static const char *const up_chinese[] = {"把%l从小到大排序。", "将%l按从小到大的顺序排列。", "给%l排序。",
                                             "从小到大排列：%l",   "请把%l按升序排列。",         NULL};
    static const char *const down_chinese[] = {"把%l从大到小排序。", "将%l按从大到小的顺序排列。",
                                               "从大到小排列：%l", "请把%l按降序排列。", NULL};
    task_begin(task, rng);
    int count = draw(rng, 3, SORTED), digits = draw(rng, 1, 3), number[SORTED];
    bool down = chance(rng, 0.35), english = task->language == ENGLISH;
    for (int i = 0; i < count; i++) number[i] = draw_digits(rng, draw(rng, 1, digits));
    const char *pattern = draw_word(rng, english ? (down ? down_english : up_english)
                                         : down  ? down_chinese
                                                 : up_chinese);
    for (const char *at = pattern; *at; at++)
        if (at[0] == '%')
            write_list(&task->question, number, count, (at++, english || chance(rng, 0.3) ? ", " : "、"));
        else
            text_add(&task->question, "%c", *at);
    task_vary(task, rng);
    text_add(&task->key, "sort %d ", down);
    write_list(&task->key, number, count, " ");
    think_sort(&task->thought, number, count, down);
    write_list(&task->reply, number, count, ", ");
}

/* ---- parity ---- */
static void make_even_or_odd(struct task *task, struct rng *rng) {
    static const char *const english[] = {"Is %d even or odd?",     "Is %d odd or even?",
                                          "Is the number %d even?", "Tell whether %d is even or odd.",
                                          "Is %d an odd number?",   "What is the parity of %d?",
                                          "Is %d divisible by 2?",  NULL};
    static const char *const chinese[] = {"%d是奇数还是偶数？", "%d是偶数吗？",    "%d是奇数吗？",
                                          "判断%d的奇偶性。",   "%d能被2整除吗？", NULL};
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

/* ---- ranking: A is taller than B, B is taller than C ---- */
struct scale { /* how people are compared */
    const char *more[LANGUAGES], *most[LANGUAGES], *least[LANGUAGES];
};

void make_ranking(struct task *task, struct rng *rng) {
    static const char *const english[] = {"Tom",  "Anna",  "Ben",  "Lucy",  "Sam",  "Mary", "Jack",
                                          "Emma", "Peter", "Kate", "David", "Lily", NULL};
    static const char *const chinese[] = {"小明", "小红", "小华", "小丽", "小刚", "小芳", "小军",
                                          "小美", "小强", "小李", "小王", "小张", NULL};
    static const struct scale scales[] = {
        {{"taller than", "高"}, {"the tallest", "最高"}, {"the shortest", "最矮"}},
        {{"older than", "大"}, {"the oldest", "最大"}, {"the youngest", "最小"}},
        {{"faster than", "快"}, {"the fastest", "最快"}, {"the slowest", "最慢"}},
        {{"heavier than", "重"}, {"the heaviest", "最重"}, {"the lightest", "最轻"}},
    };
    task_begin(task, rng);
    enum language language = task->language;
    const struct scale *scale = &scales[draw(rng, 0, 3)];
    const char *name[3];
    for (int i = 0; i < 3; i++) {
        bool seen;
        do {
            name[i] = draw_word(rng, language == ENGLISH ? english : chinese);
            seen = (i > 0 && name[i] == name[0]) || (i > 1 && name[i] == name[1]);
        } while (seen);
    }
    bool most = chance(rng, 0.5), turned = chance(rng, 0.5);
    const char *asked = most ? scale->most[language] : scale->least[language];
    int first = turned ? 1 : 0, second = turned ? 0 : 1;
    for (int i = 0; i < 2; i++) {
        int pair = i ? second : first;
        text_add(&task->question, language == ENGLISH ? "%s is %s %s%s" : "%s比%s%s%s", name[pair],
                 language == ENGLISH ? scale->more[ENGLISH] : name[pair + 1],
                 language == ENGLISH ? name[pair + 1] : scale->more[CHINESE],
                 language == ENGLISH ? (i                  ? ". "
                                        : chance(rng, 0.5) ? ". "
                                                           : " and ")
                 : i                 ? "。"
                                     : "，");
    }
    text_add(&task->question, language == ENGLISH ? "Who is %s?" : "谁%s？", asked);
    task_vary(task, rng);
    text_add(&task->key, "rank %s %s %s %s", name[0], name[1], name[2], asked);
    text_add(&task->thought, "%s > %s > %s\n", name[0], name[1], name[2]);
    text_add(&task->reply, language == ENGLISH ? "%s is %s." : "%s%s。", name[most ? 0 : 2], asked);
}
