/* Being paid: the price, the invoice, its end. The job, as "unpaid", and its invoice are written
 * down at the same time, and on disk before the customer hears of either; that it is paid says the
 * wallet alone. An answer that is lost is asked for again: an invoice belongs to (job, stage). */
#include "job-pay.h"

#include <stdio.h>

#include "basic/log.h"
#include "provider.h"

#define LAST_LOOK   1 /* seconds after the invoice's end */
#define AGAIN       (5 * SEC)
#define DESCRIPTION 128

static void wait_for_wallet(Job *job);

/* ---- the price */

static int64_t credit_of(const Provider *p, const Job *job) {
        int64_t sum = 0;
        const Job *other;

        MAP_FOREACH (other, &p->jobs)
                if (other->customer == job->customer && other->pay.after && !other->pay.paid)
                        sum += MIN(other->price_msat, PRICE_MAX - sum);
        return sum;
}

/* The customer's other results that wait to be paid count, too. */
static bool has_credit(const Job *job) {
        const Provider *p = job->provider;

        return job->price_msat <= p->config->pay.credit_msats &&
               credit_of(p, job) <= p->config->pay.credit_msats - job->price_msat;
}

Step job_price(Flow *f) {
        Job *job = flow_job(f);
        Provider *p = job->provider;
        JobPrice price;

        if (job_count(job) < 0) {
                job->verdict = VERDICT_TROUBLE;
                return job_turn_away(job);
        }
        if (job->stored) /* it was agreed on in an earlier life */
                return flow_go(JOB_QUEUED);

        price = provider_price(p, job->request);
        if (price.msat == 0)
                return flow_go(JOB_QUEUED);
        if (price.free_once && pricing_use_free(&p->pricing, event_pubkey_hex(job->request->event),
                                               provider_now(p)) >= 0) {
                remember_free_job(job);
                return flow_go(JOB_QUEUED);
        }

        job->price_msat = price.msat;
        job->pay.after = price.after && has_credit(job);
        return flow_go(job->pay.after ? JOB_QUEUED : JOB_UNPAID);
}

/* No more than was bid: the customer cannot know better what it takes. */
void job_measure(Job *job, const WorkUsage *usage) {
        Provider *p = job->provider;
        const WorkFacts facts = {
                .tokens_in = usage ? usage->tokens_in : -1,
                .tokens_out = usage ? usage->tokens_out : -1,
                .duration = usage ? usage->duration : 0,
                .cpu = usage ? usage->cpu : 0,
        };
        JobPrice price;

        if (!job->pay.after)
                return;
        price = pricing_quote(&p->pricing, p->config, job->request, provider_now(p), &facts);
        if (price.msat > 0)
                job->price_msat = price.msat;
        if (job->request->bid_msat >= 0 && !price.any_bid)
                job->price_msat = MIN(job->price_msat, MAX(job->request->bid_msat, INT64_C(1)));
}

JobState job_after_work(const Job *job) {
        return job->pay.after && !job->pay.paid ? JOB_UNPAID : JOB_PUBLISHING;
}

/* ---- the invoice */

static const char *stage_of(const Job *job) {
        return job->result ? STAGE_POST : STAGE_PRE;
}

static void tell_invoice(Job *job, const WalletInvoice *i) {
        job_tell_answer(job,
                        &(JobAnswer){
                                        .status = JOB_STATUS_PAYMENT_REQUIRED,
                                        .text = job->result ? _("The result is here, and is handed over as soon as it is paid.")
                                                            : _("The job begins as soon as it is paid."),
                                        .amount_msat = job->price_msat,
                                        .invoice = i->bolt11,
                                        .expires_at = i->expires_at,
                        });
}

static Step job_go_unpaid(Job *job) {
        if (job->result)
                remember_unpaid_result(job);
        job->pay.end = JOB_EXPIRED;
        return flow_fail(&job->flow, -ETIMEDOUT, _("The invoice was not paid in time."));
}

static bool is_paid(const char *status) {
        return streq(status, "paid") || streq(status, "late");
}

