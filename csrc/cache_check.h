/* Whether all of a prefix cache is as it must be. */
#ifndef MS_CACHE_CHECK_H
#define MS_CACHE_CHECK_H

#include "cache.h"

/* Looks at all of it: whether blocks add up, and those of each node follow each other. Returns 0 or MS_ERR_BLOCKS. */
int ms_cache_check(const ms_cache *self);

#endif
