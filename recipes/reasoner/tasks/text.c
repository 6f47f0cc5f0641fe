/* text.c - text of a task: growing it, and wording it as people type. */
#include "task.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_clear(struct text *text) {
    text->data[text->used = 0] = '\0';
}

void text_add(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(text->data + text->used, TEXT_BYTES - text->used, format, arguments);
    va_end(arguments);
    if (more < 0 || (size_t)more >= TEXT_BYTES - text->used) {
        fprintf(stderr, "tasks: a text of more than %d bytes begins \"%.60s\"\n", TEXT_BYTES, text->data);
        exit(1);
    }
    text->used += (size_t)more;
}

int draw_digits(struct rng *rng, int digits) {
    int low = 1;
    for (int i = 1; i < digits; i++) low *= 10;
    return draw(rng, digits == 1 ? 0 : low, low * 10 - 1);
}

const char *draw_word(struct rng *rng, const char *const *words) {
    int count = 0;
    while (words[count]) count++;
    return words[draw(rng, 0, count - 1)];
}

void task_begin(struct task *task, struct rng *rng) {
    text_clear(&task->question);
    text_clear(&task->thought);
    text_clear(&task->reply);
    text_clear(&task->answer);
    text_clear(&task->key);
    task->language = chance(rng, 0.6) ? ENGLISH : CHINESE;
}

static const char *const english_words[] = {
    "zero",     "one",     "two",     "three",     "four",     "five",     "six",
    "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
static const char *const chinese_words[] = {"零",   "一",   "二",   "三",   "四",   "五",   "六",
                                            "七",   "八",   "九",   "十",   "十一", "十二", "十三",
                                            "十四", "十五", "十六", "十七", "十八", "十九", "二十"};

/* 12345, now and then 12,345, and small numbers sometimes as a word. */
static void add_number(struct task *task, struct rng *rng, int number) {
    if (number >= 0 && number <= 20 && chance(rng, 0.08))
        text_add(&task->question, "%s", (task->language == ENGLISH ? english_words : chinese_words)[number]);
    else if (number >= 1000 && chance(rng, 0.05))
        text_add(&task->question, "%d,%03d", number / 1000, number % 1000);
    else
        text_add(&task->question, "%d", number);
}

void task_ask(struct task *task, struct rng *rng, const struct wording *wording, int a, int b) {
    const char *pattern = draw_word(rng, wording->patterns[task->language]);
    for (const char *at = pattern; *at; at++) {
        if (at[0] != '%')
            text_add(&task->question, "%c", at[0]);
        else if (*++at == 'a')
            add_number(task, rng, a);
        else if (*at == 'b')
            add_number(task, rng, b);
        else
            text_add(&task->question, "%s", draw_word(rng, wording->operators));
    }
}

static const char *const english_fronts[] = {"Please tell me: ",
                                             "Hi, ",
                                             "Hello! ",
                                             "Quick question: ",
                                             "Can you help? ",
                                             "Hey, ",
                                             "I need help: ",
                                             "Please ",
                                             "Question: ",
                                             "OK, ",
                                             "Now ",
                                             "Tell me, ",
                                             "Calculate: ",
                                             "Solve: ",
                                             NULL};
static const char *const chinese_fronts[] = {"请问",     "你好，",   "请帮我算一下，", "帮忙看看：", "问题：",
                                             "麻烦你，", "老师，",   "我想知道",       "那么",       "好的，",
                                             "计算：",   "请回答：", "题目：",         NULL};
static const char *const english_backs[] = {" Please.",         " Thanks!",
                                            " Thank you.",      " Think step by step.",
                                            " Show your work.", " Give only the answer.",
                                            " Explain.",        NULL};
static const char *const chinese_backs[] = {"谢谢。",     "请一步一步想。", "谢谢！",
                                            "只要答案。", "请写出过程。",   NULL};

static void put_in_front(struct text *text, const char *front) {
    char old[TEXT_BYTES];
    memcpy(old, text->data, text->used + 1);
    text_clear(text);
    text_add(text, "%s%s", front, old);
}

static void drop_end_mark(struct text *text) {
    static const char *const marks[] = {"?", ".", "？", "。", "!", NULL};
    for (const char *const *mark = marks; *mark; mark++) {
        size_t bytes = strlen(*mark);
        if (text->used > bytes && !strcmp(text->data + text->used - bytes, *mark)) {
            text->data[text->used -= bytes] = '\0';
            return;
        }
    }
}

void task_vary(struct task *task, struct rng *rng) {
    bool english = task->language == ENGLISH;
    struct text *question = &task->question;
    if (chance(rng, 0.15)) drop_end_mark(question);
    if (chance(rng, 0.10)) question->data[0] = (char)tolower((unsigned char)question->data[0]);
    if (chance(rng, 0.12)) put_in_front(question, draw_word(rng, english ? english_fronts : chinese_fronts));
    if (chance(rng, 0.05)) text_add(question, "%s", draw_word(rng, english ? english_backs : chinese_backs));
}
