/* decode.c - decoders with 256-bit registers. */
#include "kernel/level.h"
#include "kernel/x86/avx2/unpack.h"

enum { PLAIN_UNIT = 8 };

#include "kernel/x86/decoders.h"

void avx2_add_decoders(struct kernels *kernels) {
    add_decoders(kernels);
}
