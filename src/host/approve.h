#pragma once
/* Approvals: actions that wait for their owner. Each is bound to exactly what it would do: its id
 * is a hash over agent, tick, place and the canonical action. Silence is no. */
#include "agent.h"

#define APPROVAL_SHORT 8 /* digits of an id that people see, and at least have to say */

typedef struct Approval {
        char id[HEX32_MAX];
        HostAgent *agent;
        int64_t tick;
        uint32_t n;
        const char *type;  /* "post" */
        const char *json;  /* the canonical action */
        const char *text;  /* one line for people, which is safe to show */
        int64_t at, until; /* seconds: since when, and until it is denied by itself */
} Approval;

/* Oldest first. NULL is the start, and the end. Do not keep one over a turn of the loop. */
const Approval *approval_next(Host *h, const Approval *after);
size_t approvals_count(const Host *h);

/* 0: it is on disk; a yes is being done now. -ENOENT: no such action waits; -ENOTUNIQ: more digits
 * are needed; -EAGAIN: what waits is not read yet; -EINVAL. done comes exactly once, never before
 * approve() has returned; a negative return means that it never started. note: for the record, may
 * be "". */
typedef void (*approve_done_t)(int error, const char *reason, void *userdata);
int approve(Host *h, const char *id, bool yes, const char *note, approve_done_t done,
                void *userdata);

/* A private message (NIP-17 only: a kind 4 proves too little) has come to this agent. True: it was
 * its owner's "ok 7f3a1b22" or "no 7f3a1b22", is dealt with, and is no observation. */
bool approve_hear(HostAgent *a, const char *author_hex, const char *text);
