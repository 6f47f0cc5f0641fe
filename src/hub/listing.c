/* listing.c - see listing.h. */
#include "hub/listing.h"

#include "base/buffer.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MOST = 100000, NAMES_SHOWN = 12 };
#define FILE_BYTES_MOST (INT64_C(1) << 50)

/* ---- reading ---- */

static enum status read_file(const json_t *entry, const char *origin, struct hub_file *file) {
    struct json_reader reader = {entry, origin}, large = {json_object_get(entry, "lfs"), origin};
    const char *name, *hash;
    TRY(json_get_text_or(reader, "rfilename", "", &name));
    if (!hub_file_is_safe(name))
        return fail(STATUS_FORMAT, "%s: '%.60s' is no name for a file", origin, name);
    if (json_is_object(large.object)) {
        TRY(json_get_text_or(large, "sha256", "", &hash));
        TRY(json_get_int(large, "size", 0, FILE_BYTES_MOST, &file->bytes));
    } else {
        TRY(json_get_text_or(reader, "blobId", "", &hash));
        TRY(json_get_int(reader, "size", 0, FILE_BYTES_MOST, &file->bytes));
    }
    if (!hub_hash_is_valid(hash) || (large.object && !json_is_null(large.object) && strlen(hash) != 64))
        return fail(STATUS_FORMAT, "%s: %.60s has no checksum: '%.80s'", origin, name, hash);
    snprintf(file->name, sizeof file->name, "%s", name);
    snprintf(file->hash, sizeof file->hash, "%s", hash);
    return STATUS_OK;
}

static enum status read_listing(struct hub_listing *listing, const json_t *root, const char *origin) {
    const json_t *entries = json_object_get(root, "siblings"), *entry;
    const char *commit;
    size_t i;
    TRY(json_get_text_or((struct json_reader){root, origin}, "sha", "", &commit));
    if (!hub_hash_is_valid(commit) || strlen(commit) != 40)
        return fail(STATUS_FORMAT, "%s: \"sha\" names no commit: '%.60s'", origin, commit);
    if (!json_is_array(entries) || json_array_size(entries) > FILES_MOST)
        return fail(STATUS_FORMAT, "%s: \"siblings\" must be a list of at most %d files", origin, FILES_MOST);
    snprintf(listing->commit, sizeof listing->commit, "%s", commit);
    listing->file = calloc(json_array_size(entries) + 1, sizeof *listing->file);
    if (!listing->file) return fail(STATUS_MEMORY, "no memory for a list of files");
    int64_t bytes = 0; /* sums of what is needed can then be taken without a look */
    json_array_foreach(entries, i, entry) {
        struct hub_file *file = &listing->file[listing->files];
        TRY(read_file(entry, origin, file));
        listing->files++;
        if ((bytes += file->bytes) > FILE_BYTES_MOST)
            return fail(STATUS_LIMIT, "%s: %.60s and the files before it have more than 2^50 bytes", origin,
                        file->name);
    }
    return STATUS_OK;
}

enum status hub_listing_parse(struct hub_listing *listing, const char *text, size_t bytes,
                              const char *origin) {
    json_t *root;
    *listing = (struct hub_listing){0};
    TRY(json_parse(text, bytes, origin, &root));
    enum status status = json_is_object(root) ? read_listing(listing, root, origin)
                                              : fail(STATUS_FORMAT, "%s: expected an object", origin);
    json_decref(root);
    if (status != STATUS_OK) hub_listing_free(listing);
    return status;
}

void hub_listing_free(struct hub_listing *listing) {
    free(listing->file);
    *listing = (struct hub_listing){0};
}

const struct hub_file *hub_listing_find(const struct hub_listing *listing, const char *name) {
    for (int i = 0; i < listing->files; i++)
        if (!strcmp(listing->file[i].name, name)) return &listing->file[i];
    return NULL;
}

/* ---- choosing ---- */

static bool ends_in(const char *name, const char *ending) {
    size_t bytes = strlen(name), length = strlen(ending);
    return bytes > length && !strcmp(name + bytes - length, ending);
}

