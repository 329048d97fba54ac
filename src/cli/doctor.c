/* pylon doctor: asks everything at once, and says what is wrong and what to do about it. */
#include "doctor.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "out.h"
#include "question.h"
#include "table.h"
#include "verb.h"

#define FINDINGS_MAX 256
#define TEXT_SIZE    512
#define READ_MAX     (64 * 1024)
#define READ_USEC    MIN_

static const struct {
        const char *name, *word;
} verdicts[_FINDING_VERDICT_MAX] = {
        [FINDING_FINE] = { "ok", N_("fine") },
        [FINDING_NOTE] = { "note", N_("note") },
        [FINDING_WARNING] = { "warning", N_("warning") },
        [FINDING_FAILURE] = { "failure", N_("FAILURE") },
};

/* ---- findings */

void doctor_find(Doctor *d, FindingVerdict verdict, const char *area, const char *subject,
                const char *remedy, const char *format, ...) {
        Finding *more;
        va_list ap;
        char *text = NULL;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        more = n < 0 || d->n_findings == FINDINGS_MAX
                               ? NULL
                               : reallocarray(d->findings, d->n_findings + 1, sizeof(*more));
        if (!more) {
                if (n >= 0)
                        free(text);
                return;
        }
        d->findings = more;
        more[d->n_findings++] = (Finding){
                .verdict = verdict,
                .area = area,
                .subject = strdup(subject ?: ""),
                .text = text,
                .remedy = strdup(remedy ?: ""),
        };
}

static FindingVerdict worst(const Doctor *d) {
        FindingVerdict verdict = FINDING_FINE;

        for (size_t i = 0; i < d->n_findings; i++)
                verdict = MAX(verdict, d->findings[i].verdict);
        return verdict;
}

/* ---- questions */

static void probe_free(Probe *p) {
        Doctor *d = p->doctor;

        for (Probe **at = &d->probes; *at; at = &(*at)->next)
                if (*at == p) {
                        *at = p->next;
                        break;
                }
        sd_event_source_disable_unref(p->answer);
        sd_event_source_disable_unref(p->deadline);
        closep(&p->fd);
        if (p->remote.bus)
                (void) sd_bus_detach_event(p->remote.bus);
        sd_bus_close_unref(p->remote.bus);
        free(p->subject);
        free(p->text);
        free(p);
        if (!d->probes)
                (void) sd_event_exit(d->event, 0);
}

void probe_failed(const Probe *p, const CallError *error) {
        doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject, error_hint(error->name), "%s",
                        error->message);
}

static int on_reply(sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Probe *p = userdata;
        CallError said = { .name = "" };

        if (e) {
                said.name = error_name(e->name ?: "");
                (void) snprintf(said.message, sizeof(said.message), "%s", e->message ?: e->name);
        }
        p->done(p, e ? NULL : reply, &said);
        if (!p->read)
                probe_free(p);
        return 1;
}

