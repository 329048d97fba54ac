#pragma once
/* StoreClient: the store, for those who ask it. What is asked within one turn of the event loop
 * travels in one array, so that one message and one commit serve many jobs; each caller has his own
 * answer. A call whose answer was lost is repeated by itself and is answered as if it were not. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

#define STORE_WAITING_MAX 16384 /* calls without an answer; then -ENOBUFS */

typedef struct StoreClient StoreClient;
typedef struct StoreCall StoreCall;

int store_client_new(sd_event *event, const char *socket_path, StoreClient **ret);
StoreClient *store_client_free(StoreClient *c); /* lets go of all calls; nothing is called back */
DEFINE_CLEANUP(StoreClient, store_client_free)
size_t store_client_n_waiting(const StoreClient *c);
struct BusClient *store_client_bus(StoreClient *c); /* for what asks by the same connection */
/* It is back after a connection was lost. Lazy moves of its last second may be lost with it.
 * Nothing may be freed in the callback. */
void store_client_on_return(StoreClient *c, void (*returned)(void *userdata), void *userdata);

/* Every function below: a negative return means that it never started. The callback comes exactly
 * once, never before the function has returned, never after store_call_free(). ret may be NULL;
 * else *ret is cleared when the call is over, so it must live as long. Strings are borrowed, in
 * both directions. A whole message that is refused (a full disk) is that error for each of its
 * calls. */
StoreCall *store_call_free(StoreCall *call); /* cancels; what was asked may still happen */
DEFINE_CLEANUP(StoreCall, store_call_free)

typedef struct StoreJob {
        const char *id, *customer, *request, *relay, *state;
        const char *result; /* "" unless it has one; not for adding */
        uint16_t kind;
        int64_t price_msat, created_at;
} StoreJob;

/* 0: done, and on disk unless it was lazy. 1: the job was there already, the text is its state.
 * Negative: refused or failed, the text says why. */
typedef void (*store_verdict_t)(int verdict, const char *text, void *userdata);

int store_add_job(StoreClient *c, const StoreJob *job, store_verdict_t done, void *userdata,
                StoreCall **ret);

typedef struct StoreMove {
        const char *id, *state;
        const char *result, *error, *feedback; /* NULL or "": as it was */
        bool lazy; /* may reach the disk up to a second later; the answer does not wait for it */
} StoreMove;

/* Moves of one turn stay in their order; one that is not lazy makes those before it so, too. */
int store_move_job(StoreClient *c, const StoreMove *move, store_verdict_t done, void *userdata,
                StoreCall **ret);

/* A page of the jobs that are not over, in the order of their ids; the next page comes after the
 * last id. An empty page is the end. */
typedef void (*store_page_t)(
                int error, const char *reason, const StoreJob *jobs, size_t n, void *userdata);
int store_open_jobs(StoreClient *c, const char *after, unsigned limit, store_page_t done,
                void *userdata, StoreCall **ret);

/* The job of this id, if there is one (n is 1 or 0): id, request, state, result; the rest is not
 * read. */
int store_find_job(
                StoreClient *c, const char *id, store_page_t done, void *userdata, StoreCall **ret);

/* "" where it was never set; after an error, too. */
typedef void (*store_setting_t)(int error, const char *reason, const char *value, void *userdata);
int store_get_setting(StoreClient *c, const char *name, store_setting_t done, void *userdata,
                StoreCall **ret);
int store_set_setting(StoreClient *c, const char *name, const char *value, store_setting_t done,
                void *userdata, StoreCall **ret);
