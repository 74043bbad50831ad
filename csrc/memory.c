/* madvise is not of C11. */
#define _DEFAULT_SOURCE

#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { LINE_BYTES = 64, HUGE_BYTES = 2 << 20 };

void ms_memory_keep(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* the most that glibc allows */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

/* What malloc gave stands right before what is handed out. */
void *ms_memory_take(size_t bytes)
{
    const size_t unit = bytes >= HUGE_BYTES ? HUGE_BYTES : LINE_BYTES, room = unit + LINE_BYTES;
    char *given = bytes <= SIZE_MAX - room ? calloc(bytes + room, 1) : NULL;
    if (given == NULL) {
        return NULL;
    }
    char *memory = given + room - ((uintptr_t)given + room) % unit;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (unit == HUGE_BYTES) {
        madvise(memory, bytes / HUGE_BYTES * HUGE_BYTES, MADV_HUGEPAGE); /* it is a wish: without them all is the same */
    }
#endif
    memcpy(memory - sizeof given, &given, sizeof given);
    return memory;
}

void ms_memory_give(void *memory)
{
    if (memory != NULL) {
        char *given;
        memcpy(&given, (char *)memory - sizeof given, sizeof given);
        free(given);
    }
}
