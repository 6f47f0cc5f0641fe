/* Fuzz target: generated text through the parser of tool calls in every form, whole, cut in two, and byte by byte. Names
 * are valid, calls that began end, and pieces of them stand inside. */
#include "text/tool_calls.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct heard {
    struct buffer all;
    bool inside;
};

static void hear(void *context, enum tool_event event, const char *text, size_t bytes) {
    struct heard *heard = context;
    if (event == TOOL_CALL_BEGIN) MUST(!heard->inside && tool_name_is_valid(text, bytes));
    if (event != TOOL_CALL_BEGIN) MUST(heard->inside == (event != TOOL_TEXT));
    heard->inside = event == TOOL_CALL_BEGIN || event == TOOL_ARGUMENTS;
    if (event != TOOL_TEXT && event != TOOL_ARGUMENTS)
        buffer_append_char(&heard->all, (char)(1 + (int)event));
    buffer_append(&heard->all, text, bytes);
}

static struct buffer parse(enum tool_format format, const char *text, size_t bytes, size_t cut, bool single) {
    struct tool_call_parser parser = {.format = format};
    struct heard heard = {0};
    tool_calls_parse(&parser, text, cut, hear, &heard);
    for (size_t at = cut; at < bytes && single; at++) tool_calls_parse(&parser, text + at, 1, hear, &heard);
    if (!single) tool_calls_parse(&parser, text + cut, bytes - cut, hear, &heard);
    tool_calls_finish(&parser, hear, &heard);
    MUST(!heard.inside);
    return heard.all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *text = (const char *)data;
    const size_t cut = bytes ? data[bytes - 1] % bytes : 0;
    for (int format = TOOL_FORMAT_NONE; format <= TOOL_FORMAT_BARE; format++) {
        struct buffer whole = parse((enum tool_format)format, text, bytes, 0, false);
        for (int single = 0; single < 2; single++) {
            struct buffer parts = parse((enum tool_format)format, text, bytes, cut, single);
            MUST(whole.failed || parts.failed ||
                 (whole.bytes == parts.bytes &&
                  (!whole.bytes || !memcmp(whole.data, parts.data, whole.bytes))));
            buffer_free(&parts);
        }
        buffer_free(&whole);
    }
    return 0;
}
