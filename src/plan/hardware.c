/* hardware.c - the table of machines; see hardware.h.
 *
 * Prices are what buyers and tenants reported, not lists: they are inputs of every plan and change from month to month. */
#include "plan/hardware.h"

#include "base/status.h"

#include <stddef.h>
#include <strings.h>

#define GIGA   1e9
#define TERA   1e12
#define NVIDIA "NVIDIA data sheet"

/* name, title, memory, bandwidth, half, eight, watts, price, hour, source, estimated */
static const struct hardware table[] = {
    {"h100", "NVIDIA H100 SXM", 80 * GIGA, 3.35 * TERA, 989 * TERA, 1979 * TERA, 700, 30000, 2.5,
     "NVIDIA H100 data sheet, SXM, without sparsity; price and rent of the market", false},
    {"h800", "NVIDIA H800 SXM", 80 * GIGA, 3.35 * TERA, 989 * TERA, 1979 * TERA, 700, 30000, 2,
     NVIDIA " of the H100; rent as in the DeepSeek-V3 report", false},
    {"h20", "NVIDIA H20", 96 * GIGA, 4 * TERA, 148 * TERA, 296 * TERA, 400, 12000, 1,
     "estimate: data sheet as resellers circulate it; NVIDIA publishes none", true},
    {"h200", "NVIDIA H200 SXM", 141 * GIGA, 4.8 * TERA, 989 * TERA, 1979 * TERA, 700, 32000, 3,
     "NVIDIA H200 data sheet, SXM, without sparsity; price and rent of the market", false},
    {"b200", "NVIDIA B200", 180 * GIGA, 7.7 * TERA, 2250 * TERA, 4500 * TERA, 1000, 40000, 4.5,
     "NVIDIA HGX B200 data sheet at 1,000 W, without sparsity; price and rent of the market", false},
    {"a100", "NVIDIA A100 SXM 80 GB", 80 * GIGA, 2.039 * TERA, 312 * TERA, 624 * TERA, 400, 15000, 1.3,
     "NVIDIA A100 data sheet, 80 GB SXM; price and rent of the market", false},
    {"mi300x", "AMD Instinct MI300X", 192 * GIGA, 5.3 * TERA, 1307 * TERA, 2615 * TERA, 750, 15000, 2.2,
     "AMD Instinct MI300X data sheet, without sparsity; price and rent of the market", false},
    {"ascend-910b", "Huawei Ascend 910B", 64 * GIGA, 1.6 * TERA, 320 * TERA, 640 * TERA, 400, 15000, 0,
     "estimate: arithmetic and memory by the press of 2023-2025; Huawei publishes no data sheet", true},
    {"ascend-910c", "Huawei Ascend 910C", 128 * GIGA, 3.2 * TERA, 780 * TERA, 1560 * TERA, 800, 26000, 0,
     "estimate: SemiAnalysis, April 2025: two dies of the 910B, 780 TFLOPS in BF16, 3.2 TB/s, 128 GB", true},
    {"hygon-k100", "Hygon K100 AI", 64 * GIGA, 0.896 * TERA, 196 * TERA, 392 * TERA, 350, 0, 0,
     "estimate: Hygon K100 AI by figures of resellers and the press", true},
    {"kunlun-p800", "Kunlunxin P800", 64 * GIGA, 1.2 * TERA, 345 * TERA, 690 * TERA, 400, 0, 0,
     "estimate: Kunlunxin P800 by figures of the press at its launch", true},
    {"cambricon-590", "Cambricon MLU590", 80 * GIGA, 2 * TERA, 314 * TERA, 628 * TERA, 350, 0, 0,
     "estimate: Cambricon MLU590 by figures of the press; the vendor publishes none", true},
    {"mtt-s4000", "Moore Threads MTT S4000", 48 * GIGA, 0.768 * TERA, 100 * TERA, 200 * TERA, 450, 0, 0,
     "Moore Threads, announcement of December 2023: 100 TFLOPS in FP16, 200 TOPS in INT8, 768 GB/s", false},
    {"rtx-4090", "NVIDIA GeForce RTX 4090", 24 * GIGA, 1.008 * TERA, 165.2 * TERA, 330.3 * TERA, 450, 1600,
     0.35, "NVIDIA Ada whitepaper, products summed in 32 bits", false},
    {"rtx-5090", "NVIDIA GeForce RTX 5090", 32 * GIGA, 1.792 * TERA, 209.5 * TERA, 419 * TERA, 575, 2000, 0.6,
     "NVIDIA Blackwell whitepaper, products summed in 32 bits", false},
    {"m3-ultra", "Apple M3 Ultra, 512 GB", 512 * GIGA, 0.819 * TERA, 57 * TERA, 57 * TERA, 270, 9500, 0,
     "estimate: memory by Apple specifications; arithmetic by measurements of the press", true},
    {"m4-max", "Apple M4 Max, 128 GB", 128 * GIGA, 0.546 * TERA, 34 * TERA, 34 * TERA, 140, 3700, 0,
     "estimate: memory by Apple specifications; arithmetic by measurements of the press", true},
    {"epyc-9755-2", "2 x AMD EPYC 9755, 24 channels of DDR5-6400", 1536 * GIGA, 1.2288 * TERA, 44 * TERA,
     88 * TERA, 1100, 35000, 0, "AMD data sheet: 24 x 8 bytes x 6.4 GT/s; 256 cores x 64 BF16 x 2.7 GHz",
     false},
    {"epyc-9354", "AMD EPYC 9354, 12 channels of DDR5-4800", 384 * GIGA, 0.4608 * TERA, 6.7 * TERA,
     13.3 * TERA, 400, 8000, 0, "AMD data sheet: 12 x 8 bytes x 4.8 GT/s; 32 cores x 64 BF16 x 3.25 GHz",
     false},
    {"xeon-6980p-2", "2 x Intel Xeon 6980P, 24 channels of MRDIMM-8800", 1536 * GIGA, 1.69 * TERA, 524 * TERA,
     1049 * TERA, 1200, 40000, 0,
     "Intel data sheet: 24 x 8 bytes x 8.8 GT/s; 256 cores x 1024 BF16 x 2 GHz (AMX)", false},
};

const struct hardware *hardware_at(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(table) ? &table[index] : NULL;
}

const struct hardware *hardware_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (!strcasecmp(table[i].name, name)) return &table[i];
    return NULL;
}

double hardware_peak(const struct hardware *hardware, double bits) {
    return bits <= 9 && hardware->eight > 0 ? hardware->eight : hardware->half;
}
