/* pylon-agent: one agent's tick, in a process that knows no key, no file and no network. */
#include <signal.h>
#include <stdio.h>

#include "agent.h"
#include "bus/names.h"
#include "mind/name.h"
#include "rules.h"

static const char *arg_agent;
static bool arg_single_tick;

static int start(Service *s, void **ret) {
        sigset_t set;
        Agent *a;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD); /* minds are waited for by the loop */
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return service_fail(s, EXIT_FAILURE, -errno, "Signals cannot be blocked: %m");
        a = new0(Agent, 1);
        if (!a)
                return service_fail(s, EXIT_FAILURE, -ENOMEM, "There is no memory.");
        *a = (Agent){ .service = s, .name = arg_agent };
        *ret = a;
        return 0;
}

/* A tick is a connection, and the process ends with it. */
static void gone(sd_bus *bus, void *object) {
        Agent *a = object;

        if (bus == a->caller)
                agent_forget(a);
        if (bus_server_n_private(service_server(a->service)) == 0)
                service_exit(a->service, EXIT_SUCCESS);
}

static void *stop(void *object) {
        return agent_free(object);
}

/* Takes our own options out, before the service reads the others. -EINVAL: it has been said. */
static int take_options(int *argc, char *argv[]) {
        int n = 1;

        for (int i = 1; i < *argc; i++) {
                const char *value = startswith(argv[i], "--agent=");

                if (streq(argv[i], "--agent") && i + 1 < *argc)
                        value = argv[++i];
                if (value)
                        arg_agent = value;
                else if (streq(argv[i], "--single-tick"))
                        arg_single_tick = true;
                else
                        argv[n++] = argv[i];
        }
        argv[n] = NULL;
        *argc = n;
        if (arg_agent && !agent_name_is_valid(arg_agent)) {
                (void) fprintf(stderr, "pylon-agent: no agent is called \"%s\"\n", arg_agent);
                return -EINVAL;
        }
        return 0;
}

static bool asks_for_words(int argc, char *argv[]) {
        return argc == 2 && (streq(argv[1], "--help") || streq(argv[1], "--version"));
}

int main(int argc, char *argv[]) {
        char name[sizeof("agent-") + AGENT_NAME_LENGTH_MAX] = "agent";
        ServiceClass class = {
                .name = name,
                .purpose = N_("One agent's tick. Started by pylon-host's connection.\n\n"
                              "  --agent NAME   Whose\n"
                              "  --single-tick  Read a context from standard input, print what would be\n"
                              "                 answered, and exit"),
                .bus_name = BUS_AGENT, /* for whom its errors are; it is on no bus */
                .objects = agent_objects,
                .never_on_bus = true,
                .expected = PEER_HOST,
                .no_files = true,
                .start = start,
                .gone = gone,
                .free = stop,
        };

        if (argc == 2 && streq(argv[1], "--mind"))
                return rules_main();
        if (take_options(&argc, argv) < 0)
                return EXIT_USAGE;
        if (!arg_agent && !asks_for_words(argc, argv)) {
                (void) fprintf(stderr, "pylon-agent: whose tick? Say --agent NAME\n");
                return EXIT_USAGE;
        }
        if (arg_single_tick)
                return agent_by_hand(arg_agent);
        if (arg_agent)
                (void) snprintf(name, sizeof(name), "agent-%s", arg_agent);
        return service_run(&class, argc, argv);
}