static bool is_small(const char *name) {
    static const char *const names[] = {
        "config.json",     "generation_config.json",  "tokenizer.json",     "tokenizer_config.json",
        "tokenizer.model", "special_tokens_map.json", "added_tokens.json",  "vocab.json",
        "merges.txt",      "chat_template.jinja",     "chat_template.json", "model.safetensors.index.json"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

static bool matches(const char *name, const char *const *pattern, int patterns) {
    for (int i = 0; i < patterns; i++)
        if (!fnmatch(pattern[i], name, 0)) return true;
    return false;
}

static bool is_weights(const char *name) {
    return !strchr(name, '/') && ends_in(name, ".safetensors");
}

static bool same_parts(const char *first, const char *name) {
    const char *part = hub_part_ending(first), *other = hub_part_ending(name);
    if (!part || !other) return !strcmp(first, name);
    return part - first == other - name && !strncmp(first, name, (size_t)(part - first)) &&
           !strcmp(part + 6, other + 6);
}

static enum status choose_gguf(struct hub_listing *listing, const char *origin) {
    struct buffer names = {0};
    const char *chosen = NULL;
    int count = 0;
    for (int i = 0; i < listing->files; i++) {
        const char *name = listing->file[i].name;
        if (!ends_in(name, ".gguf") || hub_is_later_part(name)) continue;
        chosen = name;
        if (++count <= NAMES_SHOWN) buffer_printf(&names, "%s%.100s", count > 1 ? ", " : "", name);
    }
    enum status status = STATUS_OK;
    if (count > 1)
        status = fail(STATUS_INPUT, "%s: has %d .gguf files, choose with --include: %s%s", origin, count,
                      names.data ? names.data : "", count > NAMES_SHOWN ? ", ..." : "");
    if (!count) status = fail(STATUS_UNSUPPORTED, "%s: has no weights in safetensors or GGUF", origin);
    buffer_free(&names);
    for (int i = 0; status == STATUS_OK && i < listing->files; i++)
        listing->file[i].needed |= same_parts(chosen, listing->file[i].name);
    return status;
}

static bool is_excluded(const struct hub_choice *choice, const char *name) {
    return matches(name, choice->exclude, choice->excludes);
}

enum status hub_choose(struct hub_listing *listing, const struct hub_choice *choice, const char *origin) {
    bool weights = false, chosen = false;
    for (int i = 0; i < listing->files; i++) {
        struct hub_file *file = &listing->file[i];
        bool included = matches(file->name, choice->include, choice->includes);
        file->needed = (is_small(file->name) || included || (!choice->includes && is_weights(file->name))) &&
                       !is_excluded(choice, file->name);
        weights |= is_weights(file->name);
        chosen |= included;
    }
    if (choice->includes && !chosen)
        return fail(STATUS_NOT_FOUND, "%s: no file matches --include %.80s", origin, choice->include[0]);
    return weights || choice->includes ? STATUS_OK : choose_gguf(listing, origin);
}

enum status hub_choose_indexed(struct hub_listing *listing, const struct hub_choice *choice,
                               const json_t *index, const char *origin) {
    json_t *map = json_object_get(index, "weight_map"), *named, *value;
    const char *key;
    if (choice->includes) return STATUS_OK;
    if (!json_is_object(map)) return fail(STATUS_FORMAT, "%s: the index has no \"weight_map\"", origin);
    named = json_object();
    if (!named) return fail(STATUS_MEMORY, "no memory for a list of files");
    json_object_foreach(map, key, value) if (json_is_string(value))
        json_object_set_new(named, json_string_value(value), json_true());
    enum status status = STATUS_OK;
    json_object_foreach(named, key, value) if (status == STATUS_OK && !hub_listing_find(listing, key))
        status = fail(STATUS_FORMAT, "%s: the index names %.100s, which is not there", origin, key);
    for (int i = 0; i < listing->files; i++) {
        struct hub_file *file = &listing->file[i];
        if (ends_in(file->name, ".safetensors"))
            file->needed = json_object_get(named, file->name) && !is_excluded(choice, file->name);
    }
    json_decref(named);
    return status;
}
