#include "nostr/nip17.h"

static size_t count(const char *const *list) {
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

int private_message_draft(const PrivateMessage *m, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        size_t n = count(m->recipients);
        int r;

        if (n == 0 || n > NIP17_RECIPIENTS_MAX)
                return -EINVAL;

        r = draft_new(NIP17_MESSAGE_KIND, now, &d);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = draft_tag(d, "p", m->recipients[i], NULL);
        if (r >= 0 && m->reply_to)
                r = draft_tag(d, "e", m->reply_to, NULL);
        if (r >= 0 && m->subject)
                r = draft_tag(d, "subject", m->subject, NULL);
        if (r >= 0)
                r = draft_content(d, m->text, strlen(m->text));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

int private_message_read(const Rumor *r, PrivateText *ret, const char **reterr) {
        PrivateText t = { 0 };
        const Tag *tag = NULL;
        size_t size;

        if (rumor_kind(r) != NIP17_MESSAGE_KIND)
                return *reterr = "it is not a message", -EBADMSG;
        t.text = rumor_content(r, &size);
        if (strlen(t.text) != size)
                return *reterr = "a NUL is in the text", -EBADMSG;

        while ((tag = rumor_find_tag(r, "p", tag)))
                t.n_recipients += tag->n >= 2;
        t.reply_to = rumor_tag_value(r, "e");
        t.subject = rumor_tag_value(r, "subject");
        *ret = t;
        return 0;
}
