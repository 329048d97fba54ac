#!/usr/bin/env python3
"""clang-format decides, and nobody else. One major version, because they disagree."""
import shutil
import subprocess
import sys

from source import c_files, root

MAJOR = "14"


def program():
    for name in (f"clang-format-{MAJOR}", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
            if f"version {MAJOR}." in version:
                return name
    return None


name = program()
if not name:
    print(f"clang-format {MAJOR} is not here")
    sys.exit(77)
paths = [path for path, _ in c_files("src", "tests")]
sys.exit(subprocess.run([name, "--dry-run", "-Werror", "--ferror-limit=3", *paths], cwd=root()).returncode)
