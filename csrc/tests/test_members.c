#include "members.h"

#include <string.h>

#include "check.h"

enum { MOST = 1600 };

static uint32_t state = 7;

static int32_t below(int32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int32_t)((state >> 8) % (uint32_t)n);
}

/* Against a list of who belongs to it. */
static void check_all(const ms_members *self, const int *belongs, int32_t places)
{
    int32_t rank = 0;
    for (int32_t i = 0; i < places; i++) {
        CHECK(ms_members_before(self, i) == rank && ms_members_has(self, i) == belongs[i]);
        CHECK(!belongs[i] || ms_members_at(self, rank) == i);
        rank += belongs[i];
    }
    for (int k = 0; k < 20; k++) {
        const int32_t from = below(places), to = from + below(places - from + 1);
        CHECK(ms_members_any(self, from, to) == (ms_members_before(self, to) > ms_members_before(self, from)));
    }
    CHECK(self->count == rank && ms_members_before(self, places) == rank);
}

static void they_are_found_by_rank_and_ranked_by_place(void)
{
    const int32_t sizes[] = {1, 8, 63, 64, 65, 511, 512, 513, 1024, MOST};
    for (int s = 0; s < 10; s++) {
        const int32_t places = sizes[s];
        int belongs[MOST] = {0};
        ms_members members;
        CHECK(ms_members_init(&members, places) == 0);
        check_all(&members, belongs, places);
        for (int turn = 0; turn < 40; turn++) {
            const int is_filling = turn / 10 % 2 == 0; /* all but some, none but some */
            for (int32_t k = 0; k < places / 2 + 1; k++) {
                const int32_t place = below(places);
                belongs[place] = below(8) == 0 ? !is_filling : is_filling;
                ms_members_set(&members, place, belongs[place]);
            }
            check_all(&members, belongs, places);
        }
        ms_members_free(&members);
        CHECK(members.words == NULL && members.count == 0);
    }
}

int main(void)
{
    RUN(they_are_found_by_rank_and_ranked_by_place);
    return report();
}
