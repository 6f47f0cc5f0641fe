/* uri.h - references relative to a URI, as RFC 3986 resolves them: text alone, nothing is looked up. Any thread. */
#ifndef HADAL_TEXT_URI_H
#define HADAL_TEXT_URI_H

#include "base/buffer.h"

/* Appends what `reference` means where `base` is the URI of the text that it stands in, with its own fragment and without
 * that of the base. Also an empty base, or one that is relative itself. The text is NUL-terminated. */
void uri_resolve(struct buffer *out, const char *base, const char *reference);

#endif
