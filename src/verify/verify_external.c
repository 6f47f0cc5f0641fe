/* verify_external.c - a verifier of the user's own, in any language: a program that reads a line of JSON for each answer from
 * its standard input and writes one to its standard output, in the same order:
 *     {"id": 1, "task": {...}, "text": "...", "answer": "..."}     ->     {"id": 1, "score": 0.5}
 * It is started once, by its words, without a shell and with a path alone for its environment, and ends when its input does. What is
 * typed or sent to stop all of a job does not reach it: a step that is stopped is still judged and saved. */
#include "base/buffer.h"
#include "base/clock.h"
#include "verify/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MOST = 64, LINE_MOST = 1 << 20, WAIT_SECONDS = 120 };

struct external {
    pid_t process;
    int to, from;
    long long count;
    struct buffer line; /* what came of its present line */
};

/* ---- its life ---- */

static enum status spawn(struct external *external, char *words) {
    static char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    char *argument[WORDS_MOST + 1] = {NULL}, *rest = NULL;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t group;
    int to[2], from[2], count = 0;
    for (char *word = strtok_r(words, " ", &rest); word && count < WORDS_MOST;
         word = strtok_r(NULL, " ", &rest))
        argument[count++] = word;
    if (!count) return fail(STATUS_USAGE, "--verifier-command names no program");
    if (pipe2(to, O_CLOEXEC)) return fail(STATUS_IO, "no pipe for a verifier: %s", strerror(errno));
    external->to = to[1];
    if (pipe2(from, O_CLOEXEC)) {
        close(to[0]);
        return fail(STATUS_IO, "no pipe for a verifier: %s", strerror(errno));
    }
    external->from = from[0];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    posix_spawnattr_init(&group);
    posix_spawnattr_setflags(&group, POSIX_SPAWN_SETPGROUP); /* of its own */
    int trouble = posix_spawnp(&external->process, argument[0], &actions, &group, argument, environment);
    posix_spawnattr_destroy(&group);
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    if (!trouble) return STATUS_OK;
    external->process = 0;
    return fail(STATUS_INPUT, "--verifier-command %.80s: %s", argument[0], strerror(trouble));
}

void external_close(struct external *external) {
    if (!external) return;
    if (external->to >= 0) close(external->to);
    if (external->from >= 0) close(external->from);
    for (int i = 0; external->process && i < 200; i++) {
        if (waitpid(external->process, NULL, WNOHANG)) external->process = 0;
        if (external->process) usleep(5000);
    }
    if (external->process) {
        kill(external->process, SIGKILL);
        while (waitpid(external->process, NULL, 0) < 0 && errno == EINTR) continue;
    }
    buffer_free(&external->line);
    free(external);
}

static enum status external_open(struct external **external, const char *command) {
    if (!command) return fail(STATUS_USAGE, "the verifier external needs --verifier-command PROGRAM");
    struct external *made = calloc(1, sizeof *made);
    char *words = strdup(command);
    if (!made || !words) {
        free(made);
        free(words);
        return fail(STATUS_MEMORY, "no memory for a verifier");
    }
    made->to = made->from = -1;
    made->line.limit = LINE_MOST;
    enum status status = spawn(made, words);
    free(words);
    if (status == STATUS_OK) {
        fcntl(made->to, F_SETFL, O_NONBLOCK);
        *external = made;
    } else {
        external_close(made);
    }
    return status;
}

/* ---- lines ---- */

static enum status wait_for(int end, short what, double deadline) {
    struct pollfd poller = {end, what, 0};
    while (true) {
        double left = deadline - clock_seconds();
        int ready = left > 0 ? poll(&poller, 1, (int)(left * 1000) + 1) : 0;
        if (ready > 0) return STATUS_OK;
        if (!ready)
            return fail(STATUS_UNAVAILABLE, "the external verifier took longer than %d seconds",
                        WAIT_SECONDS);
        if (errno != EINTR) return fail(STATUS_IO, "the external verifier: %s", strerror(errno));
    }
}

static enum status send_line(struct external *external, const char *text, size_t bytes, double deadline) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    enum status status = STATUS_OK;
    sigaction(SIGPIPE, &ignore, &before);
    for (size_t at = 0; status == STATUS_OK && at < bytes;) {
        status = wait_for(external->to, POLLOUT, deadline);
        ssize_t part = status == STATUS_OK ? write(external->to, text + at, bytes - at) : 0;
        if (part > 0) at += (size_t)part;
        if (part < 0 && errno != EAGAIN && errno != EINTR)
            status = fail(STATUS_UNAVAILABLE, "the external verifier has ended");
    }
    sigaction(SIGPIPE, &before, NULL);
    return status;
}

static enum status receive_line(struct external *external, double deadline) {
    char piece[4096];
    buffer_clear(&external->line);
    while (true) {
        TRY(wait_for(external->from, POLLIN, deadline));
        ssize_t part = read(external->from, piece, sizeof piece);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return fail(STATUS_UNAVAILABLE, "the external verifier has ended");
        buffer_append(&external->line, piece, (size_t)part);
        TRY(buffer_check(&external->line, "a line of the external verifier"));
        const char *end = memchr(external->line.data, '\n', external->line.bytes);
        if (!end) continue;
        if (end + 1 == external->line.data + external->line.bytes) return STATUS_OK;
        return fail(STATUS_FORMAT, "the external verifier wrote more than one line for one answer");
    }
}

static enum status read_score(const struct external *external, double *score) {
    json_t *root;
    int64_t id;
    TRY(json_parse(external->line.data, external->line.bytes, "the external verifier", &root));
    struct json_reader reader = {root, "the external verifier"};
    enum status status =
        json_is_object(root) ? STATUS_OK : fail(STATUS_FORMAT, "the external verifier: no object");
    if (status == STATUS_OK) status = json_get_int(reader, "id", external->count, external->count, &id);
    if (status == STATUS_OK) status = json_get_real_or(reader, "score", 0, 1, -1, score);
    json_decref(root);
    if (status == STATUS_OK && *score < 0)
        status = fail(STATUS_FORMAT, "the external verifier: field \"score\" is missing");
    return status;
}

enum status score_external(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    if (!verifiers->external) TRY(external_open(&verifiers->external, verifiers->command));
    struct external *external = verifiers->external;
    double deadline = clock_seconds() + WAIT_SECONDS;
    json_t *line =
        json_pack("{s:I, s:O, s:s%, s:s%}", "id", (json_int_t)++external->count, "task", request->line,
                  "text", request->text, request->bytes, "answer", request->answer, request->answer_bytes);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) return fail(STATUS_INPUT, "an answer cannot be given to the external verifier");
    size_t bytes = strlen(text);
    text[bytes] = '\n';
    enum status status = send_line(external, text, bytes + 1, deadline);
    free(text);
    if (status == STATUS_OK) status = receive_line(external, deadline);
    if (status == STATUS_OK) status = read_score(external, score);
    return status == STATUS_OK ? STATUS_OK : fail(status, "%s", status_message());
}
