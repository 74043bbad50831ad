/* Four doubles side by side, of whatever instruction set the caller is compiled for (clones.h). */
#ifndef MS_FOURS_H
#define MS_FOURS_H

#include <stdint.h>

#include "clones.h"

typedef double ms_four __attribute__((vector_size(32), aligned(8), may_alias));

/* Four of the eight values of a and b, by number. */
#if defined(__clang__) || __GNUC__ >= 12
#define MS_OF_TWO(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int64_t ms_four_places __attribute__((vector_size(32)));
#define MS_OF_TWO(a, b, ...) __builtin_shuffle(a, b, (ms_four_places){__VA_ARGS__})
#endif

/* Turns rows into columns: value j of row i becomes value i of row j. */
MS_INLINE void ms_fours_turn(ms_four rows[4])
{
    const ms_four even_ab = MS_OF_TWO(rows[0], rows[1], 0, 4, 2, 6), odd_ab = MS_OF_TWO(rows[0], rows[1], 1, 5, 3, 7);
    const ms_four even_cd = MS_OF_TWO(rows[2], rows[3], 0, 4, 2, 6), odd_cd = MS_OF_TWO(rows[2], rows[3], 1, 5, 3, 7);
    rows[0] = MS_OF_TWO(even_ab, even_cd, 0, 1, 4, 5);
    rows[1] = MS_OF_TWO(odd_ab, odd_cd, 0, 1, 4, 5);
    rows[2] = MS_OF_TWO(even_ab, even_cd, 2, 3, 6, 7);
    rows[3] = MS_OF_TWO(odd_ab, odd_cd, 2, 3, 6, 7);
}

#endif
