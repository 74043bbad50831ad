#include "philox.h"

#include "check.h"

/* The lines "philox4x32 10" of kat_vectors in the authors' Random123 library. */
static const struct {
    uint32_t counter[4], key[2], words[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

enum { N_KNOWN = sizeof known / sizeof known[0] };

static void blocks_give_the_known_answers(void)
{
    for (int i = 0; i < N_KNOWN; i++) {
        uint32_t words[4];
        ms_philox_block(known[i].key, known[i].counter, words);
        CHECK(memcmp(words, known[i].words, sizeof words) == 0);
    }
}

enum { MANY = 70 };

/* Whether u of n requests from `first` on, by the given columns or the stream's, is that of blocks one by one. */
static int many_agree(const ms_stream *stream, const uint64_t *columns, uint64_t first, int64_t n)
{
    double even[MANY + 1], odd[MANY + 1], alone[MANY + 1], choice[MANY + 1];
    int agree = 1;
    even[n] = odd[n] = alone[n] = choice[n] = -1.0;
    if (columns == NULL) {
        ms_philox_uniforms(stream, first, n, even, odd);
        ms_philox_uniforms(stream, first, n, NULL, alone);
        agree &= memcmp(odd, alone, sizeof(double) * (size_t)n) == 0;
        ms_philox_uniforms(stream, first, n, alone, NULL);
        ms_philox_choices(stream, first, n, choice);
    } else {
        ms_philox_uniforms_of(stream, columns, first, n, even);
        memcpy(alone, even, sizeof even);
    }
    agree &= memcmp(even, alone, sizeof(double) * (size_t)n) == 0;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t request = first + (uint64_t)i;
        const uint32_t key[2] = {stream->seed, columns != NULL ? (uint32_t)columns[i] : stream->column};
        const uint32_t counter[4] = {(uint32_t)request, (uint32_t)(request >> 32), stream->replication, stream->sub};
        uint32_t words[4];
        ms_philox_block(key, counter, words);
        agree &= even[i] == ms_uniform52(words[0], words[1]);
        agree &= columns != NULL || odd[i] == ms_uniform52(words[2], words[3]);
        agree &= columns != NULL || choice[i] == ((double)words[0] + 0.5) * 0x1p-32;
    }
    return agree && even[n] == -1.0 && odd[n] == -1.0 && alone[n] == -1.0 && choice[n] == -1.0;
}

static void many_give_the_known_answers(void)
{
    for (int i = 0; i < N_KNOWN; i++) {
        const uint64_t request = (uint64_t)known[i].counter[1] << 32 | known[i].counter[0];
        const ms_stream stream = {known[i].key[0], known[i].key[1], known[i].counter[2], known[i].counter[3]};
        double even[6], odd[6];
        ms_philox_uniforms(&stream, request - 5, 6, even, odd);
        CHECK(even[5] == ms_uniform52(known[i].words[0], known[i].words[1]));
        CHECK(odd[5] == ms_uniform52(known[i].words[2], known[i].words[3]));
    }
}

/* Whole vectors and the rest of one; nothing beyond is written. */
static void many_agree_with_blocks(void)
{
    lcg chance = {1};
    for (int i = 0; i < 1000; i++) {
        const ms_stream stream = {(uint32_t)lcg_next(&chance), (uint32_t)lcg_next(&chance),
                                  (uint32_t)lcg_next(&chance), (uint32_t)lcg_next(&chance)};
        CHECK(many_agree(&stream, NULL, lcg_next(&chance), 1 + i % MANY));
    }
}

static void many_agree_where_each_has_its_column(void)
{
    lcg chance = {2};
    const ms_stream stream = {1, 2, 3, 4};
    uint64_t columns[MANY];
    for (int i = 0; i < MANY; i++) {
        columns[i] = (uint32_t)lcg_next(&chance);
    }
    for (int64_t n = 1; n <= MANY; n++) {
        CHECK(many_agree(&stream, columns, lcg_next(&chance), n));
    }
}

/* A carry into the second word of the counter, and the wrap at 2^64. */
static void a_request_has_64_bits(void)
{
    const ms_stream stream = {1, 2, 3, 4};
    for (uint64_t back = 0; back <= MANY; back++) {
        CHECK(many_agree(&stream, NULL, ((uint64_t)1 << 32) - back, MANY));
        CHECK(many_agree(&stream, NULL, (uint64_t)0 - back, MANY));
    }
}

int main(void)
{
    RUN(blocks_give_the_known_answers);
    RUN(many_give_the_known_answers);
    RUN(many_agree_with_blocks);
    RUN(many_agree_where_each_has_its_column);
    RUN(a_request_has_64_bits);
    return report();
}
