/* decode.c - decoders with 512-bit registers. */
#include "kernel/level.h"
#include "kernel/x86/avx512/unpack.h"

enum { PLAIN_UNIT = 32 };

#include "kernel/x86/decoders.h"

void avx512_add_decoders(struct kernels *kernels) {
    add_decoders(kernels);
}
