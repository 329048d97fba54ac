#!/usr/bin/env python3
"""The calendar reader against systemd's own: from a fixed seed, the same texts are refused, and the others have
the same next three minutes. Skipped where systemd-analyze is missing or too old."""
import calendar
import os
import random
import re
import shutil
import subprocess
import sys
import time

EXPRESSIONS = 300
START = 1771113600  # 2026-02-15 00:00 UTC
DAYS = ["Mon", "Tue", "wed", "Thursday", "Fri", "Sat", "Sun"]
SHORTHANDS = ["minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly"]
# What others have beyond the systemd of today: a step behind "*", and a "T" between date and time.
# And systemd takes three more days off the month for each further number of a list behind "~".
OURS_ALONE = re.compile(r"\*/|\dT\d|~[^ ]*,")
SKIP = 77


def number(chance, low, high):
    return chance.choice(["{}", "{:02}"]).format(chance.randint(low, high))


def part(chance, low, high):
    text = number(chance, low, high)
    if chance.random() < 0.3:
        text += ".." + number(chance, low, high)
    if chance.random() < 0.25:
        text += "/" + str(chance.randint(0 if chance.random() < 0.1 else 1, max(2, (high - low) // 2)))
    return text


def chain(chance, low, high, star=0.4):
    if chance.random() < star:
        return "*"
    return ",".join(part(chance, low, high) for _ in range(chance.choice([1, 1, 1, 2, 3])))


def expression(chance):
    if chance.random() < 0.03:
        return chance.choice(SHORTHANDS)
    words = []
    if chance.random() < 0.35:
        words.append(chance.choice([",", ".."]).join(chance.sample(DAYS, chance.choice([1, 2, 2]))))
    if chance.random() < 0.6:
        date = chain(chance, 1, 12) + chance.choice("---~") + chain(chance, 1, chance.choice([9, 28, 31]))
        words.append((chain(chance, 2025, 2029, 0.8) + "-" if chance.random() < 0.5 else "") + date)
    if chance.random() < 0.7 or not words:
        words.append(chain(chance, 0, chance.choice([9, 23, 24])) + ":" + chain(chance, 0, chance.choice([9, 59, 60]), 0.3))
    return " ".join(words) + (" UTC" if chance.random() < 0.2 else "")


def ask_systemd(texts, zone):
    """The answers in order; None: refused."""
    run = subprocess.run(["systemd-analyze", "calendar", "--iterations=3", f"--base-time=@{START}", "--", *texts],
                         env={**os.environ, "TZ": zone, "LC_ALL": "C"}, capture_output=True, text=True)
    if run.returncode != 0:
        return [None] * len(texts) if len(texts) == 1 else [ask_systemd([text], zone)[0] for text in texts]
    answers = []
    for block in run.stdout.strip().split("\n\n"):
        utc = re.findall(r"^ *\(in UTC\): \w+ ([\d-]+ [\d:]+) UTC$", block, re.M)
        utc = utc or re.findall(r"^ *(?:Next elapse|Iter\. #\d): \w+ ([\d-]+ [\d:]+) UTC$", block, re.M)
        answers.append([calendar.timegm(time.strptime(t, "%Y-%m-%d %H:%M:%S")) for t in utc])
    return answers


def main(program):
    if not shutil.which("systemd-analyze") or ask_systemd(["daily"], "UTC") != [[START + 86400 * n for n in (1, 2, 3)]]:
        print("systemd-analyze is not here, or another one")
        return SKIP
    chance = random.Random(7)
    texts = [t for t in (expression(chance) for _ in range(EXPRESSIONS)) if not OURS_ALONE.search(t)]
    for zone in ("UTC", "America/St_Johns"):
        lines = subprocess.run([program, str(START), *texts], env={**os.environ, "TZ": zone}, check=True,
                               capture_output=True, text=True).stdout.splitlines()
        ours = [None if line == "refused" else [int(n) for n in line.split()] for line in lines]
        good = [text for text, answer in zip(texts, ours, strict=True) if answer is not None]
        theirs = dict(zip(good, ask_systemd(good, zone), strict=True))
        if zone == "UTC":
            theirs |= {text: ask_systemd([text], zone)[0] for text in texts if text not in theirs}
        for text, answer in zip(texts, ours, strict=True):
            if answer != theirs.get(text):
                print(f"{text!r} in {zone}\nours:   {answer}\ntheirs: {theirs.get(text)}")
                return 1
    print(f"{len(texts)} calendars, {len(good)} of them good: the same as systemd")
    return 0 if len(good) > len(texts) // 3 else 1


sys.exit(main(sys.argv[1]))
