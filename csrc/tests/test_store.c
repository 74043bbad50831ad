#include "store.h"

#include <stddef.h>

#include "check.h"

enum { BLOCKS = 3000, LINE_BYTES = 64 };

/* Fills a block with its number, to notice blocks that overlap. */
static void mark(void *block, size_t bytes, int number)
{
    memset(block, number % 251, bytes);
}

static int is_marked(const void *block, size_t bytes, int number)
{
    const unsigned char *at = block;
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != number % 251) {
            return 0;
        }
    }
    return 1;
}

static void blocks_are_aligned_and_do_not_overlap(void)
{
    const size_t sizes[] = {1, 8, 16, 17, 100, 1000};
    static void *blocks[BLOCKS];
    for (int k = 0; k < 6; k++) {
        ms_store store;
        ms_store_init(&store, sizes[k]);
        CHECK(store.block_bytes >= sizes[k] && store.block_bytes >= sizeof(void *));
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = ms_store_take(&store);
            CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % _Alignof(max_align_t) == 0);
            CHECK(2 * sizes[k] <= LINE_BYTES || (uintptr_t)blocks[i] % LINE_BYTES == 0);
            mark(blocks[i], sizes[k], i);
        }
        for (int i = 0; i < BLOCKS; i++) {
            CHECK(is_marked(blocks[i], sizes[k], i));
        }
        ms_store_give(&store, blocks[0]);
        ms_store_free(&store);
        CHECK(store.slabs == NULL && store.unused == NULL);
    }
}

static void what_was_given_back_is_used_again(void)
{
    ms_store store;
    ms_store_init(&store, 40);
    void *a = ms_store_take(&store), *b = ms_store_take(&store);
    ms_store_give(&store, a);
    CHECK(ms_store_take(&store) == a); /* the last given back comes first */
    ms_store_give(&store, a);
    ms_store_give(&store, b);
    CHECK(ms_store_take(&store) == b);
    CHECK(ms_store_take(&store) == a);
    ms_store_free(&store);
}

static int slabs_of(const ms_store *store)
{
    /* A slab begins with the link to the next. */
    int n = 0;
    for (const void *slab = store->slabs; slab != NULL; n++) {
        memcpy(&slab, slab, sizeof slab);
    }
    return n;
}

/* It grows to the most blocks alive at once, however many come and go. */
static void it_grows_with_the_blocks_alive_only(void)
{
    static void *alive[BLOCKS];
    static int number[BLOCKS];
    const size_t bytes = 56;
    int n = 0, slabs = 0;
    lcg chance = {12};
    ms_store store;
    ms_store_init(&store, bytes);
    CHECK(slabs_of(&store) == 0);
    for (int step = 0; step < 60000; step++) {
        if (n == 0 || (n < 400 && lcg_between(&chance, 0, 1) == 0)) {
            alive[n] = ms_store_take(&store);
            number[n] = step;
            mark(alive[n], bytes, step);
            n++;
        } else {
            const int i = (int)lcg_between(&chance, 0, n - 1);
            CHECK(is_marked(alive[i], bytes, number[i]));
            ms_store_give(&store, alive[i]);
            n--;
            alive[i] = alive[n];
            number[i] = number[n];
        }
        slabs = slabs_of(&store);
    }
    CHECK(slabs == 5); /* of 16, 32, 64, 128 and 256 blocks: room for 496, as 240 are too few */
    ms_store_free(&store);
}

/* Of 64 KiB each: 16, 32 and 64 of them, and 64 again, which are 4 MiB. */
static void slabs_grow_up_to_a_size(void)
{
    ms_store store;
    ms_store_init(&store, 65536);
    for (int k = 1; k <= 16 + 32 + 64 + 64; k++) {
        CHECK(ms_store_take(&store) != NULL);
        CHECK(slabs_of(&store) == 1 + (k > 16) + (k > 48) + (k > 112));
    }
    CHECK(ms_store_take(&store) != NULL && slabs_of(&store) == 5);
    ms_store_free(&store);
}

static void a_size_that_cannot_be_had_is_null(void)
{
    ms_store store;
    ms_store_init(&store, (size_t)1 << 50);
    CHECK(ms_store_take(&store) == NULL);
    CHECK(store.slabs == NULL);
    ms_store_free(&store);
}

static void an_empty_store_may_be_freed(void)
{
    ms_store store;
    ms_store_init(&store, 8);
    ms_store_free(&store);
    ms_store_free(&store);
    CHECK(store.slabs == NULL);
}

/* Whole pieces, a part of one, and nothing beyond. */
static void a_block_begins_like_another(void)
{
    enum { MOST = 200 };
    char like[MOST], block[MOST + 1];
    for (int i = 0; i < MOST; i++) {
        like[i] = (char)(i + 1);
    }
    for (size_t bytes = 0; bytes <= MOST; bytes++) {
        memset(block, 0, sizeof block);
        ms_store_begin(block, like, bytes);
        CHECK(memcmp(block, like, bytes) == 0);
        CHECK(block[bytes] == 0);
    }
}

int main(void)
{
    RUN(blocks_are_aligned_and_do_not_overlap);
    RUN(what_was_given_back_is_used_again);
    RUN(it_grows_with_the_blocks_alive_only);
    RUN(slabs_grow_up_to_a_size);
    RUN(a_size_that_cannot_be_had_is_null);
    RUN(an_empty_store_may_be_freed);
    RUN(a_block_begins_like_another);
    return report();
}
