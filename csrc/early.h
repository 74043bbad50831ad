/* Memory that is asked for before it is needed. */
#ifndef MS_EARLY_H
#define MS_EARLY_H

#include <stddef.h>

enum { MS_LINE_BYTES = 64 }; /* of the processor's cache */

/* A line of the cache is on its way. GCC takes a function that does nothing else for one without effects, and leaves its
 * calls out when it sees all files at once: the statement that follows, of no instruction, is an effect. */
static inline void ms_early(const void *memory)
{
    __builtin_prefetch(memory);
    __asm__ volatile("" : : "r"(memory));
}

/* All lines of so many bytes. */
static inline void ms_early_all(const void *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += MS_LINE_BYTES) {
        ms_early((const char *)memory + at);
    }
}

#endif
