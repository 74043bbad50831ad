/* Which of a fixed number of places belong to a set that changes often; any one of them by its rank.
 *
 * A bit each, and how many there are in each group of so many: of 10,000 places this is a kilobyte and a half. */
#ifndef MS_MEMBERS_H
#define MS_MEMBERS_H

#include <stdint.h>

typedef struct ms_members {
    int32_t count;
    int32_t groups;
    int32_t *counts; /* [groups] */
    uint64_t *words; /* eight of each group */
} ms_members;

/* None belongs to it. Returns 0 or an error. */
int ms_members_init(ms_members *self, int32_t places);
void ms_members_free(ms_members *self);

static inline int ms_members_has(const ms_members *self, int32_t place)
{
    return (int)(self->words[place >> 6] >> (place & 63) & 1);
}

static inline void ms_members_set(ms_members *self, int32_t place, int belongs)
{
    const int32_t change = belongs - ms_members_has(self, place);
    self->words[place >> 6] ^= (uint64_t)(change != 0) << (place & 63);
    self->counts[place >> 9] += change;
    self->count += change;
}

/* Whether one of some places belongs to it. */
int ms_members_any(const ms_members *self, int32_t from, int32_t to);

/* How many of them stand before a place, which may be the one after the last; and the k-th, from 0 on, of more than k. */
int32_t ms_members_before(const ms_members *self, int32_t place);
int32_t ms_members_at(const ms_members *self, int32_t k);

#endif
