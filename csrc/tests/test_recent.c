#include "recent.h"

#include "check.h"

static void what_is_older_than_the_window_is_forgotten(void)
{
    double times_s[4] = {0}, values[4] = {0};
    ms_recent recent = {.time_s = times_s, .value = values, .room = 4};
    for (int32_t k = 0; k < 11; k++) {
        ms_recent_add(&recent, 2.0 * k, 10.0 + k, 6.0);
        CHECK(recent.length == (k < 2 ? k + 1 : 3));
        for (int32_t i = 0; i < recent.length; i++) {
            const int32_t at = (recent.first + i) % recent.room, whose = k - recent.length + 1 + i;
            CHECK(recent.time_s[at] == 2.0 * whose && recent.value[at] == 10.0 + whose);
        }
    }
}

static void a_window_ends_with_the_value_that_is_just_as_old(void)
{
    double times_s[3] = {0}, values[3] = {0};
    ms_recent recent = {.time_s = times_s, .value = values, .room = 3};
    ms_recent_add(&recent, 0.0, 1.0, 5.0);
    ms_recent_add(&recent, 4.75, 2.0, 5.0);
    CHECK(recent.length == 2 && recent.first == 0);
    ms_recent_add(&recent, 5.0, 3.0, 5.0);
    CHECK(recent.length == 2 && recent.value[recent.first] == 2.0);
    ms_recent_add(&recent, 100.0, 4.0, 5.0);
    CHECK(recent.length == 1 && recent.value[recent.first] == 4.0);
}

int main(void)
{
    RUN(what_is_older_than_the_window_is_forgotten);
    RUN(a_window_ends_with_the_value_that_is_just_as_old);
    return report();
}
