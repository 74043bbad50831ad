/* Philox on many requests side by side for one instruction set; philox.c includes this once for each.
 *
 * Expects VERSION(name), TARGET (an attribute), LANES (of 64 bits in a vector) and MULTIPLY(a, b), the products of the
 * lower halves of lanes. What stands in upper halves between rounds reaches no product, and is cleared once, at the
 * end. A compiler cannot know that: from plain C, GCC makes three multiplications of each, and the words of 32 requests
 * do not stay in registers: 94 instructions a uniform on AVX2. */

typedef uint64_t VERSION(lanes) __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef double VERSION(reals) __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

TARGET MS_INLINE VERSION(reals) VERSION(uniform52)(VERSION(lanes) high, VERSION(lanes) low)
{
    const VERSION(lanes) k = ((high << 20) | (low << 32 >> 44)) & 0xFFFFFFFFFFFFFu;
    return (VERSION(reals))(k | 0x3FF0000000000000u) - (1.0 - 0x1p-53); /* 1 + k/2^52 less that: exact */
}

TARGET MS_INLINE VERSION(reals) VERSION(uniform32)(VERSION(lanes) word)
{
    const VERSION(lanes) k = word & 0xFFFFFFFFu;
    return (VERSION(reals))(k | 0x4130000000000000u) - (0x1p20 - 0x1p-33); /* 2^20 + k/2^32 less that: exact */
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

/* Counters first ... first + n - 1, whose upper halves are alike. All pointers but the stream may be NULL; each caller knows
 * which are, and this is compiled for each of them. Vectors in a GROUP are computed at once, so that one multiplication does
 * not wait for another. What of the first two rounds is the same for all counters is computed once. */
TARGET MS_INLINE void VERSION(draw_alike)(const ms_stream *stream, const uint64_t *columns, uint64_t first, int64_t n,
                                          double *even, double *odd, double *choices)
{
    enum { GROUP = LANES == 8 ? 4 : 3, ROUNDS = 10 };
    const VERSION(lanes) zero = {0}, a = zero + 0xD2511F53u, b = zero + 0xCD9E8D57u;
    VERSION(lanes) counting = {0}, k0[ROUNDS], k1[ROUNDS];
    for (unsigned i = 0; i < LANES; i++) {
        counting[i] = i;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        k0[round] = zero + (stream->seed + round * 0x9E3779B9u);
        k1[round] = zero + (columns == NULL ? stream->column : 0) + round * 0xBB67AE85u;
    }
    const VERSION(lanes) second = MULTIPLY(b, zero + stream->replication);
    const VERSION(lanes) third = MULTIPLY(a, (second >> 32) ^ (first >> 32) ^ k0[0]);
    for (int64_t start = 0; start < n; start += GROUP * LANES) {
        VERSION(lanes) w0[GROUP], w1[GROUP], w2[GROUP], w3[GROUP], own[GROUP];
        for (int j = 0; j < GROUP; j++) {
            const int64_t at = start + j * LANES;
            own[j] = zero;
            if (columns != NULL) {
                own[j] = VERSION(load)(columns + at, n - at);
            }
            const VERSION(lanes) x = MULTIPLY(a, counting + (first + (uint64_t)at));
            const VERSION(lanes) y = MULTIPLY(b, (x >> 32) ^ (stream->sub ^ (k1[0] + own[j])));
            w0[j] = (y >> 32) ^ (second ^ k0[1]);
            w1[j] = y;
            w2[j] = x ^ ((third >> 32) ^ (k1[1] + own[j]));
            w3[j] = third;
        }
        for (int round = 2; round < ROUNDS; round++) {
            for (int j = 0; j < GROUP; j++) {
                const VERSION(lanes) x = MULTIPLY(a, w0[j]), y = MULTIPLY(b, w2[j]);
                w0[j] = (y >> 32) ^ w1[j] ^ k0[round];
                w1[j] = y;
                w2[j] = (x >> 32) ^ w3[j] ^ (k1[round] + own[j]);
                w3[j] = x;
            }
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

TARGET MS_INLINE void VERSION(draw)(const ms_stream *stream, const uint64_t *columns, uint64_t first, int64_t n,
                                    double *even, double *odd, double *choices)
{
    for (int64_t start = 0, length; start < n; start += length) {
        const uint64_t from = first + (uint64_t)start, alike = (UINT64_C(1) << 32) - (uint32_t)from;
        length = alike < (uint64_t)(n - start) ? (int64_t)alike : n - start;
        VERSION(draw_alike)(stream, columns != NULL ? columns + start : NULL, from, length,
                            even != NULL ? even + start : NULL, odd != NULL ? odd + start : NULL,
                            choices != NULL ? choices + start : NULL);
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
