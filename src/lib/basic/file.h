#pragma once
/* Files: read with a limit, replaced as a whole, locked. */
#include "basic/macro.h"

/* All of a regular file, with a NUL behind it that does not count. -EFBIG above max bytes. */
int read_whole(const char *path, size_t max, char **ret, size_t *ret_size);

/* All that comes out of a descriptor until its end, with a NUL behind it that does not count.
 * Waits. -EFBIG above max bytes. */
int read_stream(int fd, size_t max, char **ret, size_t *ret_size);

/* Replaces the file at once or not at all, readable by the owner only (0600), and durable when this
 * returns: a temporary file, fsync, rename, fsync of the directory. */
int write_atomic(const char *path, const void *data, size_t size);
/* The same, but -EEXIST where there is a file already. */
int write_new(const char *path, const void *data, size_t size);

/* All bytes or an error; what has been written by then stays. */
int write_all(int fd, const void *data, size_t size);

/* Makes the directory and its parents, new ones for the owner only (0700). */
int mkdir_p(const char *path);

/* Opens or makes the file and takes its lock for as long as the descriptor (and what was inherited
 * of it by fork) lives; writes our PID into it. -EAGAIN: somebody has it; *ret_holder is then the
 * PID that was written there, 0 if unknown. The file may be removed by its holder, and by nobody
 * else. */
int lock_file(const char *path, int *ret_fd, pid_t *ret_holder);
/* Is the lock held? 1 and the PID of its holder, or 0; without taking it. A PID that is only
 * written there, by a process that has died, does not count, whoever has that number now. */
int lock_probe(const char *path, pid_t *ret_holder);
