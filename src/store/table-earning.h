#pragma once
/* What was earned: totals and the latest rows. The rows are written when a paid job is completed,
 * in the same transaction (table-job.c). */
#include "basic/sql.h"

typedef struct Earning {
        const char *id, *job_id, *source, *payment_hash;
        int64_t amount_msat, earned_at;
} Earning;

typedef struct EarningTable EarningTable;

int earning_table_new(Sql *db, EarningTable **ret);
EarningTable *earning_table_free(EarningTable *t);
DEFINE_CLEANUP(EarningTable, earning_table_free)

typedef int (*earning_row_t)(const Earning *earning, void *userdata);
int earning_list(EarningTable *t, unsigned limit, earning_row_t row, void *userdata);

/* Of each source there has been; the sum of all is the total. */
typedef int (*earning_total_t)(const char *source, int64_t n, int64_t msat, void *userdata);
int earning_totals(EarningTable *t, earning_total_t total, void *userdata);
/* By "source", "kind" (of the job, "0": none) or "day" ("2026-11-20", UTC), from the day of that
 * time on. -EINVAL: there is no such group. */
int earning_groups(EarningTable *t, const char *group, int64_t since, earning_total_t total,
                void *userdata);
int earning_sum(EarningTable *t, int64_t *ret_n, int64_t *ret_msat);
