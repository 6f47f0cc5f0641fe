/* json_print.h - JSON text the way Python's json.dumps(ensure_ascii=False) writes it, which is what chat
 * templates put into prompts: ", " and ": ", keys in their order, non-ASCII characters as they are. */
#ifndef HADAL_TEXT_JSON_PRINT_H
#define HADAL_TEXT_JSON_PRINT_H

#include "base/buffer.h"

#include <jansson.h>

/* indent 0: one line; else one item a line, `indent` spaces deeper at each level. */
void json_print(struct buffer *out, const json_t *value, int indent);
/* A JSON string. Bytes that are not UTF-8 become U+FFFD. */
void json_print_text(struct buffer *out, const char *text, size_t bytes);

#endif
