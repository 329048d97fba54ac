#pragma once
/* The running self-fork instance: found by the lock on its PID file, never by the number alone. */
#include "basic/paths.h"

typedef struct Instance {
        pid_t pid;
        int pidfd; /* of exactly the process which holds the lock */
} Instance;

#define INSTANCE_INIT \
        { .pidfd = -EBADF }

/* 1: it runs; 0: nothing does. */
int instance_find(const Paths *paths, Instance *ret);
bool instance_runs(const Paths *paths);
void instance_done(Instance *i);

int instance_signal(const Instance *i, int signal);
/* Waits for its end. 0, or -ETIMEDOUT. */
int instance_wait(const Instance *i, usec_t timeout);
/* Sends one line to control.sock and reads the answer. -ETIMEDOUT, -ECONNREFUSED, … */
int instance_ask(const Paths *paths, const char *request, char **ret_answer);
