#include "cold.h"

#include "check.h"

static void the_oldest_is_numbered_first(void)
{
    ms_cold cold;
    CHECK(ms_cold_init(&cold, 5, 5) == 0);
    CHECK(cold.position[3] == -1);
    ms_cold_touch(&cold, 3);
    ms_cold_touch(&cold, 0);
    ms_cold_touch(&cold, 4);
    ms_cold_touch(&cold, 3); /* used again: the newest */
    ms_cold_number(&cold);
    CHECK(cold.position[0] == 0 && cold.position[4] == 1 && cold.position[3] == 2 && cold.position[1] == -1);
    ms_cold_touch(&cold, 3); /* which it is already */
    ms_cold_number(&cold);
    CHECK(cold.length == 3 && cold.position[3] == 2);
    ms_cold_free(&cold);
}

static void beyond_the_most_the_oldest_goes(void)
{
    ms_cold cold;
    CHECK(ms_cold_init(&cold, 4, 2) == 0);
    for (int32_t place = 0; place < 4; place++) {
        ms_cold_touch(&cold, place);
    }
    ms_cold_number(&cold);
    CHECK(cold.length == 2 && cold.position[2] == 0 && cold.position[3] == 1);
    CHECK(cold.position[0] == -1 && cold.position[1] == -1);
    ms_cold_free(&cold);
    CHECK(cold.next == NULL && cold.previous == NULL && cold.position == NULL);
}

int main(void)
{
    RUN(the_oldest_is_numbered_first);
    RUN(beyond_the_most_the_oldest_goes);
    return report();
}
