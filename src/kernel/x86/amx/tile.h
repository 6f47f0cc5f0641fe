/* tile.h - matrix tiles: their configuration and the instructions, one statement each.
 *
 * Statements of assembly and not the compilers' intrinsics: gcc's name neither the configuration's last 56 bytes nor
 * what a tile is loaded from as read, so that stores to them may be left out or moved behind. Here every instruction
 * that touches memory says so. Tiles are named by number; the compiler uses none by itself. */
#ifndef HADAL_KERNEL_X86_AMX_TILE_H
#define HADAL_KERNEL_X86_AMX_TILE_H

#include <stdint.h>

enum { TILE_ROWS = 16, TILE_ROW_BYTES = 64 };

/* As the processor reads it. A tile without rows is not used. */
struct tile_config {
    uint8_t palette, start_row, reserved[14]; /* palette 1: eight tiles of up to 16 rows of 64 bytes */
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Tiles belong to a thread: configured when a kernel begins, released when it ends, so that a thread that computes
 * nothing carries no tiles along. */
#define TILE_CONFIGURE(config) __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory")
#define TILE_RELEASE()         __asm__ volatile("tilerelease" : : : "memory")

#define TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile : :)
#define TILE_LOAD(tile, from, stride)                                                                        \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"(from), "r"((int64_t)(stride)) : "memory")
#define TILE_STORE(tile, to, stride)                                                                         \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" : : "r"(to), "r"((int64_t)(stride)) : "memory")
/* sum [rows][16] += a [rows][k] times b [k / 4][16][4] in int8, or [k / 2][16][2] in bf16 */
#define TILE_ADD_INT8(sum, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #sum : :)
#define TILE_ADD_BF16(sum, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum : :)

#endif
