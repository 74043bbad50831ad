#include "tally.h"

#include <math.h>

#include "clones.h"
#include "maths.h"
#include "open.h"

enum { LANES = 256, TILE = 1024 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

MS_CLONES static int fits(const ms_tally *self, const ms_records *r)
{
    const int32_t models = (int32_t)self->models, tenants = (int32_t)self->tenants, statuses = (int32_t)self->statuses;
    int is_good = 1;
    for (int64_t i = 0; i < r->n; i++) { /* no branches: side by side */
        const int whose = (r->tenant[i] >= 0) & (r->tenant[i] < tenants);
        const int by_whom = (r->status[i] != MS_COMPLETED) | ((r->model[i] >= 0) & (r->model[i] < models));
        is_good &= (r->status[i] >= 0) & (r->status[i] < statuses) & whose & by_whom;
    }
    return is_good;
}

/* Whole numbers have the same sum in any order, hence side by side. */
MS_CLONES static void add_counts(const ms_records *r, int64_t start, int64_t end, int64_t counts[MS_TALLY_COUNTS])
{
    const int8_t *status = r->status;
    const int32_t *prompt = r->prompt_tokens, *output = r->output_tokens;
    int64_t with_feedback = 0, preemptions = 0, asked = 0, answered = 0, started = 0, cached = 0, recomputed = 0;
    for (int64_t i = start; i < end; i++) {
        with_feedback += r->feedback_s[i] == r->feedback_s[i];
        preemptions += r->preemptions[i];
        asked += status[i] == MS_COMPLETED ? prompt[i] : 0;
        answered += status[i] == MS_COMPLETED ? output[i] : 0;
        started += r->start_s[i] == r->start_s[i] ? prompt[i] : 0;
        cached += r->cached_prompt_tokens[i];
        recomputed += r->cached_recompute_tokens[i];
    }
    counts[MS_COUNT_WITH_FEEDBACK] += with_feedback;
    counts[MS_COUNT_PREEMPTIONS] += preemptions;
    counts[MS_COUNT_PROMPT_TOKENS] += asked;
    counts[MS_COUNT_OUTPUT_TOKENS] += answered;
    counts[MS_COUNT_STARTED_PROMPT_TOKENS] += started;
    counts[MS_COUNT_CACHED_PROMPT_TOKENS] += cached;
    counts[MS_COUNT_CACHED_RECOMPUTE_TOKENS] += recomputed;
}

static void add_costs(const ms_records *r, int64_t start, int64_t end, double sums[MS_TALLY_SUMS])
{
    double all = sums[MS_SUM_COST], exploration = sums[MS_SUM_EXPLORATION_COST], lost = sums[MS_SUM_LOST_COST];
    double paper = sums[MS_SUM_PAPER_COST], energy_j = sums[MS_SUM_ENERGY_J];
    for (int64_t i = start; i < end; i++) {
        const double cost = r->cost[i], visible = cost - r->exploration_cost[i];
        all += cost;
        exploration += r->exploration_cost[i];
        energy_j += r->energy_j[i];
        if (r->status[i] == MS_COMPLETED) {
            paper += r->explored[i] ? 0.0 : visible;
        } else if (r->status[i] != MS_IN_FLIGHT) {
            lost += cost;
        }
    }
    sums[MS_SUM_COST] = all;
    sums[MS_SUM_EXPLORATION_COST] = exploration;
    sums[MS_SUM_LOST_COST] = lost;
    sums[MS_SUM_PAPER_COST] = paper;
    sums[MS_SUM_ENERGY_J] = energy_j;
}

static void add_answers(ms_tally *self, const ms_records *r, int64_t start, int64_t end)
{
    for (int64_t i = start; i < end; i++) {
        self->by_status[r->status[i]]++;
        if (r->status[i] == MS_COMPLETED) {
            const int32_t model = r->model[i];
            self->answered[model]++;
            self->satisfied[model] += r->satisfied[i];
            self->visible_cost[model] += r->cost[i] - r->exploration_cost[i];
        }
    }
}

/* From a tenant's last sum to its next is a way through memory, which is long where all requests are one tenant's. */
static void add_tenants(ms_tally *self, const ms_records *r, int64_t start, int64_t end)
{
    int64_t next;
    for (int64_t i = start; i < end; i = next) {
        const int32_t whose = r->tenant[i];
        int64_t answered = self->tenant_answered[whose];
        double satisfied = self->tenant_satisfied[whose];
        for (next = i; next < end && r->tenant[next] == whose; next++) {
            const int is_answered = r->status[next] == MS_COMPLETED;
            answered += is_answered;
            satisfied = is_answered ? satisfied + r->satisfied[next] : satisfied;
        }
        self->tenant_answered[whose] = answered;
        self->tenant_satisfied[whose] = satisfied;
    }
}

int ms_tally_add(ms_tally *self, const ms_records *r)
{
    if (!fits(self, r)) {
        return -1;
    }
    double sums[MS_TALLY_SUMS] = {0.0};
    for (int64_t start = 0; start < r->n; start += TILE) { /* whose columns stay in the cache for all of these */
        const int64_t end = least(start + TILE, r->n);
        add_counts(r, start, end, self->counts);
        add_costs(r, start, end, sums);
        add_answers(self, r, start, end);
        add_tenants(self, r, start, end);
    }
    for (int k = 0; k < MS_TALLY_SUMS; k++) {
        self->sums[k] += sums[k];
    }
    return 0;
}

int64_t ms_running_add(ms_running *self, int64_t n, const int64_t *id, const double *satisfied,
                       const double *promised, const double *cost, int64_t stride, int64_t *sample_id,
                       double *sample_satisfied, double *sample_promised, double *sample_cost)
{
    int64_t kept = 0, answered = self->answered, last_short = self->last_short;
    double satisfied_sum = 0.0, promised_sum = 0.0, cost_sum = 0.0, curve_sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const int is_answered = satisfied[i] == satisfied[i];
        answered += is_answered;
        satisfied_sum += is_answered ? satisfied[i] : 0.0;
        promised_sum += is_answered ? promised[i] : 0.0;
        cost_sum += cost[i];
        const double answers = (double)answered;
        const double satisfied_so_far = self->satisfied + satisfied_sum;
        const double promised_so_far = self->promised + promised_sum;
        curve_sum += is_answered ? satisfied_so_far / answers : 0.0;
        /* a promise that is missed stays missed while nobody is answered */
        if (satisfied_so_far < promised_so_far - MS_KEPT_TOLERANCE * answers) {
            last_short = id[i];
        }
        if ((id[i] & (stride - 1)) == 0) {
            sample_id[kept] = id[i];
            sample_satisfied[kept] = satisfied_so_far / answers;
            sample_promised[kept] = promised_so_far / answers;
            sample_cost[kept++] = (self->cost + cost_sum) / answers;
        }
    }
    self->answered = answered;
    self->last_short = last_short;
    self->satisfied += satisfied_sum;
    self->promised += promised_sum;
    self->cost += cost_sum;
    self->curve_sum += curve_sum;
    return kept;
}

