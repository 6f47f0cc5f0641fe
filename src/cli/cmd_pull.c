/* cmd_pull.c - `hadal pull`: options, progress, and what came. */
#include "base/json.h"
#include "cli/commands.h"
#include "cli/environment.h"
#include "cli/hub_cache.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "hub/pull.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shown {
    struct progress progress;
    bool started;
};

static bool show(void *context, int64_t done, int64_t total) {
    struct shown *shown = context;
    if (total && !shown->started) progress_start(&shown->progress, "fetching", total, "bytes");
    shown->started |= total > 0;
    if (total) progress_update(&shown->progress, done);
    return !interrupt_seen();
}

static enum status read_options(const struct option_values *values, struct pull_options *options, char *url,
                                size_t url_bytes) {
    const char *const *word, *token = option_text(values, "token");
    if (option_positionals(values, &word) != 1)
        return fail(STATUS_USAGE, "name a model as the hub does: ORG/NAME, or ORG/NAME@REVISION");
    if (!hub_name_from(word[0], &options->name) || *options->name.file)
        return fail(STATUS_USAGE, "'%.80s' is no name of a model: write ORG/NAME or ORG/NAME@REVISION",
                    word[0]);
    if (!token) token = environment_get("HF_TOKEN");
    if (token && strpbrk(token, "\r\n")) return fail(STATUS_USAGE, "--token: a token has no line ends");
    snprintf(url, url_bytes, "%s", option_text(values, "hub"));
    for (size_t bytes = strlen(url); bytes && url[bytes - 1] == '/'; bytes--) url[bytes - 1] = '\0';
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return fail(STATUS_USAGE, "--hub %.80s: write http://HOST or https://HOST", url);
    options->source = (struct hub_source){.url = url,
                                          .token = token,
                                          .connections = (int)option_int(values, "connections"),
                                          .stall_seconds = option_real(values, "timeout"),
                                          .progress = show};
    options->choice.includes = option_texts(values, "include", &options->choice.include);
    options->choice.excludes = option_texts(values, "exclude", &options->choice.exclude);
    options->dry = option_flag(values, "dry-run");
    return STATUS_OK;
}

/* ---- what came ---- */

static json_t *report_json(const struct pull_report *report, bool dry) {
    json_t *files = json_array();
    for (int i = 0; i < report->listing.files; i++) {
        const struct hub_file *file = &report->listing.file[i];
        if (dry || file->needed)
            json_array_append_new(files, json_pack("{s:s, s:I, s:s, s:b}", "name", file->name, "bytes",
                                                   (json_int_t)file->bytes, "hash", file->hash, "needed",
                                                   file->needed));
    }
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:o}", "commit", report->listing.commit, "path",
                     report->snapshot, "files", report->files, "bytes", (json_int_t)report->bytes,
                     dry ? "missing" : "fetched", (json_int_t)report->fetched, "list", files);
}

static void print_list(const struct pull_report *report) {
    for (int i = 0; i < report->listing.files; i++) {
        const struct hub_file *file = &report->listing.file[i];
        printf("%s %14lld  %s\n", file->needed ? "+" : " ", (long long)file->bytes, file->name);
    }
    printf("%d files are needed, %.3f GB, of which %.3f GB are not in the cache\n", report->files,
           (double)report->bytes * 1e-9, (double)report->fetched * 1e-9);
}

static enum status print_report(const struct pull_report *report, bool json, bool dry) {
    if (!json && dry) {
        print_list(report);
        return STATUS_OK;
    }
    if (!json) {
        printf("%s\n", report->snapshot);
        fprintf(stderr, "hadal: %d files, %.3f GB, of which %.3f GB were fetched\n", report->files,
                (double)report->bytes * 1e-9, (double)report->fetched * 1e-9);
        return STATUS_OK;
    }
    json_t *object = report_json(report, dry);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "no memory for the report");
    puts(text);
    free(text);
    return STATUS_OK;
}

enum status command_pull(const struct option_values *values) {
    char url[1024], cache[HUB_PATH_BYTES];
    struct pull_options options = {.cache = option_text(values, "hub-cache")};
    struct pull_report report = {0};
    struct shown shown = {0};
    TRY(read_options(values, &options, url, sizeof url));
    options.source.context = &shown;
    if (!options.cache) {
        TRY(hub_cache_folder(cache, sizeof cache));
        options.cache = cache;
    }
    signal(SIGPIPE, SIG_IGN);
    interrupt_catch();
    enum status status = pull_model(&options, &report);
    if (shown.started) progress_finish(&shown.progress);
    if (status == STATUS_OK) status = print_report(&report, option_flag(values, "json"), options.dry);
    pull_report_free(&report);
    return status;
}
