#include "link.h"

#include <math.h>

#include "check.h"

static int one, two, three;

static void alone_it_has_all_of_it(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(link.next_s == INFINITY && ms_link_end(&link, 0.0) == NULL);
    CHECK(ms_link_join(&link, &one, 1, 0, 2.0, 10.0) == 0 && link.next_s == 10.5);
    CHECK(ms_link_end(&link, 10.25) == NULL);
    CHECK(ms_link_end(&link, 10.5) == &one && link.next_s == INFINITY);
    CHECK(ms_link_join(&link, &one, 1, 0, 2.0, 20.0) == 0 && link.next_s == 20.5); /* counted anew from there */
    ms_link_free(&link);
}

/* 4 bytes a second: the first has had 2 of its 4 bytes when the second comes, which has 4 too. Both have 2 a second. */
static void two_share_it_evenly(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(ms_link_join(&link, &one, 1, 0, 4.0, 0.0) == 0);
    CHECK(ms_link_join(&link, &two, 2, 0, 4.0, 0.5) == 0 && link.next_s == 1.5);
    CHECK(ms_link_end(&link, 1.5) == &one && link.next_s == 2.0);
    CHECK(ms_link_end(&link, 2.0) == &two && link.next_s == INFINITY);
    ms_link_free(&link);
}

static void who_leaves_makes_room_for_the_others(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(ms_link_join(&link, &one, 1, 0, 4.0, 0.0) == 0 && ms_link_join(&link, &two, 2, 0, 8.0, 0.0) == 0);
    ms_link_leave(&link, &one, 1.0); /* 2 bytes each; 6 are left */
    CHECK(link.next_s == 2.5 && ms_link_end(&link, 2.5) == &two);
    ms_link_free(&link);
}

static void among_equals_the_least_order_ends_first(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(ms_link_join(&link, &three, 3, 0, 4.0, 0.0) == 0 && ms_link_join(&link, &one, 1, 0, 4.0, 0.0) == 0);
    CHECK(ms_link_join(&link, &two, 2, 0, 4.0, 0.0) == 0 && link.next_s == 3.0);
    CHECK(ms_link_end(&link, 3.0) == &one && ms_link_end(&link, 3.0) == &two && ms_link_end(&link, 3.0) == &three);
    CHECK(ms_link_end(&link, 3.0) == NULL);
    CHECK(ms_link_join(&link, &three, 1, 2, 4.0, 9.0) == 0 && ms_link_join(&link, &one, 1, 0, 4.0, 9.0) == 0);
    CHECK(ms_link_join(&link, &two, 1, 1, 4.0, 9.0) == 0 && link.next_s == 12.0); /* of one request */
    CHECK(ms_link_end(&link, 12.0) == &one && ms_link_end(&link, 12.0) == &two && ms_link_end(&link, 12.0) == &three);
    ms_link_free(&link);
}

/* Whatever the rounding, no end lies in the past, and each has had its bytes by then. */
static void ends_are_never_in_the_past(void)
{
    static int transfers[4000];
    lcg chance = {5};
    ms_link link;
    ms_link_init(&link, 3.0);
    double t_s = 0.0, bytes = 0.0, idle_s = 0.0;
    int ended = 0;
    for (int k = 0; k < 4000; k++) {
        const int comes_at_an_end = k % 3 == 0 && link.next_s < INFINITY; /* and before it */
        const double comes_s = comes_at_an_end ? link.next_s : t_s + 0.3 * lcg_unit(&chance);
        const double own = 0.1 * (double)lcg_between(&chance, 1, 8);
        while (link.next_s < comes_s) {
            CHECK(link.next_s >= t_s);
            t_s = link.next_s;
            CHECK(ms_link_end(&link, t_s) != NULL);
            ended++;
        }
        idle_s += ended == k ? comes_s - t_s : 0.0;
        t_s = comes_s;
        bytes += own;
        CHECK(ms_link_join(&link, &transfers[k], (uint64_t)k, 0, own, t_s) == 0 && link.next_s >= t_s);
    }
    for (; link.next_s < INFINITY; ended++) {
        CHECK(link.next_s >= t_s);
        t_s = link.next_s;
        CHECK(ms_link_end(&link, t_s) != NULL);
    }
    CHECK(ended == 4000);
    CHECK_NEAR(t_s, idle_s + bytes / 3.0, 1e-9);
    ms_link_free(&link);
}

int main(void)
{
    RUN(alone_it_has_all_of_it);
    RUN(two_share_it_evenly);
    RUN(who_leaves_makes_room_for_the_others);
    RUN(among_equals_the_least_order_ends_first);
    RUN(ends_are_never_in_the_past);
    return report();
}
