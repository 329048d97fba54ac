#pragma once
/* The options that every service has: --system, --user, --config PATH, --print-xml, --help,
 * --version. */
#include "basic/paths.h"

typedef struct Options {
        Scope scope;
        const char *config; /* points into argv; NULL: the usual place */
        bool print_xml;
        const char *folder; /* whose objects' interface is printed; NULL: of the one at the one path
                             */
} Options;

/* 0: go on. 1: --help or --version was answered, exit with success. -EINVAL: the usage was wrong
 * and has been said on stderr, exit with 2 (EXIT_USAGE). */
int options_parse(int argc, char *argv[], const char *program, const char *purpose, Options *ret);

/* What exit codes mean, after sysexits. */
enum {
        EXIT_USAGE = 2,
        EXIT_UNAVAILABLE = 69, /* a service is not reachable */
        EXIT_CANTCREAT = 73,
        EXIT_IOERR = 74,
        EXIT_TEMPFAIL = 75, /* somebody else has it; trying again may help */
        EXIT_NOPERM = 77,
        EXIT_CONFIG = 78,
};
