#include "ledger.h"

#include "check.h"
#include "error.h"

static void rate_all(ms_ledger *ledger, const double *s, int n)
{
    for (int i = 0; i < n; i++) {
        ms_ledger_rate(ledger, s[i]);
    }
}

static void the_queue_follows_the_paper(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.75, 1.0, 0) == 0);
    CHECK(ms_ledger_certificate(&ledger) != ms_ledger_certificate(&ledger));
    CHECK(ms_ledger_holds(&ledger));
    const double s[] = {0.0, 1.0, 0.0, 0.0, 0.5};
    const double queue[] = {0.75, 0.5, 1.25, 2.0, 2.25};
    for (int i = 0; i < 5; i++) {
        ms_ledger_rate(&ledger, s[i]);
        CHECK(ledger.queue == queue[i]);
        CHECK(ledger.plain == queue[i]);
        CHECK(ms_ledger_holds(&ledger));
    }
    CHECK(ledger.rated == 5);
    CHECK(ledger.satisfied == 1.5);
    CHECK(ledger.promised == 3.75);
    CHECK(ms_ledger_certificate(&ledger) == 0.75 - 2.25 / 5.0);
    ms_ledger_free(&ledger);
}

static void the_queue_is_never_negative(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.25, 1.0, 0) == 0);
    const double s[] = {1.0, 1.0, 0.0, 1.0};
    rate_all(&ledger, s, 4);
    CHECK(ledger.queue == 0.0);
    CHECK(ledger.plain_max == 0.25);
    CHECK(ms_ledger_certificate(&ledger) == 0.25);
    ms_ledger_free(&ledger);
}

static void a_discounted_queue_forgets(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.5, 0.5, 0) == 0);
    const double s[] = {0.0, 0.0, 1.0};
    rate_all(&ledger, s, 3);
    CHECK(ledger.queue == (0.5 * (0.5 * 0.5 + 0.5) - 0.5 > 0.0 ? 0.5 * (0.5 * 0.5 + 0.5) - 0.5 : 0.0));
    CHECK(ledger.plain == 0.5);
    ms_ledger_free(&ledger);
}

static void a_windowed_queue_looks_back_so_far(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.5, 1.0, 3) == 0);
    const double s[] = {0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0};
    const double queue[] = {0.5, 1.0, 1.5, 1.5, 0.5, 0.0, 0.0, 0.0};
    for (int i = 0; i < 8; i++) {
        ms_ledger_rate(&ledger, s[i]);
        CHECK(ledger.queue == queue[i]);
    }
    CHECK(ledger.plain == 1.0); /* 2.0 after the four zeros, 0.5 after the ones, and one more zero */
    CHECK(ledger.plain_max == 2.0);
    ms_ledger_free(&ledger);
    CHECK(ledger.recent == NULL);
}

static void the_certificate_leaves_out_what_the_queue_began_with(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.75, 1.0, 0) == 0);
    ms_ledger_start(&ledger, 1.0);
    CHECK(ledger.queue == 1.0 && ledger.plain == 1.0 && ledger.plain_max == 1.0 && ms_ledger_holds(&ledger));
    const double s[] = {1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    rate_all(&ledger, s, 3);
    CHECK(ledger.queue == 1.25 && ms_ledger_certificate(&ledger) == 0.75 - 0.25 / 3.0);
    rate_all(&ledger, s + 3, 5);
    CHECK(ledger.queue == 0.0 && ms_ledger_certificate(&ledger) == 0.875 && ledger.satisfied == 7.0);
    CHECK(ms_ledger_holds(&ledger)); /* 7 >= 6 + 1: with nothing to spare */
    ledger.initial += 1e-9;
    CHECK(!ms_ledger_holds(&ledger));
    ms_ledger_free(&ledger);
}

static void the_certificate_holds_on_every_path(void)
{
    lcg chance = {8};
    for (int path = 0; path < 300; path++) {
        ms_ledger ledger;
        const double alpha = lcg_unit(&chance);
        const double quality = lcg_unit(&chance);
        CHECK(ms_ledger_init(&ledger, alpha, path % 3 == 1 ? 0.9 : 1.0, path % 3 == 2 ? 7 : 0) == 0);
        int always = 1;
        for (int i = 0; i < 1000; i++) {
            const double u = lcg_unit(&chance);
            ms_ledger_rate(&ledger, path & 1 ? u : (u < quality ? 1.0 : 0.0));
            const double t = (double)ledger.rated;
            always &= ms_ledger_holds(&ledger);
            always &= ledger.satisfied / t >= ms_ledger_certificate(&ledger) - 1e-12;
            always &= ledger.queue >= 0.0 && ledger.plain >= 0.0;
        }
        CHECK(always);
        ms_ledger_free(&ledger);
    }
}

