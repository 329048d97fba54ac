#include "nostr/tag-list.h"

#include "basic/json.h"

#define VALUES_MAX 4096

TagList *tag_list_free(TagList *l) {
        if (!l)
                return NULL;

        free(l->tags);
        free(l->values);
        (void) json_unref(l->json);
        return mfree(l);
}

static size_t count_values(const Json *j) {
        size_t n = 0;

        for (size_t i = 0; i < json_array_size(j); i++)
                n += json_array_size(json_array_at(j, i));
        return n;
}

static int read_tag(const Json *j, const char **values, Tag *ret) {
        size_t n = json_array_size(j);

        for (size_t i = 0; i < n; i++)
                if (json_string(json_array_at(j, i), values + i) < 0)
                        return -EBADMSG;

        *ret = (Tag){ .n = n, .values = values };
        return n > 0 ? 0 : -EBADMSG;
}

int tag_list_parse(const char *json, size_t size, TagList **ret, const char **reterr) {
        _cleanup_(tag_list_freep) TagList *l = NULL;
        size_t n, n_values = 0;
        int r;

        l = new0(TagList, 1);
        if (!l)
                return -ENOMEM;

        r = json_parse(json, size, 2, VALUES_MAX, &l->json, reterr);
        if (r < 0)
                return r;
        if (!json_is_array(l->json)) {
                *reterr = "it is not an array of tags";
                return -EBADMSG;
        }

        n = json_array_size(l->json);
        l->tags = new0(Tag, n + 1);
        l->values = new0(const char *, count_values(l->json) + 1);
        if (!l->tags || !l->values)
                return -ENOMEM;

        for (; l->n < n; l->n++) {
                r = read_tag(json_array_at(l->json, l->n), l->values + n_values, &l->tags[l->n]);
                if (r < 0) {
                        *reterr = "it is not an array of tags";
                        return r;
                }
                n_values += l->tags[l->n].n;
        }

        *ret = TAKE_PTR(l);
        return 0;
}
