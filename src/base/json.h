/* json.h - reading JSON that a stranger wrote: jansson behind checks that name file, field and limit.
 *
 * `origin` is the file or request part that sentences name. Getters with `fallback` accept a missing
 * or null field; without it the field is required. Objects are borrowed from their root, which the
 * caller releases with json_decref(). Duplicate keys are refused. */
#ifndef HADAL_BASE_JSON_H
#define HADAL_BASE_JSON_H

#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

must_use enum status json_parse(const char *text, size_t bytes, const char *origin, json_t **root);
must_use enum status json_read_file(const char *path, size_t limit_bytes, json_t **root);

struct json_reader {
    const json_t *object;
    const char *origin; /* e.g. "dir/config.json" */
};

must_use enum status json_get_int(struct json_reader reader, const char *field, int64_t low, int64_t high,
                                  int64_t *value);
must_use enum status json_get_int_or(struct json_reader reader, const char *field, int64_t low, int64_t high,
                                     int64_t fallback, int64_t *value);
must_use enum status json_get_real_or(struct json_reader reader, const char *field, double low, double high,
                                      double fallback, double *value);
must_use enum status json_get_bool_or(struct json_reader reader, const char *field, bool fallback,
                                      bool *value);
/* *value is borrowed; NULL fallback allowed. */
must_use enum status json_get_text_or(struct json_reader reader, const char *field, const char *fallback,
                                      const char **value);

#endif
