/* The options that every service has. */
#include "basic/option.h"

#include <getopt.h>
#include <stdio.h>

static void print_help(const char *program, const char *purpose) {
        (void) printf("%s [--system|--user] [--config PATH]\n\n"
                      "%s\n\n"
                      "  --system       The system's files, and the system bus\n"
                      "  --user         The user's files, and the session bus\n"
                      "  --config PATH  Another configuration file\n"
                      "  --print-xml[=FOLDER]\n"
                      "                 Print the public D-Bus interface, or that of the objects in a\n"
                      "                 folder, and exit\n"
                      "  --help         This text\n"
                      "  --version      The version\n"
                      "\n"
                      "Without --system and --user: the user's files, and no bus.\n",
                        program, purpose);
}

int options_parse(int argc, char *argv[], const char *program, const char *purpose, Options *ret) {
        enum { ARG_SYSTEM = 0x100, ARG_USER, ARG_CONFIG, ARG_PRINT_XML, ARG_HELP, ARG_VERSION };
        static const struct option options[] = {
                { "system", no_argument, NULL, ARG_SYSTEM },
                { "user", no_argument, NULL, ARG_USER },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "print-xml", optional_argument, NULL, ARG_PRINT_XML },
                { "help", no_argument, NULL, ARG_HELP },
                { "version", no_argument, NULL, ARG_VERSION },
                { 0 },
        };
        Options o = { .scope = SCOPE_PRIVATE };
        int c;

        optind = 0; /* glibc: begin anew, should somebody have parsed before */
        while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0)
                switch (c) {
                case ARG_SYSTEM:
                        o.scope = SCOPE_SYSTEM;
                        break;
                case ARG_USER:
                        o.scope = SCOPE_USER;
                        break;
                case ARG_CONFIG:
                        o.config = optarg;
                        break;
                case ARG_PRINT_XML:
                        o.print_xml = true;
                        o.folder = optarg;
                        break;
                case ARG_HELP:
                        print_help(program, purpose);
                        return 1;
                case ARG_VERSION:
                        (void) printf("%s %s\n", program, PYLON_VERSION);
                        return 1;
                default:
                        return -EINVAL; /* getopt has said why */
                }
        if (optind < argc) {
                (void) fprintf(stderr, "%s takes no argument '%s'; try --help\n", program,
                                argv[optind]);
                return -EINVAL;
        }
        *ret = o;
        return 0;
}
