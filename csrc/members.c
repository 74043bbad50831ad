#include "members.h"

#include "error.h"
#include "memory.h"

enum { WORD_BITS = 64, GROUP_WORDS = 8, GROUP_BITS = WORD_BITS * GROUP_WORDS };

int ms_members_init(ms_members *self, int32_t places)
{
    *self = (ms_members){.groups = places / GROUP_BITS + 1};
    self->counts = ms_memory_take((size_t)self->groups * sizeof *self->counts);
    self->words = ms_memory_take((size_t)self->groups * GROUP_WORDS * sizeof *self->words);
    return self->counts == NULL || self->words == NULL ? MS_ERR_MEMORY : 0;
}

void ms_members_free(ms_members *self)
{
    ms_memory_give(self->counts);
    ms_memory_give(self->words);
    *self = (ms_members){0};
}

int ms_members_any(const ms_members *self, int32_t from, int32_t to)
{
    for (int32_t place = from; place < to; place += WORD_BITS - place % WORD_BITS) {
        const uint64_t word = self->words[place / WORD_BITS] >> place % WORD_BITS;
        if ((to - place < WORD_BITS ? word & (((uint64_t)1 << (to - place)) - 1) : word) != 0) {
            return 1;
        }
    }
    return 0;
}

/* Bits of a word, added up side by side: not every processor of x86-64 has an instruction for it. */
static int32_t bits_of(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int32_t)(word * 0x0101010101010101u >> 56);
}

int32_t ms_members_before(const ms_members *self, int32_t place)
{
    const int32_t group = place / GROUP_BITS, last = place / WORD_BITS;
    int32_t before = 0;
    for (int32_t g = 0; g < group; g++) {
        before += self->counts[g];
    }
    for (int32_t w = group * GROUP_WORDS; w < last; w++) {
        before += bits_of(self->words[w]);
    }
    return before + bits_of(self->words[last] & (((uint64_t)1 << place % WORD_BITS) - 1));
}

int32_t ms_members_at(const ms_members *self, int32_t k)
{
    int32_t group = 0;
    for (; k >= self->counts[group]; group++) {
        k -= self->counts[group];
    }
    int32_t at = group * GROUP_WORDS;
    for (int32_t here = bits_of(self->words[at]); k >= here; here = bits_of(self->words[at])) {
        k -= here;
        at++;
    }
    uint64_t word = self->words[at];
    for (; k > 0; k--) {
        word &= word - 1;
    }
    int32_t bit = 0;
    for (int32_t half = WORD_BITS / 2; half > 0; half /= 2) { /* of the lowest bit that is left */
        const int is_above = (word & (((uint64_t)1 << half) - 1)) == 0;
        word >>= is_above ? half : 0;
        bit += is_above ? half : 0;
    }
    return at * WORD_BITS + bit;
}
