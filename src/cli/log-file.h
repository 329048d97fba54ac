#pragma once
/* The log of an instance without journal: lines of all services, in one file that is moved aside
 * when it has grown to its maximum. One old file is kept. */
#include "basic/macro.h"

typedef struct LogFile LogFile;

/* path NULL: stderr, which grows for ever. Our own stderr goes to the file too, from now on. */
int log_file_new(const char *path, uint64_t max_size, LogFile **ret);
LogFile *log_file_free(LogFile *l);
DEFINE_CLEANUP(LogFile, log_file_free)

void log_file_set_max(LogFile *l, uint64_t max_size);
/* Lines with their newlines. What the disk does not take is lost: nobody waits for a log. */
void log_file_write(LogFile *l, const char *lines, size_t size);
