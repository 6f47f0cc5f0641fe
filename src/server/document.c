/* document.c - a PDF becomes text in a program of its own: a damaged or hostile file can crash that and nothing else.
 *
 * The child reads an anonymous file, writes to a pipe, has no environment, may open no file for writing that grows, and is
 * bounded in time, memory and output. Nothing waits for it: the pipe is an event of the network's base, and so is
 * its deadline. The state belongs to the thread of the network. */
#include "server/document.h"

#include "server/http.h"
#include "text/json_print.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REAP_MILLISECONDS = 10 };

struct conversion {
    struct api *api;
    struct http_exchange *exchange;
    struct event *readable, *deadline, *reap;
    int output; /* of the child; -1: closed */
    pid_t child;
    struct buffer text;
};

const char *document_converter(void) {
    static const char *const places[] = {"/usr/bin/pdftotext", "/usr/local/bin/pdftotext"};
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (!access(places[i], X_OK)) return places[i];
    return NULL;
}

/* ---- the end ---- */

static void free_conversion(struct conversion *conversion) {
    if (conversion->child > 0) {
        kill(conversion->child, SIGKILL);
        waitpid(conversion->child, NULL, 0); /* at once, as it is dead */
    }
    if (conversion->readable) event_free(conversion->readable);
    if (conversion->deadline) event_free(conversion->deadline);
    if (conversion->reap) event_free(conversion->reap);
    if (conversion->output >= 0) close(conversion->output);
    buffer_free(&conversion->text);
    conversion->api->documents--;
    free(conversion);
}

static void refuse(struct conversion *conversion, int status, const char *sentence) {
    http_on_gone(conversion->exchange, NULL, NULL);
    api_reply_error(conversion->exchange, api_refuse, status, sentence);
    free_conversion(conversion);
}

static void reply(struct conversion *conversion) {
    struct buffer out = {0};
    buffer_append_text(&out, "{\"text\":");
    json_print_text(&out, conversion->text.data ? conversion->text.data : "", conversion->text.bytes);
    buffer_append_char(&out, '}');
    http_on_gone(conversion->exchange, NULL, NULL);
    api_reply_json(conversion->exchange, &out);
    buffer_free(&out);
    free_conversion(conversion);
}

static void on_gone(void *context) {
    free_conversion(context);
}

/* ---- the child ---- */

static void on_deadline(evutil_socket_t none, short what, void *context) {
    (void)none;
    (void)what;
    refuse(context, 400, "the PDF takes too long to read");
}

/* Its output has ended; a moment later it has. */
static void on_reap(evutil_socket_t none, short what, void *context) {
    struct conversion *conversion = context;
    const struct timeval moment = {0, REAP_MILLISECONDS * 1000};
    int result;
    (void)none;
    (void)what;
    if (waitpid(conversion->child, &result, WNOHANG) == 0) {
        evtimer_add(conversion->reap, &moment);
        return;
    }
    conversion->child = 0;
    if (WIFEXITED(result) && WEXITSTATUS(result) == 0)
        reply(conversion);
    else
        refuse(conversion, 400, "the PDF cannot be read: it is damaged, encrypted or too large");
}

static void on_readable(evutil_socket_t output, short what, void *context) {
    struct conversion *conversion = context;
    char piece[16384];
    (void)what;
    const ssize_t bytes = read(output, piece, sizeof piece);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (bytes > 0) {
        buffer_append(&conversion->text, piece, (size_t)bytes);
        if (conversion->text.failed) refuse(conversion, 413, "the text of the PDF is too long");
        return;
    }
    event_del(conversion->readable);
    on_reap(-1, 0, conversion);
}

static void bound_child(pid_t child) {
    const struct rlimit memory = {DOCUMENT_MEMORY, DOCUMENT_MEMORY},
                        seconds = {DOCUMENT_SECONDS, DOCUMENT_SECONDS}, none = {0, 0};
    (void)prlimit(child, RLIMIT_AS, &memory, NULL);
    (void)prlimit(child, RLIMIT_CPU, &seconds, NULL);
    (void)prlimit(child, RLIMIT_FSIZE, &none, NULL);
    (void)prlimit(child, RLIMIT_CORE, &none, NULL);
}

