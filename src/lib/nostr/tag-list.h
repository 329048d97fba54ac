#pragma once
/* TagList: tags that travelled encrypted, as a JSON array in an event's content. */
#include "nostr/event.h"

typedef struct TagList {
        Tag *tags;
        size_t n;
        const char **values; /* of all tags, behind each other */
        struct json_object *json;
} TagList;

int tag_list_parse(const char *json, size_t size, TagList **ret, const char **reterr);
TagList *tag_list_free(TagList *l);
DEFINE_CLEANUP(TagList, tag_list_free)
