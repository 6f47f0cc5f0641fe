/* story.c - word problems of one or two steps, as primary school sets them. A plot is a row: its text in both languages,
 * and the operations that solve it. */
#include "task.h"

#include <string.h>

struct plot {
    const char *text[LANGUAGES];
    const char *steps; /* "a+b", "a*b-c": from left to right */
    int low[3], high[3];
};

static const char *const english_names[] = {"Tom",  "Anna",  "Ben",  "Lucy",  "Sam",  "Mary",    "Jack",
                                            "Emma", "Peter", "Kate", "David", "Lily", "Li Ming", "Sofia",
                                            "Omar", "Grace", "Mia",  "Leo",   NULL};
static const char *const chinese_names[] = {"小明",   "小红", "小华", "小丽",   "小刚",
                                            "小芳",   "小军", "小美", "小强",   "小李",
                                            "李老师", "妈妈", "爸爸", "王叔叔", NULL};
static const char *const english_things[] = {
    "apples", "books",  "pencils", "marbles", "stickers", "cookies", "oranges", "balloons", "eggs",
    "coins",  "stamps", "toys",    "flowers", "cards",    "candies", "shells",  NULL};
static const char *const chinese_things[] = {"个苹果", "本书",   "支铅笔", "颗弹珠", "张贴纸", "块饼干",
                                             "个橙子", "个气球", "个鸡蛋", "枚硬币", "张邮票", "个玩具",
                                             "朵花",   "张卡片", "颗糖",   NULL};

