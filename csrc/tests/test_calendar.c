#include "calendar.h"

#include <stdlib.h>

#include "check.h"

/* ---- moments ------------------------------------------------------------------------------------ */

static void an_order_holds_its_kind_and_whom(void)
{
    const enum ms_kind kinds[] = {MS_ENDS, MS_LABEL, MS_RETRIES, MS_ARRIVES, MS_STARTS};
    const int64_t whom[] = {0, 1, 255, 1 << 20, INT64_C(1) << 40, (INT64_C(1) << 56) - 1};
    for (int k = 0; k < 5; k++) {
        for (int w = 0; w < 6; w++) {
            const uint64_t order = ms_order(kinds[k], whom[w]);
            CHECK(ms_kind_of(order) == (int)kinds[k]);
            CHECK(ms_whom(order) == whom[w]);
            CHECK(k == 0 || ms_order(kinds[k - 1], whom[5]) < order); /* the kind decides, then whom */
            CHECK(w == 0 || ms_order(kinds[k], whom[w - 1]) < order);
        }
    }
}

static void moments_are_ordered_by_time_order_and_suborder(void)
{
    const ms_moment rising[] = {{0.0, 9, 9}, {1.0, 1, 9}, {1.0, 2, 0}, {1.0, 2, 1}, {INFINITY, 0, 0}};
    for (int a = 0; a < 5; a++) {
        for (int b = 0; b < 5; b++) {
            CHECK(ms_before(&rising[a], &rising[b]) == (a < b));
        }
    }
}

/* ---- tournament --------------------------------------------------------------------------------- */

enum { PLAYERS_MOST = 1000 };

typedef struct table {
    int32_t players;
    double values[PLAYERS_MOST];
    uint64_t orders[PLAYERS_MOST];
} table;

static int32_t naive_best(const table *t)
{
    int32_t best = 0;
    for (int32_t i = 1; i < t->players; i++) {
        const double x = t->values[i], least = t->values[best];
        if (x < least || (x == least && t->orders[i] < t->orders[best])) {
            best = i;
        }
    }
    return best;
}

static double naive_rival(const table *t, int32_t player)
{
    double least = INFINITY;
    for (int32_t i = 0; i < t->players; i++) {
        if (i != player && t->values[i] < least) {
            least = t->values[i];
        }
    }
    return least;
}

/* The best of the players from one to another. */
static int32_t naive_winner(const table *t, int32_t from, int32_t to)
{
    int32_t best = from;
    for (int32_t i = from + 1; i < to && i < t->players; i++) {
        const double x = t->values[i], least = t->values[best];
        best = x < least || (x == least && t->orders[i] < t->orders[best]) ? i : best;
    }
    return best;
}

/* Of many: of each part of the tree, from eight to the whole. */
static void check_winners(const ms_tournament *t, const table *model, int32_t player)
{
    for (int32_t level = 1; level <= t->tree.top && t->players > MS_SCAN_MOST; level++) {
        const int32_t span = 1 << 3 * level, from = player / span * span;
        CHECK(ms_tournament_winner(t, player, level) == naive_winner(model, from, from + span));
    }
}

/* Few values and few orders, so that ties are common; a fifth of the keys is infinite. */
static void play(int32_t players, int steps, int64_t distinct_values, int64_t distinct_orders)
{
    ms_tournament t;
    table model = {.players = players};
    lcg chance = {(uint64_t)players * 31 + (uint64_t)distinct_values};
    CHECK(ms_tournament_init(&t, players) == 0);
    for (int32_t i = 0; i < players; i++) {
        model.values[i] = INFINITY;
        model.orders[i] = UINT64_MAX;
    }
    CHECK(ms_tournament_best(&t) == 0 && t.values[0] == INFINITY);
    for (int step = 0; step < steps; step++) {
        const int32_t player = (int32_t)lcg_between(&chance, 0, players - 1);
        const int never = lcg_between(&chance, 0, 4) == 0;
        const double value = never ? INFINITY : (double)lcg_between(&chance, 0, distinct_values - 1);
        const uint64_t order = (uint64_t)lcg_between(&chance, 0, distinct_orders - 1);
        ms_tournament_set(&t, player, value, order);
        model.values[player] = value;
        model.orders[player] = order;
        CHECK(ms_tournament_best(&t) == naive_best(&model));
        check_winners(&t, &model, player);
        const int32_t other = (int32_t)lcg_between(&chance, 0, players - 1);
        if (lcg_between(&chance, 0, 2) > 0) {
            continue; /* what was known of rivals must not outlive the moves of others */
        }
        CHECK(same_bits(ms_tournament_rival(&t, player), naive_rival(&model, player)));
        CHECK(same_bits(ms_tournament_rival(&t, other), naive_rival(&model, other)));
    }
    ms_tournament_free(&t);
}

