#include "tally.h"

#include <string.h>

#include "check.h"
#include "open.h"

enum { N = 1500, MODELS = 3, TENANTS = 2, STATUSES = 4, BINS = 64 };

static int64_t id[N];
static int32_t tenant[N], model[N], prompt[N], output[N], preemptions[N], hits[N];
static int64_t hits_again[N];
static int8_t status[N];
static uint8_t explored[N];
static double arrival[N], begin[N], first[N], finish[N], satisfied[N], feedback[N], energy[N], cost[N], extra[N];

/* Quarters: sums are exact in any order. */
static ms_records made_up(uint64_t seed)
{
    lcg chance = {seed};
    for (int i = 0; i < N; i++) {
        id[i] = 1000 + i;
        tenant[i] = (int32_t)lcg_between(&chance, 0, TENANTS - 1);
        status[i] = (int8_t)(lcg_between(&chance, 0, 3) == 0 ? lcg_between(&chance, 0, STATUSES - 1) : MS_COMPLETED);
        model[i] = status[i] == MS_COMPLETED ? (int32_t)lcg_between(&chance, 0, MODELS - 1) : -1;
        explored[i] = lcg_between(&chance, 0, 4) == 0;
        prompt[i] = (int32_t)lcg_between(&chance, 1, 100);
        output[i] = (int32_t)lcg_between(&chance, 1, 4);
        preemptions[i] = (int32_t)lcg_between(&chance, 0, 2);
        hits[i] = prompt[i] - 1;
        hits_again[i] = preemptions[i] * (int64_t)prompt[i];
        arrival[i] = (double)i / 4.0;
        begin[i] = arrival[i] + (double)lcg_between(&chance, 0, 8) / 4.0;
        first[i] = begin[i] + (double)lcg_between(&chance, 1, 8) / 4.0;
        finish[i] = first[i] + (double)lcg_between(&chance, 0, 40) / 4.0;
        satisfied[i] = status[i] == MS_COMPLETED ? (double)lcg_between(&chance, 0, 4) / 4.0 : NAN;
        feedback[i] = lcg_between(&chance, 0, 1) ? finish[i] : NAN;
        energy[i] = (double)lcg_between(&chance, 0, 40) / 4.0;
        extra[i] = explored[i] || i % 3 == 0 ? (double)lcg_between(&chance, 1, 40) / 4.0 : 0.0; /* of chains, too */
        cost[i] = extra[i] + (double)lcg_between(&chance, 1, 40) / 4.0;
    }
    return (ms_records){N,       id,    tenant, model,  status,    explored, prompt, output, preemptions, arrival,
                        begin,   first, finish, satisfied, feedback, energy,   cost,   extra,  hits,        hits_again};
}

static int done(int i)
{
    return status[i] == MS_COMPLETED;
}

