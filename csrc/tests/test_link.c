#include "link.h"

#include <math.h>

#include "check.h"

static int one, two, three;

static void alone_it_has_all_of_it(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(link.next_s == INFINITY && ms_link_end(&link, 0.0) == NULL);
    CHECK(ms_link_join(&link, &one, 1, 2.0, 10.0) == 0 && link.next_s == 10.5);
    CHECK(ms_link_end(&link, 10.25) == NULL);
    CHECK(ms_link_end(&link, 10.5) == &one && link.next_s == INFINITY);
    CHECK(ms_link_join(&link, &one, 1, 2.0, 20.0) == 0 && link.next_s == 20.5); /* counted anew from there */
    ms_link_free(&link);
}

/* 4 bytes a second: the first has had 2 of its 4 bytes when the second comes, which has 4 too. Both have 2 a second. */
static void two_share_it_evenly(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(ms_link_join(&link, &one, 1, 4.0, 0.0) == 0);
    CHECK(ms_link_join(&link, &two, 2, 4.0, 0.5) == 0 && link.next_s == 1.5);
    CHECK(ms_link_end(&link, 1.5) == &one && link.next_s == 2.0);
    CHECK(ms_link_end(&link, 2.0) == &two && link.next_s == INFINITY);
    ms_link_free(&link);
}

static void who_leaves_makes_room_for_the_others(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(ms_link_join(&link, &one, 1, 4.0, 0.0) == 0 && ms_link_join(&link, &two, 2, 8.0, 0.0) == 0);
    ms_link_leave(&link, &one, 1.0); /* 2 bytes each; 6 are left */
    CHECK(link.next_s == 2.5 && ms_link_end(&link, 2.5) == &two);
    ms_link_free(&link);
}

static void among_equals_the_least_order_ends_first(void)
{
    ms_link link;
    ms_link_init(&link, 4.0);
    CHECK(ms_link_join(&link, &three, 3, 4.0, 0.0) == 0 && ms_link_join(&link, &one, 1, 4.0, 0.0) == 0);
    CHECK(ms_link_join(&link, &two, 2, 4.0, 0.0) == 0 && link.next_s == 3.0);
    CHECK(ms_link_end(&link, 3.0) == &one && ms_link_end(&link, 3.0) == &two && ms_link_end(&link, 3.0) == &three);
    CHECK(ms_link_end(&link, 3.0) == NULL);
    ms_link_free(&link);
}

int main(void)
{
    RUN(alone_it_has_all_of_it);
    RUN(two_share_it_evenly);
    RUN(who_leaves_makes_room_for_the_others);
    RUN(among_equals_the_least_order_ends_first);
    return report();
}
