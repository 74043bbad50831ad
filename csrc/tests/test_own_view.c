#include "own_view.h"

#include "check.h"

/* Columns do not overlap, and a load shows where its replica stands, if it is up and who is up is known. */
static void a_view_shows_loads(void)
{
    ms_own_view view;
    CHECK(ms_own_view_init(&view, 3) == 0);
    CHECK(view.loads - view.numbers == 4 && view.cached - view.usage == 4 && view.cached[3] == 0.0);
    view.at[0] = 0;
    view.at[1] = -1;
    view.at[2] = 1;
    ms_own_view_show(&view, 2, 5.0);
    CHECK(view.loads[1] == 0.0);
    view.is_known = 1;
    ms_own_view_show(&view, 1, 7.0);
    ms_own_view_show(&view, 2, 5.0);
    CHECK(view.loads[0] == 0.0 && view.loads[1] == 5.0 && view.loads[2] == 0.0);
    ms_own_view_free(&view);
    CHECK(view.numbers == NULL);
}

int main(void)
{
    RUN(a_view_shows_loads);
    return report();
}
