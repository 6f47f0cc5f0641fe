/* convert.c - one number at a time between the plain formats: what "rounded" means in this program.
 * Bit arithmetic and exact additions only, so every compiler and processor gives the same bits. Any thread. */
#include "tensor/dtype.h"

#include <string.h>

static const uint32_t f32_sign = 0x80000000u, f32_infinity = 0x7f800000u, f32_quiet_nan = 0x7fc00000u;

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Drops the low `bits` bits of a magnitude, to nearest, ties to even. A carry moves into the exponent, as it must. */
static uint32_t round_off(uint32_t magnitude, int bits) {
    uint32_t half_below = (1u << (bits - 1)) - 1, odd = magnitude >> bits & 1;
    return (magnitude + half_below + odd) >> bits;
}

/* |value| in units of `unit`, to nearest even: adding 2^23 units leaves exactly the integer in the mantissa. */
static uint32_t count_units(uint32_t magnitude, float unit) {
    float anchor = unit * 0x1p23f;
    return bits_of(float_of(magnitude) + anchor) - bits_of(anchor);
}

float f16_to_f32(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits & 0x7c00, mantissa = bits & 0x03ff;
    if (exponent == 0x7c00) {
        uint32_t quiet = mantissa ? f32_quiet_nan : 0;
        return float_of(sign | f32_infinity | mantissa << 13 | quiet);
    }
    if (exponent == 0) return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
    return float_of(sign | (((exponent | mantissa) << 13) + (112u << 23)));
}

uint16_t f32_to_f16(float value) {
    uint32_t sign = (bits_of(value) & f32_sign) >> 16, magnitude = bits_of(value) & ~f32_sign;
    if (magnitude > f32_infinity) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
    if (magnitude < 0x38800000u) return (uint16_t)(sign | count_units(magnitude, 0x1p-24f)); /* below 2^-14 */
    uint32_t rounded = round_off(magnitude, 13) - (112u << 10);
    return (uint16_t)(sign | (rounded > 0x7c00 || magnitude >= f32_infinity ? 0x7c00 : rounded));
}

float bf16_to_f32(uint16_t bits) {
    return float_of((uint32_t)bits << 16);
}

uint16_t f32_to_bf16(float value) {
    uint32_t bits = bits_of(value);
    if ((bits & ~f32_sign) > f32_infinity) return (uint16_t)(bits >> 16 | 0x0040);
    return (uint16_t)round_off(bits, 16);
}

/* Both FP8 decoders return one NaN, whatever its sign: the published decode tables do. */
float e4m3_to_f32(uint8_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x80) << 24, magnitude = bits & 0x7f;
    if (magnitude == 0x7f) return float_of(f32_quiet_nan);
    if (magnitude < 0x08) return float_of(sign | bits_of((float)magnitude * 0x1p-9f));
    return float_of(sign | ((magnitude << 20) + (120u << 23)));
}

float e5m2_to_f32(uint8_t bits) {
    if ((bits & 0x7f) > 0x7c) return float_of(f32_quiet_nan);
    return f16_to_f32((uint16_t)(bits << 8));
}

static uint8_t encode_e4m3(float value, uint32_t overflow) {
    uint32_t sign = (bits_of(value) & f32_sign) >> 24, magnitude = bits_of(value) & ~f32_sign;
    if (magnitude > f32_infinity) return (uint8_t)(sign | 0x7f);
    if (magnitude < 0x3c800000u) return (uint8_t)(sign | count_units(magnitude, 0x1p-9f)); /* below 2^-6 */
    uint32_t rounded = round_off(magnitude, 20) - (120u << 3);
    return (uint8_t)(sign | (rounded > 0x7e ? overflow : rounded));
}

uint8_t f32_to_e4m3(float value) {
    return encode_e4m3(value, 0x7e);
}

uint8_t f32_to_e4m3_strict(float value) {
    return encode_e4m3(value, 0x7f);
}

uint8_t f32_to_e5m2(float value) {
    uint32_t sign = (bits_of(value) & f32_sign) >> 24, magnitude = bits_of(value) & ~f32_sign;
    if (magnitude > f32_infinity) return (uint8_t)(sign | 0x7f);
    if (magnitude < 0x38800000u) return (uint8_t)(sign | count_units(magnitude, 0x1p-16f)); /* below 2^-14 */
    uint32_t rounded = round_off(magnitude, 21) - (112u << 2);
    return (uint8_t)(sign | (rounded > 0x7c ? 0x7c : rounded));
}

float e8m0_to_f32(uint8_t bits) {
    if (bits == 0xff) return float_of(f32_quiet_nan);
    return bits == 0 ? 0x1p-127f : float_of((uint32_t)bits << 23);
}
