#include "philox.h"

#include <stddef.h>

#include "clones.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

void ms_philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0;
        const uint64_t b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

/* ---- many blocks: the versions that this build may need -------------------------------------------------- */

#if defined(MS_NEEDS_AVX512)
#define VERSION(name) avx512_##name
#define TARGET __attribute__((target("avx512f")))
#define LANES 8
#define MULTIPLY(a, b) ((VERSION(lanes))_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#include "philox_rounds.h"
#endif

#if defined(MS_NEEDS_AVX2)
#define VERSION(name) avx2_##name
#define TARGET __attribute__((target("avx2")))
#define LANES 4
#define MULTIPLY(a, b) ((VERSION(lanes))_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#include "philox_rounds.h"
#endif

#if defined(MS_NEEDS_BASELINE)
#define VERSION(name) baseline_##name
#define TARGET
#define LANES 2
#if defined(__x86_64__)
#define MULTIPLY(a, b) ((VERSION(lanes))_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#elif defined(__aarch64__)
#define MULTIPLY(a, b) ((VERSION(lanes))vmull_u32(vmovn_u64((uint64x2_t)(a)), vmovn_u64((uint64x2_t)(b))))
#else
#define MULTIPLY(a, b) (((a) & 0xFFFFFFFFu) * ((b) & 0xFFFFFFFFu))
#endif
#include "philox_rounds.h"
#endif

void ms_philox_uniforms(const ms_stream *stream, uint64_t first, int64_t n, double *even, double *odd)
{
    MS_BEST(uniforms, stream, first, n, even, odd);
}

void ms_philox_uniforms_of(const ms_stream *stream, const uint64_t *columns, uint64_t first, int64_t n, double *even)
{
    MS_BEST(uniforms_of, stream, columns, first, n, even);
}

void ms_philox_choices(const ms_stream *stream, uint64_t first, int64_t n, double *out)
{
    MS_BEST(choices, stream, first, n, out);
}