/* `holds` must be able to say no: this is what a bug would look like. */
static void a_broken_ledger_is_noticed(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.75, 1.0, 0) == 0);
    const double s[] = {0.0, 0.0, 1.0, 0.0};
    rate_all(&ledger, s, 4);
    CHECK(ms_ledger_holds(&ledger));
    ledger.plain -= 1e-9;
    CHECK(!ms_ledger_holds(&ledger));
    ms_ledger_free(&ledger);
}

/* Two that were rated apart: every figure of both is the sum, so that the certificate of all holds where each does. */
static void all_ledgers_together_are_their_sums(void)
{
    ms_ledger one, other;
    ms_ledger *both[] = {&one, &other};
    const double bad[] = {0.0, 0.0, 1.0}, good[] = {1.0, 0.0};
    CHECK(ms_ledger_init(&one, 0.75, 1.0, 0) == 0 && ms_ledger_init(&other, 0.75, 1.0, 0) == 0);
    ms_ledger_start(&one, 0.5);
    ms_ledger_start(&other, 0.25);
    rate_all(&one, bad, 3);    /* 0.5, 1.25, 2.0, 1.75 */
    rate_all(&other, good, 2); /* 0.25, 0.0, 0.75 */
    const ms_ledger total = ms_ledger_total(both, 2);
    CHECK(total.queue == 2.5 && total.plain == 2.5 && total.plain_max == 2.75 && total.initial == 0.75);
    CHECK(total.rated == 5 && total.satisfied == 2.0 && total.promised == 3.75 && total.averaged == 0);
    ms_ledger_reconcile(both, 2);
    CHECK(one.queue == 1.25 && other.queue == 1.25 && one.plain == 1.25 && other.plain == 1.25);
    CHECK(one.plain_max == 2.0 && other.plain_max == 1.25 && ms_ledger_total(both, 2).averaged == 2);
    ms_ledger_free(&one);
    ms_ledger_free(&other);
}

static void too_large_a_window_is_refused(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.5, 1.0, (int64_t)1 << 55) == MS_ERR_MEMORY);
    ms_ledger_free(&ledger);
}

/* Roundings of T ratings and of means add up: (T^2 + means) 2^-52 (Q_max + 1), here 2^-40 of 4096 roundings. */
static void the_slack_is_what_roundings_make(void)
{
    for (int k = 0; k < 2; k++) {
        ms_ledger ledger = {.rated = k ? 16 : 32, .averaged = k ? 768 : 0, .plain_max = 3.0, .promised = 1.0};
        ledger.satisfied = 1.0 - 0x1p-41;
        CHECK(ms_ledger_holds(&ledger));
        ledger.satisfied = 1.0 - 0x1p-39;
        CHECK(!ms_ledger_holds(&ledger));
    }
}

static void a_window_of_one_knows_the_last_rating_alone(void)
{
    ms_ledger ledger;
    CHECK(ms_ledger_init(&ledger, 0.5, 1.0, 1) == 0);
    const double s[] = {0.0, 0.25, 1.0, 0.0}, queue[] = {0.5, 0.25, 0.0, 0.5};
    for (int i = 0; i < 4; i++) {
        ms_ledger_rate(&ledger, s[i]);
        CHECK(ledger.queue == queue[i]);
    }
    ms_ledger_free(&ledger);
}

int main(void)
{
    RUN(the_queue_follows_the_paper);
    RUN(the_queue_is_never_negative);
    RUN(a_discounted_queue_forgets);
    RUN(a_windowed_queue_looks_back_so_far);
    RUN(the_certificate_leaves_out_what_the_queue_began_with);
    RUN(the_certificate_holds_on_every_path);
    RUN(a_broken_ledger_is_noticed);
    RUN(all_ledgers_together_are_their_sums);
    RUN(too_large_a_window_is_refused);
    RUN(the_slack_is_what_roundings_make);
    RUN(a_window_of_one_knows_the_last_rating_alone);
    return report();
}
