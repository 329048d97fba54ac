/* The drivers that are built in, one line each. */
#include "driver.h"

static const DriverClass *const classes[] = {
        &driver_regtest,
        &driver_nwc,
        &driver_phoenixd,
        &driver_lnd,
        &driver_cln,
        &driver_lnbits,
        NULL,
};

const DriverClass *driver_class(const char *name) {
        for (const DriverClass *const *c = classes; *c; c++)
                if (streq((*c)->name, name))
                        return *c;
        return NULL;
}
