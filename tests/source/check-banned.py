#!/usr/bin/env python3
"""Functions which this project does not call: each has something better in lib/basic or in libc."""
import re

from source import bare, c_files, report

BANNED = {
    "sprintf": "snprintf or buffer_addf",
    "vsprintf": "vsnprintf",
    "strcpy": "memcpy or snprintf",
    "strcat": "buffer_add_string",
    "strtok": "strcspn",
    "atoi": "parse_u64",
    "atol": "parse_u64",
    "strtol": "parse_i64",
    "strtoul": "parse_u64",
    "rand": "getrandom",
    "random": "getrandom",
    "system": "posix_spawn or fork and exec",
    "popen": "posix_spawn or fork and exec",
    "sleep": "an event source",
    "usleep": "an event source",
    "localtime": "localtime_r",
    "gmtime": "gmtime_r",
    "gets": "getline",
    "alloca": "malloc",
    "sd_bus_flush": "a reply: nothing blocks",
}
# Only lib/basic asks the clock and the environment; everybody else is given what it needs.
BASIC_ONLY = {"time": "the time is an argument", "getenv": "the environment is read in lib/basic"}
SERVICES_ONLY_ASYNC = {"getaddrinfo": "net/resolve"}

CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def problems():
    for path, name in c_files("src", "tests"):
        banned = dict(BANNED)
        if name.startswith("src/") and not name.startswith("src/lib/basic/"):
            banned |= BASIC_ONLY
        if not name.startswith("src/lib/net/"):
            banned |= SERVICES_ONLY_ASYNC
        for number, line in enumerate(bare(path.read_text()).splitlines(), 1):
            for function in CALL.findall(line):
                if function in banned:
                    yield f"{name}:{number}: {function}(): {banned[function]}"


report(problems(), "no banned function is called")
