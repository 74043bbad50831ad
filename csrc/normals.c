#include "normals.h"

#include "clones.h"
#include "fours.h"
#include "maths.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Of the i-th on; `count` places stand already. */
MS_INLINE int32_t centres_from(const double *restrict u, int32_t i, int32_t n, double *restrict out,
                               int32_t *restrict places, int32_t count)
{
    for (int32_t k = i; k < n; k++) {
        out[k] = ms_normal_centre(u[k] - 0.5);
    }
    for (; i < n; i++) {
        places[count] = i;
        count += ms_normal_is_tail(u[i]);
    }
    return count;
}

/* Compilers do not vectorise how places are found. That is done in the same loop as the rest, whose arithmetic waits for
 * itself so often that it costs nothing. */

#if defined(MS_NEEDS_AVX512)
#define AVX512 __attribute__((target("avx512f,popcnt")))
typedef double eight __attribute__((vector_size(64), aligned(8), may_alias));
AVX512 MS_NORMAL_CENTRE_FOR(eight, centre_of_eight)

AVX512 static int32_t avx512_centres(const double *restrict u, int32_t n, double *restrict out, int32_t *restrict places)
{
    enum { LANES = 8 };
    const __m512i ahead = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0);
    int32_t count = 0, i = 0;
    for (; i + LANES <= n; i += LANES) {
        const __m512d off = _mm512_abs_pd(_mm512_sub_pd(_mm512_loadu_pd(u + i), _mm512_set1_pd(0.5)));
        const __mmask8 tails = _mm512_cmp_pd_mask(off, _mm512_set1_pd(MS_NORMAL_CENTRE), _CMP_GT_OQ);
        const __m512i at = _mm512_maskz_compress_epi32(tails, _mm512_add_epi32(ahead, _mm512_set1_epi32(i)));
        _mm256_storeu_si256((__m256i *)(void *)(places + count), _mm512_castsi512_si256(at));
        count += _mm_popcnt_u32(tails);
        *(eight *)(out + i) = centre_of_eight(*(const eight *)(u + i) - 0.5);
    }
    return centres_from(u, i, n, out, places, count);
}
#endif

#if defined(MS_NEEDS_AVX2)
#define AVX2 __attribute__((target("avx2,popcnt")))
AVX2 MS_NORMAL_CENTRE_FOR(ms_four, centre_of_four)

AVX2 static int32_t avx2_centres(const double *restrict u, int32_t n, double *restrict out, int32_t *restrict places)
{
    enum { LANES = 4 };
    /* Which of four are set in a mask of them, the lowest first. */
    static const int32_t SET[16][LANES] = {{0},       {0},       {1},       {0, 1},    {2},       {0, 2},
                                           {1, 2},    {0, 1, 2}, {3},       {0, 3},    {1, 3},    {0, 1, 3},
                                           {2, 3},    {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}};
    const __m256d magnitude = _mm256_castsi256_pd(_mm256_set1_epi64x(INT64_MAX));
    int32_t count = 0, i = 0;
    for (; i + LANES <= n; i += LANES) {
        const __m256d off = _mm256_and_pd(_mm256_sub_pd(_mm256_loadu_pd(u + i), _mm256_set1_pd(0.5)), magnitude);
        const int tails = _mm256_movemask_pd(_mm256_cmp_pd(off, _mm256_set1_pd(MS_NORMAL_CENTRE), _CMP_GT_OQ));
        const __m128i at = _mm_loadu_si128((const __m128i *)(const void *)SET[tails]);
        _mm_storeu_si128((__m128i *)(void *)(places + count), _mm_add_epi32(at, _mm_set1_epi32(i)));
        count += _mm_popcnt_u32((unsigned)tails);
        *(ms_four *)(out + i) = centre_of_four(*(const ms_four *)(u + i) - 0.5);
    }
    return centres_from(u, i, n, out, places, count);
}
#endif

#if defined(MS_NEEDS_BASELINE)
static int32_t baseline_centres(const double *restrict u, int32_t n, double *restrict out, int32_t *restrict places)
{
    return centres_from(u, 0, n, out, places, 0);
}
#endif

int32_t ms_normals_centres(const double *restrict u, int32_t n, double *restrict out, int32_t *restrict places)
{
    return MS_BEST(centres, u, n, out, places);
}
