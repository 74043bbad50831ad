#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* It only tells malloc what to keep: results do not depend on it. */
static void memory_can_be_had_afterwards(void)
{
    ms_memory_keep();
    void *some = malloc(1 << 20);
    CHECK(some != NULL);
    free(some);
    ms_memory_keep();
}

/* Nothing is taken: what is asked for later is there as before. */
static void memory_that_is_expected_can_be_had(void)
{
    const size_t sizes[] = {0, 1, 100 << 20, SIZE_MAX};
    for (int k = 0; k < 4; k++) {
        ms_memory_expect(sizes[k]);
        unsigned char *memory = malloc(3 << 20);
        CHECK(memory != NULL);
        memset(memory, 1, 3 << 20);
        free(memory);
    }
}

/* Zeroed, from the start of a line on, and all of it there; large ones from the start of a huge page on. */
static void memory_begins_with_a_line(void)
{
    const size_t sizes[] = {1, 64, 1000, (2 << 20) - 1, 2 << 20, (5 << 20) + 3};
    for (int k = 0; k < 6; k++) {
        unsigned char *memory = ms_memory_take(sizes[k]);
        CHECK(memory != NULL && (uintptr_t)memory % (k < 4 ? 64 : 2 << 20) == 0);
        size_t i = 0;
        while (i < sizes[k] && memory[i] == 0) {
            memory[i++] = 1;
        }
        CHECK(i == sizes[k]);
        ms_memory_give(memory);
    }
    ms_memory_give(NULL);
    CHECK(ms_memory_take(SIZE_MAX) == NULL && ms_memory_take(SIZE_MAX / 2) == NULL);
}

int main(void)
{
    RUN(memory_can_be_had_afterwards);
    RUN(memory_that_is_expected_can_be_had);
    RUN(memory_begins_with_a_line);
    return report();
}