/* NaN where a request does not count. */
MS_CLONES static void latencies_of(const ms_records *r, int64_t start, int64_t n, int64_t warmup, int32_t tenant,
                                   double out[MS_LATENCIES][LANES])
{
    const int64_t *id = r->id + start;
    const int32_t *whose = r->tenant + start, *tokens = r->output_tokens + start;
    const int8_t *status = r->status + start;
    const double *arrival = r->arrival_s + start, *first = r->first_token_s + start;
    const double *finish = r->finish_s + start, *begin = r->start_s + start;
    for (int64_t i = 0; i < n; i++) {
        const int counts = status[i] == MS_COMPLETED && id[i] >= warmup && (tenant < 0 || whose[i] == tenant);
        const double further = (double)(tokens[i] - 1);
        out[MS_TTFT][i] = counts ? first[i] - arrival[i] : NAN;
        out[MS_TPOT][i] = counts && further > 0.0 ? (finish[i] - first[i]) / further : NAN;
        out[MS_E2E][i] = counts ? finish[i] - arrival[i] : NAN;
        out[MS_QUEUEING][i] = counts ? begin[i] - arrival[i] : NAN;
    }
}

void ms_tally_add_latencies(ms_log_histogram histograms[MS_LATENCIES], const ms_records *r, int64_t warmup,
                            int32_t tenant)
{
    double values[MS_LATENCIES][LANES];
    for (int64_t start = 0; start < r->n; start += LANES) {
        const int64_t n = least(LANES, r->n - start);
        latencies_of(r, start, n, warmup, tenant, values);
        for (int k = 0; k < MS_LATENCIES; k++) {
            ms_log_histogram_add(&histograms[k], values[k], n);
        }
    }
}

