/* test_verify.c - what counts as right, and what a stranger's text and task can do: nothing but be wrong or be refused. */
#include "support/scratch.h"

#include "verify/sandbox.h"
#include "verify/verify.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static enum status judge(const char *line, const char *text, struct verdict *verdict) {
    struct verifiers verifiers;
    json_t *root;
    if (json_parse(line, strlen(line), "t", &root) != STATUS_OK) fail_msg("%s", status_message());
    assert_int_equal(verifiers_open(&verifiers, NULL, 0), STATUS_OK);
    enum status status = verifiers_check(&verifiers, root, "t");
    if (status == STATUS_OK) status = verify(&verifiers, root, "t", text, strlen(text), verdict);
    verifiers_close(&verifiers);
    json_decref(root);
    return status;
}

static void expect(bool right, const char *line, const char *text) {
    struct verdict verdict;
    if (judge(line, text, &verdict) != STATUS_OK) fail_msg("%s: %s", line, status_message());
    if (verdict.right != right) fail_msg("%s: '%s' counts as %s", line, text, right ? "wrong" : "right");
}

#define NUMERIC(answer) "{\"verifier\": \"numeric\", \"answer\": " answer "}"

static void test_numeric(void **state) {
    (void)state;
    expect(true, NUMERIC("\"42\""), "it is 42");
    expect(true, NUMERIC("42"), "<think>41? 43?</think>\n\n**42**.");
    expect(false, NUMERIC("42"), "42 or 43");
    expect(false, NUMERIC("42"), "");
    expect(false, NUMERIC("42"), "forty-two");
    expect(true, NUMERIC("1234567"), "1,234,567");
    expect(true, NUMERIC("\"1,234\""), "= 1234.00");
    expect(false, NUMERIC("1234"), "1,23,4");
    expect(true, NUMERIC("-5"), "x = -5");
    expect(false, NUMERIC("-5"), "x = 5");
    expect(true, NUMERIC("5"), "10-5");
    expect(true, NUMERIC("0"), "-0.00");
    expect(true, NUMERIC("\"0.5\""), ".50");
    expect(true, NUMERIC("7"), "007");
    expect(false, NUMERIC("7"), "7.5");
    expect(true, NUMERIC("\"123456789012345678901234567890\""), "123456789012345678901234567890");
    expect(false, NUMERIC("\"123456789012345678901234567890\""), "123456789012345678901234567891");
    expect(true, "{\"verifier\": \"numeric\", \"answer\": 3.14159, \"tolerance\": 0.01}", "about 3.14");
    expect(false, "{\"verifier\": \"numeric\", \"answer\": 3.14159, \"tolerance\": 0.001}", "about 3.14");
}

static void test_exact(void **state) {
    (void)state;
    expect(true, "{\"verifier\": \"exact\", \"answer\": \"Paris\"}", "<think>Rome</think> Paris\n");
    expect(false, "{\"verifier\": \"exact\", \"answer\": \"Paris\"}", "Paris.");
    expect(true, "{\"verifier\": \"exact\", \"answer\": \"\"}", " \n ");
}

static void test_format(void **state) {
    (void)state;
    const char *line = "{\"verifier\": \"format\"}";
    expect(true, line, "<think>\nhm\n</think>\n\nyes");
    expect(true, line, "hm\n</think>\n\nyes"); /* the prompt opened it */
    expect(false, line, "yes");
    expect(false, line, "<think>hm");
    expect(false, line, "<think>hm</think>");
    expect(false, line, "<think> \n</think>yes");
    expect(false, line, "</think>yes");
    expect(false, line, "<think>a</think>b</think>c");
    expect(false, line, "a<think>b</think>c");
    expect(false, line, "<think><think>b</think>c");
}

