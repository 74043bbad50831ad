#include "memory.h"

#include <stdlib.h>

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

int main(void)
{
    RUN(memory_can_be_had_afterwards);
    return report();
}
