#include "net/sse.h"

#include "basic/text.h"

#define BOM "\xef\xbb\xbf"

void sse_init(Sse *s, size_t line_max, size_t event_max) {
        *s = (Sse){ .retry = UINT64_MAX };
        buffer_init(&s->line, line_max);
        buffer_init(&s->type, line_max);
        buffer_init(&s->id, line_max);
        buffer_init(&s->data, event_max);
}

void sse_done(Sse *s) {
        buffer_done(&s->line);
        buffer_done(&s->type);
        buffer_done(&s->id);
        buffer_done(&s->data);
}

static int set(Buffer *b, const char *value, size_t size) {
        buffer_clear(b);
        return buffer_add(b, value, size);
}

static int field_event(Sse *s, const char *value, size_t size) {
        return set(&s->type, value, size);
}

static int field_data(Sse *s, const char *value, size_t size) {
        int r;

        if (s->in_data) {
                r = buffer_add(&s->data, "\n", 1);
                if (r < 0)
                        return r;
        }
        s->in_data = true;
        return buffer_add(&s->data, value, size);
}

static int field_id(Sse *s, const char *value, size_t size) {
        if (memchr(value, 0, size))
                return 0;
        return set(&s->id, value, size);
}

static int field_retry(Sse *s, const char *value, size_t size) {
        uint64_t ms = 0;

        if (size == 0)
                return 0;
        for (size_t i = 0; i < size; i++) {
                if (value[i] < '0' || value[i] > '9')
                        return 0;
                ms = MIN(ms * 10 + (uint64_t) (value[i] - '0'), HOUR / MSEC);
        }
        s->retry = ms * MSEC;
        return 0;
}

static const struct {
        const char *name;
        int (*take)(Sse *s, const char *value, size_t size);
} fields[] = {
        { "event", field_event },
        { "data", field_data },
        { "id", field_id },
        { "retry", field_retry },
};

static int take_field(Sse *s, const char *line, size_t size) {
        const char *colon = memchr(line, ':', size);
        size_t n_name = colon ? (size_t) (colon - line) : size, skip = n_name;

        if (colon)
                skip += 1 + (skip + 1 < size && colon[1] == ' ');

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (strlen(fields[i].name) == n_name && memcmp(line, fields[i].name, n_name) == 0)
                        return fields[i].take(s, line + skip, size - skip);
        return 0; /* a comment has no name, others are not known */
}

static const char *text_of(const Buffer *b) {
        return b->data ?: "";
}

/* An empty line ends the event; without any data there is none. */
static int take_event(Sse *s) {
        if (!s->in_data) {
                buffer_clear(&s->type);
                return 0;
        }

        s->event = (SseEvent){
                .type = s->type.size > 0 ? s->type.data : "message",
                .id = text_of(&s->id),
                .data = text_of(&s->data),
                .size = s->data.size,
        };
        s->in_data = false;
        s->given = true;
        return 1;
}

static int take_line(Sse *s) {
        const char *line = text_of(&s->line);
        size_t size = s->line.size;
        int r;

        if (!s->begun && size >= strlen(BOM) && memcmp(line, BOM, strlen(BOM)) == 0) {
                line += strlen(BOM);
                size -= strlen(BOM);
        }
        s->begun = true;

        r = size > 0 ? take_field(s, line, size) : take_event(s);
        buffer_clear(&s->line);
        return r;
}

static size_t line_length(const char *p, size_t size) {
        size_t n = 0;

        while (n < size && p[n] != '\n' && p[n] != '\r')
                n++;
        return n;
}

/* Takes the rest of a line, and its end if that is there. */
static int read_line(Sse *s, const char **bytes, size_t *size) {
        size_t n = line_length(*bytes, *size);
        bool ended = n < *size;
        int r;

        r = buffer_add(&s->line, *bytes, n);
        if (r < 0)
                return r;

        if (ended)
                s->skip_lf = (*bytes)[n++] == '\r';
        *bytes += n;
        *size -= n;
        return ended ? take_line(s) : 0;
}

int sse_read(Sse *s, const char **bytes, size_t *size, const SseEvent **ret) {
        int r = 0;

        if (s->given) {
                s->given = false;
                buffer_clear(&s->type);
                buffer_clear(&s->data);
        }

        while (*size > 0 && r == 0) {
                if (s->skip_lf && **bytes == '\n') {
                        ++*bytes;
                        --*size;
                }
                s->skip_lf = false;
                r = read_line(s, bytes, size);
        }
        if (r > 0)
                *ret = &s->event;
        return r == -ENOBUFS ? -EMSGSIZE : r;
}
