#pragma once
/* Wire: what the drivers of backends with an HTTP interface have in common. A driver of that kind
 * is a dialect: functions that write a question down, and pure ones that read the answer's meaning.
 * The way there and back, deadlines, limits and the second look before a payment counts as failed
 * are here. */
#include "basic/json.h"
#include "driver.h"

#define WIRE_PATH_MAX  8192
#define WIRE_BODY_MAX  (32 * 1024)   /* of a question */
#define WIRE_REPLY_MAX (1024 * 1024) /* of an answer */
#define WIRE_DEPTH_MAX 16
#define WIRE_WORDS_MAX 200

typedef struct Wire Wire;
typedef struct WireDialect WireDialect;

/* ---- questions */

typedef enum WireShape {
        WIRE_WHOLE,
        WIRE_FIRST_LINE, /* a stream: its first line says it, the rest is not waited for */
        WIRE_LAST_LINE,  /* a stream that ends: its last line counts */
} WireShape;

typedef struct WireAsk {
        Buffer path;     /* behind the base URL, begins with a slash */
        Buffer body;     /* empty: GET */
        bool form;       /* the body is a form; else JSON */
        WireShape shape; /* of the answer */
        usec_t total;
} WireAsk;

void wire_ask_init(WireAsk *a);
void wire_ask_done(WireAsk *a);
#define _cleanup_ask_ _cleanup_(wire_ask_done)

/* ---- answers, read in this order: size, UTF-8, depth, type, then the meaning */

typedef struct WireAnswer {
        int error; /* < 0: there is none, and the reason */
        const char *reason;
        unsigned status;
        Json *json; /* NULL: the text is no JSON within the limits */
        const char *text;
        size_t size;
        int64_t now; /* seconds */
} WireAnswer;

void wire_answer_init(WireAnswer *a, unsigned status, const char *text, size_t size, int64_t now);
void wire_answer_done(WireAnswer *a);

/* Whole numbers, as JSON's numbers or as text of digits. -EINVAL: it is neither or negative. */
int wire_i64(const Json *j, const char *key, int64_t *ret);
int wire_sat(const Json *j, const char *key, int64_t *ret_msat); /* the field is in sat */
int wire_hex32(const Json *j, const char *key, uint8_t ret[static 32]);
int wire_b64_32(const Json *j, const char *key, uint8_t ret[static 32]);
const char *wire_text(const Json *j, const char *key); /* "" where it is not there */
bool wire_true(const Json *j, const char *key);
bool wire_says(const char *text, const char *part); /* letters of any case */
/* A network's name; all of bitcoin's testnets have the same addresses. -EPFNOSUPPORT: another. */
int wire_network(const char *name, DriverInfo *ret, const char **reterr);
/* msat → sat for a backend that counts in sat. -EINVAL: not a whole number of them. */
int wire_to_sat(int64_t msat, int64_t *ret);

/* A refusal as the backend put it, for people: printable, short. Good until the answer is gone. */
typedef struct WireWords {
        char text[WIRE_WORDS_MAX];
} WireWords;
const char *wire_words(WireWords *w, const char *text, size_t size, const char *otherwise);

/* ---- a dialect */

/* What an answer to pay() is worth. */
typedef enum WirePaid {
        WIRE_TOLD,    /* the outcome stands */
        WIRE_REFUSED, /* a refusal of the listed forms: failed, if a look finds nothing in flight */
        WIRE_LOOK,    /* it says that this payment is known already: look */
} WirePaid;

struct WireDialect {
        const DriverClass *class;
        const char *usual; /* the URL where none is configured */
        /* The line that carries the secret; it is wiped afterwards. */
        int (*header)(Secret *secret, Buffer *ret);

        /* Questions. -EINVAL with a reason: it cannot be asked. */
        int (*ask_make)(WireAsk *a, const DriverInvoiceRequest *r, const char **reterr);
        int (*ask_invoice)(WireAsk *a, const uint8_t hash[static 32]);
        int (*ask_pay)(WireAsk *a, const DriverPayRequest *r, const char **reterr);
        int (*ask_payment)(WireAsk *a, const uint8_t hash[static 32]);
        int (*ask_balance)(WireAsk *a);
        int (*ask_info)(WireAsk *a);