static void sums_are_those_of_loops(void)
{
    const ms_records records = made_up(1);
    begin[0] = NAN; /* not started */
    double sums[MS_TALLY_SUMS] = {1.0}, by_model[2][MODELS] = {{0.0}}, by_tenant[TENANTS] = {0.0};
    int64_t counts[MS_TALLY_COUNTS] = {0}, by_status[STATUSES] = {0}, answered[MODELS] = {0}, answers[TENANTS] = {0};
    ms_tally tally = {STATUSES, MODELS,      TENANTS,     sums,    counts,   by_status,
                      answered, by_model[0], by_model[1], answers, by_tenant};
    CHECK(ms_tally_add(&tally, &records) == 0);
    double all = 1.0, lost = 0.0, paper = 0.0, of_model = 0.0, of_tenant = 0.0;
    int64_t rated = 0, tokens = 0, rejected = 0, by_one = 0, prompts = 0, seen = 0, found_again = 0;
    for (int i = 0; i < N; i++) {
        all += cost[i];
        lost += status[i] == MS_REJECTED || status[i] == MS_LOST ? cost[i] : 0.0;
        paper += done(i) && !explored[i] ? cost[i] - extra[i] : 0.0;
        rated += feedback[i] == feedback[i];
        tokens += done(i) ? output[i] : 0;
        rejected += status[i] == MS_REJECTED;
        prompts += prompt[i];
        seen += hits[i];
        found_again += hits_again[i];
        by_one += done(i) && model[i] == 1;
        of_model += done(i) && model[i] == 1 ? cost[i] - extra[i] : 0.0;
        of_tenant += done(i) && tenant[i] == 1 ? satisfied[i] : 0.0;
    }
    CHECK(sums[MS_SUM_COST] == all && sums[MS_SUM_LOST_COST] == lost && sums[MS_SUM_PAPER_COST] == paper);
    CHECK(counts[MS_COUNT_WITH_FEEDBACK] == rated && counts[MS_COUNT_OUTPUT_TOKENS] == tokens);
    CHECK(counts[MS_COUNT_STARTED_PROMPT_TOKENS] == prompts - prompt[0] &&
          counts[MS_COUNT_CACHED_PROMPT_TOKENS] == seen);
    CHECK(counts[MS_COUNT_CACHED_RECOMPUTE_TOKENS] == found_again);
    CHECK(by_status[MS_REJECTED] == rejected && answered[1] == by_one && by_model[1][1] == of_model);
    CHECK(by_tenant[1] == of_tenant);
    double explored_cost = 0.0, energy_j = 0.0, satisfied_of[MODELS] = {0.0};
    int64_t preempted = 0, prompts_done = 0, of_one = 0;
    for (int i = 0; i < N; i++) {
        explored_cost += extra[i];
        energy_j += energy[i];
        preempted += preemptions[i];
        prompts_done += done(i) ? prompt[i] : 0;
        of_one += done(i) && tenant[i] == 1;
        if (done(i)) {
            satisfied_of[model[i]] += satisfied[i];
        }
    }
    CHECK(sums[MS_SUM_EXPLORATION_COST] == explored_cost && sums[MS_SUM_ENERGY_J] == energy_j);
    CHECK(counts[MS_COUNT_PREEMPTIONS] == preempted && counts[MS_COUNT_PROMPT_TOKENS] == prompts_done);
    CHECK(answers[1] == of_one && memcmp(by_model[0], satisfied_of, sizeof satisfied_of) == 0);
}

/* Records are gone through in parts: one that is a part of its own counts as any other. */
static void the_last_of_any_number_counts(void)
{
    const int64_t numbers[] = {0, 1, 2, 1024, 1025};
    for (int k = 0; k < 5; k++) {
        ms_records records = made_up(3);
        double sums[MS_TALLY_SUMS] = {0.0}, by_model[2][MODELS] = {{0.0}}, by_tenant[TENANTS] = {0.0}, all = 0.0;
        int64_t counts[MS_TALLY_COUNTS] = {0}, by_status[STATUSES] = {0}, answered[MODELS] = {0}, answers[TENANTS] = {0};
        ms_tally tally = {STATUSES, MODELS,      TENANTS,     sums,    counts,   by_status,
                          answered, by_model[0], by_model[1], answers, by_tenant};
        int64_t n = 0;
        records.n = numbers[k];
        CHECK(ms_tally_add(&tally, &records) == 0);
        for (int64_t i = 0; i < numbers[k]; i++) {
            all += cost[i];
        }
        for (int s = 0; s < STATUSES; s++) {
            n += by_status[s];
        }
        CHECK(sums[MS_SUM_COST] == all && n == numbers[k]);
    }
}

