/* cmd_serve.c - `hadal serve`: options, the line that says where the server is, signals, the log. */
#include "base/bytes.h"
#include "cli/account.h"
#include "cli/answer_options.h"
#include "cli/commands.h"
#include "cli/environment.h"
#include "cli/open_engine.h"
#include "cli/progress.h"
#include "server/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void write_log(void *context, const char *line) {
    (void)context;
    fprintf(stderr, "%s\n", line);
}

static void write_notice(void *context, const char *sentence) {
    (void)context;
    fprintf(stderr, "hadal: %s\n", sentence);
}

static bool show_arranging(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    if (!progress->total) progress_start(progress, "arranging weights", total, "bytes");
    progress_update(progress, done);
    return true;
}

static enum status options_from(const struct option_values *values, struct server_options *options) {
    static const char *const usual[] = {"deepseek-chat", "deepseek-reasoner"};
    *options = (struct server_options){
        .address = option_text(values, "host"),
        .port = (int)option_int(values, "port"),
        .certificate = option_text(values, "tls-cert"),
        .key = option_text(values, "tls-key"),
        .keys = option_text(values, "api-keys"),
        .accounts = option_text(values, "accounts"),
        .prices = option_text(values, "prices"),
        .notice = write_notice,
        .dialect = option_text(values, "dialect"),
        .model_name = option_text(values, "model-name"),
        .alias = usual,
        .aliases = (int)COUNT_OF(usual),
        .chat_template = option_text(values, "template"),
        .body_bytes = option_int(values, "max-body"),
        .unsent_bytes = option_int(values, "max-unsent"),
        .connections = (int)option_int(values, "max-connections"),
        .thinking_budget =
            option_given(values, "thinking-budget") ? option_int(values, "thinking-budget") : -1,
        .answer_tokens = option_given(values, "answer-tokens") ? option_int(values, "answer-tokens") : -1,
        .request_seconds = option_real(values, "request-time"),
        .queue_seconds = option_real(values, "queue-time"),
        .search = option_text(values, "search"),
        .search_kind = option_text(values, "search-kind"),
        .search_key = option_text(values, "search-key"),
        .explain_cache = option_flag(values, "explain-cache"),
        .drain_seconds = option_real(values, "drain-time"),
        .log = option_flag(values, "no-log") ? NULL : write_log};
    TRY(engine_options_from(values, &options->service.engine));
    options->service.engine.model.sequences = (int)option_int(values, "parallel");
    options->service.engine.model.cache_tokens =
        option_given(values, "cache-tokens") ? option_int(values, "cache-tokens") : CACHE_AUTOMATIC;
    options->service.limits.speculate = speculate_from(values);
    options->service.limits.queue = (int)option_int(values, "max-queue");
    options->service.limits.account_requests = (int)option_int(values, "account-requests");
    options->service.limits.cache_dir = option_text(values, "kv-cache-dir");
    options->service.limits.disk_bytes = option_int(values, "kv-cache-size");
    options->service.limits.disk_written_bytes = option_int(values, "kv-cache-writes");
    if (option_given(values, "web-allow"))
        options->allows = option_texts(values, "web-allow", &options->allow);
    if (option_given(values, "host-name")) options->hosts = option_texts(values, "host-name", &options->host);
    if (option_given(values, "alias")) options->aliases = option_texts(values, "alias", &options->alias);
    return STATUS_OK;
}

/* ---- signals: blocked in all threads, taken by one that waits for them ---- */

static void stop_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

/* Each connection has a descriptor; those of the model and of the cache's files come on top. Where the system allows
 * fewer, the server says so and lets connections wait, rather than fail when they run out. */
static void settle_descriptors(struct server_options *options) {
    enum { OTHERS = 256 };
    struct rlimit limit;
    const rlim_t wanted = (rlim_t)options->connections + OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) || getrlimit(RLIMIT_NOFILE, &limit)) return;
    }
    if (limit.rlim_cur >= wanted) return;
    const rlim_t room = limit.rlim_cur > 2 * OTHERS ? limit.rlim_cur - OTHERS : limit.rlim_cur / 2;
    fprintf(stderr,
            "hadal: %d connections need more than the %llu open files that the system allows: %llu at most\n",
            options->connections, (unsigned long long)limit.rlim_cur, (unsigned long long)room);
    options->connections = room > 0 ? (int)room : 1;
}

static void *wait_for_signals(void *context) {
    sigset_t set;
    int number;
    stop_signals(&set);
    while (sigwait(&set, &number) == 0) server_stop(context);
    return NULL;
}

static void say_where(const struct server *server, const struct server_options *options) {
    const struct engine *engine = server_engine(server);
    const bool v6 = strchr(options->address, ':') != NULL;
    fprintf(stderr,
            "hadal: serving %s://%s%s%s:%d, context %lld tokens, cache %lld tokens, %d answers at once\n",
            options->certificate ? "https" : "http", v6 ? "[" : "", options->address, v6 ? "]" : "",
            server_port(server), (long long)engine->context, (long long)engine->kv.pages * KV_PAGE_TOKENS,
            engine->sequences);
    fprintf(stderr, "hadal: that address, opened in a browser, is a page to chat\n");
    if (*engine->model.packed.notice) fprintf(stderr, "hadal: %s\n", engine->model.packed.notice);
}

static enum status run(struct server *server) {
    pthread_t waiter;
    if (pthread_create(&waiter, NULL, wait_for_signals, server))
        return fail(STATUS_MEMORY, "no thread for signals");
    enum status status = server_run(server);
    pthread_cancel(waiter);
    pthread_join(waiter, NULL);
    return status;
}

enum status command_serve(const struct option_values *values) {
    char directory[4096], journal[4096];
    sigset_t set;
    struct server *server;
    struct server_options options;
    struct progress progress = {0};
    TRY(options_from(values, &options));
    if (options.accounts) TRY(accounts_journal(values, journal, sizeof journal));
    options.journal = journal;
    settle_descriptors(&options);
    struct model_options *model = &options.service.engine.model;
    model->progress = show_arranging;
    model->progress_context = &progress;
    if (!model->cache_dir && user_path(USER_CACHE, "weights", directory, sizeof directory))
        model->cache_dir = directory;
    signal(SIGPIPE, SIG_IGN);
    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    enum status status = server_open(&server, &options);
    progress_finish(&progress);
    TRY(status);
    say_where(server, &options);
    status = run(server);
    server_close(server);
    return status;
}
