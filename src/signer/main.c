/* pylon-signer: the one keyring. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "basic/crypt.h"
#include "basic/log.h"
#include "basic/seal.h"
#include "bus/names.h"
#include "signer.h"

#define WRAPPING_KEY "pylon-wrapping-key"

static const BusObject objects[] = {
        { BUS_SIGNER, signer_vtable, true },
        { 0 },
};

/* No core dumps, no debugger of the same user, no swap. All of it is the best this system allows:
 * secrets are in locked pages of their own in any case. */
static void protect_memory(void) {
        static const struct rlimit none = { 0, 0 };
        struct rlimit locked;

        if (setrlimit(RLIMIT_CORE, &none) < 0)
                (void) log_debug_errno(-errno, "Core dumps stay on: %m");
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks attaches to us like a debugger */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                (void) log_debug_errno(-errno, "This process can be looked into: %m");
#endif
        /* With a small limit, locking the future would make later allocations fail. */
        if (getrlimit(RLIMIT_MEMLOCK, &locked) >= 0 && locked.rlim_cur == RLIM_INFINITY &&
                        mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
                (void) log_debug_errno(-errno, "Only the secrets' own pages are locked: %m");
}

static int get_wrapping_key(Service *s, Secret **ret) {
        int r;

        r = secret_credential(WRAPPING_KEY, SEAL_KEY_SIZE, ret);
        if (r == -ENOENT)
                return 0; /* seeds are then plain files of mode 0600 */
        if (r >= 0 && secret_size(*ret) == SEAL_KEY_SIZE)
                return 0;

        *ret = secret_free(*ret);
        return service_fail(s, EXIT_CONFIG, r < 0 ? r : -EBADMSG,
                        "The credential \"" WRAPPING_KEY "\" is not a key of %d bytes.",
                        SEAL_KEY_SIZE);
}

static int start(Service *s, void **ret) {
        Secret *wrapping_key = NULL;
        Signer *signer;
        int r;

        r = get_wrapping_key(s, &wrapping_key);
        if (r < 0)
                return r;
        r = signer_new(s, service_paths(s)->data, wrapping_key, &signer);
        if (r < 0)
                return service_fail(s, EXIT_FAILURE, r, "There is no memory.");

        *ret = signer;
        return 0;
}

static void *stop(void *object) {
        return signer_free(object);
}

static const ServiceClass class = {
        .name = "signer",
        .purpose = N_("Keeps the keys of Pylon and signs with them."),
        .bus_name = BUS_SIGNER,
        .objects = objects,
        .never_on_bus = true,
        .start = start,
        .free = stop,
};

int main(int argc, char *argv[]) {
        protect_memory();
        if (crypt_setup() < 0) {
                log_error("The cryptographic library does not work.");
                return EXIT_FAILURE;
        }
        return service_run(&class, argc, argv);
}