static void boxed(bool right, const char *answer, const char *text) {
    struct verdict verdict;
    struct verifiers verifiers;
    const char *name = "boxed";
    json_t *line = json_pack("{s:s}", "answer", answer);
    struct buffer whole = {0};
    buffer_printf(&whole, "<think>so \\boxed{0}</think> Thus \\boxed{%s}.", text);
    assert_int_equal(verifiers_open(&verifiers, &name, 1), STATUS_OK);
    assert_int_equal(verify(&verifiers, line, "t", whole.data, whole.bytes, &verdict), STATUS_OK);
    if (verdict.right != right)
        fail_msg("'%s' for '%s' counts as %s", text, answer, right ? "wrong" : "right");
    buffer_free(&whole);
    json_decref(line);
}

static void test_boxed(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"1/2", "\\frac{1}{2}"},
        {"\\frac12", "0.5"},
        {"\\dfrac{3}{6}", "\\tfrac{1}{2}"},
        {"1,000", "1000"},
        {"-\\frac{7}{3}", "\\frac{-7}{3}"},
        {"\\sqrt{8}", "2\\sqrt{2}"},
        {"\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt 2}{2}"},
        {"\\sqrt{\\frac{3}{4}}", "\\frac{\\sqrt{3}}{2}"},
        {"(1+\\sqrt2)^2", "3+2\\sqrt{2}"},
        {"x^2+2x+1", "(x+1)^2"},
        {"\\frac{x^2-1}{x-1}", "x+1"},
        {"2\\pi r", "r \\cdot 2 \\pi"},
        {"\\pi", "pi"},
        {"a(b+c)", "ab+ac"},
        {"x=5", "5"},
        {"5", "x = 5"},
        {"90^\\circ", "90"},
        {"50\\%", "50"},
        {"\\$18", "18"},
        {"12\\text{ cm}", "12"},
        {"(1,2)", "\\left( 1, 2 \\right)"},
        {"\\left(3,\\frac{\\pi}{2}\\right)", "(3, \\pi/2)"},
        {"\\{1,2,3\\}", "\\{3, 1, 2\\}"},
        {"1,2", "2, 1"},
        {"[0,1)", "[0, 1)"},
        {"\\text{east}", "\\text{east}"},
        {"4^{1/2}", "2"},
        {"2^{-3}", "\\frac18"},
        {"10^{2}", "100"},
        {"\\boxed{7}", "7"},
        {"10,\\!000", "10000"},
        {"1{,}234{,}567", "1,234,567"},
        {"10\\,000", "10 000"},
        {"2\\frac{1}{2}", "2.5"},
        {"7 3/4", "\\frac{31}{4}"},
        {"-1\\frac{4}{5}", "-1.8"},
        {"3\\frac{x}{2}", "1.5x"},
        {"3\\frac{4}{2}", "6"},
        {"\\sqrt{2}\\sqrt{3}", "\\sqrt{6}"},
        {"\\frac{\\sqrt{6}}{2}", "\\sqrt{\\frac{3}{2}}"},
        {"\\text{Evelyn}", "Evelyn"},
        {"\\text{(C)}", "C"},
        {"\\textbf{even}", "\\text{ even}"},
        {"5\\text{ cm}^2", "5"},
        {"5\\mathrm{~cm}", "5"},
        {"\\frac{\\ln 2}{2}", "\\frac12\\ln(2)"},
        {"\\sin 2\\theta", "\\sin(2\\theta)"},
        {"2\\sin x\\cos x", "2\\cos(x)\\sin(x)"},
        {"\\sin^2 x", "(\\sin x)^2"},
        {"\\log_{2} 5", "\\log_2(5)"},
        {"\\pm\\frac12", "\\pm 0.5"},
        {"\\frac{-1\\pm\\sqrt{5}}{2}", "-\\frac12\\pm\\frac{\\sqrt5}{2}"},
        {"2\\mathrm{i}", "2i"},
        {"3+2\\mathrm{i}", "2i+3"},
        {"(1,2), (3,4)", "(1,2),(3,4)"},
    };
    static const char *const apart[][2] = {
        {"1/2", "0.51"},
        {"x+1", "x-1"},
        {"(1,2)", "(2,1)"},
        {"[0,1)", "(0,1)"},
        {"[0,1)", "[0,1]"},
        {"\\{1,2\\}", "\\{1,2,3\\}"},
        {"1,2", "(1,2)"},
        {"5", ""},
        {"\\sqrt{3}", "\\sqrt{2}"},
        {"x^2", "2x"},
        {"\\frac{1}{0}", "0"},
        {"a", "b"},
        {"(x+1)^2", "x^2+1"},
        {"east", "west"},
        {"1000", "1,00"},
        {"99999999999999999999", "99999999999999999998"},
        {"\\text{Evelyn}", "\\text{Bob}"},
        {"\\text{Evelyn}", "1"},
        {"\\text{no}", "on"},
        {"\\mathrm{e}^2", "1"},
        {"1\\text{ or }2", "2"},
        {"10\\,000", "0"},
        {"12 34", "408"},
        {"2\\frac{1}{2}", "1"},
        {"1.2.3", "3.6"},
        {"\\ln 6", "2\\ln 3"},
        {"\\ln 6", "3\\ln 2"},
        {"\\sin(2x)", "2\\sin(x)"},
        {"sin(2x)", "2sin(x)"},
        {"x \\le 5", "5 \\le x"},
        {"\\binom{5}{2}", "\\binom{10}{1}"},
        {"2\\pm 3", "3\\pm 2"},
        {"2\\pm 3", "\\pm 6"},
        {"2^3^2", "64"},
    };
    for (size_t i = 0; i < COUNT_OF(same); i++) boxed(true, same[i][0], same[i][1]);
    for (size_t i = 0; i < COUNT_OF(apart); i++) boxed(false, apart[i][0], apart[i][1]);
    expect(false, "{\"verifier\": \"boxed\", \"answer\": \"1\"}", "1");
    expect(false, "{\"verifier\": \"boxed\", \"answer\": \"1\"}", "\\boxed{1");
    expect(false, "{\"verifier\": \"boxed\", \"answer\": \"1\"}", "<think>\\boxed{1}</think>1");
    expect(true, "{\"verifier\": \"boxed\", \"answer\": \"1\"}", "\\boxed{2} or \\boxed{1}");
}

