/* Philox4x32-10: random numbers that are a pure function of (key, counter).
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11; constants and
 * known-answer vectors from the authors' Random123 library. A value belongs to (seed, column,
 * request), so nothing depends on the order, the chunk or the thread in which it is drawn:
 *
 *     key     = (seed, column id)
 *     counter = (request low, request high, replication, sub)
 *
 * `sub` is the copy or attempt, or the pair of components of a vector column. */
#ifndef MS_PHILOX_H
#define MS_PHILOX_H

#include <stdint.h>

#include "maths.h"

/* Whose numbers: everything of the key and counter but the request. */
typedef struct ms_stream {
    uint32_t seed;
    uint32_t column;
    uint32_t replication;
    uint32_t sub;
} ms_stream;

/* One block: words[0..3] of the given key and counter. */
void ms_philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4]);

/* 52 bits of two words as u = (k + 1/2) 2^-52: exact, and never 0 or 1. */
MS_INLINE double ms_uniform52(uint64_t high, uint64_t low)
{
    const uint64_t k = (high << 20) | (low >> 12);
    return ((ms_from_bits(0x4330000000000000u | k) - 0x1p52) + 0.5) * 0x1p-52;
}

/* Of n requests from `first` on, u of 52 bits from words (0, 1) of their blocks into `even` and from words (2, 3) into
 * `odd`; either may be NULL. */
void ms_philox_uniforms(const ms_stream *stream, uint64_t first, int64_t n, double *even, double *odd);

/* The same from words (0, 1), where request first + i has a column of its own, columns[i], instead of the stream's. */
void ms_philox_uniforms_of(const ms_stream *stream, const uint64_t *columns, uint64_t first, int64_t n, double *even);

/* u of 32 bits from word 0 */
void ms_philox_choices(const ms_stream *stream, uint64_t first, int64_t n, double *out);

#endif
