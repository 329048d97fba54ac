#!/usr/bin/env python3
"""The TOML reader against Python's tomllib: the same files are refused, the others have the same values.
The files are those of the fuzz corpus, and mutations of them from a fixed seed."""
import datetime
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import tomllib

MUTATIONS = 1500
PIECES = ["a", "1", "0", '"', "'", "[", "]", "{", "}", ".", ",", "=", "\n", " ", "#", "_", "-", "+", "e", ":", "T",
          '"""', "'''", "\\", "\\u00e9", "true", "[[a]]\n", "[a.b]\n", "a.b = 1\n", "1979-05-27", "é", "\t"]


def mutate(chance, text):
    """A few lines of it, with one to three edits."""
    lines = text.splitlines(keepends=True)
    first = chance.randrange(len(lines))
    text = "".join(lines[first:first + chance.randint(1, 6)])
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(text))
        cut = chance.choice([0, 0, 1, 2, 8])
        text = text[:at] + chance.choice(PIECES) * chance.randint(0, 2) + text[at + cut:]
    return text


def moment(text):
    """A date or time as tomllib would have it."""
    if text[2] == ":":
        return datetime.time.fromisoformat(text)
    if len(text) == 10:
        return datetime.date.fromisoformat(text)
    return datetime.datetime.fromisoformat(text.upper().replace(" ", "T"))


def same(ours, theirs):
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and ours.keys() == theirs.keys() and all(
            same(value, theirs[key]) for key, value in ours.items())
    kind, value = ours
    if kind == "array":
        return isinstance(theirs, list) and len(value) == len(theirs) and all(map(same, value, theirs))
    if kind == "float":
        number = float(value)
        return type(theirs) is float and (number == theirs or (math.isnan(number) and math.isnan(theirs)))
    if kind == "date":
        return moment(value) == theirs
    if kind == "boolean":
        return theirs is (value == "true")
    return type(theirs) is (int if kind == "integer" else str) and str(theirs) == value


def known_difference(text, theirs):
    """Ours: 64-bit integers, leap seconds, no NUL in a key, line ends kept, a byte order mark allowed."""
    return text.startswith("\ufeff") or "\r" in text or ":60" in text or "\\u0000" in text or "u000000" in text.lower() or \
        any(abs(n) >= 2**63 for n in integers(theirs))


def integers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from integers(item)
    elif type(value) is int:
        yield value


def read_theirs(text):
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError):
        return None


def main(program, corpus):
    chance = random.Random(1)
    texts = []
    for path in sorted(pathlib.Path(corpus).iterdir()):
        try:
            texts.append(path.read_bytes().decode())
        except UnicodeDecodeError:
            pass
    texts += [mutate(chance, chance.choice(texts)) for _ in range(MUTATIONS)]

    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, text in enumerate(texts):
            names.append(f"{folder}/{number}")
            pathlib.Path(names[-1]).write_bytes(text.encode())
        answers = subprocess.run([program, *names], check=True, capture_output=True, text=True).stdout.splitlines()

    accepted = 0
    for text, answer in zip(texts, answers, strict=True):
        ours, theirs = json.loads(answer), read_theirs(text)
        if known_difference(text, theirs):
            continue
        if (ours is None) != (theirs is None) or (ours is not None and not same(ours, theirs)):
            print(f"ours:   {ours}\ntheirs: {theirs}\nof:\n{text}")
            return 1
        accepted += ours is not None
    print(f"{len(texts)} files, {accepted} of them accepted: the same as tomllib")
    return 0 if accepted > 100 else 1


sys.exit(main(*sys.argv[1:]))