/* Deep, long, wide and endless things are wrong at once. */
static void test_hostile_mathematics(void **state) {
    (void)state;
    static const char *const piece[] = {
        "(",    "{",     "\\frac{", "((a+b+c+d+e+f+g)^60)", "9^", "\\sqrt{", "-",      "a^{",
        "\\{",  ",",     "x=",      "99999999999",          "\\", "\\sin",   "\\ln 2", "\\text{",
        "\\pm", "1 1/2 "};
    for (size_t i = 0; i < COUNT_OF(piece); i++) {
        struct buffer text = {0};
        for (int n = 0; n < 3000; n++) buffer_append_text(&text, piece[i]);
        boxed(false, "3", text.data);
        boxed(false, text.data, "3");
        buffer_free(&text);
    }
}

#define COUNTDOWN "{\"verifier\": \"countdown\", \"numbers\": [3, 7, 25, 50], \"target\": 82}"

static void test_countdown(void **state) {
    (void)state;
    expect(true, COUNTDOWN, "25 + 50 + 7");
    expect(true, COUNTDOWN, "<think>3*7=21</think>The answer: (25+50) + 7 = 82");
    expect(true, COUNTDOWN, "<answer>50 + (25 + 7)</answer>");
    expect(true, COUNTDOWN, "\\boxed{50+25+7}");
    expect(false, COUNTDOWN, "82");
    expect(false, COUNTDOWN, "25 + 25 + 32");
    expect(false, COUNTDOWN, "50 + 25 + 7 + 0");
    expect(false, COUNTDOWN, "50 + 25 + 3 = 82");
    expect(false, COUNTDOWN, "50 + 25 +");
    expect(false, "{\"verifier\": \"countdown\", \"numbers\": [2, 3], \"target\": 8}", "2**3");
    expect(false, COUNTDOWN, "");
    expect(true, "{\"verifier\": \"countdown\", \"numbers\": [3, 8], \"target\": 24, \"use_all\": true}",
           "3 \xc3\x97 8");
    expect(false, "{\"verifier\": \"countdown\", \"numbers\": [3, 8, 1], \"target\": 24, \"use_all\": true}",
           "3*8");
    expect(false, "{\"verifier\": \"countdown\", \"numbers\": [3, 8], \"target\": 24}", "3 8");
    expect(true, "{\"verifier\": \"countdown\", \"numbers\": [3, 3, 7, 7], \"target\": 24}", "7 * (3 + 3/7)");
}