static void what_no_run_has_is_refused_whole(void)
{
    ms_records records = made_up(2);
    double sums[MS_TALLY_SUMS] = {0.0}, by_model[2][MODELS] = {{0.0}}, by_tenant[TENANTS] = {0.0};
    int64_t counts[MS_TALLY_COUNTS] = {0}, by_status[STATUSES] = {0}, answered[MODELS] = {0}, answers[TENANTS] = {0};
    ms_tally tally = {STATUSES, MODELS,      TENANTS,     sums,    counts,   by_status,
                      answered, by_model[0], by_model[1], answers, by_tenant};
    for (int k = 0; k < 6; k++) {
        records = made_up(2);
        status[N - 1] = MS_COMPLETED;
        model[N - 1] = 0;
        if (k == 0) {
            model[N - 1] = MODELS;
        } else if (k == 1) {
            tenant[N - 1] = -1;
        } else if (k == 2) {
            status[N - 1] = STATUSES;
        } else if (k == 3) {
            model[N - 1] = -1;
        } else if (k == 4) {
            tenant[N - 1] = TENANTS;
        } else {
            status[N - 1] = -1;
        }
        CHECK(ms_tally_add(&tally, &records) == -1);
        CHECK(sums[MS_SUM_COST] == 0.0 && by_status[0] == 0);
    }
}

static void curves_go_on_where_they_were(void)
{
    made_up(3);
    double promised[N], s[N + 1], p[N + 1], c[N + 1], s2[N + 1], p2[N + 1], c2[N + 1];
    int64_t at[N + 1], at2[N + 1];
    for (int i = 0; i < N; i++) {
        promised[i] = 0.5;
        s[i] = p[i] = c[i] = 1000.0; /* as of another curve */
    }
    ms_running whole = {.last_short = -1}, parts = {.last_short = -1};
    const int64_t kept = ms_running_add(&whole, N, id, satisfied, promised, cost, 8, at, s, p, c);
    int64_t again = 0;
    for (int64_t start = 0, n = 1; start < N; start += n, n = n * 3 % 97) {
        n = start + n > N ? N - start : n;
        again += ms_running_add(&parts, n, id + start, satisfied + start, promised + start, cost + start, 8,
                                at2 + again, s2 + again, p2 + again, c2 + again);
    }
    CHECK(kept == again && memcmp(at, at2, (size_t)kept * sizeof *at) == 0);
    CHECK(memcmp(s, s2, (size_t)kept * sizeof *s) == 0 && memcmp(c, c2, (size_t)kept * sizeof *c) == 0);
    CHECK(whole.answered == parts.answered && whole.last_short == parts.last_short);
    int64_t answered = 0, short_at = -1, row = 0;
    double sum = 0.0, paid = 0.0, curve = 0.0;
    for (int i = 0; i < N; i++) {
        answered += done(i);
        sum += done(i) ? satisfied[i] : 0.0;
        paid += cost[i];
        curve += done(i) ? sum / (double)answered : 0.0;
        short_at = sum < 0.5 * (double)answered ? id[i] : short_at;
        if (id[i] % 8 == 0) {
            CHECK(at[row] == id[i] && s[row] == sum / (double)answered && c[row] == paid / (double)answered);
            CHECK(p[row] == 0.5);
            row++;
        }
    }
    CHECK(row == kept && whole.answered == answered && whole.satisfied == sum && whole.cost == paid);
    CHECK(whole.last_short == short_at && whole.promised == 0.5 * (double)answered && whole.curve_sum == curve);
}

static void latencies_count_what_is_answered_after_the_warm_up(void)
{
    const ms_records records = made_up(4);
    int64_t counts[MS_LATENCIES][BINS];
    for (int32_t whose = -1; whose < TENANTS; whose++) {
        memset(counts, 0, sizeof counts);
        ms_log_histogram histograms[MS_LATENCIES];
        for (int k = 0; k < MS_LATENCIES; k++) {
            histograms[k] = (ms_log_histogram){counts[k], BINS, 0x1p-20, 1.0, 0, 0.0};
        }
        ms_tally_add_latencies(histograms, &records, 1100, whose);
        double sums[MS_LATENCIES] = {0.0};
        int64_t n = 0, n_tpot = 0;
        for (int i = 0; i < N; i++) {
            if (done(i) && id[i] >= 1100 && (whose < 0 || tenant[i] == whose)) {
                n++;
                sums[MS_TTFT] += first[i] - arrival[i];
                sums[MS_E2E] += finish[i] - arrival[i];
                sums[MS_QUEUEING] += begin[i] - arrival[i];
                n_tpot += output[i] > 1;
                sums[MS_TPOT] += output[i] > 1 ? (finish[i] - first[i]) / (output[i] - 1) : 0.0;
            }
        }
        int64_t seen[MS_LATENCIES] = {0};
        for (int k = 0; k < MS_LATENCIES; k++) {
            seen[k] = histograms[k].zeros;
            for (int b = 0; b < BINS; b++) {
                seen[k] += counts[k][b];
            }
        }
        CHECK(seen[MS_TTFT] == n && seen[MS_E2E] == n && seen[MS_QUEUEING] == n && seen[MS_TPOT] == n_tpot);
        CHECK(histograms[MS_TTFT].sum == sums[MS_TTFT] && histograms[MS_E2E].sum == sums[MS_E2E]);
        CHECK(histograms[MS_QUEUEING].sum == sums[MS_QUEUEING]);
        CHECK_NEAR(histograms[MS_TPOT].sum, sums[MS_TPOT], 1e-12); /* by thirds: not exact */
    }
}

