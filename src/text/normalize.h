/* normalize.h - Unicode normalisation of text, linear in its length.
 *
 * Text that is normal already, which is nearly all of it, is found so by looking up each character and is
 * returned as it is. Immutable data; any thread. */
#ifndef HADAL_TEXT_NORMALIZE_H
#define HADAL_TEXT_NORMALIZE_H

#include "base/arena.h"
#include "base/json.h"
#include "text/unicode_classes.h"

#include <stddef.h>

enum normal_form { NORMAL_NONE, NORMAL_C, NORMAL_D, NORMAL_KC, NORMAL_KD };

/* The "normalizer" of tokenizer.json (NULL or null: none); anything but one normal form is refused. */
must_use enum status normal_form_from_json(enum normal_form *form, const json_t *description,
                                           const char *origin);

/* `text` is well-formed UTF-8. The result is `text` itself or memory of the arena. */
must_use enum status normalize(enum normal_form form, const struct unicode_classes *classes,
                               struct arena *arena, const char *text, size_t bytes, const char **result,
                               size_t *result_bytes);

#endif
