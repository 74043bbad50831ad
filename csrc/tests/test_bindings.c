#include "bindings.h"
#include "check.h"

static void bindings_expire_in_order_of_use(void)
{
    ms_bindings bindings;
    ms_bindings_init(&bindings);
    CHECK(ms_bindings_find(&bindings, 7) == -1);
    for (int64_t session = 0; session < 1000; session++) {
        CHECK(ms_bindings_bind(&bindings, session, (int32_t)(session % 9), (double)session) == 0);
        CHECK(session == 0 || ms_bindings_find(&bindings, session - 1) == (session - 1) % 9); /* as the table grows */
    }
    CHECK(ms_bindings_bind(&bindings, 10, 3, 1000.0) == 0);
    ms_bindings_expire(&bindings, 500.0);
    CHECK(bindings.count == 501);
    CHECK(ms_bindings_find(&bindings, 10) == 3 && ms_bindings_find(&bindings, 499) == -1);
    CHECK(ms_bindings_find(&bindings, 500) == 500 % 9);
    ms_bindings_expire(&bindings, INFINITY);
    CHECK(bindings.count == 0 && bindings.oldest == NULL && ms_bindings_find(&bindings, 10) == -1);
    ms_bindings_free(&bindings);
    CHECK(bindings.bucket == NULL && bindings.buckets == 0 && bindings.newest == NULL);
}

/* Whoever of three is bound again, first, between or last, is the newest then, and where it was bound last. */
static void a_session_that_is_bound_again_is_the_newest(void)
{
    for (int64_t again = 0; again < 3; again++) {
        ms_bindings bindings;
        ms_bindings_init(&bindings);
        for (int64_t session = 0; session < 3; session++) {
            CHECK(ms_bindings_bind(&bindings, session, 5, (double)session) == 0);
        }
        CHECK(ms_bindings_bind(&bindings, again, 8, 3.0) == 0 && bindings.count == 3);
        ms_bindings_expire(&bindings, 3.0);
        CHECK(bindings.count == 1);
        for (int64_t session = 0; session < 3; session++) {
            CHECK(ms_bindings_find(&bindings, session) == (session == again ? 8 : -1));
        }
        CHECK(ms_bindings_bind(&bindings, 7, 2, 4.0) == 0 && ms_bindings_find(&bindings, 7) == 2);
        ms_bindings_expire(&bindings, 4.0);
        CHECK(bindings.count == 1 && bindings.oldest == bindings.newest && ms_bindings_find(&bindings, again) == -1);
        ms_bindings_free(&bindings);
    }
}

int main(void)
{
    RUN(bindings_expire_in_order_of_use);
    RUN(a_session_that_is_bound_again_is_the_newest);
    return report();
}
