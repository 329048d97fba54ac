#pragma once
/* Doctor: what is wrong with this Pylon and what to do about it. Checks ask services for real work,
 * all at the same time; each ends with findings. */
#include <systemd/sd-event.h>

#include "call.h"

typedef enum FindingVerdict {
        FINDING_FINE,
        FINDING_NOTE, /* worth knowing, nothing is wrong */
        FINDING_WARNING,
        FINDING_FAILURE,
        _FINDING_VERDICT_MAX,
} FindingVerdict;

typedef struct Finding {
        FindingVerdict verdict;
        const char *area; /* "identity", "relay" … */
        char *subject;    /* which one of them; "" */
        char *text;       /* a sentence */
        char *remedy;     /* what to do; "" */
} Finding;

typedef struct Probe Probe;

typedef struct Doctor {
        Cli *cli;
        sd_event *event;
        Finding *findings;
        size_t n_findings;
        Probe *probes; /* that wait for an answer */
        char *signed_event, *pubkey;
} Doctor;

#define DOCTOR_DEADLINE (20 * SEC) /* of one question */

void doctor_find(Doctor *d, FindingVerdict verdict, const char *area, const char *subject,
                const char *remedy, const char *format, ...) _printf_(6, 7);

/* A question on the way. The reply is NULL where there is an error. */
typedef void (*probe_t)(Probe *p, sd_bus_message *reply, const CallError *error);
struct Probe {
        Probe *next;
        Doctor *doctor;
        Remote remote;
        const char *area;
        char *subject;
        probe_t done;
        sd_event_source *answer, *deadline; /* of a pipe that is read */
        int fd;
        char *text;
        size_t size;
        void (*read)(Probe *p, bool whole);
};

typedef struct ProbeText {
        const char *area, *subject, *service;
        const char *path;      /* NULL: the one path */
        const char *interface; /* NULL: the service's public one */
        const char *member;
        usec_t deadline; /* 0: DOCTOR_DEADLINE */
        probe_t done;
} ProbeText;

/* What cannot be asked is found by itself. */
void probe_ask(Doctor *d, const ProbeText *text, const char *types, ...);
/* Reads a pipe to its end, then read() is called. Takes the descriptor. */
void probe_read(Probe *p, int fd, void (*read)(Probe *p, bool whole));
/* The error as a failure, with the hint that belongs to it. */
void probe_failed(const Probe *p, const CallError *error);

/* The checks: without services, and with them. */
void check_config(Doctor *d);
void check_files(Doctor *d);
void check_boundary(Doctor *d);
bool check_running(Doctor *d);
void check_identity(Doctor *d); /* and then the relays */
void check_database(Doctor *d);
void check_backends(Doctor *d);
void check_wallet(Doctor *d);
void check_agents(Doctor *d);
