"""What the checks share: which files there are, C without comments and strings, and how to report."""
import pathlib
import re
import sys

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def root():
    return pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()


def c_files(*folders):
    for folder in folders:
        for path in sorted((root() / folder).rglob("*.[ch]")):
            if "node_modules" not in path.parts:
                yield path, path.relative_to(root()).as_posix()


def bare(text):
    """The code alone: comments and strings become blanks, so that lines keep their numbers."""
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def report(problems, fine):
    found = list(problems)
    print("\n".join(found) or fine)
    sys.exit(bool(found))