static const struct plot plots[] = {
    {{"%n has %a %t. %m gives %n %b more %t. How many %t does %n have now?",
      "%n有%a%t，%m又给了%n%b%t。%n现在有多少%t？"},
     "a+b",
     {1, 1},
     {999, 999}},
    {{"%n has %a %t and buys %b more. How many %t does %n have in total?",
      "%n有%a%t，又买了%b%t，一共有多少%t？"},
     "a+b",
     {1, 1},
     {999, 999}},
    {{"%n has %a %t and %m has %b %t. How many do they have together?",
      "%n有%a%t，%m有%b%t，他们一共有多少%t？"},
     "a+b",
     {1, 1},
     {999, 999}},
    {{"There are %a %t in one box and %b in another. How many %t are there altogether?",
      "一个盒子里有%a%t，另一个盒子里有%b%t，一共有多少%t？"},
     "a+b",
     {1, 1},
     {999, 999}},
    {{"%n has %a %t and gives %b of them to %m. How many %t are left?", "%n有%a%t，给了%m%b%t，还剩多少%t？"},
     "a-b",
     {20, 1},
     {999, 19}},
    {{"%n had %a %t. %n lost %b of them. How many %t remain?", "%n有%a%t，丢了%b%t，还剩下多少%t？"},
     "a-b",
     {100, 1},
     {999, 99}},
    {{"A shop has %a %t and sells %b. How many %t are left?", "商店有%a%t，卖出%b%t，还剩多少%t？"},
     "a-b",
     {100, 1},
     {9999, 99}},
    {{"%n has %a %t. %m has %b fewer. How many %t does %m have?", "%n有%a%t，%m比%n少%b%t，%m有多少%t？"},
     "a-b",
     {50, 1},
     {999, 49}},
    {{"%n has %a %t. %m has %b more than %n. How many %t does %m have?",
      "%n有%a%t，%m比%n多%b%t，%m有多少%t？"},
     "a+b",
     {1, 1},
     {999, 99}},
    {{"%n has %a %t and %m has %b %t. How many more %t does %n have than %m?",
      "%n有%a%t，%m有%b%t，%n比%m多多少%t？"},
     "a-b",
     {100, 1},
     {999, 99}},
    {{"There are %a boxes with %b %t each. How many %t are there in total?",
      "有%a个盒子，每个盒子里有%b%t，一共有多少%t？"},
     "a*b",
     {2, 2},
     {99, 99}},
    {{"%n buys %a %t for %b dollars each. How many dollars does %n pay?",
      "%n买了%a%t，每份%b元，一共要付多少元？"},
     "a*b",
     {2, 2},
     {50, 50}},
    {{"%n reads %a pages a day. How many pages does %n read in %b days?",
      "%n每天读%a页书，%b天一共读多少页？"},
     "a*b",
     {2, 2},
     {99, 30}},
    {{"A car drives %a km per hour. How far does it go in %b hours?",
      "一辆汽车每小时行%a千米，%b小时行多少千米？"},
     "a*b",
     {20, 2},
     {120, 12}},
    {{"A class has %a rows of %b chairs. How many chairs are there?",
      "教室里有%a排椅子，每排%b把，一共有多少把椅子？"},
     "a*b",
     {2, 2},
     {30, 30}},
    {{"%n shares %c %t equally among %b friends. How many %t does each friend get?",
      "%n把%c%t平均分给%b个朋友，每人得多少%t？"},
     "c/b",
     {2, 2},
     {99, 12}},
    {{"%c %t are packed into boxes of %b. How many boxes are filled?",
      "把%c%t装进盒子，每盒装%b份，一共装满多少盒？"},
     "c/b",
     {2, 2},
     {99, 12}},
    {{"%n had %a %t, got %b more and then gave away %c. How many %t does %n have now?",
      "%n有%a%t，又得到%b%t，然后送出%c%t，现在有多少%t？"},
     "a+b-c",
     {20, 1, 1},
     {200, 100, 20}},
    {{"%n buys %a %t for %b dollars each and pays with %c dollars. How much change does %n get?",
      "%n买%a%t，每份%b元，付了%c元，应找回多少元？"},
     "c-a*b",
     {2, 2, 100},
     {9, 11, 500}},
    {{"%n has %a bags with %b %t each and %c more %t. How many %t does %n have?",
      "%n有%a袋，每袋%b%t，另外还有%c%t，一共有多少%t？"},
     "a*b+c",
     {2, 2, 1},
     {30, 30, 99}},
    {{"%n has %a %t. %m has %b times as many. How many %t does %m have?",
      "%n有%a%t，%m的数量是%n的%b倍，%m有多少%t？"},
     "a*b",
     {2, 2},
     {99, 9}},
    {{"A train has %a passengers. %b get off and %c get on. How many passengers are on the train now?",
      "火车上有%a人，下去%b人，上来%c人，现在车上有多少人？"},
     "a-b+c",
     {50, 1, 1},
     {500, 49, 99}},
    {{"%n is %a years old. How old will %n be in %b years?", "%n今年%a岁，%b年后多少岁？"},
     "a+b",
     {5, 1},
     {60, 40}},
    {{"%n saves %a dollars every week. How much does %n save in %b weeks?",
      "%n每周存%a元，%b周一共存多少元？"},
     "a*b",
     {2, 2},
     {99, 52}},
    {{"A rectangle is %a cm long and %b cm wide. What is its area in square centimetres?",
      "一个长方形长%a厘米，宽%b厘米，面积是多少平方厘米？"},
     "a*b",
     {2, 2},
     {99, 99}},
    {{"%n had %a %t and ate %b of them. How many %t are left?", "%n有%a%t，用掉了%b%t，还剩多少%t？"},
     "a-b",
     {20, 1},
     {200, 19}},
    {{"%n baked %a %t in the morning and %b in the afternoon. How many %t did %n bake in all?",
      "%n上午做了%a%t，下午做了%b%t，一天一共做了多少%t？"},
     "a+b",
     {1, 1},
     {999, 999}},
    {{"There are %a %t on the table. %n takes %b away. How many %t remain on the table?",
      "桌上有%a%t，%n拿走了%b%t，桌上还有多少%t？"},
     "a-b",
     {20, 1},
     {999, 19}},
    {{"Each box holds %a %t. How many %t are in %b boxes?", "每个盒子装%a%t，%b个盒子一共装多少%t？"},
     "a*b",
     {2, 2},
     {99, 99}},
    {{"A ticket costs %a dollars. How much do %b tickets cost?", "一张票%a元，%b张票一共多少元？"},
     "a*b",
     {2, 2},
     {99, 60}},
    {{"%n has %a dollars and spends %b dollars. How much money does %n have left?",
      "%n有%a元，花了%b元，还剩多少元？"},
     "a-b",
     {50, 1},
     {999, 49}},
    {{"A book has %a pages. %n has read %b pages. How many pages are left to read?",
      "一本书有%a页，%n已经读了%b页，还剩多少页没读？"},
     "a-b",
     {100, 1},
     {900, 99}},
    {{"%c students are split into groups of %b. How many groups are there?",
      "把%c名学生分成每组%b人，可以分成几组？"},
     "c/b",
     {2, 2},
     {60, 12}},
    {{"%n runs %a km every day. How many km does %n run in %b days?", "%n每天跑%a千米，%b天一共跑多少千米？"},
     "a*b",
     {2, 2},
     {30, 60}},
    {{"A bus has %a people. At a stop %b more get on. How many people are on the bus?",
      "公共汽车上有%a人，到站又上来%b人，现在车上有多少人？"},
     "a+b",
     {1, 1},
     {99, 60}},
    {{"A farm has %a chickens and %b ducks. How many birds are there?",
      "农场有%a只鸡和%b只鸭，一共有多少只？"},
     "a+b",
     {1, 1},
     {999, 999}},
};