static int probe_send(Probe *p, const ProbeText *text, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        p->remote.path = text->path;
        if (text->interface)
                p->remote.interface = text->interface;
        r = remote_message(&p->remote, text->member, &m);
        if (r >= 0 && !isempty(types))
                r = sd_bus_message_appendv(m, types, ap);
        if (r >= 0)
                r = sd_bus_set_close_on_exit(p->remote.bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(p->remote.bus, p->doctor->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_call_async(p->remote.bus, NULL, m, on_reply, p,
                                text->deadline > 0 ? text->deadline : DOCTOR_DEADLINE);
        return r;
}

void probe_ask(Doctor *d, const ProbeText *text, const char *types, ...) {
        CallError error = { .name = "NoMemory", .message = "" };
        Probe *p = new0(Probe, 1);
        va_list ap;
        int r;

        if (!p)
                return;
        *p = (Probe){ .next = d->probes,
                .doctor = d,
                .area = text->area,
                .subject = strdup(text->subject ?: ""),
                .done = text->done,
                .fd = -EBADF };
        d->probes = p;
        r = p->subject ? remote_open(d->cli, text->service, &p->remote, &error) : -ENOMEM;
        if (r >= 0) {
                va_start(ap, types);
                r = probe_send(p, text, types, ap);
                va_end(ap);
                (void) snprintf(error.message, sizeof(error.message), "%s", strerror(-r));
        }
        if (r < 0) {
                probe_failed(p, &error);
                probe_free(p);
        }
}

static void probe_end_reading(Probe *p, bool whole) {
        p->read(p, whole);
        probe_free(p);
}

static int on_pipe(_unused_ sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        Probe *p = userdata;
        ssize_t n;

        n = read(fd, p->text + p->size, READ_MAX - p->size);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0) {
                p->size += (size_t) n;
                p->text[p->size] = '\0';
        }
        if (n <= 0 || p->size == READ_MAX)
                probe_end_reading(p, n == 0);
        return 0;
}

static int on_pipe_deadline(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        probe_end_reading(userdata, false);
        return 0;
}

void probe_read(Probe *p, int fd, void (*read)(Probe *p, bool whole)) {
        int r;

        p->fd = fd;
        p->text = calloc(1, READ_MAX + 1);
        (void) fcntl(fd, F_SETFL, O_NONBLOCK);
        r = p->text ? sd_event_add_io(p->doctor->event, &p->answer, fd, EPOLLIN, on_pipe, p)
                    : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_time_relative(p->doctor->event, &p->deadline, CLOCK_MONOTONIC,
                                READ_USEC, SEC, on_pipe_deadline, p);
        if (r >= 0)
                p->read = read;
}

/* ---- the report */

static void report_json(const Doctor *d, Out *o) {
        out_object(o, NULL);
        out_boolean(o, "healthy", worst(d) < FINDING_FAILURE);
        out_array(o, "findings");
        for (const Finding *f = d->findings; f < d->findings + d->n_findings; f++) {
                out_object(o, NULL);
                out_text(o, "area", f->area);
                out_text(o, "subject", isempty(f->subject) ? NULL : f->subject);
                out_text(o, "verdict", verdicts[f->verdict].name);
                out_text(o, "text", f->text);
                out_text(o, "remedy",
                                f->verdict < FINDING_WARNING || isempty(f->remedy) ? NULL
                                                                                   : f->remedy);
                out_end(o);
        }
        out_end(o);
        out_end(o);
}

static void report_table(const Doctor *d) {
        _cleanup_(table_freep) Table *t = NULL;

        if (table_new(4, &t) < 0)
                return;
        for (const Finding *f = d->findings; f < d->findings + d->n_findings; f++) {
                (void) table_add(t, _(verdicts[f->verdict].word));
                (void) table_add(t, f->area);
                (void) table_add(t, f->subject ?: "");
                (void) table_add(t, f->text);
        }
        table_print(t);
        for (const Finding *f = d->findings; f < d->findings + d->n_findings; f++)
                if (f->verdict >= FINDING_WARNING && !isempty(f->remedy))
                        (void) printf("\n%s%s%s: %s\n", f->area, isempty(f->subject) ? "" : " ",
                                        f->subject ?: "", f->remedy);
}

static int report(const Doctor *d) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (d->cli->args.json) {
                report_json(d, &o);
                if (out_print(&o) < 0)
                        return EXIT_FAILURE;
        } else
                report_table(d);
        return worst(d) < FINDING_FAILURE ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* In the order of the areas, whoever answered first. */
static int by_area(const void *a, const void *b) {
        static const char *const order[] = { "config", "files", "boundary", "services", "identity",
                "database", "relay", "clock", "backend", "wallet", "agent" };
        const Finding *x = a, *y = b;
        size_t i = 0, k = 0;

        while (i < ELEMENTSOF(order) && !streq(order[i], x->area))
                i++;
        while (k < ELEMENTSOF(order) && !streq(order[k], y->area))
                k++;
        return i != k ? (i > k) - (i < k) : strcmp(x->subject ?: "", y->subject ?: "");
}

static void doctor_done(Doctor *d) {
        for (Finding *f = d->findings; f < d->findings + d->n_findings; f++) {
                free(f->subject);
                free(f->text);
                free(f->remedy);
        }
        free(d->findings);
        free(d->signed_event);
        free(d->pubkey);
        sd_event_unref(d->event);
}

int verb_doctor(Cli *cli) {
        _cleanup_(doctor_done) Doctor d = { .cli = cli };

        if (sd_event_new(&d.event) < 0)
                return cli_out_of_memory(cli);
        check_config(&d);
        check_files(&d);
        check_boundary(&d);
        if (check_running(&d)) {
                check_identity(&d);
                check_database(&d);
                check_backends(&d);
                check_wallet(&d);
                check_agents(&d);
        }
        if (d.probes)
                (void) sd_event_loop(d.event);
        if (d.n_findings > 0)
                qsort(d.findings, d.n_findings, sizeof(*d.findings), by_area);
        return report(&d);
}
