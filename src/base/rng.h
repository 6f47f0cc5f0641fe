/* rng.h - random numbers that a seed decides: xoshiro256++ (Blackman and Vigna, prng.di.unimi.it, public
 * domain), seeded by splitmix64. Not for secrets. Owned by one thread. */
#ifndef HADAL_BASE_RNG_H
#define HADAL_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rng {
    uint64_t s[4];
};

static inline void rng_seed(struct rng *rng, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        rng->s[i] = z ^ z >> 31;
    }
}

static inline uint64_t rng_rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

static inline uint64_t rng_next(struct rng *rng) {
    uint64_t *s = rng->s, result = rng_rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rng_rotate(s[3], 45);
    return result;
}

/* Stream `stream` of a seed: pieces of work that threads take in any order draw from one each. */
static inline void rng_seed_stream(struct rng *rng, uint64_t seed, uint64_t stream) {
    rng_seed(rng, seed); /* scatters the seed, so that seed 1, stream 2 is not seed 2, stream 1 */
    rng_seed(rng, rng_next(rng) ^ stream);
}

/* In [0, 1), all 53 bits random. */
static inline double rng_uniform(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

static inline void rng_fill(struct rng *rng, void *data, size_t bytes) {
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t draw = rng_next(rng);
        memcpy((char *)data + at, &draw, bytes - at < sizeof draw ? bytes - at : sizeof draw);
    }
}

#endif
