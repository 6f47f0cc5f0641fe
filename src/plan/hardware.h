/* hardware.h - machines as data: what plans take memory, bandwidth, arithmetic and power from. Constant data. */
#ifndef HADAL_PLAN_HARDWARE_H
#define HADAL_PLAN_HARDWARE_H

#include <stdbool.h>

/* Of one device: an accelerator, or a whole server of processors. Peaks are dense. */
struct hardware {
    const char *name;         /* "h100" */
    const char *title;        /* "NVIDIA H100 SXM" */
    double memory, bandwidth; /* bytes, bytes a second */
    double half, eight;       /* operations a second in BF16 or FP16, in FP8 or INT8; 0: lacking */
    double watts;             /* of the device */
    double price, hour;       /* dollars: to buy, to rent for an hour; 0: no figure */
    const char *source;
    bool estimated; /* the vendor publishes less than this: figures of the press */
};

const struct hardware *hardware_at(int index); /* NULL past the end */
const struct hardware *hardware_find(const char *name);

/* Peak of the precision that weights of `bits` are multiplied in. */
double hardware_peak(const struct hardware *hardware, double bits);

#endif