static void tell(struct text *text, const char *pattern, const int *number, const char *name,
                 const char *other, const char *thing) {
    for (const char *at = pattern; *at; at++)
        if (at[0] != '%')
            text_add(text, "%c", *at);
        else if (*++at >= 'a' && *at <= 'c')
            text_add(text, "%d", number[*at - 'a']);
        else
            text_add(text, "%s", *at == 'n' ? name : *at == 'm' ? other : thing);
}

/* What is done is stated before it is done, so that a step that goes wrong can be found. */
static int solve(struct text *thought, const char *steps, const int *number) {
    int a = number[0], b = number[1], c = number[2], rest;
    if (!strcmp(steps, "a+b")) return think_add(thought, a, b);
    if (!strcmp(steps, "a-b")) return think_subtract(thought, a, b);
    if (!strcmp(steps, "a*b")) return think_multiply(thought, a, b);
    if (!strcmp(steps, "c/b")) return think_divide(thought, c, b, "r", &rest);
    if (!strcmp(steps, "a+b-c")) return think_subtract(thought, think_add(thought, a, b), c);
    if (!strcmp(steps, "a-b+c")) return think_add(thought, think_subtract(thought, a, b), c);
    if (!strcmp(steps, "a*b+c")) return think_add(thought, think_multiply(thought, a, b), c);
    return think_subtract(thought, c, think_multiply(thought, a, b));
}

void make_story(struct task *task, struct rng *rng) {
    task_begin(task, rng);
    bool english = task->language == ENGLISH;
    const struct plot *plot = &plots[draw(rng, 0, (int)(sizeof plots / sizeof *plots) - 1)];
    const char *name = draw_word(rng, english ? english_names : chinese_names), *other = name;
    while (other == name) other = draw_word(rng, english ? english_names : chinese_names);
    int number[3];
    for (int i = 0; i < 3; i++) number[i] = draw(rng, plot->low[i], plot->high[i]);
    if (!strcmp(plot->steps, "c/b")) number[2] = number[0] * number[1]; /* shares come out even */
    tell(&task->question, plot->text[task->language], number, name, other,
         draw_word(rng, english ? english_things : chinese_things));
    task_vary(task, rng);
    text_add(&task->key, "story %d %d %d %d", (int)(plot - plots), number[0], number[1], number[2]);
    for (const char *at = plot->steps; *at; at++)
        if (*at >= 'a' && *at <= 'c')
            text_add(&task->thought, "%d", number[*at - 'a']);
        else
            text_add(&task->thought, "%s", *at == '*' ? "×" : *at == '/' ? "÷" : *at == '-' ? "-" : "+");
    text_add(&task->thought, "\n");
    int result = solve(&task->thought, plot->steps, number);
    text_add(&task->answer, "%d", result);
    text_add(&task->reply, english ? "The answer is %d." : "答案是 %d。", result);
}
