#pragma once
/* What http.c (calls), http-loop.c (curl on the event loop) and http-url.c share. */
#include <curl/curl.h>

#include "basic/buffer.h"
#include "net/http.h"
#include "net/resolve.h"

typedef enum Phase {
        PHASE_CONNECTING,
        PHASE_WAITING,
        PHASE_STREAMING,
        _PHASE_MAX,
} Phase;

struct Http {
        unsigned n_ref, n_calls;
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer;
        char *ca_file, *pin;
        HttpCall *calls;
        bool busy; /* we are inside curl */
};

struct HttpCall {
        Http *http;
        HttpCall *next, **self; /* the list of all calls; where it points to us */
        CURL *easy;
        CURLU *url;
        struct curl_slist *headers, *addresses;
        Resolve *resolve;
        sd_event_source *begin, *deadline, *resume;
        Phase phase;
        usec_t limits[_PHASE_MAX];
        usec_t since, end; /* of the phase or its last byte; of the call at the latest */
        size_t header_size, header_max, received, body_max;
        unsigned redirects_left;
        bool safe; /* GET, HEAD: may be sent twice and elsewhere */
        bool by_socket, public_only, https_only;
        bool was_private; /* an address was refused */
        bool attached, paused, held, dead;
        int error; /* why we let curl stop */
        const char *reason;
        Buffer body;
        http_data_t data;
        http_done_t done;
        void *userdata;
};

static inline void curl_freep(char **p) {
        curl_free(*p);
}
#define _cleanup_curl_ _cleanup_(curl_freep)

/* http.c. Outside of curl only. */
void http_call_detach(HttpCall *c);
void http_call_over(HttpCall *c, CURLcode code); /* curl is done with it */
void http_call_end(HttpCall *c, int error, const char *reason);

/* http-loop.c. After each visit inside curl; the caller holds a reference. */
void http_settle(Http *h, CURLMcode code);

/* http-url.c. -EINVAL with a reason. */
int http_url_read(const char *text, CURLU **ret, const char **reterr);
bool http_url_same_origin(CURLU *a, CURLU *b);
bool http_url_is_secure(CURLU *url);
char *http_url_name(CURLU *url); /* for the resolver: without brackets; free() it */
/* What CURLOPT_RESOLVE wants; NULL where the URL holds an address. */
int http_url_pin(CURLU *url, char *const *addresses, char **ret);
