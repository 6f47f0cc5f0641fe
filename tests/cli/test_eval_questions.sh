#!/usr/bin/env bash
# test_eval_questions.sh - hadal eval with sets of questions: what is counted, that neither company nor kills nor a server in
# between change an answer, comparisons of runs, refusals.
set -uo pipefail
. tools/report.sh
. tests/api/server.sh
work=$(mktemp -d)
server=
trap '[ -n "$server" ] && kill $server; rm -rf "$work"' EXIT
"$HADAL" synth --config tests/cli/small_v3.json --type f32 -o "$work/model" > /dev/null || fail "synth"

# expect WHAT FOUND EXPECTED
expect() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "$2, expected $3; $(cat "$work/errors")"; fi
}
evaluate() { "$HADAL" eval --plain "$@" 2> "$work/errors"; }
value() { python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$work/$1" "$2"; }
# What was answered: every line but the first, without what the clock says, in order.
answers() { tail -n +2 "$1" | sed 's/"seconds":[^,}]*,\{0,1\}//' | LC_ALL=C sort; }

# ---- right and wrong

for i in 1 2 3 4; do echo "{\"prompt\": \"bako deli $i\", \"verifier\": \"exact\", \"answer\": \"?\", \"id\": \"q$i\"}"; done > "$work/first.jsonl"
evaluate -m "$work/model" --questions "$work/first.jsonl" --temperature 0 --max-tokens 12 -o "$work/first.run" > "$work/out"
expect "answers are recorded" "$(tail -n +2 "$work/first.run" | wc -l)" "4"
# The set again, with what was answered as the right answer of two of them.
python3 - "$work/first.run" "$work/first.jsonl" > "$work/known.jsonl" << 'END'
import json, sys
text = {a["question"]: a["text"] for a in map(json.loads, open(sys.argv[1]).readlines()[1:])}
for line in open(sys.argv[2]):
    question = json.loads(line)
    if question["id"] in ("q1", "q3"): question["answer"] = text[question["id"]]
    question["group"] = "odd" if question["id"] in ("q1", "q3") else "even"
    print(json.dumps(question))
END
evaluate -m "$work/model" --questions "$work/known.jsonl" --temperature 0 --max-tokens 12 -k 2 --json > "$work/a"
expect "half of them are right" "$(value a '(j["sets"][0]["pass@1"]["value"], j["sets"][0]["cons@k"]["value"], j["sets"][0]["samples"], j["sets"][0]["right"])')" "(0.5, 0.5, 8, 4)"
expect "groups are counted apart" "$(value a '[(g["group"], g["pass@1"]["value"]) for g in j["groups"]]')" "[('even', 0.0), ('odd', 1.0)]"

# ---- nothing but the question, the sample's number and the seed decides

for i in $(seq 12); do echo "{\"prompt\": \"tasu mono $((i * i))\", \"verifier\": \"numeric\", \"answer\": $i}"; done > "$work/set.jsonl"
ask=(-m "$work/model" --questions "$work/set.jsonl" --max-tokens 48 --temperature 1 --top-p 1)
evaluate "${ask[@]}" -k 6 --parallel 8 -o "$work/whole.run" > "$work/whole.out"
expect "all of them" "$(answers "$work/whole.run" | wc -l)" "72"
evaluate "${ask[@]}" -k 6 --parallel 1 --threads 1 -o "$work/alone.run" > "$work/alone.out"
expect "one at a time says the same" "$(answers "$work/alone.run" | md5sum)" "$(answers "$work/whole.run" | md5sum)"
evaluate "${ask[@]}" -k 2 -o "$work/more.run" > "$work/out"
evaluate "${ask[@]}" -k 6 -o "$work/more.run" > "$work/more.out"
expect "more samples of a run" "$(answers "$work/more.run" | md5sum)" "$(answers "$work/whole.run" | md5sum)"
expect "and the same report" "$(cat "$work/more.out")" "$(cat "$work/whole.out")"
evaluate "${ask[@]}" -k 6 --seed 2 -o "$work/seed.run" > "$work/out"
expect "another seed, other answers" "$([ "$(answers "$work/seed.run" | md5sum)" != "$(answers "$work/whole.run" | md5sum)" ] && echo yes)" "yes"

# ---- killed, again and again, wherever it is

long=(-m "$work/model" --questions "$work/set.jsonl" --max-tokens 120 --temperature 1 --top-p 1 -k 16)
evaluate "${long[@]}" -o "$work/quiet.run" > "$work/quiet.out"
kills=0
for wanted in 1 20 50 90 130; do
    "$HADAL" eval --plain "${long[@]}" -o "$work/killed.run" > /dev/null 2>&1 &
    job=$!
    while kill -0 $job 2> /dev/null && [ "$(cat "$work/killed.run" 2> /dev/null | wc -l)" -le $wanted ]; do sleep 0.01; done
    kill -9 $job 2> /dev/null && kills=$((kills + 1))
    wait $job 2> /dev/null
    [ $wanted = 50 ] && printf '{"set":"set","question":"3","ident' >> "$work/killed.run"
done
evaluate "${long[@]}" -o "$work/killed.run" > "$work/killed.out"
expect "killed $kills times, the answers are the same" "$(answers "$work/killed.run" | md5sum)" "$(answers "$work/quiet.run" | md5sum)"
expect "and so is the report" "$(cat "$work/killed.out")" "$(cat "$work/quiet.out")"
[ $kills -gt 0 ] && pass "it was killed" || fail "it was killed" "each run was faster"

# ---- a server between

server_start -m "$work/model" && {
    evaluate --url "$url/v1" --questions "$work/set.jsonl" --max-tokens 48 --temperature 1 --top-p 1 -k 2 -o "$work/server.run" > "$work/out"
    python3 - "$work/server.run" "$work/whole.run" > "$work/out" 2>&1 << 'END'
import json, sys
def read(name): return {(a["question"], a["sample"]): (a["text"], a["tokens"], a["finish"]) for a in map(json.loads, open(name).readlines()[1:])}
server, own = read(sys.argv[1]), read(sys.argv[2])
different = [k for k in server if server[k] != own[k]]
# special tokens are text here and left out by a server
print(len(server), all("<" in own[k][0] for k in different), len(different) < len(server))
END
    expect "a server answers the same" "$(cat "$work/out")" "24 True True"
    server_end
}
python3 - "$work/requests" > "$work/port" << 'END' &
import http.server, json, sys
seen = {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *arguments): pass
    def reply(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.reply(200, {"data": [{"id": "teacher"}]})
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = request["messages"][-1]["content"]
        seen[text] = seen.get(text, 0) + 1
        open(sys.argv[1], "a").write(json.dumps([self.path, self.headers.get("Authorization"), request]) + "\n")
        if "refuse" in text: return self.reply(400, {"error": {"message": "no such thing"}})
        if seen[text] == 1 and "1+1" in text: return self.reply(503, {"error": "later"})
        if "3+3" in text: message = {"reasoning_content": "the answer is \\boxed{6}", "content": ""}
        else: message = {"reasoning_content": "hm", "content": "It is \\boxed{%d}." % (2 if "1+1" in text else 5)}
        self.reply(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
END
server=$!
for _ in $(seq 1200); do [ -s "$work/port" ] && break; sleep 0.05; done
url=http://127.0.0.1:$(cat "$work/port")/v1
printf '%s\n' '{"problem": "1+1", "answer": 2}' '{"problem": "2+2", "answer": 4}' '{"problem": "3+3", "answer": 6}' > "$work/sums.jsonl"
"$HADAL" eval --url "$url" --questions "$work/sums.jsonl" --api-key secret --json -o "$work/sums.run" > "$work/a" 2> "$work/errors"
expect "right, wrong, and reasoning without an answer" "$(value a '(j["sets"][0]["right"], j["sets"][0]["samples"], j["run"]["answerer"]["model"])')" "(1, 3, 'teacher')"
expect "what passes is tried again" "$(grep -c '1+1' "$work/requests")" "2"
expect "the key and the settings are sent" "$(python3 -c 'import json, sys
path, key, r = json.loads(open(sys.argv[1]).readline())
print(path, key, r["model"], r["temperature"], r["top_p"], r["max_tokens"], r["seed"] < 2 ** 31)' "$work/requests")" "/v1/chat/completions Bearer secret teacher 0.6 0.95 32768 True"
echo '{"problem": "refuse", "answer": 4}' > "$work/refuse.jsonl"
"$HADAL" eval --url "$url" --questions "$work/refuse.jsonl" > "$work/out" 2> "$work/errors"
expect "what does not pass ends the run" "$?$(grep -c 'status 400: .*no such thing' "$work/errors")" "11"
kill $server
server=

# ---- two runs

python3 - "$work" << 'END'
import json, sys
head = {"hadal_eval": 1, "settings": {}}
def write(name, right):
    with open("%s/%s.run" % (sys.argv[1], name), "w") as file:
        print(json.dumps(head), file=file)
        for i in range(40):
            print(json.dumps({"set": "s", "question": str(i), "identity": "%x" % i, "sample": 0, "right": right(i), "finish": "stop"}), file=file)
write("good", lambda i: i < 30)
write("bad", lambda i: 10 <= i < 22)
END
"$HADAL" eval --results "$work/good.run" --results "$work/bad.run" --json > "$work/a" 2> "$work/errors"
expect "a paired comparison" "$(value a '(round(j["comparison"]["difference"], 6), j["comparison"]["mcnemar"]["first_only"], j["comparison"]["mcnemar"]["second_only"], j["comparison"]["mcnemar"]["p"] < 1e-4, j["comparison"]["low"] < -0.45 < j["comparison"]["high"] < 0)')" "(-0.45, 18, 0, True, True)"
"$HADAL" eval --results "$work/good.run" --results "$work/bad.run" > "$work/out" 2> "$work/errors"
grep -q -- '-45.0 points, 95 % \[-.*(paired bootstrap)' "$work/out" && grep -q 'McNemar, exact' "$work/out" && pass "in words" || fail "in words" "$(cat "$work/out")"
"$HADAL" eval --results "$work/quiet.run" > "$work/out" 2> "$work/errors"
expect "a recorded run says what the run said" "$(cat "$work/out")" "$(cat "$work/quiet.out")"

# ---- the table on a terminal

if command -v script > /dev/null; then
    script -qec "\"$HADAL\" eval --plain -m '$work/model' --questions '$work/set.jsonl' --max-tokens 200 -k 16 --temperature 1" /dev/null > "$work/screen" 2>&1 < /dev/null
    if grep -q 'of 192 answers, .* tokens/s' "$work/screen" && grep -q $'\033\\[3A' "$work/screen"; then pass "a live table"; else fail "a live table" "$(tail -c 600 "$work/screen")"; fi
else
    skip "a live table needs script"
fi

# ---- refusals

refused() {
    local expected=$1 message=$2 output
    shift 2
    output=$("$HADAL" eval "$@" 2> "$work/errors")
    if [ $? = "$expected" ] && [ -z "$output" ] && [ "$(wc -l < "$work/errors")" = 1 ] && grep -qF -- "$message" "$work/errors"; then
        pass "refused: $message"
    else
        fail "refused: $message" "$output$(cat "$work/errors")"
    fi
}
cp "$HADAL" "$work/alone" # away from the model that comes with it
HADAL=$work/alone refused 2 "nobody to ask" --questions "$work/set.jsonl"
refused 2 "one of them answers" -m "$work/model" --url http://127.0.0.1:1/v1 --questions "$work/set.jsonl"
refused 1 "nosuch" -m "$work/model" --questions "$work/nosuch.jsonl"
refused 1 "is of another run: settings temperature is 1" "${ask[@]}" --plain --temperature 0.5 -k 6 -o "$work/whole.run"
refused 1 "is of another run: sets set is" -m "$work/model" --plain --questions "$work/set.jsonl" --limit 3 --max-tokens 48 --temperature 1 --top-p 1 -o "$work/whole.run"
refused 2 "two sets of questions are called set" "${ask[@]}" --questions "$work/set.jsonl"
refused 1 "is no run of hadal eval" --results "$work/set.jsonl"
refused 2 "one run, or two" --results "$work/good.run" --results "$work/bad.run" --results "$work/bad.run"
refused 1 "no question in common" --results "$work/good.run" --results "$work/quiet.run"
refused 2 "'fancy' is not known" "${ask[@]}" --verifier fancy
report_end
