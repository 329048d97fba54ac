#include "driver.h"

static const char *const outcome_names[_DRIVER_OUTCOME_MAX] = {
        [DRIVER_SETTLED] = "settled",
        [DRIVER_FAILED] = "failed",
        [DRIVER_PENDING] = "pending",
        [DRIVER_UNKNOWN] = "unknown",
};

int64_t driver_fee_fixed(const DriverClass *class, int64_t amount_msat) {
        const DriverCaps *c = &class->caps;

        return c->fee_base_msat + amount_msat / 1000000 * c->fee_ppm +
               amount_msat % 1000000 * c->fee_ppm / 1000000;
}

const char *driver_outcome_name(DriverOutcome o) {
        return outcome_names[o];
}

void driver_init(Driver *d, const DriverClass *class, const DriverDoors *doors,
                const DriverHandler *handler, void *userdata) {
        *d = (Driver){
                .class = class,
                .doors = *doors,
                .handler = handler,
                .userdata = userdata,
        };
}

int driver_op_begin(Driver *d, DriverOp *op, void *userdata, DriverOp **handle) {
        if (d->n_ops >= DRIVER_OPS_MAX)
                return -ENOBUFS;

        op->driver = d;
        op->class = d->class;
        op->handle = handle;
        op->userdata = userdata;
        op->prev = NULL;
        op->next = d->ops;
        if (op->next)
                op->next->prev = op;
        d->ops = op;
        d->n_ops++;
        if (handle)
                *handle = op;
        return 0;
}

static void op_unlink(DriverOp *op) {
        *(op->prev ? &op->prev->next : &op->driver->ops) = op->next;
        if (op->next)
                op->next->prev = op->prev;
        op->driver->n_ops--;
        if (op->handle)
                *op->handle = NULL;
}

DriverOp *driver_op_free(DriverOp *op) {
        if (!op)
                return NULL;

        op_unlink(op);
        op->class->op_free(op);
        return NULL;
}

Driver *driver_free(Driver *d) {
        if (!d)
                return NULL;

        while (d->ops)
                driver_op_free(d->ops);
        d->class->close(d);
        return NULL;
}

void driver_op_invoice(DriverOp *op, int error, const char *reason, const DriverInvoice *invoice) {
        op_unlink(op);
        if (op->done.invoice)
                op->done.invoice(error, reason, invoice, op->userdata);
        op->class->op_free(op);
}

void driver_op_payment(DriverOp *op, const DriverPayment *payment) {
        op_unlink(op);
        if (op->done.payment)
                op->done.payment(payment, op->userdata);
        op->class->op_free(op);
}

void driver_op_balance(DriverOp *op, int error, const char *reason, int64_t msat) {
        op_unlink(op);
        if (op->done.balance)
                op->done.balance(error, reason, msat, op->userdata);
        op->class->op_free(op);
}

void driver_op_info(DriverOp *op, int error, const char *reason, const DriverInfo *info) {
        op_unlink(op);
        if (op->done.info)
                op->done.info(error, reason, info, op->userdata);
        op->class->op_free(op);
}

void driver_op_prepared(DriverOp *op, int error, const char *reason, const char *opaque) {
        op_unlink(op);
        if (op->done.prepared)
                op->done.prepared(error, reason, opaque, op->userdata);
        op->class->op_free(op);
}
