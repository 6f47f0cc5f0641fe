/* pull.c - see pull.h. */
#include "hub/pull.h"

#include "base/disk_room.h"
#include "base/file_write.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTING_LIMIT = 64 << 20, INDEX_LIMIT = 64 << 20 };
static const char index_name[] = "model.safetensors.index.json";

/* ---- folders ---- */

/* Every folder of `path`, the last one too unless it is a file's. */
static enum status make_folders(const char *path, bool file) {
    char part[HUB_PATH_BYTES];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(part, 0755) && errno != EEXIST)
            return fail(STATUS_IO, "%.300s: cannot be made: %s", part, strerror(errno));
        *slash = '/';
    }
    if (!file && mkdir(part, 0755) && errno != EEXIST)
        return fail(STATUS_IO, "%.300s: cannot be made: %s", part, strerror(errno));
    return STATUS_OK;
}

static enum status lock_folder(const char *folder, int *lock) {
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return fail(STATUS_IO, "%.300s: cannot be opened: %s", folder, strerror(errno));
    if (!flock(*lock, LOCK_EX | LOCK_NB)) return STATUS_OK;
    close(*lock);
    *lock = -1;
    return fail(STATUS_BUSY, "%.300s: another process fetches into it", folder);
}

/* ---- what there is ---- */

static enum status ask(const struct pull_options *options, struct hub_listing *listing) {
    char path[HUB_NAME_BYTES * 4 + 64];
    struct buffer body = {0};
    char *revision = curl_easy_escape(NULL, options->name.revision, 0);
    if (!revision) return fail(STATUS_MEMORY, "no memory for a request");
    snprintf(path, sizeof path, "/api/models/%s/revision/%s?blobs=true", options->name.repository, revision);
    curl_free(revision);
    TRY(hub_get(&options->source, path, LISTING_LIMIT, &body));
    enum status status =
        hub_listing_parse(listing, body.data ? body.data : "", body.bytes, options->name.repository);
    buffer_free(&body);
    return status;
}

/* The index says which of the weights belong to the model; it is small and comes first. */
static enum status narrow(const struct pull_options *options, struct hub_listing *listing,
                          const char *blobs) {
    const struct hub_file *index = hub_listing_find(listing, index_name);
    char path[HUB_PATH_BYTES + 80];
    json_t *root;
    if (!index || !index->needed) return STATUS_OK;
    struct hub_file alone = *index;
    struct hub_listing one = {.file = &alone, .files = 1};
    memcpy(one.commit, listing->commit, sizeof one.commit);
    struct hub_source quiet = options->source;
    quiet.progress = NULL;
    TRY(hub_fetch(&quiet, options->name.repository, &one, blobs));
    snprintf(path, sizeof path, "%s/%s", blobs, index->hash);
    TRY(json_read_file(path, INDEX_LIMIT, &root));
    enum status status = hub_choose_indexed(listing, &options->choice, root, options->name.repository);
    json_decref(root);
    return status;
}

/* ---- the snapshot ---- */

static enum status link_file(const struct hub_file *file, const char *snapshot) {
    char link[HUB_PATH_BYTES + HUB_FILE_BYTES], to[HUB_FILE_BYTES * 2 + 128] = "",
                                                                        there[HUB_FILE_BYTES * 2 + 128];
    size_t used = 0;
    for (const char *c = file->name; *c; c++) /* out of each folder of its name */
        if (*c == '/') used += (size_t)snprintf(to + used, sizeof to - used, "../");
    snprintf(to + used, sizeof to - used, "../../blobs/%s", file->hash);
    if (snprintf(link, sizeof link, "%s/%s", snapshot, file->name) >= HUB_PATH_BYTES)
        return fail(STATUS_LIMIT, "%.300s: the path is too long", snapshot);
    TRY(make_folders(link, true));
    ssize_t bytes = readlink(link, there, sizeof there - 1);
    if (bytes > 0) {
        there[bytes] = '\0';
        if (!strcmp(there, to)) return STATUS_OK;
    }
    (void)unlink(link);
    if (symlink(to, link)) return fail(STATUS_IO, "%.300s: no link can be made: %s", link, strerror(errno));
    return STATUS_OK;
}

static enum status write_reference(const struct pull_options *options, const char *commit) {
    char below[HUB_NAME_BYTES + 8], path[HUB_PATH_BYTES];
    struct file_writer file;
    if (hub_hash_is_valid(options->name.revision)) return STATUS_OK; /* a commit stands for itself */
    snprintf(below, sizeof below, "refs/%s", options->name.revision);
    TRY(hub_path(options->cache, options->name.repository, below, path));
    TRY(make_folders(path, true));
    TRY(file_writer_open(&file, path));
    enum status status = file_writer_append(&file, commit, strlen(commit));
    if (status == STATUS_OK) status = file_writer_finish(&file);
    file_writer_close(&file);
    return status;
}

static enum status make_snapshot(const struct pull_options *options, struct pull_report *report) {
    const struct hub_listing *listing = &report->listing;
    TRY(make_folders(report->snapshot, false));
    for (int i = 0; i < listing->files; i++)
        if (listing->file[i].needed) TRY(link_file(&listing->file[i], report->snapshot));
    return write_reference(options, listing->commit);
}

/* ---- all of it ---- */

static void count(struct pull_report *report, const char *blobs) {
    const struct hub_listing *listing = &report->listing;
    report->files = 0;
    report->bytes = 0;
    for (int i = 0; i < listing->files; i++) {
        report->files += listing->file[i].needed;
        report->bytes += listing->file[i].needed ? listing->file[i].bytes : 0;
    }
    report->fetched = hub_missing_bytes(listing, blobs);
}

static enum status pull(const struct pull_options *options, struct pull_report *report) {
    char blobs[HUB_PATH_BYTES], below[96];
    const char *repository = options->name.repository;
    TRY(ask(options, &report->listing));
    TRY(hub_choose(&report->listing, &options->choice, repository));
    snprintf(below, sizeof below, "snapshots/%s", report->listing.commit);
    TRY(hub_path(options->cache, repository, below, report->snapshot));
    TRY(hub_path(options->cache, repository, "blobs", blobs));
    if (options->dry) {
        count(report, blobs);
        return STATUS_OK;
    }
    TRY(make_folders(blobs, false));
    TRY(narrow(options, &report->listing, blobs));
    count(report, blobs);
    TRY(disk_room_check(blobs, report->fetched));
    TRY(hub_fetch(&options->source, repository, &report->listing, blobs));
    return make_snapshot(options, report);
}

enum status pull_model(const struct pull_options *options, struct pull_report *report) {
    char folder[HUB_PATH_BYTES];
    int lock = -1;
    *report = (struct pull_report){0};
    TRY(hub_path(options->cache, options->name.repository, NULL, folder));
    if (!options->dry) {
        TRY(make_folders(folder, false));
        TRY(lock_folder(folder, &lock));
    }
    enum status status = pull(options, report);
    if (lock >= 0) close(lock);
    if (status != STATUS_OK) pull_report_free(report);
    return status;
}

void pull_report_free(struct pull_report *report) {
    hub_listing_free(&report->listing);
}