/* False: it could not be started. */
static bool spawn(struct conversion *conversion, const char *program, int input, int output) {
    char *const arguments[] = {"pdftotext", "-q", "-enc", "UTF-8", "-nopgbrk", "-", "-", NULL};
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* the server ignores it */
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    const bool started =
        posix_spawn(&conversion->child, program, &files, &attributes, arguments, environment) == 0;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (started)
        bound_child(conversion->child);
    else
        conversion->child = 0;
    return started;
}

/* ---- the beginning ---- */

/* The file in memory that the child reads; -1: there is none. */
static int make_input(const struct http_request *request) {
    const int input = memfd_create("document", MFD_CLOEXEC);
    size_t written = 0;
    while (input >= 0 && written < request->body_bytes) {
        const ssize_t bytes = write(input, request->body + written, request->body_bytes - written);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) {
            close(input);
            return -1;
        }
        written += (size_t)bytes;
    }
    if (input >= 0) (void)lseek(input, 0, SEEK_SET);
    return input;
}

static bool start_child(struct conversion *conversion, const char *program,
                        const struct http_request *request) {
    int pipe_ends[2] = {-1, -1};
    const int input = make_input(request);
    bool started = false;
    if (input >= 0 && !pipe2(pipe_ends, O_CLOEXEC)) {
        started = spawn(conversion, program, input, pipe_ends[1]);
        conversion->output = pipe_ends[0];
        close(pipe_ends[1]);
        (void)fcntl(conversion->output, F_SETFL, O_NONBLOCK);
    }
    if (input >= 0) close(input);
    return started;
}

static bool listen_to_child(struct conversion *conversion) {
    struct event_base *base = conversion->api->base;
    const struct timeval limit = {DOCUMENT_SECONDS, 0};
    conversion->readable = event_new(base, conversion->output, EV_READ | EV_PERSIST, on_readable, conversion);
    conversion->deadline = evtimer_new(base, on_deadline, conversion);
    conversion->reap = evtimer_new(base, on_reap, conversion);
    return conversion->readable && conversion->deadline && conversion->reap &&
           !event_add(conversion->readable, NULL) && !evtimer_add(conversion->deadline, &limit);
}

/* NULL, or why the request is refused. */
static const char *check(const struct api *api, const struct http_request *request, int *status) {
    *status = 400;
    if (request->body_bytes > DOCUMENT_BYTES_LIMIT) {
        *status = 413;
        return "the PDF is larger than 32 MiB";
    }
    if (request->body_bytes < 5 || memcmp(request->body, "%PDF-", 5)) return "the body is no PDF";
    *status = document_converter() ? 503 : 501;
    if (!document_converter()) return "PDF files cannot be read here: pdftotext is not installed";
    return api->documents >= DOCUMENTS_AT_ONCE ? "other documents are being read: try again" : NULL;
}

void endpoint_document(struct api *api, struct http_exchange *exchange, const char *account) {
    const struct http_request *request = http_request_of(exchange);
    int status;
    const char *refusal = check(api, request, &status);
    struct conversion *conversion = refusal ? NULL : calloc(1, sizeof *conversion);
    (void)account;
    if (!conversion) {
        api_reply_error(exchange, api_refuse, status, refusal ? refusal : "out of memory for the document");
        return;
    }
    *conversion = (struct conversion){
        .api = api, .exchange = exchange, .output = -1, .text = {.limit = DOCUMENT_TEXT_LIMIT}};
    api->documents++;
    if (!start_child(conversion, document_converter(), request) || !listen_to_child(conversion)) {
        refuse(conversion, 503, "the document cannot be read now: the system has no room for it");
        return;
    }
    http_request_forget(exchange);
    http_on_gone(exchange, on_gone, conversion);
}
