#!/usr/bin/env python3
"""The shape of files and functions: a function is at most 80 lines and 7 parameters, a file says what it
is for, and text files are UTF-8 with a final newline."""
import re
import subprocess

from source import bare, c_files, report, root

LINES, PARAMETERS, FILE_LINES = 80, 7, 800
TEXT = {".c", ".h", ".py", ".md", ".build", ".txt", ".scd", ".service", ".socket", ".target", ".mjs", ".conf"}
TITLE = re.compile(r"(\w+)\(([^{;]*)\)\s*\{$")


def functions(text):
    """(line, name, parameters, lines): clang-format puts the last brace into the first column."""
    lines = bare(text).splitlines()
    start, title = 0, ""
    for number, line in enumerate(lines, 1):
        if start == 0 and line and not line[0].isspace() and line[0] not in "#}":
            start, title = number, ""
        if start and not title.endswith("{"):
            title += " " + line.strip()
            if ";" in line:
                start = 0
        if line.startswith("}") and start:
            match = TITLE.search(title.strip())
            if match and "=" not in title.split("(")[0]:
                arguments = match.group(2).strip()
                yield start, match.group(1), arguments.count(",") + 1 if arguments else 0, number - start + 1
            start = 0


def says_what_for(name, text):
    """A comment at the top; a .c file whose first line includes its own header has it there."""
    text = re.sub(r"^(#pragma once|#define SD_JOURNAL_SUPPRESS_LOCATION)\n\s*", "", text)
    own_header = re.escape(name.split("/")[-1].removesuffix(".c"))
    return text.startswith("/*") or bool(re.match(rf'#include "([\w/-]+/)?{own_header}\.h"\n', text))


def c_problems():
    for path, name in c_files("src", "tests"):
        text = path.read_text()
        if not says_what_for(name, text):
            yield f"{name}: begins with a comment on what it is for, or with its own header"
        if text.count("\n") > FILE_LINES:
            yield f"{name}: {text.count(chr(10))} lines, {FILE_LINES} is the limit"
        for line, function, parameters, lines in functions(text):
            if lines > LINES:
                yield f"{name}:{line}: {function}() has {lines} lines, {LINES} is the limit"
            if parameters > PARAMETERS:
                yield f"{name}:{line}: {function}() has {parameters} parameters, {PARAMETERS} is the limit"


def text_problems():
    listed = subprocess.run(["git", "-C", root(), "ls-files", "-z"], capture_output=True)
    names = listed.stdout.decode().split("\0")[:-1] if listed.returncode == 0 else []
    for name in names:
        path = root() / name
        if path.suffix not in TEXT or not path.is_file() or "/corpus/" in name:
            continue
        data = path.read_bytes()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            yield f"{name}: not UTF-8"
            continue
        if data and not text.endswith("\n"):
            yield f"{name}: no final newline"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip() or "\r" in line:
                yield f"{name}:{number}: blanks at the end of the line"
            if path.suffix in (".c", ".h", ".py") and "\t" in line:
                yield f"{name}:{number}: a tab"


def problems():
    yield from c_problems()
    yield from text_problems()


report(problems(), "files and functions have their shape")
