#include "backend.h"

const BackendClass *const backend_classes[] = {
        &backend_pow,
        NULL,
};
