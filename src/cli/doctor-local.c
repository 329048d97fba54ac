/* What the doctor sees without asking a service. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "doctor.h"
#include "instance.h"
#include "manager.h"
#include "text.h"

#define DISK_FAIL (UINT64_C(64) << 20)
#define DISK_WARN (UINT64_C(1) << 30)

static void on_remark(const ConfigRemark *r, void *userdata) {
        static const FindingVerdict verdicts[_CONFIG_SEVERITY_MAX] = {
                [CONFIG_ERROR] = FINDING_FAILURE,
                [CONFIG_WARNING] = FINDING_WARNING,
                [CONFIG_NOTICE] = FINDING_NOTE,
        };
        Doctor *d = userdata;

        doctor_find(d, verdicts[r->severity], "config", NULL,
                        _("`pylon config check` says all that is wrong, `man pylon.toml` what is allowed."),
                        _("%s:%u: %s."), d->cli->paths->config, r->line, r->text);
}

void check_config(Doctor *d) {
        _cleanup_(config_freep) Config *c = NULL;
        size_t before = d->n_findings;

        (void) config_load(d->cli->paths->config, on_remark, d, &c);
        if (d->n_findings == before)
                doctor_find(d, FINDING_FINE, "config", NULL, NULL, _("%s is valid."),
                                d->cli->paths->config);
}

/* ---- files */

static void check_secret(Doctor *d, const char *path) {
        _cleanup_free_ char *remedy = NULL;
        struct stat st;

        if (lstat(path, &st) < 0)
                return;
        if (asprintf(&remedy, "chmod %s '%s'", S_ISDIR(st.st_mode) ? "700" : "600", path) < 0)
                remedy = NULL;
        if (S_ISLNK(st.st_mode))
                doctor_find(d, FINDING_WARNING, "files", path,
                                _("Put the file itself there, owned by who runs Pylon."), "%s",
                                _("It is a symbolic link; a secret should be a file."));
        else if (st.st_mode & 0077)
                doctor_find(d, FINDING_FAILURE, "files", path, remedy,
                                _("Others may read it (mode %03o)."), (unsigned) st.st_mode & 0777);
        else
                doctor_find(d, FINDING_FINE, "files", path, NULL, "%s",
                                _("Only its owner may read it."));
}

static void check_secrets(Doctor *d) {
        static const char *const names[] = { "identity.mnemonic", "keys", "wallet.secret" };
        const char *named = d->cli->config->wallet.secret_file;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = NULL;

                if (paths_file(d->cli->paths, names[i], &path) >= 0)
                        check_secret(d, path);
        }
        if (!isempty(named))
                check_secret(d, named);
}

/* In a system instance the seeds should be sealed with a key of this machine. */
static void check_sealed(Doctor *d) {
        static const char path[] = "/var/lib/pylon/signer/identity.mnemonic";
        char first[8] = "";
        FILE *f;

        if (d->cli->scope != SCOPE_SYSTEM)
                return;
        f = fopen(path, "re");
        if (!f)
                return;
        if (fread(first, 1, sizeof(first) - 1, f) > 0 && first[0] >= 'a' && first[0] <= 'z')
                doctor_find(d, FINDING_WARNING, "files", path,
                                _("Make a wrapping key with `systemd-creds encrypt --name=pylon-wrapping-key` of 32 random bytes, load it in "
                                  "pylon-signer.service with LoadCredentialEncrypted=, and import the words again with `pylon init --import --force`."),
                                "%s", _("The words are on the disk in the clear."));
        (void) fclose(f);
}

static void check_disk(Doctor *d) {
        const char *path = d->cli->scope == SCOPE_SYSTEM ? "/var/lib/pylon" : d->cli->paths->data;
        struct statvfs fs;
        uint64_t free_bytes;
        FindingVerdict verdict;

        if (statvfs(path, &fs) < 0)
                return;
        free_bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
        verdict = free_bytes < DISK_FAIL   ? FINDING_FAILURE
                  : free_bytes < DISK_WARN ? FINDING_WARNING
                                           : FINDING_FINE;
        doctor_find(d, verdict, "files", path, _("Make room: a full disk stops every job."),
                        _("%.1f GB are free."), (double) free_bytes / 1e9);
}

void check_files(Doctor *d) {
        check_secrets(d);
        check_sealed(d);
        check_disk(d);
}

/* ---- what keeps services apart */

void check_boundary(Doctor *d) {
        switch (d->cli->scope) {
        case SCOPE_SYSTEM:
                doctor_find(d, FINDING_FINE, "boundary", NULL, NULL, "%s",
                                _("Each service has its own account and sandbox."));
                break;
        case SCOPE_USER:
        case SCOPE_PRIVATE:
        case _SCOPE_MAX:
                doctor_find(d, FINDING_NOTE, "boundary", NULL, NULL, "%s",
                                _("All services share your account: any program of yours can read the identity's words. A system instance keeps them apart."));
        }
}

bool check_running(Doctor *d) {
        bool runs = d->cli->scope == SCOPE_SYSTEM ? manager_runs_pylon(SCOPE_SYSTEM)
                                                  : instance_runs(d->cli->paths) ||
                                                                    manager_runs_pylon(SCOPE_USER);

        if (!runs)
                doctor_find(d, FINDING_FAILURE, "services", NULL,
                                _("Start it with `pylon start`; then the doctor sees more."), "%s",
                                _("Pylon is not running."));
        return runs;
}