static void the_least_wins_and_ties_go_by_order_then_player(void)
{
    const int32_t players[] = {1, 2, 3, 4, 15, 16, 17, 32, 33, 64, 65, 100, 512, 520, 1000};
    for (int i = 0; i < 15; i++) {
        play(players[i], 3000, 1000, 1000);
        play(players[i], 3000, 3, 3);
        play(players[i], 3000, 1, 2);
    }
}

static void a_winner_that_withdraws_leaves_the_next(void)
{
    const int32_t players[] = {3, 16, 17, 64, 100, 513};
    for (int k = 0; k < 6; k++) {
        ms_tournament t;
        CHECK(ms_tournament_init(&t, players[k]) == 0);
        for (int32_t i = 0; i < players[k]; i++) {
            ms_tournament_set(&t, i, (double)(players[k] - i), 0);
        }
        for (int32_t i = players[k] - 1; i >= 0; i--) {
            CHECK(ms_tournament_best(&t) == i);
            ms_tournament_set(&t, i, INFINITY, UINT64_MAX);
            CHECK(i > 0 || ms_tournament_rival(&t, 0) == INFINITY);
        }
        CHECK(t.values[ms_tournament_best(&t)] == INFINITY);
        CHECK(ms_tournament_best(&t) < players[k]); /* never one of the leaves beyond the players */
        ms_tournament_free(&t);
        CHECK(t.values == NULL && t.players == 0);
    }
}

static void nobody_plays_and_nothing_is_next(void)
{
    ms_tournament t;
    CHECK(ms_tournament_init(&t, 0) == 0);
    CHECK(t.values[ms_tournament_best(&t)] == INFINITY);
    CHECK(ms_tournament_rival(&t, 0) == INFINITY);
    ms_tournament_free(&t);
}

/* ---- heap --------------------------------------------------------------------------------------- */

static int by_moment(const void *left, const void *right)
{
    const ms_event *a = left, *b = right;
    return ms_before(&a->when, &b->when) ? -1 : ms_before(&b->when, &a->when);
}

/* The suborder is unique, hence the order total: a sorted array is the only right answer. */
static ms_event any_event(lcg *chance, int32_t number)
{
    const ms_moment when = {(double)lcg_between(chance, 0, 40), (uint64_t)lcg_between(chance, 0, 2),
                            (uint64_t)lcg_between(chance, 0, 1000) << 32 | (uint64_t)number};
    return (ms_event){when, NULL, MS_DO_LABEL, number};
}

static void push(ms_heap *heap, const ms_event *event)
{
    ms_event *place = ms_heap_push(heap, event->when.time_s, event->when.order, event->when.suborder);
    CHECK(place != NULL && place >= heap->events && place < heap->events + heap->length);
    CHECK(!ms_before(&place->when, &event->when) && !ms_before(&event->when, &place->when));
    place->subject = event->subject;
    place->errand = event->errand;
    place->detail = event->detail;
}

static void events_come_out_in_order(void)
{
    enum { N = 3000 };
    static ms_event events[N];
    ms_heap heap = {0};
    lcg chance = {5};
    for (int32_t i = 0; i < N; i++) {
        events[i] = any_event(&chance, i);
        push(&heap, &events[i]);
    }
    CHECK(heap.length == N && heap.room >= N);
    qsort(events, N, sizeof events[0], by_moment);
    for (int32_t i = 0; i < N; i++) {
        CHECK(heap.events[0].detail == events[i].detail);
        ms_heap_pop(&heap);
    }
    CHECK(heap.length == 0);
    ms_heap_free(&heap);
    CHECK(heap.events == NULL && heap.room == 0);
}

/* Against an array in which the first is looked for. */
static void pushes_and_pops_may_mix(void)
{
    enum { STEPS = 6000 };
    static ms_event model[STEPS];
    int32_t n = 0;
    ms_heap heap = {0};
    lcg chance = {77};
    for (int32_t step = 0; step < STEPS; step++) {
        const int grows = lcg_between(&chance, 0, 9) < (step / 1000 % 2 == 0 ? 7 : 3);
        if (grows || n == 0) {
            model[n] = any_event(&chance, step);
            push(&heap, &model[n++]);
        } else {
            int32_t first = 0;
            for (int32_t i = 1; i < n; i++) {
                first = ms_before(&model[i].when, &model[first].when) ? i : first;
            }
            CHECK(heap.events[0].detail == model[first].detail);
            ms_heap_pop(&heap);
            model[first] = model[--n];
        }
        CHECK(heap.length == n);
    }
    ms_heap_free(&heap);
}

