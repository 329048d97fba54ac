/* What signatures cost through pylon-signer: calls of one draft each, so many on their way at once,
 * as the provider makes them. It must run under the name pylon-provider, or it is refused. Prints a
 * JSON line.
 *
 *     pylon-provider SOCKET DRAFTS IN-FLIGHT
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "basic/crypt.h"
#include "basic/text.h"
#include "client/signer-client.h"

#define SOMEBODY "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243"

typedef struct Bench {
        sd_event *event;
        SignerClient *signer;
        Draft *draft;
        uint32_t n_drafts, n_asked, n_done;
        int error;
} Bench;

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static double own_cpu(void) {
        struct rusage u;

        (void) getrusage(RUSAGE_SELF, &u);
        return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void ask(Bench *b);

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Bench *b = userdata;

        if (error >= 0 && results[0].error < 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error < 0 && b->error >= 0) {
                b->error = error;
                (void) fprintf(stderr, "%s\n", reason);
        }
        if (++b->n_done == b->n_drafts || b->error < 0)
                (void) sd_event_exit(b->event, b->error);
        else if (b->n_asked < b->n_drafts)
                ask(b);
}

static void ask(Bench *b) {
        int r;

        b->n_asked++;
        r = signer_sign(b->signer, "provider", (const Draft *const[]){ b->draft }, 1, on_signed, b,
                        NULL);
        if (r < 0)
                (void) sd_event_exit(b->event, r);
}

static int make_draft(Draft **ret) {
        int r;

        r = draft_new(7000, 1700000000, ret);
        if (r >= 0)
                r = draft_tag(*ret, "e", SOMEBODY, NULL);
        if (r >= 0)
                r = draft_tag(*ret, "p", SOMEBODY, NULL);
        if (r >= 0)
                r = draft_tag(*ret, "status", "processing", NULL);
        return r;
}

static int run(Bench *b, const char *socket, uint32_t n_in_flight) {
        double began;
        int r;

        r = sd_event_default(&b->event);
        if (r >= 0)
                r = signer_client_new(b->event, socket, &b->signer);
        if (r >= 0)
                r = make_draft(&b->draft);
        if (r < 0)
                return r;

        began = now();
        for (uint32_t i = 0; i < MIN(n_in_flight, b->n_drafts); i++)
                ask(b);
        r = sd_event_loop(b->event);
        if (r < 0)
                return r;
        began = now() - began;
        (void) printf("{\"bench\": \"signer\", \"drafts\": %u, \"in_flight\": %u, \"per_second\": %.0f, "
                      "\"seconds\": %.3f, \"caller_cpu_seconds\": %.3f}\n",
                        b->n_drafts, n_in_flight, b->n_drafts / began, began, own_cpu());
        return 0;
}

int main(int argc, char *argv[]) {
        uint32_t n_in_flight;
        Bench b = { 0 };
        int r;

        if (argc != 4 || parse_u32(argv[2], &b.n_drafts) < 0 || b.n_drafts == 0 ||
                        parse_u32(argv[3], &n_in_flight) < 0 || n_in_flight == 0) {
                (void) fprintf(stderr, "%s SOCKET DRAFTS IN-FLIGHT\n", argv[0]);
                return 2;
        }
        r = crypt_setup();
        if (r >= 0)
                r = run(&b, argv[1], n_in_flight);
        (void) signer_client_free(b.signer);
        (void) draft_free(b.draft);
        sd_event_unref(b.event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
