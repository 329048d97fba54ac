/* The objects of a server that come and go.
 *
 * sd-bus asks us by path: a link has one entry for a folder, however many objects are in it, and an
 * object costs its place in the map. */
#include <stdarg.h>

#include "basic/text.h"
#include "bus/names.h"
#include "bus/server-private.h"

typedef struct Child {
        void *userdata;
        char path[];
} Child;

static int find_child(_unused_ sd_bus *bus, const char *path, _unused_ const char *interface,
                void *userdata, void **ret, _unused_ sd_bus_error *error) {
        BusServer *s = userdata;
        Child *c = map_get_string(&s->children, path);

        if (!c)
                return 0;
        *ret = c->userdata;
        return 1;
}

/* The folder that holds the path, or NULL: "/a/b" holds "/a/b/c" and no "/a/b/c/d". */
static const char *folder_of(const BusServer *s, const char *path) {
        const char *slash = strrchr(path, '/');

        for (const BusObject *o = s->objects; slash && o->interface; o++)
                if (o->folder && strlen(o->folder) == (size_t) (slash - path) &&
                                startswith(path, o->folder) && slash[1])
                        return o->folder;
        return NULL;
}

/* Whoever asks for the objects below another path, the one path for one, is answered, too. */
static int list_children(_unused_ sd_bus *bus, const char *prefix, void *userdata, char ***ret,
                _unused_ sd_bus_error *error) {
        _cleanup_strv_ char **paths = NULL;
        BusServer *s = userdata;
        size_t n = 0;
        Child *c;

        paths = new0(char *, map_size(&s->children) + 1);
        if (!paths)
                return -ENOMEM;
        MAP_FOREACH (c, &s->children) {
                if (!startswith(c->path, prefix))
                        continue;
                paths[n] = strdup(c->path);
                if (!paths[n++])
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(paths);
        return 0;
}

static bool is_first_of_folder(const BusServer *s, const BusObject *row) {
        for (const BusObject *o = s->objects; o < row; o++)
                if (o->folder && streq(o->folder, row->folder))
                        return false;
        return true;
}

static bool is_first_folder(const BusServer *s, const BusObject *row) {
        for (const BusObject *o = s->objects; o < row; o++)
                if (o->folder)
                        return false;
        return true;
}

int link_add_folder(BusServer *s, sd_bus *bus, const BusObject *o) {
        int r;

        r = sd_bus_add_fallback_vtable(
                        bus, NULL, o->folder, o->interface, o->vtable, find_child, s);
        if (r >= 0 && is_first_of_folder(s, o))
                r = sd_bus_add_node_enumerator(bus, NULL, o->folder, list_children, s);
        if (r >= 0 && is_first_folder(s, o))
                r = sd_bus_add_object_manager(bus, NULL, BUS_PATH);
        return r;
}

void children_done(BusServer *s) {
        Child *c;

        MAP_FOREACH (c, &s->children)
                free(c);
        map_done(&s->children);
}

/* Who is behind with reading may ask the object manager later. */
int bus_server_add_object(BusServer *s, const char *path, void *userdata) {
        _cleanup_free_ Child *c = NULL;
        int r;

        if (!folder_of(s, path))
                return -EINVAL;
        c = malloc(sizeof(*c) + strlen(path) + 1);
        if (!c)
                return -ENOMEM;
        c->userdata = userdata;
        memcpy(c->path, path, strlen(path) + 1);
        r = map_put_string(&s->children, c->path, c);
        if (r < 0)
                return r;
        TAKE_PTR(c);
        for (Link *l = s->links; l; l = l->next)
                if (!bus_is_slow(l->bus))
                        (void) sd_bus_emit_object_added(l->bus, path);
        return 0;
}

void bus_server_remove_object(BusServer *s, const char *path) {
        if (!map_get_string(&s->children, path))
                return;
        for (Link *l = s->links; l; l = l->next)
                if (!bus_is_slow(l->bus))
                        (void) sd_bus_emit_object_removed(l->bus, path); /* while it is there */
        auth_query_forget(&s->queries, path);
        free(map_remove_string(&s->children, path));
}

void collect_names(const char *first, va_list ap, char *ret[static PROPERTIES_MAX + 1]) {
        size_t n = 1;

        ret[0] = (char *) first;
        while (n < PROPERTIES_MAX && (ret[n] = va_arg(ap, char *)))
                n++;
        ret[n] = NULL;
}

void bus_server_object_changed_strv(
                BusServer *s, const char *path, const char *interface, char **properties) {
        for (Link *l = s->links; l; l = l->next)
                if (!bus_is_slow(l->bus)) /* a property can be asked for again */
                        (void) sd_bus_emit_properties_changed_strv(
                                        l->bus, path, interface, properties);
}

void bus_server_object_changed(
                BusServer *s, const char *path, const char *interface, const char *property, ...) {
        char *names[PROPERTIES_MAX + 1];
        va_list ap;

        va_start(ap, property);
        collect_names(property, ap, names);
        va_end(ap);
        bus_server_object_changed_strv(s, path, interface, names);
}

void bus_server_object_signal(BusServer *s, const char *path, const char *interface,
                const char *member, const char *types, ...) {
        for (Link *l = s->links; l; l = l->next) {
                va_list ap;

                if (bus_is_slow(l->bus))
                        continue;
                va_start(ap, types);
                (void) sd_bus_emit_signalv(l->bus, path, interface, member, types, ap);
                va_end(ap);
        }
}
