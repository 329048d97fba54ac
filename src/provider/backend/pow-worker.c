#include "pow-worker.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "basic/crypt.h"
#include "basic/text.h"
#include "nostr/nip13.h"

#define STEP_TRIES \
        32768 /* some ten milliseconds: how late it notices that nobody wants it any more */

/* As little in the way of everybody else as the system allows. A SIGTERM is meant for the provider,
 * which wants to finish; when it goes, we go. */
static void be_humble(void) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) signal(SIGTERM, SIG_IGN);
        (void) signal(SIGINT, SIG_IGN);
        (void) setpriority(PRIO_PROCESS, 0, 19);
        (void) sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){});
}

static bool is_wanted(void) {
        struct pollfd p = { .fd = POW_WORKER_FD };

        return poll(&p, 1, 0) == 0;
}

/* "BITS PUBKEY DRAFT" */
static int miner_for(char *packet, Nip13Miner **ret) {
        char *bits = strsep(&packet, " "), *pubkey = strsep(&packet, " ");
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *reason;
        uint32_t n;
        int r;

        if (!packet)
                return -EBADMSG;

        r = parse_u32(bits, &n);
        if (r < 0)
                return r;
        r = draft_parse(packet, strlen(packet), &d, &reason);
        if (r < 0)
                return r;
        return nip13_miner_new(d, pubkey, n, 0, ret);
}

static int mine(char *packet, char **ret) {
        _cleanup_(nip13_miner_freep) Nip13Miner *m = NULL;
        int r;

        r = miner_for(packet, &m);
        while (r == 0 && is_wanted())
                r = nip13_miner_step(m, STEP_TRIES);
        if (r <= 0)
                return r < 0 ? r : -ECANCELED;

        return nip13_miner_event(m, ret);
}

int pow_worker_main(void) {
        static char packet[POW_PACKET_MAX + 1];

        be_humble();
        if (crypt_setup() < 0)
                return EXIT_FAILURE;

        for (;;) {
                struct pollfd p = { .fd = POW_WORKER_FD, .events = POLLIN };
                _cleanup_free_ char *event = NULL;
                ssize_t n;

                if (poll(&p, 1, POW_WORKER_IDLE_MS) <= 0)
                        return EXIT_SUCCESS;
                n = recv(POW_WORKER_FD, packet, POW_PACKET_MAX, 0);
                if (n <= 0)
                        return EXIT_SUCCESS; /* the provider let go of us */
                packet[n] = 0;

                if (mine(packet, &event) < 0)
                        return EXIT_FAILURE;
                if (send(POW_WORKER_FD, event, strlen(event), MSG_NOSIGNAL) < 0)
                        return EXIT_FAILURE;
        }
}
