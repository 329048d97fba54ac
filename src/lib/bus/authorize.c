#include "bus/authorize.h"

#include "basic/log.h"
#include "bus/names.h"

#define QUERIES_MAX     64
#define ANSWER_DEADLINE (2 * MIN_) /* a person may have to type a password */

/* One question to polkit. When its answer is there, the message is put back into the queue: the
 * handler runs again from its start, and finds the answer here. */
struct AuthQuery {
        AuthQuery **home; /* the list it is in */
        sd_bus_message *request;
        sd_bus_slot *slot;
        bool answered, allowed, challenge;
        AuthQuery *next;
};

static AuthQuery *auth_query_free(AuthQuery *q) {
        for (AuthQuery **p = q->home; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        break;
                }
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->request);
        return mfree(q);
}

AuthQuery *auth_query_free_all(AuthQuery *q) {
        while (q) {
                AuthQuery *next = q->next;

                sd_bus_slot_unref(q->slot);
                sd_bus_message_unref(q->request);
                free(q);
                q = next;
        }
        return NULL;
}

/* One that is answered is in the queue of the bus again, which will find nobody there. */
void auth_query_forget(AuthQuery **list, const char *path) {
        for (AuthQuery *q = *list, *next; q; q = next) {
                next = q->next;
                if (!streq(sd_bus_message_get_path(q->request), path))
                        continue;
                if (!q->answered)
                        (void) sd_bus_reply_method_errorf(
                                        q->request, SD_BUS_ERROR_UNKNOWN_OBJECT, "It is gone.");
                auth_query_free(q);
        }
}

static int on_answer(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        AuthQuery *q = userdata;
        int allowed = 0, challenge = 0, r;

        if (sd_bus_message_is_method_error(m, NULL))
                log_warning("polkit did not answer: %s", sd_bus_message_get_error(m)->message);
        else if (sd_bus_message_enter_container(m, 'r', "bba{ss}") < 0 ||
                        sd_bus_message_read(m, "bb", &allowed, &challenge) < 0)
                log_warning("polkit's answer could not be read.");

        q->answered = true;
        q->allowed = allowed;
        q->challenge = challenge;
        r = sd_bus_enqueue_for_read(sd_bus_message_get_bus(q->request), q->request);
        if (r < 0)
                auth_query_free(q);
        return 0;
}

static int ask_polkit(AuthQuery **list, sd_bus_message *m, const char *action) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *ask = NULL;
        sd_bus *bus = sd_bus_message_get_bus(m);
        AuthQuery *q;
        int r;

        r = sd_bus_message_new_method_call(bus, &ask, "org.freedesktop.PolicyKit1",
                        "/org/freedesktop/PolicyKit1/Authority",
                        "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(ask, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                        sd_bus_message_get_sender(m), action, 0,
                        sd_bus_message_get_allow_interactive_authorization(m) > 0, "");
        if (r < 0)
                return r;

        q = new0(AuthQuery, 1);
        if (!q)
                return -ENOMEM;
        *q = (AuthQuery){ .home = list, .request = sd_bus_message_ref(m), .next = *list };
        *list = q;
        r = sd_bus_call_async(bus, &q->slot, ask, on_answer, q, ANSWER_DEADLINE);
        if (r < 0)
                auth_query_free(q);
        return r;
}

static bool sender_is_root(sd_bus_message *m) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *c = NULL;
        uid_t uid;

        /* The bus itself vouches for the uid; nothing is read from /proc. */
        return sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &c) >= 0 &&
               sd_bus_creds_get_euid(c, &uid) >= 0 && (uid == 0 || uid == geteuid());
}

int bus_authorize(BusServer *s, sd_bus_message *m, const char *action, sd_bus_error *error) {
        AuthQuery **list = bus_server_queries(s), *q;
        size_t n = 0;
        int r;

        if (bus_server_role(s, m) != PEER_PERSON)
                return 1;

        for (q = *list; q && q->request != m; q = q->next)
                n++;
        if (q && q->answered) {
                bool allowed = q->allowed, challenge = q->challenge;

                auth_query_free(q);
                if (allowed)
                        return 1;
                return sd_bus_error_setf(error,
                                challenge ? SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED
                                          : BUS_ERROR_NOT_ALLOWED,
                                "This needs the right %s.", action);
        }

        if (sender_is_root(m))
                return 1;
        if (n >= QUERIES_MAX)
                return sd_bus_error_set(
                                error, BUS_ERROR_BUSY, "Too many rights are being asked for.");

        r = ask_polkit(list, m, action);
        return r < 0 ? r : 0;
}
