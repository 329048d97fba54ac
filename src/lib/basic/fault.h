#pragma once
/* Named faults, for tests: PYLON_FAULTS="store.fsync@3=EIO job.queued=kill". The third time the
 * point "store.fsync" is passed, fault() returns -EIO; at "job.queued" the process kills itself,
 * as kill -9 would; "stop" waits for somebody to send SIGCONT. PYLON_FAULTS_ONCE names a folder in
 * which a fault that struck is noted, so that it does not strike again after a restart. Only in
 * builds with -Dfaults=true; otherwise a constant 0. */
#include "basic/macro.h"

#if PYLON_FAULTS
int fault(const char *name);
#else
static inline int fault(_unused_ const char *name) {
        return 0;
}
#endif
