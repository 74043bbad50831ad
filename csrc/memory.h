/* What a simulator asks of malloc. */
#ifndef MS_MEMORY_H
#define MS_MEMORY_H

/* Freed memory is kept for the next chunk of requests, up to 256 MiB, and not given back to the system between two of
 * them: else every chunk's pages are new, and are cleared by the kernel one by one. For the whole process; where malloc is not glibc's it does nothing. */
void ms_memory_keep(void);

#endif
