#include "blocks.h"

#include "check.h"

/* Of any size, by division: whole blocks in n tokens, and blocks that hold them. */
static void blocks_are_counted_as_by_division(void)
{
    const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 16, 24, 64, 1000, 1024, 1025};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const int64_t size = sizes[k];
        const ms_block_size block = ms_block_size_of(size);
        CHECK(block.tokens == size && (block.shift >= 0) == ((size & (size - 1)) == 0));
        CHECK(block.shift < 0 || (int64_t)1 << block.shift == size);
        for (int64_t n = 0; n < 3000; n++) {
            CHECK(ms_blocks_within(&block, n) == n / size);
            CHECK(ms_blocks_for(&block, n) == n / size + (n % size != 0));
        }
    }
}

/* No size counts as blocks of a token; the largest power of two is one, too. */
static void sizes_at_the_ends_are_sizes(void)
{
    for (int64_t size = -1; size <= 1; size++) {
        const ms_block_size block = ms_block_size_of(size);
        CHECK(block.tokens == 1 && block.shift == 0 && ms_blocks_for(&block, 7) == 7);
    }
    const ms_block_size large = ms_block_size_of((int64_t)1 << 62), larger = ms_block_size_of(((int64_t)1 << 62) + 1);
    CHECK(large.shift == 62 && large.tokens == (int64_t)1 << 62 && ms_blocks_within(&large, INT64_MAX) == 1);
    CHECK(larger.shift == -1 && larger.tokens == ((int64_t)1 << 62) + 1 && ms_blocks_within(&larger, INT64_MAX) == 1);
}

int main(void)
{
    RUN(blocks_are_counted_as_by_division);
    RUN(sizes_at_the_ends_are_sizes);
    return report();
}
