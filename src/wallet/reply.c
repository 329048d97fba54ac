#include "reply.h"

#include "bus/names.h"
#include "bus/text.h"

int reply_new(Purse *p, sd_bus_message *m, Reply **ret) {
        Reply *reply;

        reply = new0(Reply, 1);
        if (!reply)
                return -ENOMEM;
        reply->purse = p;
        reply->message = sd_bus_message_ref(m);
        p->n_calls++;
        *ret = reply;
        return 0;
}

Reply *reply_free(Reply *reply) {
        if (!reply)
                return NULL;

        books_call_free(reply->call);
        driver_op_free(reply->op);
        making_free(reply->making);
        lnurl_call_free(reply->lnurl);
        sd_event_source_disable_unref(reply->timer);
        sd_bus_message_unref(reply->message);
        reply->purse->n_calls--;
        return mfree(reply);
}

int reply_asked(Reply *reply, int r) {
        if (r < 0) {
                reply_error(reply, r, "it cannot be asked");
                (void) reply_free(reply);
        }
        return 1;
}

void reply_error(Reply *reply, int error, const char *reason) {
        const char *name = error == -EINVAL || error == -EEXIST ? BUS_ERROR_BAD_INPUT
                           : error == -ENOENT                   ? BUS_ERROR_NO_PAYMENT
                           : error == -EDQUOT || error == -ENOBUFS || error == -EACCES
                                           ? BUS_ERROR_NO_MONEY
                           : error == -EALREADY || error == -EBUSY ? BUS_ERROR_BUSY
                                                                   : BUS_ERROR_NOT_REACHABLE;

        (void) sd_bus_reply_method_errorf(reply->message, name, "That could not be done: %s.",
                        bus_text_or(reason ?: "there is no memory", "the words cannot be shown"));
}

void reply_send(Reply *reply, int r, sd_bus_message *m) {
        if (r >= 0)
                r = sd_bus_send(NULL, m, NULL);
        if (r < 0)
                (void) sd_bus_reply_method_errno(reply->message, r, NULL);
}

void reply_verdict(int verdict, const char *text, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;

        if (verdict < 0)
                reply_error(reply, verdict, text);
        else
                (void) sd_bus_reply_method_return(reply->message, NULL);
}
