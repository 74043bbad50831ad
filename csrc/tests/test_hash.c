#include "hash.h"

#include "check.h"

enum { ROOM = 1024, KEYS = 256 };

/* How many of 1,024 places 256 keys fall on, the k-th of which is k * step. By chance it would be 226. */
static int places(uint64_t step)
{
    static int8_t is_taken[ROOM];
    int taken = 0;
    memset(is_taken, 0, sizeof is_taken);
    for (uint64_t k = 0; k < KEYS; k++) {
        int8_t *at = &is_taken[(uint64_t)ms_hash(step * k) % ROOM];
        taken += !*at;
        *at = 1;
    }
    return taken;
}

/* Numbers in a row, or that differ only further up, as ids of nodes with their kinds do, fall on places of their own. */
static void keys_that_are_alike_are_spread(void)
{
    for (int shift = 0; shift <= 26; shift++) {
        CHECK(places((uint64_t)1 << shift) > 200);
        CHECK(places((uint64_t)3 << shift) > 200);
    }
}

int main(void)
{
    RUN(keys_that_are_alike_are_spread);
    return report();
}
