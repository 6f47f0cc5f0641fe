"""price_calculator.py make LISTS... | check - bills by another way than the program's.

make writes requests, a line of JSON each, to standard output: times around every edge that a list has, and random ones.
check reads lines "request TAB bill" and says where the bill's amount is not what exact fractions and the openings of
windows as intervals between datetimes give.
"""

import datetime as dt
import json
import random
import sys
from fractions import Fraction

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TOKENS = ["hit", "miss", "output", "reasoning"]
CALLS = ["search", "fetch", "ocr_pages", "tts_characters"]
UTC = dt.timezone.utc


def zone(text):
    known = {"UTC": 0, "Asia/Shanghai": 8, "Asia/Tokyo": 9}
    if text in known:
        return dt.timezone(dt.timedelta(hours=known[text]))
    sign = -1 if text[0] == "-" else 1
    hours, minutes = text[1:].split(":")
    return dt.timezone(sign * dt.timedelta(hours=int(hours), minutes=int(minutes)))


def instant(text):
    if len(text) == 10:
        text += "T00:00:00+00:00"
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def weekdays(text):
    chosen = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        day = DAYS.index(first)
        chosen.add(day)
        while last and DAYS[day] != last:
            day = (day + 1) % 7
            chosen.add(day)
    return chosen


def holidays(calendar):
    days = set()
    for item in calendar["days"]:
        first, _, last = item.partition("..")
        day, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
        while day <= end:
            days.add(day)
            day += dt.timedelta(days=1)
    return days


def opening(window, day):
    """The interval that a window is open which opens on a day."""
    clock = lambda text: dt.timedelta(hours=int(text[:2]), minutes=int(text[3:]))
    midnight = dt.datetime.combine(day, dt.time(), zone(window.get("zone", "UTC")))
    start, end = clock(window.get("from", "00:00")), clock(window.get("to", "24:00"))
    if end <= start:
        end += dt.timedelta(days=1)
    return midnight + start, midnight + end


def is_open(prices, window, when):
    around = when.astimezone(zone(window.get("zone", "UTC"))).date()
    for day in (around - dt.timedelta(days=1), around, around + dt.timedelta(days=1)):
        start, end = opening(window, day)
        if not start <= when < end or day.weekday() not in weekdays(window.get("days", "mon-sun")):
            continue
        rule = window.get("holidays")
        if rule:
            word, name = rule.split()
            if (day in holidays(prices["calendars"][name])) != (word == "only"):
                continue
        return True
    return False


def price(prices, model, currency, kind, when):
    rows = [r for r in prices["rows"] if currency in r]
    if not any(model in r["models"] for r in rows):
        model = prices["fallback_model"]
    for name in (model, "*"):
        in_force = [r for r in rows if name in r["models"] and instant(r.get("from", "1970-01-01")) <= when]
        if not in_force:
            continue
        row = sorted(in_force, key=lambda r: instant(r.get("from", "1970-01-01")))[-1]
        base = row[currency].get(kind, row[currency].get("output") if kind == "reasoning" else None)
        if base is None:
            continue
        amount = Fraction(base)
        for window in row.get("windows", []):
            if is_open(prices, window, when):
                own = window.get(currency, {})
                own = own.get(kind, own.get("output") if kind == "reasoning" else None)
                amount = Fraction(own) if own is not None else amount * Fraction(window.get("multiplier", "1"))
                break
        return amount / row.get("per", 1000000)
    raise LookupError(f"{model} {kind} {when}")


def amount(request):
    prices = LISTS[request["prices"]]
    when = instant(request["time"])
    units = {kind: request.get(kind, 0) for kind in TOKENS}
    for item in filter(None, request.get("units", "").split(",")):
        kind, number = item.split("=")
        units[kind] = int(number)
    total = sum(n * price(prices, request["model"], request["currency"], kind, when) for kind, n in units.items() if n)
    micros = total * Fraction(request.get("group", "1")) * 1000000
    return int(micros + Fraction(1, 2))  # floor: nothing is negative


def edges(prices):
    """Instants at which something changes, from all rows, windows, holidays, months and leap days."""
    found = set()
    days = [dt.date(2024, 2, 29), dt.date(2028, 2, 29), dt.date(2024, 12, 31), dt.date(2025, 2, 28), dt.date(2027, 1, 1)]
    days += [dt.date(y, m, 1) for y in (2024, 2025, 2026) for m in range(1, 13)]
    for calendar in prices.get("calendars", {}).values():
        off = sorted(holidays(calendar))
        days += off[:3] + off[-3:] + random.sample(off, min(12, len(off)))
    for row in prices["rows"]:
        start = instant(row.get("from", "1970-01-01"))
        found.add(start)
        for window in row.get("windows", []):
            for day in days + [start.date() + dt.timedelta(days=n) for n in range(0, 40, 3)]:
                for shift in (-1, 0, 1):
                    found.update(opening(window, day + dt.timedelta(days=shift)))
    for day in days:
        for where in ("UTC", "Asia/Shanghai"):
            found.add(dt.datetime.combine(day, dt.time(), zone(where)))
    return sorted(found)


def make(names):
    random.seed(20250226)
    count = 0
    while count < 1000:
        name = names[count % len(names)]
        prices = LISTS[name]
        row = random.choice(prices["rows"])
        currency = random.choice([c for c in ("USD", "CNY", "EUR") if c in row])
        when = random.choice(edges_of[name]) + dt.timedelta(seconds=random.choice([-1, 0, 0, 1, 59, -60, 3600]))
        if random.random() < 0.2:
            when = dt.datetime(2024, 5, 7, tzinfo=UTC) + dt.timedelta(seconds=random.randrange(90000000))
        request = {"prices": name, "model": random.choice(row["models"]), "currency": currency,
                   "time": when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                   "group": random.choice(["1", "1", "0.8", "1.5", "0.333333", "0"])}
        for kind in TOKENS:
            request[kind] = random.choice([0, 1, 7, 64, random.randrange(100), random.randrange(1000000)])
        if random.random() < 0.2:
            request["units"] = f"{random.choice(CALLS)}={random.randrange(1, 50)}"
        try:
            amount(request)
        except LookupError:
            continue  # no price then
        print(json.dumps(request))
        count += 1


def check():
    wrong = lines = 0
    for line in sys.stdin:
        request, bill = line.rstrip("\n").split("\t")
        request, bill = json.loads(request), json.loads(bill)
        expected = amount(request)
        lines += 1
        if bill["amount"] != expected:
            wrong += 1
            print(f"{expected} expected, {bill['amount']} billed: {request}")
    print(f"{lines} bills")
    sys.exit(wrong > 0 or lines == 0)


names = sys.argv[2:]
LISTS = {name: json.load(open("prices/deepseek.json" if name == "deepseek" else name)) for name in names}
edges_of = {name: edges(LISTS[name]) for name in names} if sys.argv[1] == "make" else {}
make(names) if sys.argv[1] == "make" else check()
