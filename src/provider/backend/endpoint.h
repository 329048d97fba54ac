#pragma once
/* Endpoint: one server of models. It is asked what it has, at the start and now and then: while it
 * works as often as the configuration says, while it is away less and less often. */
#include <systemd/sd-event.h>

#include "basic/secret.h"
#include "net/http.h"
#include "wire.h"

#define ENDPOINT_SLOTS_USUAL 4
#define ENDPOINT_KEY_MAX     4096

typedef struct Endpoint Endpoint;

typedef enum EndpointState {
        ENDPOINT_UNKNOWN, /* not asked yet */
        ENDPOINT_UP,
        ENDPOINT_DOWN,
        _ENDPOINT_STATE_MAX,
} EndpointState;
const char *endpoint_state_name(EndpointState s);

/* What it has is known now, for the first time or again. `changed`: it is not what it was. */
typedef void (*endpoint_known_t)(Endpoint *e, bool changed, void *userdata);

struct Endpoint {
        const Wire *wire;
        const ConfigBackend *config; /* the router sees that it lives */
        bool detected;               /* nobody configured it */
        char *url;                   /* without a path's end */
        sd_event *event;
        Http *http;
        Secret *key; /* "Authorization: Bearer …"; NULL: none */
        endpoint_known_t known;
        void *userdata;

        EndpointState state;
        WireModels models;
        unsigned n_used;
        unsigned n_failed;                  /* answers in a row … */
        usec_t shunned;                     /* … so that others come first until then */
        char trouble[WIRE_ERROR_MAX + 128]; /* what went wrong last, for the owner; "" */
        uint64_t n_answers, n_broken;

        HttpCall *probe;
        unsigned n_missed; /* questions without an answer, in a row */
        WireModels fresh;  /* while it is being asked */
        size_t cursor;
        sd_event_source *timer;
        usec_t pause, interval; /* 0 interval: nobody wants it now */
};

/* -EINVAL, -EACCES, -ENOENT …: it cannot be used, *reterr says why. `http` is for those that have
 * no ca_file. Who makes it sets `known` and `userdata`. */
int endpoint_new(sd_event *event, Http *http, const ConfigBackend *config, bool detected,
                Endpoint **ret, const char **reterr);
Endpoint *endpoint_free(Endpoint *e);
DEFINE_CLEANUP(Endpoint, endpoint_free)

/* 0: it is not asked any more. */
void endpoint_want(Endpoint *e, usec_t interval);
void endpoint_probe(Endpoint *e); /* now, once; nothing where it is being asked already */

unsigned endpoint_n_slots(const Endpoint *e);
bool endpoint_has_slot(const Endpoint *e, const WireModel *m);
/* An answer began (+1) or ended. */
void endpoint_use(Endpoint *e, const char *id, int n);
bool endpoint_is_shunned(const Endpoint *e);
/* An answer was whole; or it broke, which is for the owner: a sentence's end. */
void endpoint_did_well(Endpoint *e);
void endpoint_did_badly(Endpoint *e, int error, const char *trouble);

WireModel *endpoint_model(const Endpoint *e, const char *id); /* by its name on the wire */

/* A request to it, with the key. The request's `url` is what follows the server's. */
int endpoint_request(Endpoint *e, const HttpRequest *what, http_data_t data, http_done_t done,
                void *userdata, HttpCall **ret, const char **reterr);
