/* decode.c - decoders of the scalar level: the definitions of the formats themselves. */
#include "kernel/level.h"

void reference_add_decoders(struct kernels *kernels) {
    for (int i = 0; i < DTYPE_COUNT; i++) kernels->decode[i] = dtype_traits((enum dtype)i)->decode;
}
