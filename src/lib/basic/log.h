#pragma once
/* Log lines: to the journal with fields where stderr is the journal, else one line of text each.
 *
 * err = somebody must act; warning = it works, worse; notice = money moved, a service changed
 * state; info = a job ended; debug = the rest. The library itself logs only at debug level. */
#include <stdarg.h>
#include <syslog.h>

#include "basic/log-id.h"
#include "basic/macro.h"

void log_open(const char *program);  /* reads JOURNAL_STREAM and PYLON_LOG (a level's name) */
int log_set_level(const char *name); /* "err" "warning" "notice" "info" "debug" */
void log_configure_level(const char *name); /* the same, unless PYLON_LOG was set */
bool log_enabled(int level);

/* Returns the error, so that a function can end with `return log_error_errno(r, "…: %m")`. */
int log_full(int level, int error, const char *format, ...) _printf_(3, 4);

/* An event an operator may search for: its MESSAGE_ID, fields, and the line itself.
 *
 *     log_event(LOG_INFO, LOG_ID_JOB_COMPLETED, LOG_FIELDS("PYLON_JOB", id), "Job %s is done.",
 * id);
 */
void log_event(int level, const char *message_id, const char *const *fields, const char *format,
                ...) _printf_(4, 5);
#define LOG_FIELDS(...)               ((const char *const[]){ __VA_ARGS__, NULL })

#define log_error(...)                ((void) log_full(LOG_ERR, 0, __VA_ARGS__))
#define log_warning(...)              ((void) log_full(LOG_WARNING, 0, __VA_ARGS__))
#define log_notice(...)               ((void) log_full(LOG_NOTICE, 0, __VA_ARGS__))
#define log_info(...)                 ((void) log_full(LOG_INFO, 0, __VA_ARGS__))
#define log_debug(...)                ((void) (log_enabled(LOG_DEBUG) ? log_full(LOG_DEBUG, 0, __VA_ARGS__) : 0))
#define log_error_errno(error, ...)   log_full(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full(LOG_WARNING, error, __VA_ARGS__)
#define log_debug_errno(error, ...)   log_full(LOG_DEBUG, error, __VA_ARGS__)
