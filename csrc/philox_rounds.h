/* Philox on many requests side by side for one instruction set; philox.c includes this once for each.
 *
 * Expects VERSION(name), TARGET (an attribute), LANES (of 64 bits in a vector) and MULTIPLY(a, b), the products of the
 * lower halves of lanes. What stands in upper halves between rounds reaches no product, and is cleared once, at the
 * end. A compiler cannot know that: from plain C, GCC makes three multiplications of each, and the words of 32 requests
 * do not stay in registers: 94 instructions a uniform on AVX2, of which these leave 34. */

typedef uint64_t VERSION(lanes) __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef double VERSION(reals) __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

TARGET MS_INLINE VERSION(reals) VERSION(uniform52)(VERSION(lanes) high, VERSION(lanes) low)
{
    const VERSION(lanes) k = (high << 32 >> 12) | (low << 32 >> 44);
    return (((VERSION(reals))(k | 0x4330000000000000u) - 0x1p52) + 0.5) * 0x1p-52;
}

TARGET MS_INLINE VERSION(reals) VERSION(uniform32)(VERSION(lanes) word)
{
    const VERSION(lanes) k = word & 0xFFFFFFFFu;
    return (((VERSION(reals))(k | 0x4330000000000000u) - 0x1p52) + 0.5) * 0x1p-32;
}

/* `left` values, or all that a vector holds. */
TARGET MS_INLINE void VERSION(store)(VERSION(reals) values, int64_t left, double *out)
{
    if (left >= LANES) {
        *(VERSION(reals) *)out = values;
        return;
    }
    for (int64_t i = 0; i < left; i++) {
        out[i] = values[i];
    }
}

TARGET MS_INLINE VERSION(lanes) VERSION(load)(const uint64_t *values, int64_t left)
{
    VERSION(lanes) loaded = {0};
    if (left >= LANES) {
        return *(const VERSION(lanes) *)values;
    }
    for (int64_t i = 0; i < left; i++) {
        loaded[i] = values[i];
    }
    return loaded;
}

/* All pointers but the stream may be NULL; each caller knows which are, and this is compiled for each of them. Vectors
 * in a GROUP are computed at once, so that one multiplication does not wait for another. */
TARGET MS_INLINE void VERSION(draw)(const ms_stream *stream, const uint64_t *columns, uint64_t first, int64_t n,
                                    double *even, double *odd, double *choices)
{
    enum { GROUP = 3 };
    const VERSION(lanes) zero = {0}, a = zero + 0xD2511F53u, b = zero + 0xCD9E8D57u;
    VERSION(lanes) counting = {0};
    for (unsigned i = 0; i < LANES; i++) {
        counting[i] = i;
    }
    for (int64_t start = 0; start < n; start += GROUP * LANES) {
        VERSION(lanes) w0[GROUP], w1[GROUP], w2[GROUP], w3[GROUP], k0 = zero + stream->seed, k1[GROUP];
        for (int j = 0; j < GROUP; j++) {
            const int64_t at = start + j * LANES;
            w0[j] = counting + (first + (uint64_t)at);
            w1[j] = w0[j] >> 32;
            w2[j] = zero + stream->replication;
            w3[j] = zero + stream->sub;
            k1[j] = zero + stream->column;
            if (columns != NULL) {
                k1[j] = VERSION(load)(columns + at, n - at);
            }
        }
        for (int round = 0; round < 10; round++) {
            for (int j = 0; j < GROUP; j++) {
                const VERSION(lanes) x = MULTIPLY(a, w0[j]), y = MULTIPLY(b, w2[j]);
                w0[j] = (y >> 32) ^ w1[j] ^ k0;
                w1[j] = y;
                w2[j] = (x >> 32) ^ w3[j] ^ k1[j];
                w3[j] = x;
                k1[j] += 0xBB67AE85u;
            }
            k0 += 0x9E3779B9u;
        }
        for (int j = 0; j < GROUP; j++) {
            const int64_t at = start + j * LANES;
            if (even != NULL) {
                VERSION(store)(VERSION(uniform52)(w0[j], w1[j]), n - at, even + at);
            }
            if (odd != NULL) {
                VERSION(store)(VERSION(uniform52)(w2[j], w3[j]), n - at, odd + at);
            }
            if (choices != NULL) {
                VERSION(store)(VERSION(uniform32)(w0[j]), n - at, choices + at);
            }
        }
    }
}

TARGET static void VERSION(uniforms)(const ms_stream *stream, uint64_t first, int64_t n, double *even, double *odd)
{
    if (odd == NULL) {
        VERSION(draw)(stream, NULL, first, n, even, NULL, NULL);
    } else if (even == NULL) {
        VERSION(draw)(stream, NULL, first, n, NULL, odd, NULL);
    } else {
        VERSION(draw)(stream, NULL, first, n, even, odd, NULL);
    }
}

TARGET static void VERSION(uniforms_of)(const ms_stream *stream, const uint64_t *columns, uint64_t first, int64_t n,
                                        double *even)
{
    VERSION(draw)(stream, columns, first, n, even, NULL, NULL);
}

TARGET static void VERSION(choices)(const ms_stream *stream, uint64_t first, int64_t n, double *out)
{
    VERSION(draw)(stream, NULL, first, n, NULL, NULL, out);
}

#undef VERSION
#undef TARGET
#undef LANES
#undef MULTIPLY