/* Some errands of one order are taken out, in a heap of any shape; the rest comes in order. */
static void events_may_be_withdrawn(void)
{
    for (int n = 0; n < 200; n++) {
        ms_heap heap = {0};
        lcg chance = {(uint64_t)n + 5};
        int64_t expected = 0, here[200] = {0};
        for (int i = 0; i < n; i++) {
            const ms_event event = {{(double)lcg_between(&chance, 0, 9), (uint64_t)lcg_between(&chance, 0, 2), (uint64_t)i},
                                    &here[i],
                                    lcg_between(&chance, 0, 1) ? MS_DO_API : MS_DO_FAIL,
                                    i};
            here[i] = event.errand == MS_DO_API && event.when.order == 1 && event.when.time_s > 4.0;
            expected += here[i];
            push(&heap, &event);
        }
        CHECK(ms_heap_withdraw(&heap, MS_DO_API, 1, 4.0) == expected && heap.length == n - expected);
        for (int64_t i = 0; i < expected; i++) {
            int64_t *mark = heap.events[heap.length + i].subject;
            CHECK(*mark == 1);
            *mark = 2; /* each of them once */
        }
        ms_moment last = {-1.0, 0, 0};
        while (heap.length > 0) {
            const ms_event *event = &heap.events[0];
            CHECK(*(int64_t *)event->subject == 0 && here[event->detail] == 0 && ms_before(&last, &event->when));
            last = event->when;
            here[event->detail] = 3;
            ms_heap_pop(&heap);
        }
        ms_heap_free(&heap);
    }
}

/* Whichever it is, the rest is a heap again. */
static void one_alone_may_be_withdrawn(void)
{
    for (int which = 0; which < 60; which++) {
        ms_heap heap = {0};
        for (int i = 0; i < 60; i++) {
            const ms_event event = {{(double)(i * 7 % 60), 0, 0}, NULL, i == which ? MS_DO_API : MS_DO_FAIL, 0};
            push(&heap, &event);
        }
        CHECK(ms_heap_withdraw(&heap, MS_DO_API, 0, -1.0) == 1);
        for (int time_s = 0; time_s < 60; time_s++) {
            if (time_s != which * 7 % 60) {
                CHECK(heap.length > 0 && heap.events[0].when.time_s == time_s);
                ms_heap_pop(&heap);
            }
        }
        ms_heap_free(&heap);
    }
}

/* The one errand of this kind and subject, wherever it stands; if there is none, nothing. */
static void one_errand_is_taken_back(void)
{
    enum { EVENTS = 40 };
    static char subjects[EVENTS];
    for (int whom = -1; whom < EVENTS; whom++) {
        ms_heap heap = {0};
        for (int i = 0; i < EVENTS; i++) {
            const enum ms_errand errand = i % 2 ? MS_DO_TRANSFERRED : MS_DO_RETRY;
            ms_event *event = ms_heap_push(&heap, (double)(i * 17 % EVENTS), 0, 0);
            event->errand = (int32_t)errand;
            event->subject = &subjects[i / 2];
        }
        const void *subject = whom < 0 ? (const void *)&heap : &subjects[whom / 2];
        ms_heap_take_back(&heap, whom % 2 ? MS_DO_TRANSFERRED : MS_DO_RETRY, subject);
        CHECK(heap.length == EVENTS - (whom >= 0));
        double before_s = -1.0;
        int64_t n = 0;
        while (heap.length > 0) {
            const ms_event event = heap.events[0];
            ms_heap_pop(&heap);
            CHECK(event.when.time_s > before_s && (whom < 0 || event.when.time_s != (double)(whom * 17 % EVENTS)));
            before_s = event.when.time_s;
            n++;
        }
        CHECK(n == EVENTS - (whom >= 0));
        ms_heap_free(&heap);
    }
}

int main(void)
{
    RUN(one_alone_may_be_withdrawn);
    RUN(events_may_be_withdrawn);
    RUN(an_order_holds_its_kind_and_whom);
    RUN(moments_are_ordered_by_time_order_and_suborder);
    RUN(the_least_wins_and_ties_go_by_order_then_player);
    RUN(a_winner_that_withdraws_leaves_the_next);
    RUN(nobody_plays_and_nothing_is_next);
    RUN(events_come_out_in_order);
    RUN(pushes_and_pops_may_mix);
    RUN(one_errand_is_taken_back);
    return report();
}