static int64_t attained_by(const ms_records *records, const double *ttft_s, const double *tpot_s, const double *e2e_s)
{
    int64_t arrived[TENANTS] = {0}, attained[TENANTS] = {0}, all = 0, met = 0;
    const ms_objectives objectives = {ttft_s, tpot_s, e2e_s};
    ms_tally_attained(records, &objectives, arrived, attained);
    for (int k = 0; k < TENANTS; k++) {
        all += arrived[k];
        met += attained[k];
    }
    CHECK(all == N);
    return met;
}

static void objectives_are_met_at_their_edge(void)
{
    const ms_records records = made_up(5);
    int64_t met = 0, in_time = 0, soon = 0;
    for (int i = 0; i < N; i++) {
        const int steady = output[i] == 1 || (finish[i] - first[i]) / (output[i] - 1) <= 2.0;
        in_time += done(i);
        soon += done(i) && finish[i] - arrival[i] <= 5.0;
        met += done(i) && first[i] - arrival[i] <= 2.0 && steady;
    }
    double two[TENANTS], five[TENANTS], any[TENANTS], none[TENANTS];
    for (int k = 0; k < TENANTS; k++) {
        two[k] = 2.0;
        five[k] = 5.0;
        any[k] = INFINITY;
        none[k] = 0.0;
    }
    CHECK(attained_by(&records, two, two, any) == met && met > 0 && met < in_time);
    CHECK(attained_by(&records, any, any, any) == in_time);
    CHECK(attained_by(&records, any, any, five) == soon && soon > 0 && soon < in_time);
    CHECK(attained_by(&records, any, any, none) < in_time);
}

static void predictions_are_counted_by_score(void)
{
    const double scores[] = {0.0, 0.25, 0.25, 0.999, 1.0, NAN, 0.5};
    const double truth[] = {0.0, 1.0, 0.25, 1.0, 1.0, 1.0, NAN};
    double good[4] = {0.0}, bad[4] = {0.0};
    const double loss = ms_tally_add_scores(good, bad, 4, 7, scores, truth);
    CHECK(good[0] == 0.0 && bad[0] == 1.0 && good[1] == 1.25 && bad[1] == 0.75 && good[3] == 2.0 && bad[3] == 0.0);
    CHECK(fabs(loss - (2.0 * 0.0 - log(0.25) - 0.25 * log(0.25) - 0.75 * log(0.75) - log(0.999))) < 1e-12);
}

/* However many there are: each counts once, in its bin. */
static void all_of_many_predictions_are_counted(void)
{
    static double scores[N], truth[N];
    double good[8] = {0.0}, bad[8] = {0.0}, expected[2][8] = {{0.0}}, loss = 0.0;
    lcg chance = {21};
    for (int i = 0; i < N; i++) {
        scores[i] = (double)lcg_between(&chance, 1, 63) / 64.0;
        truth[i] = i % 5 == 4 ? NAN : (double)lcg_between(&chance, 0, 4) / 4.0;
        if (truth[i] == truth[i]) {
            const int bin = (int)(scores[i] * 8.0);
            expected[0][bin] += truth[i];
            expected[1][bin] += 1.0 - truth[i];
            loss -= truth[i] * log(scores[i]) + (1.0 - truth[i]) * log(1.0 - scores[i]);
        }
    }
    CHECK_NEAR(ms_tally_add_scores(good, bad, 8, N, scores, truth), loss, 1e-12);
    CHECK(memcmp(good, expected[0], sizeof good) == 0 && memcmp(bad, expected[1], sizeof bad) == 0);
}

