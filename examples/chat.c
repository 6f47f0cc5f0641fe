/* chat.c - a complete chat in the terminal with hadal.h and the C library: reads lines, streams answers, remembers the
 * conversation. Reasoning is dim. Ctrl-C stops an answer, the end of input the program.
 *
 *     cc chat.c -o chat $(pkg-config --cflags --libs hadal) && ./chat MODEL [MOST_TOKENS_OF_AN_ANSWER] */
#include <hadal.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int number) {
    signal(number, interrupt);
    interrupted = 1;
}

static int print(void *context, const struct hadal_piece *piece) {
    enum hadal_kind *kind = context;
    if (piece->kind != *kind) fputs(piece->kind == HADAL_REASONING ? "\033[2m" : "\033[0m\n\n", stdout);
    *kind = piece->kind;
    fwrite(piece->text, 1, piece->bytes, stdout);
    return fflush(stdout) != 0 || interrupted;
}

static void answer(struct hadal_session *session, struct hadal_generation *generation) {
    enum hadal_kind kind = HADAL_ANSWER;
    struct hadal_usage usage;
    interrupted = 0;
    generation->on_piece = print;
    generation->context = &kind;
    enum hadal_status status = hadal_session_answer(session, generation, &usage);
    puts(kind == HADAL_REASONING ? "\033[0m" : "");
    fflush(stdout);
    if (status == HADAL_OK) {
        fprintf(stderr, "[%lld + %lld tokens, %.1f a second]\n", (long long)usage.prompt_tokens,
                (long long)usage.generated_tokens,
                (double)usage.generated_tokens / (usage.prompt_seconds + usage.generate_seconds));
        return;
    }
    fprintf(stderr, "%s\nThe conversation starts anew.\n", hadal_error());
    if (hadal_session_reset(session) != HADAL_OK) exit(1);
}

int main(int argc, char **argv) {
    struct hadal_model_options options;
    struct hadal_model *model;
    struct hadal_session *session;
    struct hadal_generation generation;
    char line[65536];
    if (argc < 2) {
        fprintf(stderr, "usage: %s MODEL [MOST_TOKENS]\n", argv[0]);
        return 2;
    }
    hadal_model_options_default(&options);
    options.path = argv[1];
    if (hadal_model_open(&model, &options) != HADAL_OK || hadal_session_open(&session, model) != HADAL_OK ||
        hadal_generation_default(model, &generation) != HADAL_OK) {
        fprintf(stderr, "%s\n", hadal_error());
        return 1;
    }
    if (argc > 2) generation.max_tokens = atoll(argv[2]);
    signal(SIGINT, interrupt);
    while (fputs("> ", stderr), fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (hadal_session_add_message(session, "user", line, HADAL_TERMINATED) == HADAL_OK)
            answer(session, &generation);
        else
            fprintf(stderr, "%s\n", hadal_error());
    }
    hadal_session_close(session);
    hadal_model_close(model);
    return 0;
}
