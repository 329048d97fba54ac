#pragma once
/* Router: the backend that asks models. It knows the servers, those of the configuration and those
 * that it finds on this machine, and which model is where; it gives each question to the one that
 * fits best, and to the next one where that breaks down. */
#include "backend.h"
#include "endpoint.h"

#define ROUTER_ENDPOINTS_MAX 64

typedef struct Router Router;

extern const BackendClass backend_models;
Router *router_of(Backend *b); /* NULL: it is another one */

/* They may have gaps, where it is NULL. */
const Endpoint *router_endpoint(const Router *r, size_t i);
bool router_has(const Router *r, size_t i, const char *name); /* it is up and has this model */

bool router_is_new(const Router *r); /* some server was not asked yet what it has */
/* Some server is up and has a model. */
bool router_can(const Router *r, KindWork work);
/* What may be asked for, each once: models and their other names. */
int router_models(const Router *r, char ***ret);
/* How much this one reads and writes together, in tokens; 0: unknown. -ENOENT: nobody has it. The
 * name that is used in its place, where it is another one, goes to *ret_name. */
int router_find(const Router *r, const char *name, uint32_t *ret_context, const char **ret_name);

/* A question that is no job: the same choice, the same slots. The name may be "". */
Verdict router_work_new(Router *r, const TextTask *task, Work **ret, const char **ret_reason);
void router_work_pause(Work *w, bool pause);

/* Asks all servers where nobody does so regularly, and says when their answers are there or late.
 * Not from within this function. Cancelled by router_look_end(). */
typedef struct RouterLook {
        Router *router;
        struct RouterLook *next;
        void (*done)(struct RouterLook *look);
} RouterLook;
void router_look(Router *r, RouterLook *look, void (*done)(RouterLook *look));
void router_look_end(RouterLook *look);
