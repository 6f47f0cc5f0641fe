"""chat_terminal.py HADAL MODEL WORK ESCAPE_ID - hadal chat on a terminal: editing, stopping, folding, leaving. Prints
"ok - what" and "not ok - what" lines and nothing else; test_chat.sh runs and counts them. ESCAPE_ID is the token that
is the byte ESC."""
import os
import signal
import sys
import time

from terminal import Terminal

hadal, model, work, escape_id = sys.argv[1:]


def check(what, good, details=""):
    print(f"{'ok' if good else 'not ok'} - {what}")
    if not good:
        print("    " + repr(details))


def chat(*arguments, environment=None):
    return Terminal([hadal, "chat", "-m", model, *arguments],
                    dict(XDG_STATE_HOME=work + "/state", **(environment or {})))


PROMPT = r"\x1b\[\?2004h> "


def answers_and_leaves():
    terminal = chat("--temperature", "0", "-n", "8")
    terminal.wait(PROMPT)
    terminal.type("hello\r")
    shown = terminal.wait(PROMPT)
    check("an answer, and the prompt again", shown.startswith("hello\r\n") and "[cut after 8 tokens]" in shown, shown)
    terminal.type("\x04")
    check("Ctrl-D leaves", terminal.end() == 0)
    check("the terminal's modes are as before", terminal.modes_restored())
    terminal.close()


def stops():
    terminal = chat("--temperature", "0", "--logit-bias", "1=-100")
    terminal.wait(PROMPT)
    terminal.type("hello\r")
    terminal.wait(r"\x1b\[\?2004l.{10}")
    terminal.type("\x03")
    shown = terminal.wait(PROMPT)
    check("Ctrl-C stops the answer", "[stopped]" in shown, shown)
    terminal.type("/stats\r")
    shown = terminal.wait(PROMPT)
    check("/stats", all(word in shown for word in ("context", "prompt", "answer", "memory")), shown)
    terminal.type("abc")
    terminal.wait("abc")
    terminal.type("\x03")
    shown = terminal.wait(PROMPT)
    check("Ctrl-C drops a line", "^C" in shown and "leaves" not in shown, shown)
    terminal.type("\x03")
    shown = terminal.wait(PROMPT)
    check("Ctrl-C on an empty line warns", "Ctrl-C again or Ctrl-D leaves" in shown, shown)
    terminal.type("\x03")
    check("twice leaves", terminal.end() == 0)
    check("the terminal's modes are as before", terminal.modes_restored())
    terminal.close()


def edits():
    terminal = chat("--temperature", "0", "-n", "2")
    terminal.wait(PROMPT)
    terminal.type("\x1b[A")
    shown = terminal.wait("abc|/stats")
    check("history outlives the program", "/stats" in shown, shown)
    terminal.type("\x03")
    terminal.wait(PROMPT)
    terminal.type("one \\\r")
    terminal.wait(r"\.\.\. ")
    terminal.type("two\r")
    terminal.wait(PROMPT)
    terminal.type('"""three\r')
    terminal.wait(r"\.\.\. ")
    terminal.type('four"""\r')
    terminal.wait(PROMPT)
    terminal.type("\x1b[200~five\r\tsix \x1b[31m\x07red\x1b[201~\r")
    terminal.wait("red.*" + PROMPT)
    terminal.type("gr\u00fc\u00dfe \u4e16\u754c\x7f\r")
    terminal.wait(PROMPT)
    terminal.type("//seven\r")
    terminal.wait(PROMPT)
    terminal.type(f"/save {work}/saved.json\r")
    terminal.wait("10 messages written.*" + PROMPT)
    with open(work + "/saved.json", encoding="utf-8") as file:
        saved = file.read()
    for what, text in (("lines that end in a backslash", '"one \\ntwo"'), ("lines in quotes", '"three\\nfour"'),
                       ("a pasted text", '"five\\n\\tsix [31mred"'), ("any language", '"gr\u00fc\u00dfe \u4e16"'),
                       ("two slashes", '"/seven"')):
        check(what, text in saved, saved)
    terminal.type("/clear\r")
    terminal.wait(PROMPT)
    terminal.type("/retry\r")
    shown = terminal.wait(PROMPT)
    check("nothing to retry after /clear", "no message to answer" in shown, shown)
    terminal.type(f"/load {work}/saved.json\r")
    terminal.wait("10 messages read.*" + PROMPT)
    terminal.type("/retry\r")
    shown = terminal.wait(PROMPT)
    check("/load and /retry", "[cut after 2 tokens]" in shown, shown)
    terminal.type("/hepl\r")
    shown = terminal.wait(PROMPT)
    check("a wrong command is explained", "unknown command /hepl; did you mean /help?" in shown, shown)
    terminal.type("/load /nowhere\r")
    shown = terminal.wait(PROMPT)
    check("a failure does not end the program", "No such file" in shown, shown)
    terminal.type("/exit\r")
    check("/exit leaves", terminal.end() == 0)
    terminal.close()


def thinks():
    terminal = chat("--temperature", "0", "-n", "8", "--template", "deepseek-r1")
    terminal.wait(PROMPT)
    terminal.type("hello\r")
    shown = terminal.wait(PROMPT)
    check("reasoning is dim", "\x1b[2m" in shown.split("[cut")[0][:-8], shown)
    check("and ends so", "\x1b[0m\r\n" in shown, shown)
    terminal.type("/think\r")
    terminal.wait(PROMPT)
    terminal.type("hello\r")
    shown = terminal.wait(PROMPT)
    check("folded it is one line", "thought for 8 tokens" in shown and shown.count("\n") < 6, shown)
    terminal.type("/think\r")
    shown = terminal.wait(PROMPT)
    check("unfolded it is shown again", "reasoning is shown" in shown and len(shown) > 60, shown)
    terminal.type("/think off\r")
    terminal.wait("reasoning is off.*" + PROMPT)
    terminal.type("hello\r")
    shown = terminal.wait(PROMPT)
    check("without reasoning nothing is dim", "\x1b[2m" not in shown.split("\x1b[2m[cut")[0], shown)
    terminal.type("/think maybe\r")
    shown = terminal.wait(PROMPT)
    check("/think takes on and off", "takes on, off or nothing" in shown, shown)
    os.kill(terminal.process, signal.SIGSTOP)
    time.sleep(0.1)
    os.kill(terminal.process, signal.SIGCONT)
    os.kill(terminal.process, signal.SIGWINCH)
    terminal.type("/system\r")
    shown = terminal.wait("no system message.*" + PROMPT)
    check("goes on after a pause and another size", True)
    terminal.type("/quit\r")
    check("/quit leaves", terminal.end() == 0)
    terminal.close()


def is_safe():
    terminal = chat("-n", "3", "--logit-bias", escape_id + "=100", "-p", "first", "--history", "",
                    environment={"NO_COLOR": "1"})
    shown = terminal.wait(PROMPT)
    check("-p is the first message, control characters are spelled out", "\\x1b\\x1b\\x1b" in shown, shown)
    check("NO_COLOR", "\x1b[2m" not in shown and "\x1b[0m" not in shown, shown)
    terminal.type("\x04")
    check("leaves", terminal.end() == 0)
    terminal.close()


for test in (answers_and_leaves, stops, edits, thinks, is_safe):
    try:
        test()
    except (AssertionError, OSError) as problem:
        check(test.__name__, False, str(problem))
    sys.stdout.flush()
