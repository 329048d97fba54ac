#pragma once
/* Store: the database, its lock, its tables. One per process. */
#include "agents.h"
#include "backup.h"
#include "basic/sql-group.h"
#include "books.h"
#include "bus/service.h"
#include "table-customer.h"
#include "table-earning.h"
#include "table-job.h"
#include "table-purchase.h"
#include "table-regtest.h"
#include "table-setting.h"
#include "table-why.h"

typedef struct Store {
        Service *service;
        char *path, *temporary; /* pylon.db, and where a backup grows */
        int lock;
        Sql *db;
        SqlGroup *group;
        Books *books;
        JobTable *jobs;
        EarningTable *earnings;
        PurchaseTable *purchases;
        Agents *agents;
        SettingTable *settings;
        SqlStatement *integrity; /* NULL until somebody asks */
        RegtestTable *regtest;
        WhyTable *why;
        CustomerTable *customers;
        Backup *backup;
        sd_bus_message *backup_request;
        struct Verification *verification; /* books-bus.c */
        usec_t may_wait;                   /* what the request that runs says; request.c */
        struct Answer *redone;             /* lazy requests whose commit failed; store-bus.c */
        size_t n_redone;
        sd_event_source *redo;
        int told; /* the last error in the log, so that a full disk fills no log */
} Store;

/* A failure has been told by service_fail(), with an exit code that says whether to try again. */
int store_new(Service *service, Store **ret);
Store *store_free(Store *s);
DEFINE_CLEANUP(Store, store_free)

/* Every error of the database passes here once; 0 says that it works (again). Returns error. */
int store_note(Store *s, int error);
