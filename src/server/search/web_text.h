/* web_text.h - what a page says, without how it looks. */
#ifndef HADAL_SERVER_SEARCH_WEB_TEXT_H
#define HADAL_SERVER_SEARCH_WEB_TEXT_H

#include "base/buffer.h"

enum { WEB_TEXT_LIMIT = 256 << 10 /* bytes; what follows is left out */ };

/* A page that takes longer to read than usual ones do by far is read up to there. `type` is the content type in lower
 * case. Title and text are appended, in UTF-8; headings, lists and tables have the marks of Markdown.
 * STATUS_UNSUPPORTED for what is no text. Any thread, any bytes. */
must_use enum status web_text(const char *type, const char *body, size_t bytes, struct buffer *title,
                              struct buffer *text);

#endif
