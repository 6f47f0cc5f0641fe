/* test_options.c - the settings table's own consistency, and each source of settings. */
#include "cli/options.h"
#include "cli/suggest.h"
#include "support/scratch.h"
#include "text/chat.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARSE(values, command, ...)                                                                          \
    options_parse(values, command, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)),                  \
                  (char *[]){__VA_ARGS__})
#define REFUSED(command, message, ...)                                                                       \
    do {                                                                                                     \
        struct option_values *refused = (void *)1;                                                           \
        assert_int_equal(PARSE(&refused, command, __VA_ARGS__), STATUS_USAGE);                               \
        assert_null(refused);                                                                                \
        assert_string_equal(status_message(), message);                                                      \
    } while (0)

static void table_is_consistent(void **state) {
    (void)state;
    struct option_table table = settings_table();
    for (int i = 0; i < table.rows; i++) {
        const struct option_row *row = &table.row[i];
        assert_true(strlen(row->name) > 1 && row->commands && row->help);
        assert_true((row->kind == OPTION_FLAG) == !row->argument);
        assert_true((row->kind == OPTION_CHOICE) == (row->choices != NULL));
        assert_true(row->low <= row->high);
        if (row->repeats) assert_int_equal(row->kind, OPTION_TEXT);
        for (int j = 0; j < i; j++) {
            const struct option_row *other = &table.row[j];
            if (!(row->commands & other->commands)) continue;
            assert_string_not_equal(row->name, other->name);
            if (row->letter) assert_int_not_equal(row->letter, other->letter);
        }
    }
}

/* The choices of --template are the names that the library knows, in any order. */
static void templates_are_those_of_the_library(void **state) {
    (void)state;
    const struct option_row *row = option_row_find(COMMAND_RENDER, "template");
    size_t bytes = 0;
    for (int index = 0; index < TEMPLATE_COUNT; index++) {
        const char *name = chat_template_name((enum chat_template)index), *at = strstr(row->choices, name);
        while (at && at[strlen(name)] && at[strlen(name)] != '|') at = strstr(at + 1, name);
        assert_non_null(at);
        bytes += strlen(name) + 1;
    }
    assert_int_equal(bytes, strlen(row->choices) + 1);
}

static void every_command_has_valid_defaults(void **state) {
    (void)state;
    for (enum command command = 0; command < COMMAND_COUNT; command++) {
        struct option_values *values;
        assert_int_equal(options_parse(&values, command, 0, NULL), STATUS_OK);
        assert_false(option_flag(values, "help"));
        assert_false(option_given(values, "config-file"));
        options_free(values);
    }
}

static void every_spelling_is_read(void **state) {
    (void)state;
    struct option_values *values;
    assert_int_equal(PARSE(&values, COMMAND_GENERATE, "--tokens=2K", "-pa b", "--temperature", "0.5", "--cpu",
                           "AVX2", "--ids", "[5, 6,7]", "first", "--json", "--", "--chat", "-"),
                     STATUS_OK);
    assert_int_equal(option_int(values, "tokens"), 2048);
    assert_int_equal(option_int(values, "n"), 2048);
    assert_string_equal(option_text(values, "prompt"), "a b");
    assert_true(option_real(values, "temperature") == 0.5);
    assert_string_equal(option_text(values, "cpu"), "avx2");
    assert_true(option_flag(values, "json"));
    assert_false(option_flag(values, "chat"));
    const int64_t *ids;
    assert_int_equal(option_ints(values, "ids", &ids), 3);
    assert_int_equal(ids[0] * 100 + ids[1] * 10 + ids[2], 567);
    const char *const *positional;
    assert_int_equal(option_positionals(values, &positional), 3);
    assert_string_equal(positional[0], "first");
    assert_string_equal(positional[1], "--chat");
    assert_string_equal(positional[2], "-");
    options_free(values);
}

static void letters_belong_to_commands(void **state) {
    (void)state;
    struct option_values *values;
    assert_int_equal(PARSE(&values, COMMAND_BENCH, "-p", "128", "-d0,4K"), STATUS_OK);
    assert_int_equal(option_int(values, "prompt-tokens"), 128);
    const int64_t *depth;
    assert_int_equal(option_ints(values, "depth", &depth), 2);
    assert_int_equal(depth[1], 4096);
    assert_int_equal(option_int(values, "n"), 64);
    options_free(values);
}

