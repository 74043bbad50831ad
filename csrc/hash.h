/* Keys of hash tables whose size is a power of two. */
#ifndef MS_HASH_H
#define MS_HASH_H

#include <stdint.h>

/* Each of its low bits depends on all of the key's lower 32. */
static inline uint64_t ms_hash(uint64_t key)
{
    const uint64_t mixed = key * 0x9E3779B97F4A7C15u;
    return mixed ^ mixed >> 32;
}

#endif
