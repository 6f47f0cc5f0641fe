/* search_prompt.c - see search_prompt.h. web/js/search_prompt.js has the same words for searches that the page makes. */
#include "server/search/search_prompt.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

/* {R} the results, {D} the date, {Q} the question */
static const char english[] =
    "# The following contents are the search results related to the user's message:\n"
    "{R}\n"
    "In the search results I provide to you, each result is formatted as [webpage X"
    " begin]...[webpage X end], where X represents the numerical index of each article. Please cite"
    " the context at the end of the relevant sentence when appropriate. Use the citation format"
    " [citation:X] in the corresponding part of your answer. If a sentence is derived from multiple"
    " contexts, list all relevant citation numbers, such as [citation:3][citation:5]. Be sure not to"
    " cluster all citations at the end; instead, include them in the corresponding parts of the"
    " answer.\n"
    "When responding, please keep the following points in mind:\n"
    "- Today is {D}.\n"
    "- Not all content in the search results is closely related to the user's question. You need to"
    " evaluate and filter the search results based on the question.\n"
    "- For listing-type questions (e.g., listing all flight information), try to limit the answer to"
    " 10 key points and inform the user that they can refer to the search sources for complete"
    " information. Prioritize providing the most complete and relevant items in the list. Avoid"
    " mentioning content not provided in the search results unless necessary.\n"
    "- For creative tasks (e.g., writing an essay), ensure that references are cited within the body"
    " of the text, such as [citation:3][citation:5], rather than only at the end of the text. You"
    " need to interpret and summarize the user's requirements, choose an appropriate format, fully"
    " utilize the search results, extract key information, and generate an answer that is"
    " insightful, creative, and professional. Extend the length of your response as much as"
    " possible, addressing each point in detail and from multiple perspectives, ensuring the content"
    " is rich and thorough.\n"
    "- If the response is lengthy, structure it well and summarize it in paragraphs. If a"
    " point-by-point format is needed, try to limit it to 5 points and merge related content.\n"
    "- For objective Q&A, if the answer is very brief, you may add one or two related sentences to"
    " enrich the content.\n"
    "- Choose an appropriate and visually appealing format for your response based on the user's"
    " requirements and the content of the answer, ensuring strong readability.\n"
    "- Your answer should synthesize information from multiple relevant webpages and avoid"
    " repeatedly citing the same webpage.\n"
    "- Unless the user requests otherwise, your response should be in the same language as the"
    " user's question.\n"
    "\n"
    "# The user's message is:\n"
    "{Q}";

static const char chinese[] =
    "# 以下内容是基于用户发送的消息的搜索结果:\n"
    "{R}\n"
    "在我给你的搜索结果中，每个结果都是[webpage X begin]...[we"
    "bpage X end]格式的，X代表每篇文章的数字索引。请在适当的情况下在句子"
    "末尾引用上下文。请按照引用编号[citation:X]的格式在答案中对应部分引用"
    "上下文。如果一句话源自多个上下文，请列出所有相关的引用编号，例如[citatio"
    "n:3][citation:5]，切记不要将引用集中在最后返回引用编号，而是在答"
    "案对应部分列出。\n"
    "在回答时，请注意以下几点：\n"
    "- 今天是{D}。\n"
    "- 并非搜索结果的所有内容都与用户的问题密切相关，你需要结合问题，对搜索结果进行"
    "甄别、筛选。\n"
    "- 对于列举类的问题（如列举所有航班信息），尽量将答案控制在10个要点以内，并告"
    "诉用户可以查看搜索来源、获得完整信息。优先提供信息完整、最相关的列举项；如非必要"
    "，不要主动告诉用户搜索结果未提供的内容。\n"
    "- 对于创作类的问题（如写论文），请务必在正文的段落中引用对应的参考编号，例如["
    "citation:3][citation:5]，不能只在文章末尾引用。你需要解读"
    "并概括用户的题目要求，选择合适的格式，充分利用搜索结果并抽取重要信息，生成符合用"
    "户要求、极具思想深度、富有创造力与专业性的答案。你的创作篇幅需要尽可能延长，对于"
    "每一个要点的论述要推测用户的意图，给出尽可能多角度的回答要点，且务必信息量大、论"
    "述详尽。\n"
    "- 如果回答很长，请尽量结构化、分段落总结。如果需要分点作答，尽量控制在5个点以"
    "内，并合并相关的内容。\n"
    "- 对于客观类的问答，如果问题的答案非常简短，可以适当补充一到两句相关信息，以丰"
    "富内容。\n"
    "- 你需要根据用户要求和回答内容选择合适、美观的回答格式，确保可读性强。\n"
    "- 你的回答应该综合多个相关网页来回答，不能重复引用一个网页。\n"
    "- 除非用户要求，否则你回答的语言需要和用户提问的语言保持一致。\n"
    "\n"
    "# 用户消息为：\n"
    "{Q}";

