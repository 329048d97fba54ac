#pragma once
/* What the two kinds of minds share. */
#include "bus/client.h"
#include "client/wallet-client.h"
#include "market/shop.h"
#include "think.h"

#define MESSAGES_MAX 64

typedef struct Local Local;

struct Thinker {
        sd_event *event;
        const Config *config;
        Market *market;
        Shop *shop;
        BusClient *provider;
        WalletClient *wallet;
        Think *thoughts;
        size_t n_thoughts; /* that are not over */
};

struct Think {
        Thinker *thinker;
        Think *prev, *next;
        char *id;
        Deal *deal;   /* of MIND_NIP90 */
        Local *local; /* of MIND_LOCAL */
        bool over;
        think_done_t done;
        void *userdata;
};

/* Words of a conversation, borrowed from its JSON. */
typedef struct Message {
        const char *role, *content;
} Message;

/* The last thing that is called; the thought may be gone after it. */
void think_end(Think *t, int error, const char *reason, const Thought *thought);

/* think-local.c */
int local_start(Think *t, const ThinkOrder *o, const Message *messages, size_t n, Local **ret);
Local *local_free(Local *l);
