#include "bindings.h"
#include "check.h"

static void bindings_expire_in_order_of_use(void)
{
    ms_bindings bindings;
    ms_bindings_init(&bindings);
    CHECK(ms_bindings_find(&bindings, 7) == -1);
    for (int64_t session = 0; session < 1000; session++) {
        CHECK(ms_bindings_bind(&bindings, session, (int32_t)(session % 9), (double)session) == 0);
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

int main(void)
{
    RUN(bindings_expire_in_order_of_use);
    return report();
}