        /* Answers; pure. What they return lives as long as the answer and the words. */
        int (*read_made)(const WireAnswer *a, DriverInvoice *ret, const char **reterr);
        int (*read_invoice)(const WireAnswer *a, const uint8_t hash[static 32], DriverInvoice *ret,
                        const char **reterr);
        WirePaid (*read_pay)(const WireAnswer *a, WireWords *words, DriverPayment *ret);
        /* over: the call that paid has come back, no further attempt is under way. */
        void (*read_payment)(const WireAnswer *a, const uint8_t hash[static 32], bool over,
                        WireWords *words, DriverPayment *ret);
        int (*read_balance)(const WireAnswer *a, int64_t *ret_msat, const char **reterr);
        int (*read_info)(const WireAnswer *a, DriverInfo *ret, const char **reterr);
        /* An invoice was made, or seen to be open (expires_at 0): it may be watched for. NULL:
         * nothing is to be done for it. */
        void (*made)(Wire *w, const uint8_t hash[static 32], int64_t expires_at);
};

extern const WireDialect wire_phoenixd, wire_lnd, wire_cln, wire_lnbits;

/* ---- the driver */

struct Wire {
        Driver driver;
        const WireDialect *dialect;
        char *base;    /* scheme, host, port and path, no slash at the end */
        char *socket;  /* a unix socket instead of host and port; NULL */
        Buffer header; /* carries the secret */
};

/* To be called by the dialect's open() with the zeroed struct that begins with Wire. */
int wire_init(Wire *w, const WireDialect *dialect, const DriverDoors *doors,
                const DriverHandler *handler, void *userdata, const char **reterr);
void wire_done(Wire *w);

/* The functions of DriverClass that are the same for all. */
void wire_op_free(DriverOp *op);
int wire_make_invoice(Driver *d, const DriverInvoiceRequest *r, driver_invoice_t done,
                void *userdata, DriverOp **ret);
int wire_lookup_invoice(Driver *d, const uint8_t hash[static 32], driver_invoice_t done,
                void *userdata, DriverOp **ret);
int wire_pay(Driver *d, const DriverPayRequest *r, driver_payment_t done, void *userdata,
                DriverOp **ret);
int wire_lookup_payment(Driver *d, const uint8_t hash[static 32], driver_payment_t done,
                void *userdata, DriverOp **ret);
int wire_balance(Driver *d, driver_balance_t done, void *userdata, DriverOp **ret);
int wire_info(Driver *d, driver_info_t done, void *userdata, DriverOp **ret);

/* ---- one question, for the watches too */

typedef struct WireCall WireCall;
/* Exactly once, never before wire_call() has returned, never after wire_call_free(). Freeing the
 * call in it is fine. */
typedef void (*wire_answered_t)(const WireAnswer *a, void *userdata);
int wire_call(Wire *w, const WireAsk *ask, wire_answered_t answered, void *userdata, WireCall **ret,
                const char **reterr);
/* Every line of an endless answer; `answered` when it ends. */
typedef void (*wire_line_t)(const WireAnswer *line, void *userdata);
int wire_stream(Wire *w, const WireAsk *ask, wire_line_t line, wire_answered_t ended,
                void *userdata, WireCall **ret, const char **reterr);
WireCall *wire_call_free(WireCall *c);

/* ---- what a watch is made of */

/* A pause before the next try: growing, with a random part. */
typedef struct WirePause {
        sd_event_source *timer;
        unsigned failures;
} WirePause;
int wire_pause_start(WirePause *p, sd_event *e, sd_event_time_handler_t again, void *userdata);
void wire_pause_done(WirePause *p);

/* A websocket that is opened again and again, with pauses in between. */
typedef struct WireSocket WireSocket;
typedef struct WireSocketHandler {
        void (*open)(void *userdata);
        void (*message)(const WireAnswer *message, void *userdata);
        void (*lost)(const char *reason, void *userdata);
} WireSocketHandler;
int wire_socket_new(Wire *w, const char *path, bool with_secret, const WireSocketHandler *handler,
                void *userdata, WireSocket **ret);
WireSocket *wire_socket_free(WireSocket *s);

void wire_settled(Wire *w, const DriverInvoice *invoices, size_t n, const char *cursor);
void wire_state(Wire *w, bool up, const char *reason);
int64_t wire_now(Wire *w); /* seconds */