/* A zap pays for whatever is to be paid. */
static bool is_for(const WalletJobPayment *payment, const char *stage) {
        return streq(payment->stage, stage) || streq(payment->stage, STAGE_ZAP);
}

static const char *status_of(
                const WalletJobPayment *payments, size_t n, const char *id, const char *stage) {
        const char *status = "none";

        for (size_t i = 0; i < n; i++)
                if (streq(payments[i].job_id, id) && (!stage || is_for(&payments[i], stage)))
                        if (!is_paid(status))
                                status = payments[i].status;
        return status;
}

/* Its time is over: the wallet is asked one last time. */
static void on_last_look(int error, const char *reason, const WalletJobPayment *payments, size_t n,
                void *userdata) {
        Job *job = userdata;
        const char *status;

        if (error < 0) {
                log_debug("Job %.12s waits for the wallet: %s.", job_id(job), reason);
                wait_for_wallet(job);
                return;
        }
        status = status_of(payments, n, job_id(job), stage_of(job));
        if (is_paid(status))
                job_paid(job, status);
        else
                flow_drive(&job->flow, job_go_unpaid(job));
}

static int on_expiry(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Job *job = userdata;
        const char *id = job_id(job);

        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        if (wallet_job_payments(job->provider->wallet, &id, 1, on_last_look, job, &job->pay.call) <
                        0)
                wait_for_wallet(job);
        return 0;
}

static void arm(Job *job, usec_t pause, sd_event_time_handler_t handler) {
        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        if (sd_event_add_time_relative(job->provider->event, &job->pay.timer, CLOCK_BOOTTIME, pause,
                            pause / 64 + 1, handler, job) < 0)
                log_warning("No timer is left: job %.12s waits for the next start.", job_id(job));
}

static Step job_invoiced(Job *job, int error, const char *reason, const WalletInvoice *i) {
        int64_t left;

        if (error == -EISCONN) {
                (void) on_expiry(NULL, 0, job);
                return flow_wait();
        }
        if (error < 0 && (job->pay.resumed || job->result) && error != -EHOSTDOWN) {
                wait_for_wallet(job); /* somebody may have paid, or has his result coming */
                return flow_wait();
        }
        if (error < 0) {
                log_warning("There is no invoice for job %.12s: %s.", job_id(job), reason);
                return flow_fail(&job->flow, error,
                                _("This provider's wallet has a problem; please try again later."));
        }
        left = i->expires_at + LAST_LOOK - provider_now(job->provider);
        arm(job, (usec_t) MAX(left, INT64_C(1)) * SEC, on_expiry);
        tell_invoice(job, i);
        return flow_wait();
}

/* An answer that came while the job itself is still being written down. */
typedef struct InvoiceAnswer {
        int error;
        int64_t expires_at;
        char *reason, *bolt11;
} InvoiceAnswer;

static InvoiceAnswer *answer_free(InvoiceAnswer *a) {
        if (!a)
                return NULL;

        free(a->reason);
        free(a->bolt11);
        return mfree(a);
}
DEFINE_CLEANUP(InvoiceAnswer, answer_free)

/* Without memory it is asked for once more. */
static void keep_answer(Job *job, int error, const char *reason, const WalletInvoice *i) {
        _cleanup_(answer_freep) InvoiceAnswer *a = NULL;

        a = new0(InvoiceAnswer, 1);
        if (!a)
                return;
        a->error = error;
        a->reason = strdup(reason ?: "");
        a->bolt11 = strdup(i ? i->bolt11 : "");
        a->expires_at = i ? i->expires_at : 0;
        if (a->reason && a->bolt11)
                job->pay.answer = TAKE_PTR(a);
}

static void on_invoice(int error, const char *reason, const WalletInvoice *i, void *userdata) {
        Job *job = userdata;

        if (job->flow.recording)
                keep_answer(job, error, reason, i);
        else
                flow_drive(&job->flow, job_invoiced(job, error, reason, i));
}