static double language_share(const char *language, const char *text) {
    struct verdict verdict;
    char line[100];
    snprintf(line, sizeof line, "{\"verifier\": \"language\", \"language\": \"%s\"}", language);
    assert_int_equal(judge(line, text, &verdict), STATUS_OK);
    return verdict.reward;
}

static void test_language(void **state) {
    (void)state;
    assert_true(language_share("en", "so it is 3 + 4 = 7") == 1);
    assert_true(language_share("zh", "所以是7") == 1);
    assert_true(language_share("en", "so 所 以 we") == 0.5);
    assert_true(language_share("zh", "所以 we") == 2.0 / 3);
    assert_true(language_share("en", "привет") == 0);
    assert_true(language_share("en", "123") == 0);
    assert_true(language_share("en", "\xff\xfe\xe6\x89") == 0);
}

static bool has_sandbox(void) {
    static const char *const arguments[] = {"true", NULL};
    struct sandbox_run run = {.arguments = arguments, .limits = sandbox_usual()};
    struct sandbox_result result;
    if (sandbox_run(&run, &result) != STATUS_OK) {
        assert_non_null(strstr(status_message(), "no sandbox"));
        return false;
    }
    buffer_free(&result.output);
    return true;
}

static void test_code(void **state) {
    (void)state;
    static const char pairs[] = "{\"verifier\": \"code\", \"tests\": {\"inputs\": [\"1 2\\n\", \"3 4\\n\"], "
                                "\"outputs\": [\"3\\n\", \"7\"]}}";
    static const char code[] = "{\"verifier\": \"code\", \"tests\": {\"code\": \"assert f(2) == 4\"}}";
    struct verdict verdict;
    if (!has_sandbox() || access("/usr/bin/python3", X_OK)) skip();
    expect(true, pairs, "Here:\n```python\nprint(sum(map(int, input().split())))\n```\nThat is it.");
    expect(true, pairs, "print(sum(map(int, input().split())))");
    assert_int_equal(judge(pairs, "```python\nprint(3)\n```", &verdict), STATUS_OK);
    assert_true(verdict.reward == 0.5 && !verdict.right);
    expect(true, code, "```\ndef f(x):\n    return x * x\n```");
    expect(false, code, "```\ndef f(x):\n    return x + x + 1\n```");
    expect(false, code, "import sys\nsys.exit(0) if False else 1/0");
    expect(false, code, "");
}

static void hostile(const char *program, const char *prints) {
    static const char *const arguments[] = {"python3", "-I", "-S", "-B", "program", NULL};
    struct sandbox_run run = {
        .arguments = arguments, .file = program, .file_bytes = strlen(program), .limits = sandbox_usual()};
    struct sandbox_result result;
    run.limits.seconds = prints ? 20 : 1;
    assert_int_equal(sandbox_run(&run, &result), STATUS_OK);
    if (prints && (!result.output.data || strcmp(result.output.data, prints) != 0))
        fail_msg("%s: printed %s", program, result.output.data ? result.output.data : "nothing");
    if (!prints) assert_true(result.timed_out || result.cut || result.exit_status);
    buffer_free(&result.output);
}

