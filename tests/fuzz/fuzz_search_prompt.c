/* Fuzz target: what a page may do to the prompt that it comes into. The first byte is the length that it is cut at, a line its
 * title, the rest its content: no mark of the prompt but the two around it may be between them. */
#include "server/search/search.h"
#include "server/search/search_prompt.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

/* Marks with a number, which the prompt's own words do not have but in examples of citations. */
static int marks_in(const char *text, const char *begin, const char *const *ends) {
    int marks = 0;
    for (const char *at = strstr(text, begin); at; at = strstr(at + 1, begin)) {
        const char *digits = at + strlen(begin), *end = digits + strspn(digits, "0123456789");
        for (const char *const *one = ends; *one && end > digits; one++)
            marks += !strncmp(end, *one, strlen(*one));
    }
    return marks;
}

static const char *const page_ends[] = {" begin]", " end]", NULL}, *const citation_ends[] = {"]", NULL};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes) {
    struct buffer out = {0}, query = {0};
    if (bytes == 0) return 0;
    const char *text = (const char *)data + 1, *line = memchr(text, '\n', bytes - 1);
    const size_t title = line ? (size_t)(line - text) : 0;
    json_t *page =
        json_pack("{s:s%, s:s%}", "title", text, title, "content", text + title, bytes - 1 - title);
    if (!page) return 0; /* an engine's answer that is no UTF-8 is none */
    json_t *pages = json_pack("[o]", page);
    search_prompt(&out, "question", pages, data[0], 0);
    buffer_append_char(&out, '\0');
    MUST(!out.failed);
    MUST(marks_in(out.data, "[webpage ", page_ends) == 2);
    MUST(marks_in(out.data, "[citation:", citation_ends) == 4);
    search_query(json_string_value(json_object_get(page, "content")), &query);
    MUST(!query.failed && query.bytes <= 4 * 128 + 1 && query.data[query.bytes - 1] == '\0');
    json_decref(pages);
    buffer_free(&out);
    buffer_free(&query);
    return 0;
}
