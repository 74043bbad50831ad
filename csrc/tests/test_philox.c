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

static int lanes_agree(const ms_stream *stream, uint64_t first)
{
    uint64_t w[4][MS_LANES];
    int agree = 1;
    ms_philox_lanes(stream, first, w[0], w[1], w[2], w[3]);
    for (int i = 0; i < MS_LANES; i++) {
        const uint64_t request = first + (uint64_t)i;
        const uint32_t key[2] = {stream->seed, stream->column};
        const uint32_t counter[4] = {(uint32_t)request, (uint32_t)(request >> 32), stream->replication,
                                     stream->sub};
        uint32_t words[4];
        ms_philox_block(key, counter, words);
        for (int j = 0; j < 4; j++) {
            agree &= w[j][i] == words[j];
        }
    }
    return agree;
}

static void lanes_give_the_known_answers(void)
{
    for (int i = 0; i < N_KNOWN; i++) {
        const uint64_t request = (uint64_t)known[i].counter[1] << 32 | known[i].counter[0];
        const ms_stream stream = {known[i].key[0], known[i].key[1], known[i].counter[2], known[i].counter[3]};
        uint64_t w[4][MS_LANES];
        ms_philox_lanes(&stream, request - 5, w[0], w[1], w[2], w[3]);
        for (int j = 0; j < 4; j++) {
            CHECK(w[j][5] == known[i].words[j]);
        }
    }
}

static void lanes_agree_with_blocks(void)
{
    lcg chance = {1};
    for (int i = 0; i < 1000; i++) {
        const ms_stream stream = {(uint32_t)lcg_next(&chance), (uint32_t)lcg_next(&chance),
                                  (uint32_t)lcg_next(&chance), (uint32_t)lcg_next(&chance)};
        CHECK(lanes_agree(&stream, lcg_next(&chance)));
    }
}

/* A carry into the second word of the counter, and the wrap at 2^64. */
static void a_request_has_64_bits(void)
{
    const ms_stream stream = {1, 2, 3, 4};
    for (uint64_t back = 0; back <= MS_LANES; back++) {
        CHECK(lanes_agree(&stream, ((uint64_t)1 << 32) - back));
        CHECK(lanes_agree(&stream, (uint64_t)0 - back));
    }
}

int main(void)
{
    RUN(blocks_give_the_known_answers);
    RUN(lanes_give_the_known_answers);
    RUN(lanes_agree_with_blocks);
    RUN(a_request_has_64_bits);
    return report();
}
