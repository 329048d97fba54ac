#define SD_JOURNAL_SUPPRESS_LOCATION
#include "basic/log.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "basic/buffer.h"

#define LINE_MAX_  2048
#define FIELDS_MAX 16

static const char *log_program = "pylon";
static int log_level = LOG_INFO;
static bool log_to_journal;

static const char *const level_names[] = {
        [LOG_ERR] = "err",
        [LOG_WARNING] = "warning",
        [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug",
};

/* systemd says in JOURNAL_STREAM which file stderr is; after a redirection it no longer fits. */
static bool stderr_is_journal(void) {
        const char *e = getenv("JOURNAL_STREAM");
        char ours[64];
        struct stat st;

        if (!e || fstat(STDERR_FILENO, &st) < 0)
                return false;
        (void) snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t) st.st_dev,
                        (uintmax_t) st.st_ino);
        return streq(e, ours);
}

void log_open(const char *program) {
        log_program = program;
        log_to_journal = stderr_is_journal();
        if (getenv("PYLON_LOG"))
                (void) log_set_level(getenv("PYLON_LOG"));
}

int log_set_level(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(level_names); i++)
                if (level_names[i] && streq(level_names[i], name)) {
                        log_level = (int) i;
                        return 0;
                }
        return -EINVAL;
}

void log_configure_level(const char *name) {
        if (!getenv("PYLON_LOG"))
                (void) log_set_level(name);
}

bool log_enabled(int level) {
        return level <= log_level;
}

/* Whatever a stranger wrote stays on its line and cannot steer a terminal. */
static void make_printable(char *s) {
        for (; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == 0x7f)
                        *s = '?';
}

static void log_line(int level, char *message) {
        char stamp[32];
        struct timespec now;
        struct tm tm;

        make_printable(message);
        if (isatty(STDERR_FILENO)) {
                (void) fprintf(stderr, "%s: %s\n", log_program, message);
                return;
        }

        (void) clock_gettime(CLOCK_REALTIME, &now);
        (void) gmtime_r(&now.tv_sec, &tm);
        (void) strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
        (void) fprintf(stderr, "%s.%03ldZ %s %s: %s\n", stamp, now.tv_nsec / 1000000, log_program,
                        level_names[level], message);
}

/* For a sandbox that opens no socket: standard error leads to the journal, too. */
static void log_stream(int level, char *message) {
        make_printable(message);
        (void) fprintf(stderr, "<%d>%s: %s\n", level, log_program, message);
}

int log_full(int level, int error, const char *format, ...) {
        char message[LINE_MAX_];
        va_list ap;

        if (!log_enabled(level))
                return error;

        errno = error < 0 ? -error : error;
        va_start(ap, format);
        (void) vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);

        if (!log_to_journal)
                log_line(level, message);
        else if (sd_journal_send("PRIORITY=%i", level, "MESSAGE=%s", message, NULL) < 0)
                log_stream(level, message);
        return error;
}

void log_event(int level, const char *message_id, const char *const *fields, const char *format,
                ...) {
        _cleanup_buffer_ Buffer b = { .max = FIELDS_MAX * LINE_MAX_ };
        struct iovec iov[FIELDS_MAX + 3];
        size_t ends[FIELDS_MAX], n = 0, from = 0;
        char message[LINE_MAX_], line[LINE_MAX_ + 8], id[64], priority[16];
        va_list ap;
        int k = 0;

        if (!log_enabled(level))
                return;

        va_start(ap, format);
        (void) vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);

        if (!log_to_journal) {
                log_line(level, message);
                return;
        }

        for (; fields && fields[0] && fields[1] && n < FIELDS_MAX; fields += 2) {
                if (buffer_addf(&b, "%s=%s", fields[0], fields[1]) < 0)
                        break;
                ends[n++] = b.size;
        }
        (void) snprintf(line, sizeof(line), "MESSAGE=%s", message);
        (void) snprintf(id, sizeof(id), "MESSAGE_ID=%s", message_id);
        (void) snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
        iov[k++] = (struct iovec){ line, strlen(line) };
        iov[k++] = (struct iovec){ id, strlen(id) };
        iov[k++] = (struct iovec){ priority, strlen(priority) };
        for (size_t i = 0; i < n; from = ends[i++])
                iov[k++] = (struct iovec){ b.data + from, ends[i] - from };
        if (sd_journal_sendv(iov, k) < 0)
                log_stream(level, message);
}