static int ask_invoice(Job *job) {
        const Config *c = job->provider->config;
        char description[DESCRIPTION];
        const WalletAsk ask = {
                .job_id = job_id(job),
                .stage = stage_of(job),
                .amount_msat = job->price_msat,
                .description = description,
                .expiry_s = (uint32_t) (c->pay.invoice_expiry / SEC),
        };

        (void) snprintf(description, sizeof(description), "%.64s: job %.12s of kind %u", c->name,
                        job_id(job), event_kind(job->request->event));
        return wallet_invoice(job->provider->wallet, &ask, on_invoice, job, &job->pay.call);
}

static int on_ask_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Job *job = userdata;

        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        if (ask_invoice(job) < 0)
                wait_for_wallet(job);
        return 0;
}

static void wait_for_wallet(Job *job) {
        arm(job, AGAIN, on_ask_again);
}

void job_ask_early(Job *job) {
        if (pricing_has_wallet(job->provider->config) && !job->pay.call && !job->pay.answer &&
                        ask_invoice(job) < 0)
                log_debug("The invoice of job %.12s is asked for later.", job_id(job));
}

static Step take_answer(Job *job) {
        _cleanup_(answer_freep) InvoiceAnswer *a = TAKE_PTR(job->pay.answer);
        const WalletInvoice i = { .bolt11 = a->bolt11, .expires_at = a->expires_at };

        return job_invoiced(job, a->error, a->reason, a->error < 0 ? NULL : &i);
}

/* Without a wallet it waits for one: it may be paid for all that we know. */
Step job_await_payment(Flow *f) {
        Job *job = flow_job(f);

        if (job_count(job) < 0)
                log_debug("Job %.12s is not counted.", job_id(job));
        if (job->pay.paid)
                return flow_go(job->result ? JOB_PUBLISHING : JOB_RECEIVED);
        if (!pricing_has_wallet(job->provider->config))
                return flow_wait();
        if (job->pay.resumed && job->pay.expired)
                return job_go_unpaid(job);
        if (job->pay.answer)
                return take_answer(job);
        if (!job->pay.call && ask_invoice(job) < 0)
                wait_for_wallet(job);
        return flow_wait();
}

/* A job of an earlier life has to be understood again before it can run. */
void job_paid(Job *job, const char *status) {
        JobState next = job->result ? JOB_PUBLISHING : job->work ? JOB_QUEUED : JOB_RECEIVED;

        job->pay.paid = true;
        job->pay.late = streq(status, "late");
        if (job->pay.dormant || job->flow.state != JOB_UNPAID)
                return;
        log_event(LOG_INFO, LOG_ID_JOB_PAID, LOG_FIELDS("PYLON_JOB", job_id(job)),
                        "Job %.12s is paid.", job_id(job));
        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        job->pay.call = wallet_call_free(job->pay.call);
        flow_drive(&job->flow, flow_go((int) next));
}

/* What is on disk need not be told again. */
void job_note_payment(Job *job) {
        if (!job->pay.paid || job->pay.noted || job->flow.state == JOB_UNPAID)
                return;
        job->pay.noted = true;
        wallet_client_noted(job->provider->wallet, job_id(job));
}

void job_pay_done(Job *job) {
        JobPay *pay = &job->pay;

        pay->call = wallet_call_free(pay->call);
        pay->answer = answer_free(pay->answer);
        pay->profile = relay_query_free(pay->profile);
        pay->timer = sd_event_source_disable_unref(pay->timer);
        job_forget_destination(job);
        pay->row_state = mfree(pay->row_state);
        pay->row_result = mfree(pay->row_result);
}

/* ---- what the wallet says */

static void on_settled(const WalletSettled *settled, size_t n, void *userdata) {
        Provider *p = userdata;

        for (size_t i = 0; i < n; i++) {
                uint8_t id[32];
                Job *job;

                if (hex_decode(settled[i].job_id, id, sizeof(id)) < 0)
                        continue;
                job = map_get(&p->jobs, id, sizeof(id));
                if (job) {
                        job_paid(job, "paid");
                        job_note_payment(job);
                } else
                        p->reread = true; /* it had ended: the store has it as owed now */
        }
        if (p->reread)
                provider_want_turn(p);
}

