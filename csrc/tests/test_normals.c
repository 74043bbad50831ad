#include "normals.h"

#include "check.h"
#include "maths.h"

enum { MOST = 40 };

/* Uniforms that lie in a tail where a bit of the mask is set, all different. */
static void uniforms_of(uint32_t mask, int32_t n, double *u)
{
    for (int32_t i = 0; i < n; i++) {
        const double own = 1e-3 * (double)(i + 1);
        u[i] = mask >> (i % 16) & 1 ? (i % 2 ? own : 1.0 - own) : 0.5 + own;
    }
}

static void centres_equal_one_at_a_time_and_tails_are_found_in_order(void)
{
    for (int32_t n = 0; n <= MOST; n++) {
        for (uint32_t mask = 0; mask < 65536; mask += 1 + mask / 300) {
            double u[MOST], out[MOST];
            int32_t places[MOST], expected = 0;
            uniforms_of(mask, n, u);
            const int32_t count = ms_normals_centres(u, n, out, places);
            int equal = 1;
            for (int32_t i = 0; i < n; i++) {
                if (!ms_normal_is_tail(u[i])) {
                    equal &= same_bits(out[i], ms_normal_centre(u[i] - 0.5));
                } else {
                    equal &= expected < count && places[expected] == i;
                    expected++;
                }
            }
            CHECK(equal && count == expected);
        }
    }
}

int main(void)
{
    RUN(centres_equal_one_at_a_time_and_tails_are_found_in_order);
    return report();
}
