#include "backend.h"

#include "router.h"

const BackendClass *const backend_classes[] = {
        &backend_pow,
        &backend_models,
        NULL,
};
