"""money_check.py LOG ANSWERS ACCOUNTS CHARGES LEDGER - whether what the ledger says is what the access log says.

LOG is the server's log over all its starts, ANSWERS what clients received whole, ACCOUNTS and CHARGES what hadal account list
and charges print as JSON, PAID a JSON object of what each account was given. Amounts are made anew from tokens, with the
prices of the test, and nothing of the program's arithmetic.
"""

import json
import sys
from fractions import Fraction

PRICE = {"hit": Fraction("0.07"), "miss": Fraction("0.271"), "output": Fraction("1.103")}
log_path, answers_path, accounts_path, charges_path, paid = sys.argv[1:6]
wrong = []


def micros(text):
    value = Fraction(text) * 1000000
    assert value.denominator == 1, text
    return int(value)


def bill(prompt, hit, generated):
    exact = hit * PRICE["hit"] + (prompt - hit) * PRICE["miss"] + generated * PRICE["output"]
    return int(exact + Fraction(1, 2))


lines, recovered, repeated = {}, 0, 0
for text in open(log_path, errors="replace"):
    try:
        line = json.loads(text)
    except ValueError:
        continue  # the sentences of a start; a kill may cut a line, which is then repeated
    if line.get("event") != "request" or "charged" not in line:
        continue
    tokens = (line["prompt_tokens"], line["hit_tokens"], line["generated_tokens"])
    row = (line["account"], tokens, micros(line["charged"]))
    if line.get("recovered") and row[2] == 0 and tokens == (0, 0, 0):
        row = (line["account"], tokens, 0)
    recovered += bool(line.get("recovered"))
    if line["id"] in lines:
        repeated += 1
        if lines[line["id"]] != row and lines[line["id"]][2] != row[2]:
            wrong.append(f"{line['id']}: logged as {lines[line['id']]} and as {row}")
        continue
    lines[line["id"]] = row

spent = {}
for request, (account, tokens, charged) in lines.items():
    expected = bill(*tokens) if charged or tokens[2] else 0  # one that had not begun costs nothing
    if charged != expected:
        wrong.append(f"{request}: {charged} charged, {expected} for {tokens}")
    spent[account] = spent.get(account, 0) + expected

charges = {row["request"]: row for row in json.load(open(charges_path))["data"]}
for request, row in charges.items():
    if micros(row["shortfall"]):
        wrong.append(f"{request}: a shortfall")
    if request not in lines and micros(row["amount"]):
        wrong.append(f"{request}: charged and not logged")
for request in lines:
    if request not in charges:
        wrong.append(f"{request}: logged and not charged")

for account in json.load(open(accounts_path))["data"]:
    name = account["account"]
    left = micros(account["granted"]) + micros(account["topped_up"])
    if micros(account["reserved"]):
        wrong.append(f"{name}: {account['reserved']} are still reserved")
    given = micros(json.loads(paid).get(name, "0"))
    if left != given - spent.get(name, 0):
        wrong.append(f"{name}: {left} left of {given}, the log says {spent.get(name, 0)} was spent")

whole = 0
for text in open(answers_path):
    request, prompt, hit, generated = text.strip().split(",")
    whole += 1
    row = charges.get(request)
    if not row:
        wrong.append(f"{request}: answered and not charged")
    elif (row["hit"] + row["miss"], row["hit"], row["output"] + row["reasoning"]) != (int(prompt), int(hit), int(generated)):
        wrong.append(f"{request}: the client was told {prompt}, {hit}, {generated}; charged {row}")

print("\n".join(wrong[:20]))
crashed = sum(row["finish"] == "crash" for row in charges.values())
left = sum(row["finish"] == "cancelled" for row in charges.values())
print(f"{len(charges)} charges, {whole} answers whole, {left} cancelled, {crashed} settled after a crash, {repeated} logged twice, "
      f"{sum(spent.values())} micro-units")
sys.exit(bool(wrong) or not charges or not whole)
