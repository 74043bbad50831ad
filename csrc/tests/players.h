/* What a player of `ties.h` is worth. */
#ifndef MS_TEST_PLAYERS_H
#define MS_TEST_PLAYERS_H

#include "ties.h"

static inline double value_of(const ms_ties *ties, int32_t player)
{
    return ties->values[player];
}

#endif
