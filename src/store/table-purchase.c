#include "table-purchase.h"

#define ID_SIZE    64
#define PREFIX_MIN 8
#define OPEN       "('asking', 'unpaid', 'paying', 'paid')"

static const char *const names[_PURCHASE_STATE_MAX] = {
        [PURCHASE_ASKING] = "asking",
        [PURCHASE_UNPAID] = "unpaid",
        [PURCHASE_PAYING] = "paying",
        [PURCHASE_PAID] = "paid",
        [PURCHASE_RECEIVED] = "received",
        [PURCHASE_FAILED] = "failed",
};

enum {
        Q_ADD,
        Q_FORGET,
        Q_STATE,
        Q_MOVE,
        Q_LIST,
        Q_OPEN,
        Q_REF,
        Q_OUTCOMES,
        Q_FIND,
        Q_GET,
        _Q_MAX,
};

#define SHORT_COLUMNS                                                                    \
        "id, provider_pubkey, status, payee_pubkey, error_message, kind, amount_msats, " \
        "fee_msats, created_at, deadline_at, bid_msats, max_msats, auto_pay"
#define LONG_COLUMNS                                                                         \
        SHORT_COLUMNS ", relays, request, bolt11, coalesce(result, ''), key_name, account, " \
                      "grant_name, ref, fee_max_msats"

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO purchases (id, kind, provider_pubkey, status, relays, request, "
                  "bid_msats, max_msats, auto_pay, created_at, deadline_at, key_name, account, "
                  "grant_name, ref, fee_max_msats) "
                  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (id) DO NOTHING ON CONFLICT (ref) WHERE ref <> '' DO NOTHING",
        [Q_FORGET] = "UPDATE purchases SET request = '', bolt11 = '', result = NULL WHERE seq IN "
                     "(SELECT seq FROM purchases WHERE ref <> '' AND request <> '' "
                     "AND completed_at IS NOT NULL AND completed_at < unixepoch() - 86400 "
                     "ORDER BY completed_at LIMIT 4)",
        [Q_STATE] = "SELECT status FROM purchases WHERE id = ?",
        [Q_MOVE] = "UPDATE purchases SET status = ?2, "
                   "payee_pubkey = coalesce(nullif(payee_pubkey, ''), ?3), "
                   "bolt11 = coalesce(nullif(bolt11, ''), ?4), "
                   "result = coalesce(result, nullif(?5, '')), "
                   "error_message = coalesce(nullif(?6, ''), error_message), "
                   "amount_msats = iif(?7 >= 0, ?7, amount_msats), "
                   "fee_msats = iif(?8 >= 0, ?8, fee_msats), "
                   "deadline_at = iif(?9 >= 0, ?9, deadline_at), "
                   "took_msecs = iif(?11 >= 0, ?11, took_msecs), blamed = ?12, "
                   "paid_at = iif(?2 = 'paid', coalesce(paid_at, unixepoch()), paid_at), "
                   "completed_at = iif(?10, unixepoch(), completed_at) WHERE id = ?1",
        [Q_LIST] = "SELECT " SHORT_COLUMNS " FROM purchases WHERE created_at < ?1 "
                   "ORDER BY created_at DESC, seq DESC LIMIT ?2",
        [Q_OPEN] = "SELECT " LONG_COLUMNS " FROM purchases WHERE status IN " OPEN
                   " AND id > ?1 ORDER BY id LIMIT ?2",
        [Q_REF] = "SELECT " LONG_COLUMNS " FROM purchases WHERE ref = ?1 AND ref <> ''",
        [Q_OUTCOMES] = "SELECT coalesce(nullif(payee_pubkey, ''), provider_pubkey), "
                       "status = 'received', coalesce(completed_at, created_at), "
                       "iif(took_msecs >= 0, took_msecs, (completed_at - created_at) * 1000), "
                       "amount_msats + fee_msats FROM purchases WHERE seq > "
                       "(SELECT coalesce(max(seq), 0) - ?1 FROM purchases) "
                       "AND (status = 'received' OR (status = 'failed' AND blamed)) "
                       "ORDER BY seq DESC",
        [Q_FIND] = "SELECT seq FROM purchases WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2",
        [Q_GET] = "SELECT id, kind, provider_pubkey, status, bid_msats, max_msats, auto_pay, "
                  "payee_pubkey, bolt11, amount_msats, fee_msats, relays, request, result, "
                  "error_message, created_at, deadline_at, paid_at, completed_at, "
                  "key_name, account, grant_name, ref "
                  "FROM purchases WHERE seq = ?",
};

