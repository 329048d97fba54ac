#pragma once
/* What router.c (the servers) and router-work.c (the questions) share. */
#include "router.h"
#include "talk.h"

typedef struct RouterWork {
        Work work;
        KindWork kind;
        char *wanted;         /* the model's name as the customer has it; "": any */
        const TextTask *task; /* set while it runs */
        WorkEvents events;
        void *userdata;
        struct RouterWork *next; /* of those that run */
        Talk *talk;              /* NULL while it waits for a slot */
        size_t endpoint;
        char *model, *backend; /* who answers */
        uint64_t tried;        /* bits of endpoints */
        usec_t since, waiting, missing;
        usec_t refused, not_before; /* first by a busy server; when it is asked again */
        bool running, told, paused;
} RouterWork;

struct Router {
        Backend backend;
        sd_event *event;
        const Config *config;
        Http *http;
        Endpoint *endpoints[ROUTER_ENDPOINTS_MAX];
        Config *usual; /* those that are looked for, as if they were configured */
        bool online;
        RouterWork *works; /* that run */
        RouterLook *looks;
        sd_event_source *turn;  /* somebody waits, or something changed: once in a turn */
        sd_event_source *timer; /* somebody waits for a model that is away */
        sd_event_source *look_late;
        bool changed;
        usec_t told_at; /* that something changed */
};

typedef struct RouterChoice {
        size_t endpoint;
        const WireModel *model;
} RouterChoice;

/* 1: the best one that has it and was not tried; 0: none has it. */
int router_choose(const Router *r, const char *name, KindWork work, uint64_t tried,
                RouterChoice *ret);
bool router_has_slot(const Router *r); /* some server; or none is up, which is another matter */
usec_t router_now(const Router *r);
void router_want_turn(Router *r);
/* Who waits is looked at again then, if nothing happens before. */
void router_wake_at(Router *r, usec_t when);
void router_forget_endpoint(Router *r, size_t i); /* whoever talks to it looks for another one */
void router_serve_waiting(Router *r);

void router_work_free(Work *work);
Verdict router_work_check(Backend *b, const JobRequest *request, const TextTask *task, Work **ret,
                const char **ret_reason);
bool router_work_ready(const Work *work);
int router_work_start(Work *work, const TextTask *task, const WorkEvents *events, void *userdata);
