/* layout.c - see layout.h. */
#include "hub/layout.h"

#include "base/buffer.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { REFERENCE_BYTES = 4096 };

/* ---- names ---- */

static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.", c));
}

/* A part of ORG/NAME: no dot in front, no "--", which parts the folder's name. */
static bool is_part(const char *text, size_t bytes) {
    if (!bytes || bytes > 96 || *text == '.' || *text == '-') return false;
    for (size_t i = 0; i < bytes; i++)
        if (!is_name_character(text[i]) || (i && text[i] == '-' && text[i - 1] == '-')) return false;
    return true;
}

static bool is_revision(const char *text) {
    size_t bytes = strlen(text);
    return bytes && bytes < HUB_NAME_BYTES && hub_file_is_safe(text);
}

bool hub_file_is_safe(const char *file) {
    if (!*file || strlen(file) >= HUB_FILE_BYTES) return false;
    for (const char *part = file;;) {
        size_t bytes = strcspn(part, "/");
        if (!bytes || (part[0] == '.' && (bytes == 1 || (bytes == 2 && part[1] == '.')))) return false;
        for (size_t i = 0; i < bytes; i++)
            if ((unsigned char)part[i] < ' ' || part[i] == 0x7f || part[i] == '\\') return false;
        if (!part[bytes]) return true;
        part += bytes + 1;
    }
}

bool hub_hash_is_valid(const char *hash) {
    size_t bytes = strspn(hash, "0123456789abcdef");
    return !hash[bytes] && (bytes == 40 || bytes == 64);
}

const char *hub_part_ending(const char *name) {
    static const char form[] = "-00000-of-00000.gguf";
    const size_t bytes = strlen(name), length = sizeof form - 1;
    if (bytes <= length) return NULL;
    const char *ending = name + bytes - length;
    for (size_t i = 0; i < length; i++)
        if (form[i] == '0' ? ending[i] < '0' || ending[i] > '9' : ending[i] != form[i]) return NULL;
    return ending;
}

bool hub_is_later_part(const char *name) {
    const char *ending = hub_part_ending(name);
    return ending && memcmp(ending, "-00001", 6) != 0;
}

bool hub_name_from(const char *text, struct hub_name *name) {
    const char *slash = strchr(text, '/'), *at = strrchr(text, '@');
    *name = (struct hub_name){.revision = "main"};
    if (!slash || !is_part(text, (size_t)(slash - text))) return false;
    if (at && (at < slash || !is_revision(at + 1))) return false;
    if (at) snprintf(name->revision, sizeof name->revision, "%s", at + 1);
    size_t whole = at ? (size_t)(at - text) : strlen(text), first = (size_t)(slash - text) + 1;
    size_t bytes = strcspn(slash + 1, "/@"), end = first + bytes;
    if (!is_part(slash + 1, bytes) || end > whole || end >= sizeof name->repository) return false;
    memcpy(name->repository, text, end);
    if (end == whole) return true;
    if (text[end] != '/' || whole - end > sizeof name->file) return false;
    memcpy(name->file, text + end + 1, whole - end - 1);
    return hub_file_is_safe(name->file);
}

enum status hub_path(const char *cache, const char *repository, const char *below,
                     char path[HUB_PATH_BYTES]) {
    int slash = (int)strcspn(repository, "/");
    MUST(repository[slash]);
    int bytes = snprintf(path, HUB_PATH_BYTES, "%s/models--%.*s--%s%s%s", cache, slash, repository,
                         repository + slash + 1, below ? "/" : "", below ? below : "");
    if (bytes > 0 && bytes < HUB_PATH_BYTES) return STATUS_OK;
    return fail(STATUS_LIMIT, "%.200s: the path of the cache is too long", cache);
}

/* ---- what is there ---- */

static bool is_gguf(const char *name) {
    size_t bytes = strlen(name);
    return bytes >= 6 && !strcmp(name + bytes - 5, ".gguf") && !hub_is_later_part(name);
}

static enum status only_gguf(const char *folder, const char *repository, char path[HUB_PATH_BYTES]) {
    char found[HUB_FILE_BYTES] = "";
    DIR *directory = opendir(folder);
    if (!directory) return fail(STATUS_NOT_FOUND, "%s: has no files in the cache", repository);
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (!is_gguf(entry->d_name)) continue;
        count++;
        snprintf(found, sizeof found, "%s", entry->d_name);
    }
    closedir(directory);
    if (count > 1)
        return fail(STATUS_INPUT, "%s: has %d .gguf files: name one, as %s/%.100s", repository, count,
                    repository, found);
    int bytes = snprintf(path, HUB_PATH_BYTES, "%s%s%s", folder, count ? "/" : "", found);
    return bytes < HUB_PATH_BYTES ? STATUS_OK : fail(STATUS_LIMIT, "%s: the path is too long", repository);
}

static enum status read_reference(const char *cache, const struct hub_name *name,
                                  char commit[HUB_NAME_BYTES]) {
    char below[HUB_NAME_BYTES + 8], path[HUB_PATH_BYTES];
    struct buffer text = {0};
    snprintf(commit, HUB_NAME_BYTES, "%s", name->revision);
    if (hub_hash_is_valid(name->revision)) return STATUS_OK;
    snprintf(below, sizeof below, "refs/%s", name->revision);
    TRY(hub_path(cache, name->repository, below, path));
    enum status status = buffer_read_file(&text, path, REFERENCE_BYTES);
    if (status == STATUS_OK) {
        size_t bytes = text.data ? strcspn(text.data, " \r\n") : 0;
        snprintf(commit, HUB_NAME_BYTES, "%.*s", bytes < 100 ? (int)bytes : 0, text.data ? text.data : "");
        buffer_free(&text);
    }
    return status == STATUS_OK && hub_hash_is_valid(commit)
               ? STATUS_OK
               : fail(STATUS_NOT_FOUND, "%s: is not in the cache", name->repository);
}

enum status hub_find(const char *cache, const struct hub_name *name, char path[HUB_PATH_BYTES]) {
    char commit[HUB_NAME_BYTES], below[HUB_NAME_BYTES + HUB_FILE_BYTES + 16], folder[HUB_PATH_BYTES];
    struct stat about;
    TRY(read_reference(cache, name, commit));
    snprintf(below, sizeof below, "snapshots/%s%s%s", commit, *name->file ? "/" : "", name->file);
    TRY(hub_path(cache, name->repository, below, folder));
    if (stat(folder, &about)) return fail(STATUS_NOT_FOUND, "%s: is not in the cache", name->repository);
    if (!S_ISDIR(about.st_mode) || *name->file) {
        snprintf(path, HUB_PATH_BYTES, "%s", folder);
        return STATUS_OK;
    }
    char config[HUB_PATH_BYTES + 16];
    snprintf(config, sizeof config, "%s/config.json", folder);
    if (!stat(config, &about)) {
        snprintf(path, HUB_PATH_BYTES, "%s", folder);
        return STATUS_OK;
    }
    return only_gguf(folder, name->repository, path);
}