struct PurchaseTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

const char *purchase_state_name(PurchaseState s) {
        return names[s];
}

int purchase_state_of(const char *name) {
        for (int i = 0; i < _PURCHASE_STATE_MAX; i++)
                if (streq(names[i], name))
                        return i;
        return -EINVAL;
}

bool purchase_state_is_final(PurchaseState s) {
        return s >= PURCHASE_RECEIVED;
}

int purchase_table_new(Sql *db, PurchaseTable **ret) {
        _cleanup_(purchase_table_freep) PurchaseTable *t = NULL;
        int r;

        t = new0(PurchaseTable, 1);
        if (!t)
                return -ENOMEM;
        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

PurchaseTable *purchase_table_free(PurchaseTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_hex(const char *s, size_t n) {
        return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static bool is_name(const char *s) {
        return *s && strlen(s) <= PURCHASE_NAME_MAX;
}

static const char *purchase_fault(const Purchase *p) {
        if (!is_hex(p->id, ID_SIZE))
                return "its id is not an event id";
        if (*p->provider && !is_hex(p->provider, ID_SIZE))
                return "its provider is not a public key";
        if (p->created_at < 0 || p->deadline < 0 || p->bid_msat < -1 || p->max_msat < -1 ||
                        p->fee_max_msat < -1)
                return "an amount or a time is negative";
        if (strlen(p->request) > PURCHASE_EVENT_MAX || strlen(p->relays) > PURCHASE_TEXT_MAX)
                return "its texts are too large";
        if (!is_name(p->key) || !is_name(p->account) || strlen(p->grant) > PURCHASE_NAME_MAX ||
                        strlen(p->ref) > PURCHASE_NAME_MAX)
                return "its buyer's names are empty or too long";
        return NULL;
}

/* 1 = found. */
static int find_state(PurchaseTable *t, const char *id, PurchaseState *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_STATE];
        int r;

        sql_bind_text(q, 1, id);
        r = sql_step(q);
        if (r <= 0)
                return r;
        r = purchase_state_of(sql_text(q, 0));
        if (r < 0)
                return -EUCLEAN; /* only another hand can have written that */
        *ret = (PurchaseState) r;
        return 1;
}

/* What an agent asked and was answered is in its own history; here it is kept for a day, for who
 * asks by the ref after a crash. Each new one makes some room, so it never takes long. */
static int forget_texts(PurchaseTable *t, const Purchase *p) {
        return *p->ref ? sql_run(t->q[Q_FORGET]) : 0;
}

static int insert(PurchaseTable *t, const Purchase *p) {
        SqlStatement *q = t->q[Q_ADD];

        sql_bind_text(q, 1, p->id);
        sql_bind_int(q, 2, p->kind);
        sql_bind_text(q, 3, p->provider);
        sql_bind_text(q, 4, names[PURCHASE_ASKING]);
        sql_bind_text(q, 5, p->relays);
        sql_bind_text(q, 6, p->request);
        sql_bind_int(q, 7, p->bid_msat);
        sql_bind_int(q, 8, p->max_msat);
        sql_bind_int(q, 9, p->auto_pay);
        sql_bind_int(q, 10, p->created_at);
        sql_bind_int(q, 11, p->deadline);
        sql_bind_text(q, 12, p->key);
        sql_bind_text(q, 13, p->account);
        sql_bind_text(q, 14, p->grant);
        sql_bind_text(q, 15, p->ref);
        sql_bind_int(q, 16, p->fee_max_msat);
        return sql_run(q);
}

int purchase_add(PurchaseTable *t, const Purchase *p, int *ret_verdict, const char **ret_text) {
        PurchaseState state;
        int r;

        *ret_verdict = -EINVAL;
        *ret_text = purchase_fault(p);
        if (*ret_text)
                return 0;

        r = insert(t, p);
        if (r < 0)
                return r;

        *ret_verdict = 0;
        *ret_text = "";
        if (sql_changes(t->db) > 0)
                return forget_texts(t, p);
        r = find_state(t, p->id, &state);
        if (r < 0)
                return r;
        if (r == 0) {
                *ret_verdict = -EEXIST;
                *ret_text = "another purchase has this ref";
                return 0;
        }
        *ret_verdict = 1;
        *ret_text = names[state];
        return 0;
}

static int update(PurchaseTable *t, PurchaseState to, const PurchaseMove *move) {
        SqlStatement *q = t->q[Q_MOVE];

        sql_bind_text(q, 1, move->id);
        sql_bind_text(q, 2, names[to]);
        sql_bind_text(q, 3, move->payee);
        sql_bind_text(q, 4, move->bolt11);
        sql_bind_text(q, 5, move->result);
        sql_bind_text(q, 6, move->error);
        sql_bind_int(q, 7, move->amount_msat);
        sql_bind_int(q, 8, move->fee_msat);
        sql_bind_int(q, 9, move->deadline);
        sql_bind_int(q, 10, purchase_state_is_final(to));
        sql_bind_int(q, 11, move->took_msec);
        sql_bind_int(q, 12, move->blamed);
        return sql_run(q);
}

static const char *move_fault(const PurchaseMove *move) {
        if (purchase_state_of(move->state) < 0)
                return "there is no such state";
        if (*move->payee && !is_hex(move->payee, ID_SIZE))
                return "its payee is not a public key";
        if (strlen(move->result) > PURCHASE_EVENT_MAX ||
                        strlen(move->bolt11) > PURCHASE_BOLT11_MAX ||
                        strlen(move->error) > PURCHASE_TEXT_MAX)
                return "its texts are too large";
        return NULL;
}

int purchase_move(PurchaseTable *t, const PurchaseMove *move, int *ret_verdict,
                const char **ret_text) {
        PurchaseState from, to;
        int r;

        *ret_verdict = -EINVAL;
        *ret_text = move_fault(move);
        if (*ret_text)
                return 0;
        to = (PurchaseState) purchase_state_of(move->state);
        r = find_state(t, move->id, &from);
        if (r < 0)
                return r;
        if (r == 0) {
                *ret_verdict = -ENOENT;
                *ret_text = "there is no such purchase";
                return 0;
        }

        *ret_verdict = 0;
        *ret_text = "";
        if (purchase_state_is_final(from) ? from == to : to >= from)
                return purchase_state_is_final(from) ? 0 : update(t, to, move);
        *ret_verdict = -EALREADY;
        *ret_text = purchase_state_is_final(from) ? "the purchase is over"
                                                  : "the purchase is further than that";
        return 0;
}

static int rows(SqlStatement *q, bool whole, purchase_row_t row, void *userdata) {
        _cleanup_sql_ _unused_ SqlStatement *reset = q;
        int r;

        while ((r = sql_step(q)) > 0) {
                const Purchase p = {
                        .id = sql_text(q, 0),
                        .provider = sql_text(q, 1),
                        .state = sql_text(q, 2),
                        .payee = sql_text(q, 3),
                        .error = sql_text(q, 4),
                        .kind = (uint16_t) sql_int(q, 5),
                        .amount_msat = sql_int(q, 6),
                        .fee_msat = sql_int(q, 7),
                        .created_at = sql_int(q, 8),
                        .deadline = sql_int(q, 9),
                        .bid_msat = sql_int(q, 10),
                        .max_msat = sql_int(q, 11),
                        .auto_pay = sql_int(q, 12) != 0,
                        .relays = whole ? sql_text(q, 13) : "",
                        .request = whole ? sql_text(q, 14) : "",
                        .bolt11 = whole ? sql_text(q, 15) : "",
                        .result = whole ? sql_text(q, 16) : "",
                        .key = whole ? sql_text(q, 17) : "",
                        .account = whole ? sql_text(q, 18) : "",
                        .grant = whole ? sql_text(q, 19) : "",
                        .ref = whole ? sql_text(q, 20) : "",
                        .fee_max_msat = whole ? sql_int(q, 21) : -1,
                };

                r = row(&p, userdata);
                if (r != 0)
                        return r;
        }
        return r;
}

int purchase_list(PurchaseTable *t, int64_t before, unsigned limit, purchase_row_t row,
                void *userdata) {
        SqlStatement *q = t->q[Q_LIST];

        sql_bind_int(q, 1, before);
        sql_bind_int(q, 2, limit);
        return rows(q, false, row, userdata);
}

int purchase_list_open(PurchaseTable *t, const char *after, unsigned limit, purchase_row_t row,
                void *userdata) {
        SqlStatement *q = t->q[Q_OPEN];

        sql_bind_text(q, 1, after);
        sql_bind_int(q, 2, limit);
        return rows(q, true, row, userdata);
}

int purchase_list_ref(PurchaseTable *t, const char *ref, purchase_row_t row, void *userdata) {
        SqlStatement *q = t->q[Q_REF];

        sql_bind_text(q, 1, ref);
        return rows(q, true, row, userdata);
}

int purchase_list_outcomes(
                PurchaseTable *t, unsigned limit, purchase_outcome_t row, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_OUTCOMES];
        int r;

        sql_bind_int(q, 1, limit);
        while ((r = sql_step(q)) > 0) {
                r = row(
                                &(PurchaseOutcome){
                                                .provider = sql_text(q, 0),
                                                .good = sql_int(q, 1) != 0,
                                                .at = sql_int(q, 2),
                                                .took_msec = sql_int(q, 3),
                                                .cost_msat = sql_int(q, 4),
                                },
                                userdata);
                if (r != 0)
                        return r;
        }
        return r;
}

static int find_prefix(
                PurchaseTable *t, const char *prefix, int64_t *ret_seq, const char **reterr) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];
        size_t n = strlen(prefix);
        int r;

        if (n < PREFIX_MIN || n > ID_SIZE || !is_hex(prefix, n)) {
                *reterr = "an id is 8 to 64 digits of 0-9 and a-f";
                return -EINVAL;
        }
        sql_bind_text(q, 1, prefix);
        r = sql_step(q);
        if (r <= 0) {
                *reterr = r < 0 ? sql_reason(r) : "there is no such purchase";
                return r ?: -ENOENT;
        }
        *ret_seq = sql_int(q, 0);
        r = sql_step(q);
        *reterr = r > 0 ? "several purchases have ids that begin like this" : sql_reason(r);
        return r > 0 ? -ENOTUNIQ : r;
}

int purchase_get(PurchaseTable *t, const char *prefix, SqlStatement **ret, const char **reterr) {
        SqlStatement *q = t->q[Q_GET];
        int64_t seq;
        int r;

        r = find_prefix(t, prefix, &seq, reterr);
        if (r < 0)
                return r;
        sql_bind_int(q, 1, seq);
        r = sql_step(q);
        if (r <= 0) {
                *reterr = sql_reason(r ?: -EUCLEAN);
                return r ?: -EUCLEAN;
        }
        *ret = q;
        return 0;
}