/* In turn one tenant has an objective of one kind, and the other has none. */
static void each_tenant_has_objectives_of_its_own(void)
{
    const ms_records records = made_up(6);
    for (int k = 0; k < 3 * TENANTS; k++) {
        double limits[3][TENANTS];
        int64_t arrived[TENANTS] = {0}, attained[TENANTS] = {0}, came[TENANTS] = {0}, met[TENANTS] = {0};
        for (int j = 0; j < 3 * TENANTS; j++) {
            limits[j / TENANTS][j % TENANTS] = j == k ? 2.0 : INFINITY;
        }
        for (int i = 0; i < N; i++) {
            const double further_s = output[i] > 1 ? (finish[i] - first[i]) / (output[i] - 1) : 0.0;
            const double took_s[] = {first[i] - arrival[i], further_s, finish[i] - arrival[i]};
            came[tenant[i]]++;
            met[tenant[i]] += done(i) && (tenant[i] != k % TENANTS || took_s[k / TENANTS] <= 2.0);
        }
        const ms_objectives objectives = {limits[0], limits[1], limits[2]};
        ms_tally_attained(&records, &objectives, arrived, attained);
        CHECK(memcmp(arrived, came, sizeof came) == 0 && memcmp(attained, met, sizeof met) == 0);
        CHECK(attained[k % TENANTS] > 0 && attained[k % TENANTS] < arrived[k % TENANTS] / 2);
    }
}

/* Ten answers, each short by half of what counts as a rounding, or by twice that. */
static void what_is_short_by_roundings_is_kept(void)
{
    for (int is_short = 0; is_short < 2; is_short++) {
        ms_running running = {.last_short = -1};
        double s[10], promised[10], costs[10] = {0.0}, out[3][11];
        int64_t ids[10], at[11];
        for (int i = 0; i < 10; i++) {
            ids[i] = i;
            promised[i] = 0.25 + 0.0625 * i;
            s[i] = promised[i] - (is_short ? 2.0 : 0.5) * MS_KEPT_TOLERANCE;
        }
        ms_running_add(&running, 10, ids, s, promised, costs, 1, at, out[0], out[1], out[2]);
        CHECK(running.last_short == (is_short ? 9 : -1) && running.promised == 2.5 + 0.0625 * 45.0);
        CHECK(out[1][9] == running.promised / 10.0);
    }
}

/* Of what was certain and is otherwise the loss is that of a chance of 1e-15. */
static void no_loss_is_infinite(void)
{
    double good[2] = {0.0}, bad[2] = {0.0};
    for (int k = 0; k < 2; k++) {
        CHECK_NEAR(ms_tally_add_scores(good, bad, 2, 1, (const double[]){k}, (const double[]){1.0 - k}), -log(1e-15), 1e-3);
    }
    CHECK(good[0] == 1.0 && bad[0] == 0.0 && good[1] == 0.0 && bad[1] == 1.0);
}

int main(void)
{
    RUN(sums_are_those_of_loops);
    RUN(the_last_of_any_number_counts);
    RUN(what_no_run_has_is_refused_whole);
    RUN(curves_go_on_where_they_were);
    RUN(latencies_count_what_is_answered_after_the_warm_up);
    RUN(objectives_are_met_at_their_edge);
    RUN(predictions_are_counted_by_score);
    RUN(all_of_many_predictions_are_counted);
    RUN(each_tenant_has_objectives_of_its_own);
    RUN(what_is_short_by_roundings_is_kept);
    RUN(no_loss_is_infinite);
    return report();
}
