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

#include "clones.h"

enum { MS_LANES = 32 }; /* requests drawn side by side; the result does not depend on it */

/* Whose numbers: everything of the key and counter but the request. */
typedef struct ms_stream {
    uint32_t seed;
    uint32_t column;
    uint32_t replication;
    uint32_t sub;
} ms_stream;

/* One block: words[0..3] of the given key and counter. */
void ms_philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4]);

/* Words are kept in 64-bit lanes: 32 x 32 -> 64 bit products then need no shuffle. */
MS_INLINE void ms_philox_lanes(const ms_stream *stream, uint64_t first, uint64_t w0[MS_LANES],
                               uint64_t w1[MS_LANES], uint64_t w2[MS_LANES], uint64_t w3[MS_LANES])
{
    const uint64_t low = 0xFFFFFFFFu;
    uint32_t k0 = stream->seed, k1 = stream->column;
    for (int i = 0; i < MS_LANES; i++) {
        const uint64_t request = first + (uint64_t)i;
        w0[i] = request & low;
        w1[i] = request >> 32;
        w2[i] = stream->replication;
        w3[i] = stream->sub;
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < MS_LANES; i++) {
            const uint64_t a = 0xD2511F53u * w0[i];
            const uint64_t b = 0xCD9E8D57u * w2[i];
            w0[i] = (b >> 32) ^ w1[i] ^ k0;
            w1[i] = b & low;
            w2[i] = (a >> 32) ^ w3[i] ^ k1;
            w3[i] = a & low;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

#endif
