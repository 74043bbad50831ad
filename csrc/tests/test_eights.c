#include "eights.h"

#include <math.h>

#include "check.h"

/* Every node but the root has a parent, whose eight children stand side by side. */
static void levels_are_whole_groups_of_eight(void)
{
    const int32_t leaves[] = {1, 7, 8, 9, 64, 65, 512, 513, 10000, 100000};
    const int32_t tops[] = {1, 1, 1, 2, 2, 3, 3, 4, 5, 6};
    for (int k = 0; k < 10; k++) {
        const ms_eights tree = ms_eights_of(leaves[k]);
        CHECK(tree.top == tops[k] && tree.first[0] == 0 && tree.first[1] >= leaves[k]);
        CHECK(ms_eights_root(&tree) == tree.first[tree.top] && ms_eights_size(&tree) == tree.first[tree.top] + 1);
        int32_t nodes = leaves[k];
        for (int32_t level = 0; level < tree.top; level++) {
            const int32_t room = tree.first[level + 1] - tree.first[level];
            CHECK(room % 8 == 0 && room >= nodes && room < nodes + 8);
            nodes = room / 8;
        }
        CHECK(nodes == 1);
    }
}

static void the_least_of_eight_and_all_who_have_it(void)
{
    lcg chance = {3};
    for (int turn = 0; turn < 2000; turn++) {
        double values[8], least = INFINITY;
        uint32_t expected = 0, who;
        for (int i = 0; i < 8; i++) {
            const int64_t drawn = lcg_between(&chance, -1, 3);
            values[i] = drawn < 0 ? INFINITY : (double)drawn;
            least = values[i] < least ? values[i] : least;
        }
        for (int i = 0; i < 8; i++) {
            expected |= (uint32_t)(values[i] == least) << i;
        }
        CHECK(ms_eights_least(values, &who) == least && who == expected);
        const int32_t i = turn % 8;
        const double drawn = values[i];
        values[i] = (double)(turn % 3) - 1.0;
        CHECK(ms_eights_least_with(values, i, drawn, &who) == least && who == expected);
    }
}

static void each_of_two_by_its_own_bit(void)
{
    const double with[] = {1.0, 2.0}, without[] = {3.0, 4.0};
    for (uint32_t who = 0; who < 16; who++) { /* higher bits are others' */
        const double first = who & 1 ? 1.0 : 3.0, second = who & 2 ? 2.0 : 4.0;
        const ms_eights_pair pair = ms_eights_either(ms_eights_load(with), ms_eights_load(without), who);
        CHECK(ms_eights_equals(pair, first) == 1 && ms_eights_equals(pair, second) == 2);
        CHECK(ms_eights_least_of(pair) == (first < second ? first : second));
    }
}

int main(void)
{
    RUN(levels_are_whole_groups_of_eight);
    RUN(the_least_of_eight_and_all_who_have_it);
    RUN(each_of_two_by_its_own_bit);
    return report();
}
