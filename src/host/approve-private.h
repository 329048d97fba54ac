#pragma once
/* What waits, for those who make it wait. */
#include "approve.h"
#include "deed.h"

/* -ENOBUFS: too much waits already. The order's action is only read. */
int approval_add(Hands *h, const DeedOrder *o, const char *json, int64_t at);
/* Out of memory only; on disk they wait on. a NULL: all. */
void approvals_drop(Hands *h, const HostAgent *a);
void approvals_drop_tick(Hands *h, const HostAgent *a, int64_t tick);