static void test_sandbox(void **state) {
    (void)state;
    if (!has_sandbox() || access("/usr/bin/python3", X_OK)) skip();
    hostile("import socket\ntry: socket.socket()\nexcept OSError: print('no')", "no\n");
    hostile("try: open('/etc/x', 'w')\nexcept OSError: print('no')", "no\n");
    hostile("import os\nprint(os.getpid(), os.listdir('/proc'), os.listdir('/home'), os.listdir('/tmp'))",
            "1 [] [] ['program']\n");
    hostile("open('here', 'w').write('x'); print(open('here').read())", "x\n");
    hostile("try: bytearray(4 << 30)\nexcept MemoryError: print('no')", "no\n");
    hostile("import os, time\nn = 0\ntry:\n  while True:\n    if os.fork() == 0: time.sleep(60)\n    n += "
            "1\nexcept OSError: print(n < 40)\nos.kill(-1, 9)",
            "True\n");
    hostile("try:\n  f = open('a', 'wb')\n  while True: f.write(b'x' * 65536); f.flush()\nexcept OSError: "
            "print('no')",
            "no\n");
    hostile("import os\nprint([k for k in os.environ if k not in ('PATH', 'HOME', 'LANG', "
            "'PYTHONDONTWRITEBYTECODE', 'LC_CTYPE')])",
            "[]\n");
    hostile("while True: pass", NULL);
    hostile("while True: print('x' * 1000)", NULL);
    hostile("import os, time\nos.fork(); os.setsid() if os.getpid() > 1 else 0\ntime.sleep(60)", NULL);
    hostile("import os\nos.kill(os.getppid(), 9)\nos.abort()", NULL);
}

static _Noreturn void look_from_terminal(const char *terminal) {
    static const char *const arguments[] = {"python3", "-I", "-S", "-B", "program", NULL};
    static const char program[] =
        "import os, stat\n"
        "try: os.open('/dev/tty', os.O_RDWR); print('a terminal')\nexcept OSError: pass\n"
        "print(os.listdir('/dev/pts'))\n"
        "for fd in range(3, 64):\n"
        "  try: print('a pipe') if stat.S_ISFIFO(os.fstat(fd).st_mode) else 0\n  except OSError: pass\n";
    struct sandbox_run run = {
        .arguments = arguments, .file = program, .file_bytes = sizeof program - 1, .limits = sandbox_usual()};
    struct sandbox_result result;
    int left[2];
    run.limits.seconds = 20;
    if (setsid() < 0 || open(terminal, O_RDWR) < 0 || pipe(left)) _exit(2); /* the first terminal controls */
    if (sandbox_run(&run, &result) != STATUS_OK) _exit(3);
    const bool closed = result.output.data && !strcmp(result.output.data, "[]\n");
    if (!closed) fprintf(stderr, "printed %s", result.output.data ? result.output.data : "nothing");
    _exit(!closed);
}

/* A program sees neither the terminal of whoever runs it, to which it could type, nor what was left open. */
static void test_terminal(void **state) {
    (void)state;
    int status = -1, lead = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (!has_sandbox() || access("/usr/bin/python3", X_OK) || lead < 0) skip();
    assert_int_equal(grantpt(lead) | unlockpt(lead), 0);
    const char *name = ptsname(lead);
    assert_non_null(name);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) look_from_terminal(name);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(lead);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static enum status judge_external(const char *command, struct verdict *verdict) {
    struct verifiers verifiers;
    const char *name = "external";
    json_t *line = json_pack("{s:s}", "prompt", "p");
    assert_int_equal(verifiers_open(&verifiers, &name, 1), STATUS_OK);
    verifiers_set_command(&verifiers, command);
    enum status status = verify(&verifiers, line, "t", "<think>a</think>b", 17, verdict);
    if (status == STATUS_OK) status = verify(&verifiers, line, "t", "<think>a</think>b", 17, verdict);
    verifiers_close(&verifiers);
    json_decref(line);
    return status;
}

