/* fetch.c - see fetch.h. Transfers of libcurl in one loop: each takes a part of a file and starts at the hub's own address, so
 * that an address that a redirect gave may run out. */
#include "hub/fetch.h"

#include "base/clock.h"
#include "base/version.h"
#include "hub/partial.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { ATTEMPTS = 6, CONNECT_SECONDS = 20, REDIRECTS = 10, POLL_MILLISECONDS = 100, WRONG_MOST = 2 };
static const double shortest_pause = 0.05, first_pause = 0.5;

struct fetched {
    const struct hub_file *file;
    char *target, *url;
    struct partial partial;
    bool open, done, ranged; /* ranged: not yet known to be without ranges */
    int active, wrong;       /* transfers; times that the checksum did not fit */
};

struct transfer {
    struct fetch *fetch;
    struct fetched *of; /* NULL: the place is free */
    CURL *easy;
    int part; /* -1: the whole file */
    int64_t begin, at, end;
    int64_t said_begin, said_total; /* Content-Range; -1: none */
    bool looked, wrong_range, too_long;
    enum status written;
};

struct fetch {
    const struct hub_source *source;
    CURLM *multi;
    struct fetched *file;
    int files, failures; /* in a row, without a byte between */
    double not_before;   /* after a failure */
    struct transfer *transfer;
    int64_t total;
};

/* ---- what both kinds of transfer have ---- */

static bool set_common(CURL *easy, const struct hub_source *source, const char *url) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    code |= curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    code |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    code |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    code |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                             (long)(source->stall_seconds < 1 ? 1 : source->stall_seconds));
    code |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "hadal/" HADAL_VERSION);
    if (source->token) {
        code |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        code |= curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, source->token);
    }
    return code == CURLE_OK;
}

/* Is it worth another try? */
static bool passes(CURLcode code, long answer) {
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return answer == 408 || answer == 416 || answer == 429 || answer >= 500;
    return code == CURLE_COULDNT_CONNECT || code == CURLE_PARTIAL_FILE || code == CURLE_OPERATION_TIMEDOUT ||
           code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
           code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_WEIRD_SERVER_REPLY ||
           code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_OK;
}

static enum status refusal(const char *url, CURLcode code, long answer) {
    if (answer == 401 || answer == 403)
        return fail(STATUS_DENIED,
                    "%.300s: the hub refuses it with status %ld: a token of an account that may read it "
                    "is needed (--token)",
                    url, answer);
    if (answer == 404) return fail(STATUS_NOT_FOUND, "%.300s: is not there (status 404)", url);
    if (answer >= 400) return fail(STATUS_IO, "%.300s: status %ld", url, answer);
    return fail(STATUS_IO, "%.300s: %s", url, curl_easy_strerror(code));
}

/* ---- small answers ---- */

static size_t take_text(char *data, size_t size, size_t count, void *context) {
    struct buffer *body = context;
    buffer_append(body, data, size * count);
    return body->failed ? 0 : size * count;
}

static bool keep_on(const struct hub_source *source, int64_t done, int64_t total) {
    return !source->progress || source->progress(source->context, done, total);
}

static bool pause_for(const struct hub_source *source, double seconds, int64_t done, int64_t total) {
    for (double until = clock_seconds() + seconds; clock_seconds() < until;) {
        if (!keep_on(source, done, total)) return false;
        struct timespec wait = {0, 50000000};
        nanosleep(&wait, NULL);
    }
    return true;
}

static enum status get_once(const struct hub_source *source, const char *url, struct buffer *body,
                            bool *again) {
    CURL *easy = curl_easy_init();
    long answer = 0;
    *again = false;
    if (!easy || !set_common(easy, source, url) || curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_text) ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, body)) {
        curl_easy_cleanup(easy);
        return fail(STATUS_MEMORY, "no memory for a transfer");
    }
    CURLcode code = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer);
    curl_easy_cleanup(easy);
    if (code == CURLE_OK) return STATUS_OK;
    TRY(buffer_check(body, "the hub's answer"));
    *again = passes(code, answer);
    return refusal(url, code, answer);
}

