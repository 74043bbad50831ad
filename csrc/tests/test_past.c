#include "past.h"

#include "check.h"

/* The first note of a node after a look counts, until the next look. */
static void what_there_was_is_noted_once_a_look(void)
{
    int64_t look = 7;
    ms_past past;
    ms_past_init(&past, &look);
    CHECK(ms_past_is_empty(&past) && !ms_past_is_void(&past) && ms_past_find(&past, 3) == NULL);
    CHECK(ms_past_put(&past, 3, 20) == 0 && ms_past_put(&past, 3, 21) == 0 && ms_past_put(&past, 4, 0) == 0);
    CHECK(past.length == 2 && ms_past_find(&past, 3)->present == 20 && ms_past_find(&past, 4)->present == 0);
    CHECK(ms_past_find(&past, 5) == NULL && !ms_past_is_empty(&past));
    look = 9;
    CHECK(ms_past_is_void(&past) && ms_past_is_empty(&past) && ms_past_find(&past, 3) == NULL);
    ms_past_forget(&past);
    CHECK(!ms_past_is_void(&past) && ms_past_put(&past, 3, 5) == 0 && ms_past_find(&past, 3)->present == 5);
    CHECK(ms_past_find(&past, 4) == NULL);
    ms_past_free(&past);
}

/* Many keys, of which several come to stand in each other's place. */
static void as_many_as_change_are_noted(void)
{
    enum { KEYS = 1000 };
    static int64_t noted[KEYS];
    int64_t look = 0;
    lcg chance = {5};
    ms_past past;
    ms_past_init(&past, &look);
    for (int round = 0; round < 20; round++) {
        look++;
        ms_past_forget(&past);
        CHECK(ms_past_is_empty(&past));
        memset(noted, -1, sizeof noted);
        for (int64_t left = lcg_between(&chance, 0, 600); left > 0; left--) {
            const int64_t key = lcg_between(&chance, 0, KEYS - 1);
            noted[key] = noted[key] < 0 ? left : noted[key];
            CHECK(ms_past_put(&past, (uint64_t)key << 34, left) == 0);
        }
        for (int64_t key = 0; key < KEYS; key++) {
            const ms_past_note *note = ms_past_find(&past, (uint64_t)key << 34);
            CHECK((note == NULL ? -1 : note->present) == noted[key]);
        }
    }
    ms_past_free(&past);
    CHECK(past.notes == NULL && past.slots == NULL);
}

int main(void)
{
    RUN(what_there_was_is_noted_once_a_look);
    RUN(as_many_as_change_are_noted);
    return report();
}
