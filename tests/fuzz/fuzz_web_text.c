/* Fuzz target: pages of the web. The first byte picks the content type. Any bytes must end in text within its limit, or in
 * a sentence. */
#include "server/search/web_text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes) {
    static const char *const types[] = {"text/html",
                                        "text/html; charset=gbk",
                                        "text/html; charset=\"utf-16\"",
                                        "",
                                        "text/plain",
                                        "application/json",
                                        "image/png"};
    struct buffer title = {.limit = 1024}, text = {0};
    if (bytes == 0) return 0;
    const char *type = types[data[0] % COUNT_OF(types)];
    if (web_text(type, (const char *)data + 1, bytes - 1, &title, &text) != STATUS_OK)
        MUST(*status_message());
    MUST(text.bytes <= WEB_TEXT_LIMIT && title.bytes <= 1024 && !text.failed);
    buffer_free(&title);
    buffer_free(&text);
    return 0;
}
