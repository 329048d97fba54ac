/* What the doctor asks of the services: real work of each. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/json.h"
#include "basic/text.h"
#include "bus/names.h"
#include "doctor.h"
#include "text.h"

#define PUBLISH_MS 8000
#define CLOCK_WARN 30  /* seconds */
#define CLOCK_FAIL 600 /* relays refuse what comes from further away */

static void unreadable(const Probe *p) {
        doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                        _("Is the running Pylon of another version? Start it again."), "%s",
                        _("The answer could not be read."));
}

/* One member of an a{sv}: its type and value. 0: it is not there. */
static int find_member(sd_bus_message *m, const char *name, const char *type, void *ret) {
        int r;

        r = sd_bus_message_rewind(m, true);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key, *contents;

                r = sd_bus_message_read_basic(m, 's', &key);
                if (r >= 0 && streq(key, name)) {
                        r = sd_bus_message_peek_type(m, NULL, &contents);
                        return r < 0 || !streq(contents, type)
                                               ? 0
                                               : sd_bus_message_read(m, "v", type, ret);
                }
                if (r >= 0)
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

/* ---- relays */

static void one_answer(const Probe *p, const char *url, int verdict, const char *words) {
        if (verdict > 0)
                doctor_find(p->doctor, FINDING_FINE, p->area, url, NULL, "%s",
                                _("It took an event of ours and said so."));
        else
                doctor_find(p->doctor, FINDING_FAILURE, p->area, url,
                                verdict == 0 ? _("It does not take what this identity publishes: use another relay, or ask its operator.")
                                             : _("`pylon relay status URL` says more. Is the network up, and the address right?"),
                                verdict == 0 ? _("It refuses our events: %s")
                                             : _("It does not answer: %s"),
                                *words ? words : "-");
}

static void on_published(Probe *p, sd_bus_message *reply, const CallError *error) {
        const char *url, *words;
        int verdict;

        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (sd_bus_message_enter_container(reply, 'a', "(sis)") < 0) {
                unreadable(p);
                return;
        }
        while (sd_bus_message_read(reply, "(sis)", &url, &verdict, &words) > 0)
                one_answer(p, url, verdict, words);
}

static void on_relay_status(Probe *p, sd_bus_message *reply, _unused_ const CallError *error) {
        int64_t offset = 0;

        if (!reply || find_member(reply, "clock_offset", "x", &offset) <= 0)
                return;
        if (llabs(offset) > CLOCK_WARN)
                doctor_find(p->doctor,
                                llabs(offset) > CLOCK_FAIL ? FINDING_FAILURE : FINDING_WARNING,
                                "clock", p->subject,
                                _("Set the clock: `timedatectl set-ntp true` does it by itself."),
                                _("This relay's clock is %" PRIi64 " s ahead of ours."), offset);
        else
                doctor_find(p->doctor, FINDING_FINE, "clock", p->subject, NULL,
                                _("This relay's clock says the same as ours, within %" PRIi64
                                  " s."),
                                (int64_t) llabs(offset));
}

/* One event for all of them: the sixteen that every event is sent to. */
static void check_relays(Doctor *d) {
        probe_ask(d, &(ProbeText){ "relay", NULL, "relay", NULL, NULL, "Publish", 0, on_published },
                        "sasu", d->signed_event, 0, PUBLISH_MS);
        STRV_FOREACH (url, d->cli->config->relays)
                probe_ask(d,
                                &(ProbeText){ "relay", *url, "relay", NULL, NULL, "Status", 0,
                                                on_relay_status },
                                "s", *url);
}

/* ---- identity */

static void on_checked(Probe *p, sd_bus_message *reply, const CallError *error) {
        const char *event, *pubkey;

        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (sd_bus_message_read(reply, "ss", &pubkey, &event) < 0) {
                unreadable(p);
                return;
        }
        doctor_find(p->doctor, FINDING_FINE, p->area, NULL, NULL,
                        _("%.12s… signs, and the signature is right."), pubkey);
        p->doctor->signed_event = strdup(event);
        if (p->doctor->signed_event)
                check_relays(p->doctor);
}

void check_identity(Doctor *d) {
        probe_ask(d, &(ProbeText){ "identity", NULL, "signer", NULL, NULL, "Check", 0, on_checked },
                        "s", "provider");
}

/* ---- database */

static void on_database(Probe *p, sd_bus_message *reply, const CallError *error) {
        const char *integrity = "";
        uint64_t usec = 0;

        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (find_member(reply, "integrity", "s", &integrity) <= 0 ||
                        find_member(reply, "commit_usec", "t", &usec) <= 0) {
                unreadable(p);
                return;
        }
        if (!isempty(integrity) && !streq(integrity, "ok"))
                doctor_find(p->doctor, FINDING_FAILURE, p->area, NULL,
                                _("Stop Pylon and restore pylon.db from a backup; keep the damaged file."),
                                _("The database is damaged: %s"), integrity);
        else
                doctor_find(p->doctor, FINDING_FINE, p->area, NULL, NULL,
                                isempty(integrity)
                                                ? _("A commit is on the disk after %.1f ms; the database is too large to be read through now.")
                                                : _("The database is whole; a commit is on the disk after %.1f ms."),
                                (double) usec / 1000);
}

void check_database(Doctor *d) {
        probe_ask(d,
                        &(ProbeText){ "database", NULL, "store", NULL, NULL, "Check", MIN_,
                                        on_database },
                        NULL);
}

/* ---- backends */

static void on_generated(Probe *p, bool whole) {
        char *rest = p->text, *line, *last = NULL;
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason = NULL, *message = "";
        int64_t usec = 0;

        while ((line = strsep(&rest, "\n")))
                if (*line)
                        last = line;
        if (!whole || !last || json_parse(last, strlen(last), 8, 100, &j, &reason) < 0) {
                doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                                _("Look at the log of the model's server."), "%s",
                                _("It did not write one word in a minute."));
                return;
        }
        (void) json_string(json_get(json_get(j, "error"), "message"), &message);
        (void) json_i64(json_get(json_get(j, "done"), "duration_usec"), &usec);
        if (*message)
                doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                                _("`pylon compute` shows the servers and what went wrong last."),
                                _("A tiny generation failed: %s"), message);
        else
                doctor_find(p->doctor, FINDING_FINE, p->area, p->subject, NULL,
                                _("It wrote a word in %.0f ms."), (double) usec / 1000);
}

