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

/* Pages of all systems divide PAGES_BYTES. */
enum { LINE_BYTES = 64, PAGES_BYTES = 64 << 10, HUGE_BYTES = 2 << 20, PIECE_BYTES = 16 << 20, MOST_PIECES = 12 };

void ms_memory_keep(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* the most that glibc allows */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

#if defined(__linux__) && defined(MADV_HUGEPAGE)
/* It is a wish: without them all is the same. */
static void wish_huge_pages(const char *memory, size_t bytes)
{
    const uintptr_t first = ((uintptr_t)memory + PAGES_BYTES - 1) / PAGES_BYTES * PAGES_BYTES;
    const uintptr_t end = ((uintptr_t)memory + bytes) / PAGES_BYTES * PAGES_BYTES;
    if (end > first) {
        madvise((void *)first, end - first, MADV_HUGEPAGE);
    }
}
#endif

/* glibc keeps what is free at the end of its heap (ms_memory_keep), and hands it out again; pieces as small as these it takes from
 * there. */
void ms_memory_expect(size_t bytes)
{
#if defined(__GLIBC__) && defined(__linux__) && defined(MADV_HUGEPAGE)
    char *pieces[MOST_PIECES];
    int n = 0;
    while (n < MOST_PIECES && (size_t)n * PIECE_BYTES < bytes && (pieces[n] = malloc(PIECE_BYTES)) != NULL) {
        wish_huge_pages(pieces[n++], PIECE_BYTES);
    }
    while (n > 0) {
        free(pieces[--n]);
    }
#else
    (void)bytes;
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
        wish_huge_pages(memory, bytes / HUGE_BYTES * HUGE_BYTES);
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
