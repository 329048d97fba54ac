#pragma once
/* HTTP requests on an sd_event: a body that arrives whole, or bytes as they come. A silent answer
 * costs no wake-ups. libcurl stays behind this header. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

#define HTTP_URL_MAX   8192
#define HTTP_CALLS_MAX 1024

typedef struct Http Http;
typedef struct HttpCall HttpCall;

/* ca_file: trusted authorities; NULL or "" = the system's. */
int http_new(sd_event *e, const char *ca_file, Http **ret);
Http *http_ref(Http *h);
Http *http_unref(Http *h); /* calls hold a reference of their own */
DEFINE_CLEANUP(Http, http_unref)
/* Besides the authorities: the server's public key must be this one. "sha256//" and the base64 of
 * its hash, as curl has it; NULL or "": any. -EINVAL: not of that form. */
int http_pin(Http *h, const char *pin);

/* Where a number is 0 the default is meant, which stands behind it. */
typedef struct HttpRequest {
        const char *method;   /* NULL: GET, or POST with a body */
        const char *url;      /* http:// or https://; no credentials in it */
        const char *socket;   /* the unix socket the server listens on; NULL: the URL's host */
        char *const *headers; /* "Name: value"; a redirect to another place does not take them */
        const void *body;     /* copied */
        size_t body_size;
        size_t header_max;      /* 32 KB */
        size_t body_max;        /* 1 MB, also where it is streamed */
        usec_t connected;       /* name, connection and TLS: 10 s */
        usec_t first_byte;      /* of the body, from then on: 60 s */
        usec_t between_bytes;   /* 60 s; does not count while paused */
        usec_t total;           /* none */
        unsigned redirects_max; /* of GET and HEAD: none */
        /* For URLs of strangers. The address is judged when the connection is made, so that neither
         * a redirect nor a name that changes its mind gets around it. */
        bool public_only; /* -EACCES for this machine and its networks; no unix socket */
        bool https_only;  /* -EPROTO where the URL or a redirect is without encryption */
} HttpRequest;

/* An answer is whole, whatever its status. The body is empty where it was streamed. */
typedef struct HttpAnswer {
        unsigned status;
        const char *body; /* a NUL follows it */
        size_t size;
} HttpAnswer;

/* Exactly once, never before http_start() has returned, never after http_call_free(). Where error
 * is 0 there is an answer, else a reason. */
typedef void (*http_done_t)(HttpCall *c, int error, const char *reason, const HttpAnswer *answer,
                void *userdata);
/* Bytes of the body as they come, where the status is 2xx; any other's body is in the answer. */
typedef void (*http_data_t)(HttpCall *c, const char *bytes, size_t size, void *userdata);

/* data: NULL where the body is wanted whole. -EINVAL with a reason; -EBUSY: too many calls. */
int http_start(Http *h, const HttpRequest *request, http_data_t data, http_done_t done,
                void *userdata, HttpCall **ret, const char **reterr);
/* Cancels; also in and after data and done. */
HttpCall *http_call_free(HttpCall *c);
DEFINE_CLEANUP(HttpCall, http_call_free)

/* Stops data; the kernel makes the server wait. It goes on from the loop, not from in here. */
void http_call_pause(HttpCall *c, bool pause);

/* In data and done. The answer's header by its name, NULL where it has none; good until then. */
unsigned http_call_status(const HttpCall *c);
const char *http_call_header(const HttpCall *c, const char *name);