static void on_infer(Probe *p, sd_bus_message *reply, const CallError *error) {
        int fd, copy;

        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (sd_bus_message_read(reply, "h", &fd) < 0) {
                unreadable(p);
                return;
        }
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy >= 0)
                probe_read(p, copy, on_generated);
}

/* Each backend once, by the first model that it has. */
static void on_models(Probe *p, sd_bus_message *reply, _unused_ const CallError *error) {
        char seen[1024] = " ";
        const char *model, *name;
        uint32_t context;

        if (!reply || sd_bus_message_enter_container(reply, 'a', "(suas)") < 0)
                return;
        if (sd_bus_message_at_end(reply, false) > 0)
                doctor_find(p->doctor, FINDING_NOTE, p->area, NULL, NULL, "%s",
                                _("No server of models answers; only what needs none is sold."));
        while (sd_bus_message_enter_container(reply, 'r', "suas") > 0) {
                if (sd_bus_message_read(reply, "su", &model, &context) < 0 ||
                                sd_bus_message_enter_container(reply, 'a', "s") < 0)
                        return;
                while (sd_bus_message_read_basic(reply, 's', &name) > 0) {
                        char word[128];
                        size_t n = strlen(seen);

                        (void) snprintf(word, sizeof(word), " %s ", name);
                        if (strstr(seen, word) || n + strlen(word) >= sizeof(seen))
                                continue;
                        (void) snprintf(seen + n - 1, sizeof(seen) - n + 1, "%s", word);
                        probe_ask(p->doctor,
                                        &(ProbeText){ "backend", name, "provider", NULL,
                                                        BUS_PROVIDER_COMPUTE, "Infer", MIN_,
                                                        on_infer },
                                        "sa(ss)a{sv}", model, 1, "user", "Say: yes", 1,
                                        "max_tokens", "x", INT64_C(4));
                }
                if (sd_bus_message_exit_container(reply) < 0 ||
                                sd_bus_message_exit_container(reply) < 0)
                        return;
        }
}