enum status hub_get(const struct hub_source *source, const char *path, size_t limit, struct buffer *body) {
    char url[HUB_PATH_BYTES];
    bool again = true;
    enum status status = STATUS_OK;
    if (snprintf(url, sizeof url, "%s%s", source->url, path) >= (int)sizeof url)
        return fail(STATUS_LIMIT, "%.200s: too long", source->url);
    for (int attempt = 0; again && attempt < ATTEMPTS; attempt++) {
        if (attempt && !pause_for(source, first_pause * (1 << (attempt - 1)), 0, 0))
            return fail(STATUS_CANCELLED, "stopped");
        buffer_free(body);
        *body = (struct buffer){.limit = limit};
        status = get_once(source, url, body, &again);
    }
    if (status != STATUS_OK) buffer_free(body);
    return status;
}

/* ---- a part of a file ---- */

static size_t take_header(char *data, size_t size, size_t count, void *context) {
    static const char name[] = "content-range:";
    struct transfer *transfer = context;
    size_t bytes = size * count;
    long long begin, end, total;
    char line[160];
    if (bytes > 5 && !strncasecmp(data, "HTTP/", 5))
        transfer->said_begin = -1; /* of the answer behind a redirect */
    if (bytes < sizeof name || bytes >= sizeof line || strncasecmp(data, name, sizeof name - 1) != 0)
        return bytes;
    memcpy(line, data, bytes);
    line[bytes] = '\0';
    if (sscanf(line + sizeof name - 1, " bytes %lld-%lld/%lld", &begin, &end, &total) == 3) {
        transfer->said_begin = begin;
        transfer->said_total = total;
    }
    return bytes;
}

/* Is what comes what was asked for? An answer from the beginning serves whoever asked for that. */
static bool look(struct transfer *transfer) {
    long answer = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer);
    transfer->looked = true;
    if (answer == 206)
        return transfer->said_begin == transfer->at && transfer->said_total == transfer->of->file->bytes;
    return transfer->part < 0;
}

static size_t take_bytes(char *data, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    struct partial *partial = &transfer->of->partial;
    int64_t bytes = (int64_t)(size * count);
    if (!transfer->looked && !look(transfer)) {
        transfer->wrong_range = true;
        return 0;
    }
    if (bytes > transfer->end - transfer->at) {
        transfer->too_long = true;
        return 0;
    }
    transfer->written = partial_write(partial, transfer->at, data, bytes);
    if (transfer->written != STATUS_OK) return 0;
    transfer->at += bytes;
    if (transfer->part >= 0)
        partial->done[transfer->part] = transfer->at - partial_begin(partial, transfer->part);
    if (transfer->part >= 0)
        transfer->fetch->failures = 0; /* nothing of the others stays when they are cut */
    return size * count;
}

static enum status start(struct fetch *fetch, struct transfer *transfer, struct fetched *of, int part) {
    char range[64];
    int64_t begin = part < 0 ? 0 : partial_begin(&of->partial, part) + of->partial.done[part];
    int64_t end = part < 0 ? of->file->bytes : partial_end(&of->partial, part);
    *transfer = (struct transfer){fetch, of, curl_easy_init(), part, begin, begin, end, -1, -1};
    CURL *easy = transfer->easy;
    if (!easy || !set_common(easy, fetch->source, of->url))
        return fail(STATUS_MEMORY, "no memory for a transfer");
    CURLcode code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
    code |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    code |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    snprintf(range, sizeof range, "%lld-%lld", (long long)begin, (long long)end - 1);
    if (part >= 0) code |= curl_easy_setopt(easy, CURLOPT_RANGE, range);
    if (code || curl_multi_add_handle(fetch->multi, easy))
        return fail(STATUS_MEMORY, "no memory for a transfer");
    of->active++;
    return STATUS_OK;
}