static size_t unpaid_jobs(const Provider *p, const char *ret[static WALLET_JOBS_MAX]) {
        size_t n = 0;
        const Job *job;

        MAP_FOREACH (job, &p->jobs)
                if (job->flow.state == JOB_UNPAID && !job->pay.dormant && n < WALLET_JOBS_MAX)
                        ret[n++] = job_id(job);
        return n;
}

static void on_missed(int error, const char *reason, const WalletJobPayment *payments, size_t n,
                void *userdata) {
        Provider *p = userdata;

        if (error < 0)
                log_debug("Whether jobs were paid meanwhile is told later: %s.", reason);
        for (size_t i = 0; error >= 0 && i < n; i++) {
                uint8_t id[32];
                Job *job;

                if (!is_paid(payments[i].status) ||
                                hex_decode(payments[i].job_id, id, sizeof(id)) < 0)
                        continue;
                job = map_get(&p->jobs, id, sizeof(id));
                if (job && job->flow.state == JOB_UNPAID && is_for(&payments[i], stage_of(job)))
                        job_paid(job, payments[i].status);
        }
}

/* The wallet was killed: what it had not told yet is asked for. */
static void on_returned(void *userdata) {
        const char *ids[WALLET_JOBS_MAX];
        Provider *p = userdata;
        size_t n = unpaid_jobs(p, ids);

        if (n > 0 && wallet_job_payments(p->wallet, ids, n, on_missed, p, NULL) < 0)
                log_debug("The invoices' ends will tell which jobs were paid meanwhile.");
}

const WalletHandler payments_handler = {
        .settled = on_settled,
        .returned = on_returned,
};

/* ---- the jobs of an earlier life */

static void wake(Provider *p, Job *job, const char *status, bool known) {
        JobPay *pay = &job->pay;
        bool waits = streq(pay->row_state, job_state_name(JOB_UNPAID));

        /* Where nobody knows, who may have paid is served. */
        pay->paid = known ? is_paid(status) : !waits;
        pay->late = streq(status, "late");
        pay->expired = streq(status, "expired");
        pay->after = known && !pay->paid && !waits;
        pay->dormant = false;
        pay->resumed = true;
        (void) p;
        job_resume(job, pay->row_state, pay->row_result);
}

static size_t dormant_jobs(Provider *p, Job *ret[static WALLET_JOBS_MAX]) {
        size_t n = 0;
        Job *job;

        MAP_FOREACH (job, &p->jobs)
                if (job->pay.dormant && n < WALLET_JOBS_MAX)
                        ret[n++] = job;
        return n;
}

static void wake_all(Provider *p, const WalletJobPayment *payments, size_t n, bool known) {
        Job *jobs[WALLET_JOBS_MAX];
        size_t n_jobs = dormant_jobs(p, jobs);

        for (size_t i = 0; i < n_jobs; i++)
                wake(p, jobs[i], status_of(payments, n, job_id(jobs[i]), NULL), known);
}

static void on_payments(int error, const char *reason, const WalletJobPayment *payments, size_t n,
                void *userdata) {
        Provider *p = userdata;

        if (error < 0 && error != -EHOSTDOWN) {
                provider_try_again(p, "The wallet does not tell which jobs are paid", reason);
                return;
        }
        wake_all(p, payments, n, error >= 0);
        provider_go_on(p);
}

int payments_ask(Provider *p) {
        const char *ids[WALLET_JOBS_MAX];
        Job *jobs[WALLET_JOBS_MAX];
        size_t n = dormant_jobs(p, jobs);

        if (n == 0)
                return 0;
        if (!pricing_has_wallet(p->config)) {
                wake_all(p, NULL, 0, false);
                return 0;
        }
        for (size_t i = 0; i < n; i++)
                ids[i] = job_id(jobs[i]);
        wallet_client_listen(p->wallet);
        return wallet_job_payments(p->wallet, ids, n, on_payments, p, &p->wallet_call) ?: 1;
}
