/* What a simulator asks of malloc. */
#ifndef MS_MEMORY_H
#define MS_MEMORY_H

#include <stddef.h>

/* Freed memory is kept for the next chunk of requests, up to 256 MiB, and not given back to the system between two of
 * them: else every chunk's pages are new, and are cleared by the kernel one by one. For the whole process; where malloc is not glibc's it does nothing. */
void ms_memory_keep(void);

/* So many bytes, as far as they are some 200 MB, are asked of malloc before long: what it gives next stands in huge pages, if the
 * system has any. None is used for that before it is asked for. Where malloc is not glibc's it does nothing. */
void ms_memory_expect(size_t bytes);

/* Zeroed memory that begins with a line of the processor's cache; where it is large, in huge pages, if the system has any: a
 * large fleet is read here and there, and has more pages than a processor keeps in mind. NULL without memory. */
void *ms_memory_take(size_t bytes);
void ms_memory_give(void *memory);

#endif