static void stop(struct transfer *transfer) {
    if (transfer->easy) {
        curl_multi_remove_handle(transfer->fetch->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    if (transfer->of) transfer->of->active--;
    *transfer = (struct transfer){0};
}

/* ---- a whole file ---- */

static enum status finish(struct fetched *of) {
    bool same;
    TRY(partial_check(&of->partial, of->file->hash, &same));
    if (same) {
        of->open = false;
        of->done = true;
        return partial_publish(&of->partial, of->target);
    }
    partial_forget(&of->partial);
    if (++of->wrong < WRONG_MOST) return STATUS_OK;
    return fail(STATUS_FORMAT, "%.300s: what comes has not the checksum that the hub says, twice", of->url);
}

static bool has_all(const struct fetched *of) {
    return of->open && partial_bytes_done(&of->partial) == of->file->bytes;
}

/* ---- what a transfer ended with ---- */

static enum status fail_later(struct fetch *fetch, const struct transfer *transfer, CURLcode code,
                              long answer) {
    double wait = fetch->failures ? first_pause * (1 << (fetch->failures - 1)) : shortest_pause;
    curl_off_t asked = 0;
    if (++fetch->failures >= ATTEMPTS)
        return code ? refusal(transfer->of->url, code, answer)
                    : fail(STATUS_IO, "%.300s: answers end before their end", transfer->of->url);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &asked);
    if (asked > 0 && asked < 120) wait = (double)asked;
    fetch->not_before = clock_seconds() + wait;
    return STATUS_OK;
}

static enum status judge(struct fetch *fetch, struct transfer *transfer, CURLcode code) {
    struct fetched *of = transfer->of;
    long answer = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer);
    if (transfer->written != STATUS_OK) return transfer->written;
    if (transfer->too_long) return fail(STATUS_FORMAT, "%.300s: is longer than the hub says", of->url);
    if (transfer->wrong_range && answer == 200) {
        of->ranged = false;
        partial_forget(&of->partial);
        return STATUS_OK;
    }
    if (transfer->wrong_range)
        return fail(STATUS_FORMAT, "%.300s: another range comes than was asked for", of->url);
    if (code == CURLE_OK && transfer->at == transfer->end) {
        for (int i = 0; transfer->part < 0 && i < of->partial.parts; i++)
            of->partial.done[i] = partial_end(&of->partial, i) - partial_begin(&of->partial, i);
        return STATUS_OK;
    }
    if (!passes(code, answer)) return refusal(of->url, code, answer);
    return fail_later(fetch, transfer, code, answer);
}

static enum status take_ends(struct fetch *fetch) {
    int left;
    enum status status = STATUS_OK;
    for (CURLMsg *message; status == STATUS_OK && (message = curl_multi_info_read(fetch->multi, &left));) {
        char *context = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE) continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &context);
        struct transfer *transfer = (struct transfer *)(void *)context;
        struct fetched *of = transfer->of;
        status = judge(fetch, transfer, code);
        stop(transfer);
        if (status == STATUS_OK && !of->active && has_all(of)) status = finish(of);
    }
    return status;
}

/* ---- all of them ---- */

static bool is_taken(const struct fetch *fetch, const struct fetched *of, int part) {
    for (int i = 0; i < fetch->source->connections; i++)
        if (fetch->transfer[i].of == of && (part < 0 || fetch->transfer[i].part == part)) return true;
    return false;
}

/* The next part that nobody fetches. */
static bool next_part(struct fetch *fetch, struct fetched **of, int *part) {
    for (int f = 0; f < fetch->files; f++) {
        struct fetched *file = *of = &fetch->file[f];
        if (!file->open) continue;
        if (!file->ranged) {
            *part = -1;
            if (!file->active && !is_taken(fetch, file, -1)) return true;
            continue;
        }
        for (*part = 0; *part < file->partial.parts; ++*part) {
            int64_t bytes = partial_end(&file->partial, *part) - partial_begin(&file->partial, *part);
            if (file->partial.done[*part] < bytes && !is_taken(fetch, file, *part)) return true;
        }
    }
    return false;
}

static enum status start_more(struct fetch *fetch) {
    struct fetched *of;
    int part;
    if (clock_seconds() < fetch->not_before) return STATUS_OK;
    for (int i = 0; i < fetch->source->connections; i++) {
        if (fetch->transfer[i].of) continue;
        if (!next_part(fetch, &of, &part)) break;
        TRY(start(fetch, &fetch->transfer[i], of, part));
    }
    return STATUS_OK;
}

static int64_t bytes_there(const struct fetch *fetch) {
    int64_t done = 0;
    for (int f = 0; f < fetch->files; f++) {
        const struct fetched *of = &fetch->file[f];
        done += of->done ? of->file->bytes : of->open ? partial_bytes_done(&of->partial) : 0;
    }
    for (int i = 0; i < fetch->source->connections; i++) /* whole files count nowhere yet */
        if (fetch->transfer[i].of && fetch->transfer[i].part < 0) done += fetch->transfer[i].at;
    return done;
}

static bool all_done(const struct fetch *fetch) {
    for (int f = 0; f < fetch->files; f++)
        if (!fetch->file[f].done) return false;
    return true;
}