/* ---- languages ---- */

/* Code points of three bytes in UTF-8 from `low` to `high`. */
static bool has_between(const char *text, unsigned low, unsigned high) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c < 0xe0 || *c > 0xef || !c[1] || !c[2]) continue;
        const unsigned code = (unsigned)(*c & 15) << 12 | (unsigned)(c[1] & 63) << 6 | (unsigned)(c[2] & 63);
        if (code >= low && code <= high) return true;
    }
    return false;
}

/* Japanese and Korean have Chinese characters too. */
static bool is_chinese(const char *text) {
    return has_between(text, 0x4e00, 0x9fff) && !has_between(text, 0x3040, 0x30ff) &&
           !has_between(text, 0xac00, 0xd7af);
}

static void write_date(struct buffer *out, bool in_chinese, int64_t seconds) {
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    const time_t time = (time_t)seconds;
    struct tm now;
    localtime_r(&time, &now);
    if (in_chinese)
        buffer_printf(out, "%d年%d月%d日", now.tm_year + 1900, now.tm_mon + 1, now.tm_mday);
    else
        buffer_printf(out, "%s %d, %d", months[now.tm_mon], now.tm_mday, now.tm_year + 1900);
}

/* ---- pages ---- */

/* Bytes of a mark such as "[webpage 3 end]" or "[citation:3]"; 0: it is none. */
static size_t mark_bytes(const char *text) {
    static const struct {
        const char *begin, *end;
    } marks[] = {{"[webpage ", " begin]"}, {"[webpage ", " end]"}, {"[citation:", "]"}};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        const size_t begin = strlen(marks[i].begin), end = strlen(marks[i].end);
        if (strncmp(text, marks[i].begin, begin)) continue;
        const size_t digits = strspn(text + begin, "0123456789");
        if (digits > 0 && !strncmp(text + begin + digits, marks[i].end, end)) return begin + digits + end;
    }
    return 0;
}

static void write_harmless(struct buffer *out, const char *text, size_t limit) {
    size_t bytes = strlen(text);
    if (bytes > limit) bytes = limit;
    while (bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80) bytes--; /* a whole character */
    for (size_t i = 0; i < bytes; i++) {
        const size_t mark = text[i] == '[' ? mark_bytes(text + i) : 0;
        if (mark == 0 || mark > bytes - i) {
            buffer_append_char(out, text[i]);
            continue;
        }
        buffer_append_char(out, '(');
        buffer_append(out, text + i + 1, mark - 2);
        buffer_append_char(out, ')');
        i += mark - 1;
    }
}

static const char *text_of(const json_t *page, const char *name) {
    const char *text = json_string_value(json_object_get(page, name));
    return text ? text : "";
}

static void write_pages(struct buffer *out, const json_t *results, size_t page_bytes) {
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *page = json_array_get(results, i);
        const char *content = text_of(page, "content");
        buffer_printf(out, "%s[webpage %zu begin]", i ? "\n" : "", i + 1);
        write_harmless(out, text_of(page, "title"), page_bytes);
        buffer_append_char(out, '\n');
        write_harmless(out, *content ? content : text_of(page, "summary"), page_bytes);
        buffer_printf(out, "[webpage %zu end]", i + 1);
    }
}

void search_prompt(struct buffer *out, const char *question, const json_t *results, size_t page_bytes,
                   int64_t seconds) {
    const bool in_chinese = is_chinese(question);
    for (const char *c = in_chinese ? chinese : english; *c; c++) {
        if (c[0] != '{' || !strchr("RDQ", c[1]) || c[2] != '}') {
            buffer_append_char(out, *c);
            continue;
        }
        if (c[1] == 'R') write_pages(out, results, page_bytes);
        if (c[1] == 'D') write_date(out, in_chinese, seconds);
        if (c[1] == 'Q') buffer_append_text(out, question);
        c += 2;
    }
}
