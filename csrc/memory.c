#include "memory.h"

#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void ms_memory_keep(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* the most that glibc allows */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}