static void one_backend(const Probe *p, sd_bus_message *m) {
        const char *key, *name = "?", *state = "", *trouble = "", *url = "";
        int detected = 0;

        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read_basic(m, 's', &key) < 0)
                        return;
                if (streq(key, "name"))
                        (void) sd_bus_message_read(m, "v", "s", &name);
                else if (streq(key, "state"))
                        (void) sd_bus_message_read(m, "v", "s", &state);
                else if (streq(key, "trouble"))
                        (void) sd_bus_message_read(m, "v", "s", &trouble);
                else if (streq(key, "url"))
                        (void) sd_bus_message_read(m, "v", "s", &url);
                else if (streq(key, "detected"))
                        (void) sd_bus_message_read(m, "v", "b", &detected);
                else
                        (void) sd_bus_message_skip(m, "v");
                (void) sd_bus_message_exit_container(m);
        }
        if (streq(state, "down") && !detected)
                doctor_find(p->doctor, FINDING_FAILURE, p->area, name,
                                _("Start the server, or take its [[backend]] out of the configuration."),
                                _("%s does not answer: %s"), url, *trouble ? trouble : "-");
}

static void on_backends(Probe *p, sd_bus_message *reply, const CallError *error) {
        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (sd_bus_message_enter_container(reply, 'a', "a{sv}") < 0) {
                unreadable(p);
                return;
        }
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                one_backend(p, reply);
                if (sd_bus_message_exit_container(reply) < 0)
                        break;
        }
        probe_ask(p->doctor,
                        &(ProbeText){ "backend", NULL, "provider", NULL, BUS_PROVIDER_COMPUTE,
                                        "Models", 0, on_models },
                        NULL);
}

void check_backends(Doctor *d) {
        probe_ask(d,
                        &(ProbeText){ "backend", NULL, "provider", NULL, BUS_PROVIDER_COMPUTE,
                                        "Backends", 0, on_backends },
                        NULL);
}

/* ---- wallet */

static void on_lookup(Probe *p, sd_bus_message *reply, const CallError *error) {
        const char *backend = "", *reason = "";

        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (find_member(reply, "backend", "s", &backend) < 0 ||
                        find_member(reply, "backend_reason", "s", &reason) < 0) {
                unreadable(p);
                return;
        }
        if (streq(backend, "open"))
                doctor_find(p->doctor, FINDING_FINE, p->area, p->subject, NULL, "%s",
                                _("It made an invoice, and its backend knows it."));
        else
                doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                                _("`pylon wallet status` says how the backend is; look at its log."),
                                _("It made an invoice, of which its backend says \"%s\" when it is asked. %s"),
                                *backend ? backend : "-", reason);
}

static void on_invoice(Probe *p, sd_bus_message *reply, const CallError *error) {
        const char *hash, *bolt11;
        int64_t expires_at;

        if (!reply)
                probe_failed(p, error);
        else if (sd_bus_message_read(reply, "ssx", &hash, &bolt11, &expires_at) < 0)
                unreadable(p);
        else
                probe_ask(p->doctor,
                                &(ProbeText){ p->area, p->subject, "wallet", NULL, NULL, "Lookup",
                                                0, on_lookup },
                                "s", hash);
}

static void on_wallet(Probe *p, sd_bus_message *reply, const CallError *error) {
        const char *driver = "";
        Doctor *d = p->doctor;

        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (find_member(reply, "driver", "s", &driver) <= 0) {
                unreadable(p);
                return;
        }
        if (isempty(driver) || streq(driver, "none"))
                doctor_find(d, d->cli->config->require_payment ? FINDING_FAILURE : FINDING_NOTE,
                                p->area, NULL,
                                _("Choose a wallet in [wallet] (`man pylon.toml`), or set require_payment = false."),
                                "%s",
                                _("There is no wallet; only free jobs can be bought and sold."));
        else
                probe_ask(d,
                                &(ProbeText){ p->area, driver, "wallet", NULL, NULL,
                                                "CreateInvoice", MIN_, on_invoice },
                                "sxsu", "owner", INT64_C(1000), "pylon doctor", 60);
}

void check_wallet(Doctor *d) {
        probe_ask(d, &(ProbeText){ "wallet", NULL, "wallet", NULL, NULL, "Status", 0, on_wallet },
                        NULL);
}
