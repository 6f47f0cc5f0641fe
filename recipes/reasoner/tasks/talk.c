/* talk.c - what is not an exercise: greetings, and questions that are beyond the school. The reply says what can be asked.
 * Questions are put together from parts, so that what stays the same in them is only that there is nothing to calculate. */
#include "task.h"

static const char *const greetings_english[] = {"Hi",
                                                "Hello",
                                                "Hello!",
                                                "Hi there",
                                                "Good morning",
                                                "Hey",
                                                "Good evening!",
                                                "How are you?",
                                                "Nice to meet you.",
                                                "hi!",
                                                "Hello, how are you?",
                                                "Good afternoon",
                                                NULL};
static const char *const greetings_chinese[] = {
    "你好", "你好！", "您好", "早上好", "晚上好", "嗨", "在吗？", "你好吗？", "下午好", "很高兴认识你", NULL};
static const char *const identity_english[] = {"Who are you?",
                                               "What are you?",
                                               "What can you do?",
                                               "What is your name?",
                                               "Who made you?",
                                               "Tell me about yourself.",
                                               "How can you help me?",
                                               "What do you know?",
                                               "Are you ChatGPT?",
                                               "Are you DeepSeek?",
                                               "What model are you?",
                                               "help",
                                               "/help",
                                               "Introduce yourself.",
                                               "How do you work?",
                                               "Are you a human?",
                                               NULL};
static const char *const identity_chinese[] = {"你是谁？",
                                               "你能做什么？",
                                               "你叫什么名字？",
                                               "谁创造了你？",
                                               "介绍一下你自己。",
                                               "你会什么？",
                                               "你可以帮我做什么？",
                                               "你是DeepSeek吗？",
                                               "你是什么模型？",
                                               "帮助",
                                               "你是人吗？",
                                               "你会算数吗？",
                                               NULL};
static const char *const openings_english[] = {"What is the capital of %s?",
                                               "Write a poem about %s.",
                                               "Tell me a story about %s.",
                                               "Who invented %s?",
                                               "Explain %s.",
                                               "What is %s?",
                                               "Why is %s so famous?",
                                               "Translate %s into French.",
                                               "Can you write code for %s?",
                                               "How do I make %s?",
                                               "Do you like %s?",
                                               "What do you think of %s?",
                                               "Give me a recipe for %s.",
                                               "Summarize %s.",
                                               "Where is %s?",
                                               "When was %s born?",
                                               "How does %s work?",
                                               "What is the weather in %s?",
                                               "Recommend a book about %s.",
                                               "What is the meaning of %s?",
                                               "Describe %s in detail.",
                                               "Write an essay on %s",
                                               "Who is %s?",
                                               "Is %s good for me?",
                                               "How can I learn %s?",
                                               "Tell me a joke about %s",
                                               "I feel sad about %s.",
                                               "Let us talk about %s.",
                                               "What happened to %s?",
                                               "List the advantages of %s.",
                                               "Can you draw %s?",
                                               "Define %s.",
                                               NULL};
static const char *const openings_chinese[] = {"%s的首都是哪里？",
                                               "写一首关于%s的诗。",
                                               "给我讲一个%s的故事。",
                                               "谁发明了%s？",
                                               "解释一下%s。",
                                               "什么是%s？",
                                               "为什么%s这么有名？",
                                               "把%s翻译成英文。",
                                               "怎么做%s？",
                                               "你喜欢%s吗？",
                                               "你觉得%s怎么样？",
                                               "%s在哪里？",
                                               "%s是怎么工作的？",
                                               "%s今天天气怎么样？",
                                               "推荐一本关于%s的书。",
                                               "%s是什么意思？",
                                               "详细描述%s。",
                                               "写一篇关于%s的文章",
                                               "%s是谁？",
                                               "怎么学习%s？",
                                               "讲个%s的笑话",
                                               "我们聊聊%s吧。",
                                               "介绍一下%s。",
                                               "你会画%s吗？",
                                               NULL};
static const char *const subjects_english[] = {"France",
                                               "the moon",
                                               "love",
                                               "computers",
                                               "China",
                                               "gravity",
                                               "music",
                                               "the ocean",
                                               "Shakespeare",
                                               "dogs",
                                               "democracy",
                                               "a pizza",
                                               "Paris",
                                               "the internet",
                                               "black holes",
                                               "my friend",
                                               "football",
                                               "history",
                                               "the sun",
                                               "Python",
                                               "the brain",
                                               "tea",
                                               "a dragon",
                                               "Einstein",
                                               "Japan",
                                               "climate change",
                                               "happiness",
                                               "bread",
                                               "the war",
                                               "a robot",
                                               "winter",
                                               "physics",
                                               "the human heart",
                                               "London",
                                               "painting",
                                               "cats",
                                               "a car engine",
                                               "life",
                                               "philosophy",
                                               "Mozart",
                                               "the stock market",
                                               "rice",
                                               "Africa",
                                               "a river",
                                               "dreams",
                                               "Germany",
                                               "the weather",
                                               "medicine",
                                               "a good movie",
                                               "chess",
                                               "New York",
                                               "the universe",
                                               "English grammar",
                                               NULL};
static const char *const subjects_chinese[] = {
    "法国", "月亮", "爱情",     "电脑",   "中国",     "重力", "音乐", "大海",   "李白",     "狗",
    "历史", "披萨", "北京",     "互联网", "黑洞",     "朋友", "足球", "太阳",   "人工智能", "大脑",
    "茶",   "龙",   "爱因斯坦", "日本",   "气候变化", "幸福", "面包", "战争",   "机器人",   "冬天",
    "物理", "上海", "绘画",     "猫",     "发动机",   "人生", "哲学", "莫扎特", "股票",     "米饭",
    "非洲", "河流", "梦",       "德国",   "医学",     "电影", "象棋", "宇宙",   NULL};

void make_talk(struct task *task, struct rng *rng) {
    static const char *const can[LANGUAGES] = {
        "I can add, subtract, multiply and divide, compare and sort numbers, tell even from odd, and solve "
        "short word problems.",
        "我会加减乘除、比较大小、排序、判断奇偶，也会做简单的应用题。"};
    task_begin(task, rng);
    bool english = task->language == ENGLISH;
    double kind = rng_uniform(rng);
    if (kind < 0.2) {
        text_add(&task->question, "%s", draw_word(rng, english ? greetings_english : greetings_chinese));
        text_add(&task->thought, "%s\n", english ? "A greeting." : "这是问候。");
        text_add(&task->reply, english ? "Hello! %s" : "你好！%s", can[task->language]);
    } else if (kind < 0.4) {
        text_add(&task->question, "%s", draw_word(rng, english ? identity_english : identity_chinese));
        text_add(&task->thought, "%s\n", english ? "A question about me." : "这是关于我的问题。");
        text_add(&task->reply,
                 english ? "I am a very small reasoning model. %s" : "我是一个很小的推理模型。%s",
                 can[task->language]);
    } else {
        const char *pattern = draw_word(rng, english ? openings_english : openings_chinese);
        for (const char *at = pattern; *at; at++)
            if (at[0] == '%')
                text_add(&task->question, "%s",
                         (at++, draw_word(rng, english ? subjects_english : subjects_chinese)));
            else
                text_add(&task->question, "%c", *at);
        text_add(&task->thought, "%s\n", english ? "Not a calculation." : "这不是计算题。");
        text_add(&task->reply,
                 english ? "Sorry, I am too small to know that. %s" : "抱歉，我太小了，不懂这个。%s",
                 can[task->language]);
    }
    task_vary(task, rng);
    text_add(&task->key, "talk %s", task->question.data);
}
