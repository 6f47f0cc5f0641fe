/* pull.h - a model from a hub into the cache: what it has is asked, what is needed is fetched, and a snapshot appears when all of
 * it is there. One thread; blocks. */
#ifndef HADAL_HUB_PULL_H
#define HADAL_HUB_PULL_H

#include "hub/fetch.h"

struct pull_options {
    struct hub_source source;
    const char *cache; /* folder */
    struct hub_name name;
    struct hub_choice choice;
    bool dry; /* only say what there is */
};

struct pull_report {
    struct hub_listing listing;
    char snapshot[HUB_PATH_BYTES];
    int64_t bytes, fetched; /* of the needed files; of those, what was not there */
    int files;
};
must_use enum status pull_model(const struct pull_options *options, struct pull_report *report);
void pull_report_free(struct pull_report *report); /* zeroed allowed */

#endif
