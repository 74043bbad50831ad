#include "tails.h"

#include "check.h"
#include "maths.h"

enum { MOST = 40 };

/* Uniforms that lie in a tail where a bit of the mask is set, all different. */
static void uniforms_of(uint32_t mask, int64_t n, double *u)
{
    for (int64_t i = 0; i < n; i++) {
        const double own = 1e-3 * (double)(i + 1);
        u[i] = mask >> (i % 16) & 1 ? (i % 2 ? own : 1.0 - own) : 0.5 + own;
    }
}

static void those_in_the_tails_are_taken_in_order(void)
{
    for (int64_t n = 0; n <= MOST; n++) {
        for (uint32_t mask = 0; mask < 65536; mask += 1 + mask / 300) {
            double u[MOST], tails[MOST + MS_TAILS_MORE];
            uniforms_of(mask, n, u);
            const int32_t count = ms_tails_take(u, n, tails);
            int32_t expected = 0;
            int equal = 1;
            for (int64_t i = 0; i < n; i++) {
                if (ms_normal_is_tail(u[i])) {
                    equal &= expected < count && same_bits(tails[expected], u[i]);
                    expected++;
                }
            }
            CHECK(equal && count == expected);
        }
    }
}

static void values_go_back_where_their_tails_were(void)
{
    for (int64_t n = 0; n <= MOST; n++) {
        for (uint32_t mask = 0; mask < 65536; mask += 1 + mask / 300) {
            double u[MOST], out[MOST], values[MOST + MS_TAILS_MORE];
            uniforms_of(mask, n, u);
            for (int32_t i = 0; i < MOST + MS_TAILS_MORE; i++) {
                values[i] = 100.0 + i;
            }
            for (int64_t i = 0; i < n; i++) {
                out[i] = -(double)i;
            }
            ms_tails_put(u, n, values, out);
            double next = 100.0;
            int equal = 1;
            for (int64_t i = 0; i < n; i++) {
                const int is_tail = ms_normal_is_tail(u[i]);
                equal &= same_bits(out[i], is_tail ? next : -(double)i);
                next += is_tail;
            }
            CHECK(equal);
        }
    }
}

int main(void)
{
    RUN(those_in_the_tails_are_taken_in_order);
    RUN(values_go_back_where_their_tails_were);
    return report();
}