static enum status run(struct fetch *fetch) {
    for (int f = 0; f < fetch->files; f++) /* what was whole before the last run ended */
        if (has_all(&fetch->file[f])) TRY(finish(&fetch->file[f]));
    while (!all_done(fetch)) {
        int running;
        if (!keep_on(fetch->source, bytes_there(fetch), fetch->total))
            return fail(STATUS_CANCELLED, "stopped; the same command goes on");
        TRY(start_more(fetch));
        if (curl_multi_perform(fetch->multi, &running) ||
            curl_multi_poll(fetch->multi, NULL, 0, POLL_MILLISECONDS, NULL))
            return fail(STATUS_IO, "the network cannot be waited for");
        TRY(take_ends(fetch));
    }
    (void)keep_on(fetch->source, fetch->total, fetch->total);
    return STATUS_OK;
}

/* ---- opening ---- */

static bool is_there(const char *folder, const struct hub_file *file) {
    char path[HUB_PATH_BYTES];
    struct stat about;
    return snprintf(path, sizeof path, "%s/%s", folder, file->hash) < (int)sizeof path &&
           !stat(path, &about) && S_ISREG(about.st_mode) && about.st_size == file->bytes;
}

int64_t hub_missing_bytes(const struct hub_listing *listing, const char *folder) {
    int64_t bytes = 0;
    for (int i = 0; i < listing->files; i++)
        if (listing->file[i].needed && !is_there(folder, &listing->file[i])) bytes += listing->file[i].bytes;
    return bytes;
}

/* Two names may have one content. */
static bool is_listed(const struct fetch *fetch, const char *hash) {
    for (int f = 0; f < fetch->files; f++)
        if (!strcmp(fetch->file[f].file->hash, hash)) return true;
    return false;
}

static enum status add_file(struct fetch *fetch, const struct hub_file *file, const char *repository,
                            const char *commit, const char *folder) {
    struct fetched *of = &fetch->file[fetch->files++];
    char *name = curl_easy_escape(NULL, file->name, 0);
    *of = (struct fetched){.file = file, .ranged = true, .partial.file = -1};
    for (char *from = name, *to = name; name; from++, to++) { /* slashes are no part of names */
        bool slash = !strncasecmp(from, "%2f", 3);
        *to = slash ? '/' : *from;
        if (slash) from += 2;
        if (!*to) break;
    }
    if (!name || asprintf(&of->target, "%s/%s", folder, file->hash) < 0) of->target = NULL;
    if (!name || asprintf(&of->url, "%s/%s/resolve/%s/%s", fetch->source->url, repository, commit, name) < 0)
        of->url = NULL;
    curl_free(name);
    if (!of->target || !of->url) return fail(STATUS_MEMORY, "no memory for a file");
    TRY(partial_open(&of->partial, of->target, file->bytes));
    of->open = true;
    fetch->total += file->bytes;
    return STATUS_OK;
}

static enum status open_fetch(struct fetch *fetch, const char *repository, const struct hub_listing *listing,
                              const char *folder) {
    fetch->multi = curl_multi_init();
    fetch->file = calloc((size_t)listing->files + 1, sizeof *fetch->file);
    fetch->transfer = calloc((size_t)fetch->source->connections, sizeof *fetch->transfer);
    if (!fetch->multi || !fetch->file || !fetch->transfer)
        return fail(STATUS_MEMORY, "no memory for transfers");
    for (int i = 0; i < listing->files; i++) {
        const struct hub_file *file = &listing->file[i];
        if (!file->needed || is_there(folder, file) || is_listed(fetch, file->hash)) continue;
        TRY(add_file(fetch, file, repository, listing->commit, folder));
    }
    return STATUS_OK;
}

static void close_fetch(struct fetch *fetch) {
    for (int i = 0; fetch->transfer && i < fetch->source->connections; i++)
        if (fetch->transfer[i].of) stop(&fetch->transfer[i]);
    for (int f = 0; f < fetch->files; f++) {
        if (fetch->file[f].open) partial_close(&fetch->file[f].partial);
        free(fetch->file[f].target);
        free(fetch->file[f].url);
    }
    free(fetch->transfer);
    free(fetch->file);
    curl_multi_cleanup(fetch->multi);
}

enum status hub_fetch(const struct hub_source *source, const char *repository,
                      const struct hub_listing *listing, const char *folder) {
    struct fetch fetch = {.source = source};
    enum status status = open_fetch(&fetch, repository, listing, folder);
    if (status == STATUS_OK) status = run(&fetch);
    close_fetch(&fetch);
    return status;
}
