/* stop_text.h - finds stop strings in text that streams by, and holds back what may be the beginning of one.
 *
 * How the text is cut into pieces does not change what is shown. Of stop strings that end at the same
 * place the longest counts. One owner thread. */
#ifndef HADAL_ENGINE_STOP_TEXT_H
#define HADAL_ENGINE_STOP_TEXT_H

#include "base/buffer.h"

enum { STOP_TEXTS_LIMIT = 64, STOP_TEXT_BYTES_LIMIT = 4096 };

struct stop_text {
    char *text;
    int *border; /* [bytes] longest proper beginning of text[0..i] that is also its end */
    int bytes;
    int matched; /* how many bytes of `text` the stream ends with */
};

struct stop_matcher {
    struct stop_text *stop;
    int stops;
    int found; /* number of the text that is complete; -1: none yet */
};

/* STATUS_INPUT, naming the field "stop", for a text that is empty or not UTF-8; STATUS_LIMIT for too many or too long. */
must_use enum status stop_matcher_open(struct stop_matcher *matcher, const char *const *text, int texts);
void stop_matcher_close(struct stop_matcher *matcher); /* also of a zeroed one */

/* Appends what can be shown now to `out`. True: a stop string is complete, what came before it has been appended, and
 * nothing may be pushed any more. Whole UTF-8 characters in, whole characters out. */
bool stop_matcher_push(struct stop_matcher *matcher, const char *text, size_t bytes, struct buffer *out);
/* The stream has ended: what was held back is shown. */
void stop_matcher_finish(struct stop_matcher *matcher, struct buffer *out);

#endif