static void repeated_options_add_up_and_others_replace(void **state) {
    (void)state;
    struct option_values *values;
    assert_int_equal(PARSE(&values, COMMAND_CHAT, "--stop", "a", "--seed", "1", "--stop=", "--seed", "2"),
                     STATUS_OK);
    const char *const *stop;
    assert_int_equal(option_texts(values, "stop", &stop), 2);
    assert_string_equal(stop[0], "a");
    assert_string_equal(stop[1], "");
    assert_int_equal(option_int(values, "seed"), 2);
    options_free(values);
}

static void wrong_arguments_are_explained(void **state) {
    (void)state;
    REFUSED(COMMAND_GENERATE, "unknown option --temprature; did you mean --temperature?", "--temprature",
            "1");
    REFUSED(COMMAND_BENCH, "unknown option --prompt; it belongs to chat, generate", "--prompt", "x");
    REFUSED(COMMAND_BENCH, "unknown option --zzzzzz", "--zzzzzz");
    REFUSED(COMMAND_GENERATE, "unknown option -z", "-z");
    REFUSED(COMMAND_GENERATE, "unknown option -top-k; long options take two dashes: --top-k", "-top-k", "5");
    REFUSED(COMMAND_GENERATE, "--tokens needs a value: N", "--tokens");
    REFUSED(COMMAND_GENERATE, "-n: '12x' is not a whole number", "-n", "12x");
    REFUSED(COMMAND_GENERATE, "-n: '99999999999999999999' is not a whole number", "-n",
            "99999999999999999999");
    REFUSED(COMMAND_GENERATE, "-n: '9999999999999G' is not a whole number", "-n", "9999999999999G");
    REFUSED(COMMAND_GENERATE, "-n: -5 is outside 0 to 16777216", "-n", "-5");
    REFUSED(COMMAND_GENERATE, "--temperature: 'nan' is not a number", "--temperature", "nan");
    REFUSED(COMMAND_GENERATE, "--top-p: 1.5 is outside 0 to 1", "--top-p", "1.5");
    REFUSED(COMMAND_GENERATE, "--cpu: 'sse' is none of: scalar avx2 avx512 amx auto", "--cpu", "sse");
    REFUSED(COMMAND_GENERATE, "--ids: '' is not a list of whole numbers such as 5,6,7", "--ids", "1,");
    REFUSED(COMMAND_GENERATE, "--ids: '; 2' does not continue a list of whole numbers", "--ids=1 ; 2");
}

static void help_is_read_in_front_of_everything(void **state) {
    (void)state;
    struct option_values *values;
    setenv("HADAL_NONSENSE", "1", 1);
    assert_int_equal(PARSE(&values, COMMAND_CHAT, "--help"), STATUS_OK);
    assert_true(option_flag(values, "help"));
    options_free(values);
    unsetenv("HADAL_NONSENSE");
}

static void environment_is_read(void **state) {
    (void)state;
    struct option_values *values;
    setenv("HADAL_KV_TYPE", "bf16", 1);
    setenv("HADAL_THREADS", "3", 1);
    setenv("HADAL_JSON", "yes", 1);
    setenv("HADAL_PLAIN", "", 1);
    assert_int_equal(PARSE(&values, COMMAND_GENERATE, "--threads", "2"), STATUS_OK);
    assert_string_equal(option_text(values, "kv-type"), "bf16");
    assert_int_equal(option_int(values, "threads"), 2);
    assert_true(option_flag(values, "json"));
    options_free(values);
    setenv("HADAL_THREADS", "many", 1);
    REFUSED(COMMAND_GENERATE, "HADAL_THREADS: 'many' is not a whole number", "x");
    setenv("HADAL_THREADS", "", 1);
    setenv("HADAL_KVTYPE", "bf16", 1);
    REFUSED(COMMAND_GENERATE, "unknown environment variable HADAL_KVTYPE; did you mean HADAL_KV_TYPE?", "x");
    unsetenv("HADAL_KVTYPE");
    setenv("HADAL_HELP", "1", 1);
    REFUSED(COMMAND_GENERATE, "unknown environment variable HADAL_HELP; did you mean HADAL_KEEP?", "x");
    unsetenv("HADAL_HELP");
    unsetenv("HADAL_KV_TYPE");
    unsetenv("HADAL_THREADS");
    unsetenv("HADAL_JSON");
    unsetenv("HADAL_PLAIN");
}

