"""ledger_past.py DB ACCOUNT - writes two months of charges into an account's ledger as a server would have left them, so
that pages have something to show: a transfer, its two entries, the charge with its bill, and the sums of the day."""
import json
import random
import sqlite3
import sys
import time

PRICES = {"hit": 140000, "miss": 550000, "output": 2190000, "reasoning": 2190000}
DAY = 86400

database = sqlite3.connect(sys.argv[1], timeout=30)
account, currency = database.execute("SELECT id, currency FROM accounts WHERE name = ?", (sys.argv[2],)).fetchone()
keys = [row[0] for row in database.execute("SELECT id FROM keys WHERE account = ? ORDER BY id", (account,))]
random.seed(7)
today = int(time.time()) // DAY


def bill_of(model, units, completed):
    lines = [{"class": name, "units": count, "price": PRICES[name], "multiplier": 1000000, "window": "", "source": ""}
             for name, count in units.items() if count]
    amount = (sum(line["units"] * line["price"] for line in lines) + 500000) // 1000000
    return amount, json.dumps({"list": "past", "model": model, "currency": currency, "time": completed,
                               "group": 1000000, "lines": lines, "amount": amount})


def charge(number, day, model, key):
    completed = day * DAY + random.randrange(DAY)
    units = {"hit": random.randrange(200000), "miss": random.randrange(120000), "output": random.randrange(30000),
             "reasoning": random.randrange(90000) if model == "deepseek-reasoner" else 0}
    amount, bill = bill_of(model, units, completed)
    request = f"past-{number}"
    transfer = database.execute("INSERT INTO transfers (time, kind, account, request, note) VALUES (?, 'settle', ?, ?, '')",
                                (completed, account, request)).lastrowid
    for line, (book, sign) in enumerate(((f"topped:{account}", -1), (f"revenue:{currency}", 1))):
        database.execute("INSERT INTO entries (transfer, line, book, amount) VALUES (?, ?, ?, ?)",
                         (transfer, line, book, sign * amount))
        database.execute("UPDATE books SET balance = balance + ? WHERE name = ?", (sign * amount, book))
    tokens = [units[name] for name in PRICES]
    database.execute("INSERT INTO charges (request, transfer, account, key_id, model, created, completed, hit, miss, "
                     "output, reasoning, calls, amount, shortfall, currency, finish, bill) VALUES "
                     "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?, 'stop', ?)",
                     (request, transfer, account, key, model, completed, completed, *tokens, amount, currency, bill))
    database.execute("INSERT INTO usage_days (account, key_id, model, day, requests, hit, miss, output, reasoning, calls, "
                     "amount) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, 0, ?) ON CONFLICT (account, key_id, model, day) DO UPDATE "
                     "SET requests = requests + 1, hit = hit + excluded.hit, miss = miss + excluded.miss, output = output "
                     "+ excluded.output, reasoning = reasoning + excluded.reasoning, amount = amount + excluded.amount",
                     (account, key, model, day, *tokens, amount))


with database:
    database.execute("INSERT INTO books (name, account, kind, currency, balance, expires) VALUES (?, 0, 'revenue', ?, 0, 0) "
                     "ON CONFLICT DO NOTHING", (f"revenue:{currency}", currency))
    number = 0
    for day in range(today - 59, today):
        for _ in range(random.randrange(1, 9)):
            charge(number, day, random.choice(["deepseek-chat", "deepseek-reasoner"]), random.choice(keys))
            number += 1
        database.execute("INSERT INTO machine_days (server, day, up, busy) VALUES ('past', ?, 86400000, ?)",
                         (day, random.randrange(20000000, 60000000)))
print(number)
