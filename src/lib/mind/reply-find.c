/* Where in an answer is its JSON? Prose, code blocks, thoughts and drafts may be around it.
 *
 * At each bracket that no complete value has passed over a value may begin. A text made for it
 * could have the same part looked at again and again, so the work has a limit. */
#include "basic/scan.h"
#include "mind/reply-private.h"

#define DEPTH_MAX  8
#define VALUES_MAX 16384
#define WORK_MAX   (8 * ANSWER_SIZE_MAX) /* bytes looked at, all in all */

typedef struct Place {
        const char *at;
        size_t size;
} Place;

/* {"actions":[…]}, or only the array. One action alone is taken for a list only where it is all
 * there is: else it may be what is left of a list that was cut off. */
static bool has_actions(const Place *p, bool alone) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;

        if (!memmem(p->at, p->size, "\"type\"", 6) && !memmem(p->at, p->size, "\"actions\"", 9))
                return false;
        if (json_parse(p->at, p->size, DEPTH_MAX, VALUES_MAX, &j, &reason) < 0)
                return false;
        if (json_is_array(j))
                return json_is_string(json_get(json_array_at(j, 0), "type"));
        return json_is_array(json_get(j, "actions")) ||
               (alone && json_is_string(json_get(j, "type")));
}

/* The end of the value that begins here, or NULL. */
static const char *value_end(const Scan *whole, const char *from, size_t *work) {
        Scan s = *whole;
        int r;

        s.p = from;
        r = scan_skip(&s);
        *work += (size_t) (s.p - from) + 1;
        return r < 0 ? NULL : s.p;
}

bool reply_find_json(const char *text, size_t size, const char **ret, size_t *ret_size) {
        const char *end = text + size;
        Place last = { 0 }, single = { 0 };
        size_t work = 0, n_values = 0, n_broken = 0;
        Scan whole;

        if (scan_start(&whole, text, size, DEPTH_MAX, VALUES_MAX) < 0)
                return false;
        for (const char *p = text; p < end && work < WORK_MAX;) {
                const char *behind;
                Place here;

                if (*p != '{' && *p != '[') {
                        p++;
                        continue;
                }
                behind = value_end(&whole, p, &work);
                if (!behind) {
                        n_broken++;
                        p++;
                        continue;
                }
                here = (Place){ p, (size_t) (behind - p) };
                n_values++;
                if (has_actions(&here, false))
                        last = here;
                else
                        single = here;
                p = behind;
        }
        if (!last.at && n_values == 1 && n_broken == 0 && has_actions(&single, true))
                last = single;
        *ret = last.at;
        *ret_size = last.size;
        return last.at != NULL;
}