static void config_file_is_read(void **state) {
    (void)state;
    static const char text[] = "# mine\r\n"
                               "threads = 5\r\n"
                               "\n"
                               "  temperature=0.7\n"
                               "[ bench ]\n"
                               "threads = 7\n"
                               "prompt-tokens = 16\n"
                               "[generate]\n"
                               "temperature = 0.2\n"
                               "prompt = a = b # c\n"
                               "stop = \"\\n\\t\\\"\\\\ \"\n"
                               "stop = two\n"
                               "json=on";
    struct scratch scratch;
    struct option_values *values;
    char argument[300];
    scratch_open(&scratch);
    snprintf(argument, sizeof argument, "--config-file=%s", scratch_text(&scratch, "config", text));
    assert_int_equal(PARSE(&values, COMMAND_GENERATE, argument), STATUS_OK);
    assert_int_equal(option_int(values, "threads"), 5);
    assert_true(option_real(values, "temperature") == 0.2);
    assert_string_equal(option_text(values, "prompt"), "a = b # c");
    assert_true(option_flag(values, "json"));
    const char *const *stop;
    assert_int_equal(option_texts(values, "stop", &stop), 2);
    assert_string_equal(stop[0], "\n\t\"\\ ");
    assert_string_equal(stop[1], "two");
    options_free(values);
    assert_int_equal(PARSE(&values, COMMAND_GENERATE, argument, "--stop", "three", "--json=off"), STATUS_OK);
    assert_int_equal(option_texts(values, "stop", &stop), 1);
    assert_false(option_flag(values, "json"));
    options_free(values);
    assert_int_equal(PARSE(&values, COMMAND_BENCH, argument), STATUS_OK);
    assert_int_equal(option_int(values, "threads"), 7);
    options_free(values);
    scratch_close(&scratch);
}

static void wrong_config_files_are_explained(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"threads = 4\nthreds = 4\n", ":2: unknown setting 'threds'; did you mean threads?"},
        {"[generat]\n", ":1: unknown command [generat]; did you mean [generate]?"},
        {"[generate\n", ":1: a section is a line of its own: [generate]"},
        {"\n[chat]\nprompt-file = x\n", ":3: unknown setting 'prompt-file'; it belongs to generate"},
        {"[bench]\nrepeat = 0\n",
         ":2: repeat: 0 is outside 1 to 1000"}, /* also when bench is not what runs */
        {"threads = 0\n", ":1: threads: 0 is outside 1 to 1024"},
        {"stop = \"a\n", ":1: the closing quote must end the line"},
        {"stop = \"a\" b\n", ":1: the closing quote must end the line"},
        {"stop = \"\\", ":1: only \\n, \\t, \\\" and \\\\ are known inside quotes"},
        {"help = on\n", ":1: help has no place in a config file"},
        {"config-file = x\n", ":1: config-file has no place in a config file"},
        {" = x\n", ":1: unknown setting ''"},
        {"t = 4\n", ":1: unknown setting 't'"},
    };
    struct scratch scratch;
    scratch_open(&scratch);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char argument[300], expected[400];
        const char *path = scratch_text(&scratch, "config", wrong[i].text);
        snprintf(argument, sizeof argument, "--config-file=%s", path);
        snprintf(expected, sizeof expected, "%s%s", path, wrong[i].message);
        REFUSED(COMMAND_GENERATE, expected, argument);
    }
    scratch_close(&scratch);
    struct option_values *values;
    assert_int_equal(PARSE(&values, COMMAND_CHAT, "--config-file", "/nonexistent/config"), STATUS_IO);
    assert_null(values);
}

static void distance_counts_edits(void **state) {
    (void)state;
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("generate", "genreate"), 1);
    assert_int_equal(edit_distance("same", "same"), 0);
    struct suggestion suggestion = {.wanted = "detok"};
    suggestion_offer(&suggestion, "tokenize");
    assert_null(suggestion.nearest);
    suggestion_offer(&suggestion, "detokenize");
    assert_string_equal(suggestion.nearest, "detokenize");
}

int main(void) {
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1); /* not the user's own settings */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_consistent),
        cmocka_unit_test(templates_are_those_of_the_library),
        cmocka_unit_test(every_command_has_valid_defaults),
        cmocka_unit_test(every_spelling_is_read),
        cmocka_unit_test(letters_belong_to_commands),
        cmocka_unit_test(repeated_options_add_up_and_others_replace),
        cmocka_unit_test(wrong_arguments_are_explained),
        cmocka_unit_test(help_is_read_in_front_of_everything),
        cmocka_unit_test(environment_is_read),
        cmocka_unit_test(config_file_is_read),
        cmocka_unit_test(wrong_config_files_are_explained),
        cmocka_unit_test(distance_counts_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
