#include "looks.h"
#include "check.h"

static void looks_are_due_once_at_each_multiple(void)
{
    ms_looks looks;
    CHECK(ms_looks_init(&looks, 0.1, 3) == 0);
    CHECK(!ms_looks_due(&looks, 0.05) && ms_looks_due(&looks, 0.1) && !ms_looks_due(&looks, 0.1999));
    CHECK(ms_looks_due(&looks, 7.25) && looks.index == 72 && ms_looks_s(&looks) <= 7.25);
    CHECK(!ms_looks_due(&looks, INFINITY));
    for (int64_t k = 73; k < 5000; k++) { /* whatever the rounding, a look is never in the future */
        CHECK(ms_looks_due(&looks, (double)k * 0.1) && ms_looks_s(&looks) <= (double)k * 0.1);
    }
    looks.index = 0;
    for (int64_t k = 1; k < 5000; k++) { /* nor is that of right after */
        ms_looks_due(&looks, nextafter((double)k * 0.1, 0.0));
        CHECK(ms_looks_s(&looks) < (double)k * 0.1);
    }
    ms_looks_note(&looks, 2);
    ms_looks_note(&looks, 2);
    CHECK(ms_looks_next(&looks) == 2 && ms_looks_next(&looks) == -1);
    ms_looks_free(&looks);
    CHECK(ms_looks_init(&looks, 0.0, 3) == 0 && !ms_looks_due(&looks, 5.0));
    ms_looks_free(&looks);
}

/* Who is stirred is watched until it tells the same for ever; what was seen of it is of the last look until then. */
static void who_is_stirred_is_watched_once(void)
{
    ms_looks looks;
    CHECK(ms_looks_init(&looks, 0.5, 3) == 0 && looks.n_watched == 0);
    CHECK(isinf(ms_looks_until_s(&looks, 1)));
    CHECK(ms_looks_due(&looks, 1.7));
    ms_looks_stir(&looks, 1);
    ms_looks_stir(&looks, 1);
    CHECK(looks.n_watched == 1 && looks.watched[0] == 1 && ms_looks_until_s(&looks, 1) == 1.5);
    looks.until_s[1] = 1.9; /* looked at */
    CHECK(ms_looks_until_s(&looks, 1) == 1.9);
    ms_looks_stir(&looks, 1);
    ms_looks_stir(&looks, 2);
    CHECK(looks.n_watched == 2 && looks.watched[1] == 2 && ms_looks_until_s(&looks, 1) == 1.5);
    ms_looks_free(&looks);
    CHECK(looks.unfinished == NULL && looks.is_changed == NULL);
}

int main(void)
{
    RUN(who_is_stirred_is_watched_once);
    RUN(looks_are_due_once_at_each_multiple);
    return report();
}
