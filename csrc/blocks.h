/* Blocks of memory in tokens. Their size is nearly always a power of two: a shift takes a tenth of a division's time. */
#ifndef MS_BLOCKS_H
#define MS_BLOCKS_H

#include <stdint.h>

typedef struct ms_block_size {
    int64_t tokens;
    int32_t shift; /* tokens = 2^shift; -1: they are no power of two */
} ms_block_size;

/* At least 1 token. */
static inline ms_block_size ms_block_size_of(int64_t tokens)
{
    int32_t shift = 0;
    while (shift < 62 && (int64_t)1 << shift < tokens) {
        shift++;
    }
    const int64_t least = tokens > 1 ? tokens : 1;
    return (ms_block_size){least, (int64_t)1 << shift == least ? shift : -1};
}

/* Whole blocks in so many tokens, at least 0. */
static inline int64_t ms_blocks_within(const ms_block_size *self, int64_t tokens)
{
    return self->shift >= 0 ? tokens >> self->shift : tokens / self->tokens;
}

/* Blocks that hold so many tokens, at least 0. */
static inline int64_t ms_blocks_for(const ms_block_size *self, int64_t tokens)
{
    return ms_blocks_within(self, tokens + self->tokens - 1);
}

#endif