static void test_external(void **state) {
    (void)state;
    struct scratch scratch;
    struct verdict verdict;
    char command[600];
    scratch_open(&scratch);
    const char *script =
        scratch_text(&scratch, "v.sh",
                     "while read -r line; do n=$((n + 1)); case $line in "
                     "*'\"answer\":\"b\"'*'\"prompt\":\"p\"'*|*'\"prompt\":\"p\"'*'\"answer\":\"b\"'*) echo "
                     "\"{\\\"id\\\": $n, \\\"score\\\": 0.75}\";; *) echo '{}';; esac; done\n");
    snprintf(command, sizeof command, "sh %s", script);
    if (judge_external(command, &verdict) != STATUS_OK) fail_msg("%s", status_message());
    assert_true(verdict.reward == 0.75 && !verdict.right);
    /* It leads a group of its own: what is sent to all of a job passes it by. */
    script = scratch_text(&scratch, "group.sh",
                          "read -r pid name state parent group rest < /proc/$$/stat\n"
                          "while read -r line; do n=$((n + 1))\n"
                          "echo \"{\\\"id\\\": $n, \\\"score\\\": $((group == $$))}\"; done\n");
    snprintf(command, sizeof command, "sh %s", script);
    if (judge_external(command, &verdict) != STATUS_OK) fail_msg("%s", status_message());
    assert_true(verdict.reward == 1);
    static const char *const bad[] = {"/no/such/program", "true", "echo {}", "echo [1]", "yes", " ",
                                      "sh -c echo"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_not_equal(judge_external(bad[i], &verdict), STATUS_OK);
    assert_int_equal(judge_external(NULL, &verdict), STATUS_USAGE);
    scratch_close(&scratch);
}

static void test_sums(void **state) {
    (void)state;
    const char *line =
        "{\"verifier\": [\"numeric\", {\"name\": \"format\", \"weight\": 0.25}], \"answer\": 3}";
    struct verdict verdict;
    assert_int_equal(judge(line, "<think>so</think>3", &verdict), STATUS_OK);
    assert_true(verdict.reward == 1.25 && verdict.right);
    assert_int_equal(judge(line, "<think>so</think>4", &verdict), STATUS_OK);
    assert_true(verdict.reward == 0.25 && !verdict.right);
    assert_int_equal(judge(line, "3", &verdict), STATUS_OK);
    assert_true(verdict.reward == 1 && verdict.right);
}

static void test_options(void **state) {
    (void)state;
    static const char *const good[] = {"numeric", "format=0.5"}, *const bad[] = {"numeric=x", "fine",
                                                                                 "exact=", "=1"};
    struct verifiers verifiers;
    struct verdict verdict;
    json_t *line = json_pack("{s:i}", "answer", 7);
    assert_int_equal(verifiers_open(&verifiers, good, 2), STATUS_OK);
    assert_int_equal(verifiers_check(&verifiers, line, "t"), STATUS_OK);
    assert_int_equal(verify(&verifiers, line, "t", "<think>a</think>7", 17, &verdict), STATUS_OK);
    assert_true(verdict.reward == 1.5);
    verifiers_close(&verifiers);
    json_decref(line);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(verifiers_open(&verifiers, &bad[i], 1), STATUS_USAGE);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"verifier\": 3}",
        "{\"verifier\": \"magic\"}",
        "{\"verifier\": [\"exact\", 3], \"answer\": \"x\"}",
        "{\"verifier\": \"exact\"}",
        "{\"verifier\": \"exact\", \"answer\": []}",
        "{\"verifier\": []}",
        "{\"verifier\": {\"name\": \"format\", \"weight\": \"much\"}}",
        "{\"verifier\": \"numeric\", \"answer\": \"none\"}",
        "{\"verifier\": \"numeric\", \"answer\": 1, \"tolerance\": -1}",
        "{\"verifier\": \"language\"}",
        "{\"verifier\": \"countdown\", \"numbers\": [], \"target\": 1}",
        "{\"verifier\": \"countdown\", \"numbers\": [1.5], \"target\": 1}",
        "{\"verifier\": \"code\"}",
        "{\"verifier\": \"code\", \"tests\": {\"inputs\": [\"a\"], \"outputs\": []}}",
        "{\"verifier\": \"code\", \"language\": \"c\", \"tests\": {\"code\": \"\"}}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct verdict verdict;
        if (judge(bad[i], "1", &verdict) == STATUS_OK) fail_msg("%s is taken", bad[i]);
        assert_non_null(strstr(status_message(), "t: "));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numeric),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_boxed),
        cmocka_unit_test(test_hostile_mathematics),
        cmocka_unit_test(test_countdown),
        cmocka_unit_test(test_language),
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_sandbox),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
