#pragma once
/* Wire: how a server of models is spoken to. A wire is pure: texts for requests, and the meaning of
 * what comes back; sockets, time and limits are endpoint.c's and talk.c's. All that comes back is
 * hostile.
 *
 * A wire is one file and one line in the table of wire.c. */
#include "basic/buffer.h"
#include "basic/config.h"
#include "basic/json.h"
#include "text-task.h"

#define WIRE_MODELS_MAX     1024
#define WIRE_MODEL_NAME_MAX TEXT_NAME_MAX
#define WIRE_LIST_MAX       (4 << 20) /* bytes of an answer that is not a stream */
#define WIRE_PIECE_MAX      (1 << 20) /* of one event or line of a stream */
#define WIRE_SLOTS_MAX      1024
#define WIRE_ERROR_MAX      256
#define WIRE_CONTEXT_MAX    100000000 /* tokens */

typedef struct WireModel {
        char *id;         /* on the wire */
        char *name;       /* what people call it */
        char *version;    /* another one: it must be asked about again; NULL: unknown */
        uint32_t context; /* tokens; 0: unknown */
        bool detailed;    /* it was asked about */
        unsigned n_used;  /* answers it writes now; the router's */
} WireModel;

typedef struct WireModels {
        WireModel *models;
        size_t n_models;
        unsigned n_slots; /* 0: the server does not say */
} WireModels;
void wire_models_done(WireModels *l);
/* 0, -ENOMEM; what is too long or not text, or one too many, is left out. */
int wire_models_add(WireModels *l, const char *id, uint32_t context, const char *version);

/* One piece of a stream, or a whole answer. */
typedef struct WirePiece {
        Json *json;       /* whose texts these are */
        const char *text; /* more of the answer; NULL: none */
        size_t size;
        bool thinks;                   /* the model has said something that is not for the answer */
        bool finished;                 /* the answer is complete */
        bool end;                      /* nothing follows */
        int64_t tokens_in, tokens_out; /* -1: not said */
        char error[WIRE_ERROR_MAX];    /* what the server says went wrong, for the owner */
} WirePiece;
void wire_piece_done(WirePiece *p);
#define _cleanup_piece_ _cleanup_(wire_piece_done)

typedef struct Wire {
        const char *name, *url; /* where it usually is */
        const char *models_path;
        bool events; /* streams are server-sent events, otherwise lines */

        int (*read_models)(const char *body, size_t size, WireModels *l, const char **reterr);
        /* What else is to be asked: *ret_path and a body, where there is one; false: nothing. */
        bool (*detail)(const WireModels *l, size_t *cursor, const char **ret_path, Buffer *body);
        /* What came back, at the same cursor. What it does not understand it leaves. */
        void (*read_detail)(WireModels *l, size_t cursor, const char *body, size_t size);

        int (*write_ask)(const ConfigBackend *c, const char *id, const TextTask *t,
                        const char **ret_path, Buffer *body);
        /* 0; -EBADMSG: it is not what this wire says; else an error that the server told: see
         * wire_error(). Vectors: the text is JSON. */
        int (*read_piece)(const char *data, size_t size, WirePiece *ret);
        int (*read_vectors)(const char *body, size_t size, Buffer *vectors, WirePiece *ret);
} Wire;

extern const Wire wire_openai, wire_ollama;
extern const Wire *const wires[]; /* ends with NULL */
const Wire *wire_find(const char *name);

/* What a server's complaint means. -E2BIG: more than the model can read; -ENOENT: no such model;
 * -EAGAIN: busy, or loading; -EACCES: our key; -EINVAL: it does not take this request at all;
 * -EREMOTEIO: anything else, and it is the server's problem. The text goes to ret_text. */
int wire_error(unsigned status, const char *body, size_t size, char *ret_text);
int wire_error_value(unsigned status, const Json *error, char *ret_text);

/* For the wires. Bytes that are no UTF-8 become characters of their own, so that the text around
 * them can be read, and bytes again in what is read: a character may be cut at a piece's border. */
int wire_parse(const char *data, size_t size, size_t values_max, Json **ret);
size_t wire_bytes(char *text, size_t size); /* in place; how many are left */

int wire_add_number(Buffer *b, const char *key, double value);   /* nothing where it is NAN */
int wire_add_integer(Buffer *b, const char *key, int64_t value); /* nothing where it is < 0 */
int wire_add_messages(Buffer *b, const TextTask *t);
int wire_add_texts(Buffer *b, const char *key, const TextTask *t); /* of all messages, as a list */
int wire_add_stops(Buffer *b, const TextTask *t);
int wire_add_vectors(Buffer *b, const Json *vectors, const char *key); /* key: of each, or NULL */
