/* listing.h - what a hub says that a repository has, and which of its files a model needs. Pure functions over JSON that a
 * stranger wrote. */
#ifndef HADAL_HUB_LISTING_H
#define HADAL_HUB_LISTING_H

#include "base/json.h"
#include "hub/layout.h"

struct hub_file {
    char name[HUB_FILE_BYTES];
    char hash[72]; /* of its content: 64 digits are SHA-256, 40 are git's SHA-1 of a blob */
    int64_t bytes;
    bool needed;
};

struct hub_listing {
    char commit[72];
    struct hub_file *file;
    int files;
};

/* Of the answer to /api/models/ORG/NAME/revision/REVISION?blobs=true. */
must_use enum status hub_listing_parse(struct hub_listing *listing, const char *text, size_t bytes,
                                       const char *origin);
void hub_listing_free(struct hub_listing *listing); /* zeroed allowed */
const struct hub_file *hub_listing_find(const struct hub_listing *listing, const char *name);

/* Patterns of a shell for names of files. */
struct hub_choice {
    const char *const *include;
    int includes;
    const char *const *exclude;
    int excludes;
};
/* Marks what a model needs: configuration and tokenizer, and of the weights the safetensors files at the top, or where
 * there are none the .gguf file; with `include` what matches instead of the weights. STATUS_INPUT, naming them, when there
 * are several .gguf files to choose from; STATUS_UNSUPPORTED when there are weights in no known form. */
must_use enum status hub_choose(struct hub_listing *listing, const struct hub_choice *choice,
                                const char *origin);
/* With model.safetensors.index.json at hand, weights that it does not name are needed no more. */
must_use enum status hub_choose_indexed(struct hub_listing *listing, const struct hub_choice *choice,
                                        const json_t *index, const char *origin);

#endif