/* Whether each of n requests was answered within all objectives of its tenant. */
MS_CLONES static void attained_of(const ms_records *r, int64_t start, int64_t n, const ms_objectives *objectives,
                                  int32_t *attained)
{
    const double *ttft_s = objectives->ttft_s, *tpot_s = objectives->tpot_s, *e2e_s = objectives->e2e_s;
    const int32_t *whose = r->tenant + start, *tokens = r->output_tokens + start;
    const int8_t *status = r->status + start;
    const double *arrival = r->arrival_s + start, *first = r->first_token_s + start, *finish = r->finish_s + start;
    for (int64_t i = 0; i < n; i++) {
        const int32_t k = whose[i];
        const double further = (double)(tokens[i] - 1);
        const int is_slow = (further > 0.0) & ((finish[i] - first[i]) / further > tpot_s[k]);
        const int is_soon = (first[i] - arrival[i] <= ttft_s[k]) & (finish[i] - arrival[i] <= e2e_s[k]);
        attained[i] = (status[i] == MS_COMPLETED) & is_soon & !is_slow;
    }
}

void ms_tally_attained(const ms_records *r, const ms_objectives *objectives, int64_t *arrived, int64_t *attained)
{
    int32_t good[LANES];
    for (int64_t start = 0; start < r->n; start += LANES) {
        const int64_t n = least(LANES, r->n - start);
        const int32_t *whose = r->tenant + start;
        attained_of(r, start, n, objectives, good);
        for (int64_t i = 0, next; i < n; i = next) { /* as in add_tenants */
            int64_t count = 0;
            for (next = i; next < n && whose[next] == whose[i]; next++) {
                count += good[next];
            }
            arrived[whose[i]] += next - i;
            attained[whose[i]] += count;
        }
    }
}

/* Cross-entropy of each prediction; where there is none, whatever. */
MS_CLONES static void losses_of(const double *scores, const double *satisfied, int64_t n, double *loss)
{
    for (int64_t i = 0; i < n; i++) {
        const double s = satisfied[i], score = scores[i];
        const double up = score > 1e-15 ? score : 1e-15;
        const double p = up < 1.0 - 1e-15 ? up : 1.0 - 1e-15;
        const double bad = ms_log(1.0 - p), good = ms_log(p);
        loss[i] = -(bad + s * (good - bad));
    }
}

double ms_tally_add_scores(double *good, double *bad, int64_t bins, int64_t n, const double *scores,
                           const double *satisfied)
{
    double loss[LANES], total = 0.0;
    for (int64_t start = 0; start < n; start += LANES) {
        const int64_t length = least(LANES, n - start);
        losses_of(scores + start, satisfied + start, length, loss);
        for (int64_t i = 0; i < length; i++) {
            const double score = scores[start + i], s = satisfied[start + i];
            if (score == score && s == s) {
                const int64_t bin = least((int64_t)(score * (double)bins), bins - 1);
                good[bin] += s;
                bad[bin] += 1.0 - s;
                total += loss[i];
            }
        }
    }
    return total;
}
