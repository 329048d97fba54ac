#pragma once
/* NwcLink: the conversation with a NIP-47 wallet through pylon-relay. It listens before it speaks,
 * finds out how the wallet encrypts, finds the answer to each question, and hears the wallet's
 * news. What a payment's silence means is the driver's to know. */
#include "nostr/nip47.h"

#include <systemd/sd-event.h>

#define NWC_ASKS_MAX 1024

typedef struct NwcLink NwcLink;
typedef struct NwcAsk NwcAsk;

typedef struct NwcHandler {
        void (*state)(bool up, const char *reason, void *userdata); /* may be NULL */
        void (*news)(const Nip47Transaction *t, void *userdata);    /* NULL: none are wanted */
} NwcHandler;

/* Takes over the URI. name: no other link of this wallet has it; up to 23 characters. */
int nwc_link_new(sd_event *e, const char *relay_socket, const char *name, Nip47Uri *uri,
                const NwcHandler *handler, void *userdata, NwcLink **ret);
void nwc_link_forget(NwcLink *l);   /* how far it was heard, for the next one of this name */
NwcLink *nwc_link_free(NwcLink *l); /* lets go of all; nothing is called back */
DEFINE_CLEANUP(NwcLink, nwc_link_free)

/* A request of ours that was signed before. -EBADMSG. */
int nwc_link_read(NwcLink *l, const char *json, Event **ret);

/* Exactly once, never before the function has returned, never after nwc_ask_free(). error < 0:
 * there is no answer, and whether it was asked nobody knows. */
typedef void (*nwc_answer_t)(
                int error, const char *reason, const Nip47Response *response, void *userdata);
typedef struct NwcQuestion {
        const Nip47Request *request; /* signed when the link is up */
        Event *event;                /* or this very event, signed before */
        Nip47Method method;
        usec_t deadline;
} NwcQuestion;
/* *ret is cleared when it is over, so it must live as long. -ENOBUFS. */
int nwc_ask(NwcLink *l, const NwcQuestion *question, nwc_answer_t done, void *userdata,
                NwcAsk **ret);

/* A question that is only signed, when that is possible: event in place of an answer. */
typedef void (*nwc_signed_t)(int error, const char *reason, const Event *event, void *userdata);
int nwc_prepare(NwcLink *l, const Nip47Request *request, usec_t deadline, nwc_signed_t done,
                void *userdata, NwcAsk **ret);

NwcAsk *nwc_ask_free(NwcAsk *a); /* cancels the waiting */
