"""The only door to csrc/: shapes are checked, the GIL is released, codes become exceptions.

* No physics and no defaults live here: units, formulas and their sources stand in the C headers.
* Arrays are C-contiguous float64 (or int32 where named); anything else is refused, not copied, since a
  silent copy would hide both a cost and a result that the caller never sees.
* Memory belongs to the object that shows it and is freed with it.
"""
import numpy as np

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from messsim import errors

DOWN, IDLE, BOUNDARY, RUNNING = MS_DOWN, MS_IDLE, MS_BOUNDARY, MS_RUNNING
NOTHING, WAKE, RESCHEDULE = MS_NOTHING, MS_WAKE, MS_RESCHEDULE
PLAN_ALL, PLAN_CHAIN, PLAN_EXPLORE, PLAN_MODEL = MS_PLAN_ALL, MS_PLAN_CHAIN, MS_PLAN_EXPLORE, MS_PLAN_MODEL
FRONTIER_BINS, FRONTIER_SUMS = MS_FRONTIER_BINS, MS_FRONTIER_SUMS
MODELS_MOST = MS_FRONTIER_MODELS
KEPT_TOLERANCE = MS_KEPT_TOLERANCE
KV_POLICIES = {"recompute": MS_KV_RECOMPUTE, "reserve": MS_KV_RESERVE}
SCHEDULES = {"vllm": MS_SCHEDULE_VLLM, "sglang": MS_SCHEDULE_SGLANG, "tensorrt-llm": MS_SCHEDULE_TENSORRT_LLM}
ORDERS = {"fcfs": MS_ORDER_FCFS, "priority": MS_ORDER_PRIORITY, "edf": MS_ORDER_EDF}
HOST_KINDS = {"sum": MS_HOST_SUM, "overlap": MS_HOST_OVERLAP}
MOST_KNOTS = MS_MOST_KNOTS

ms_memory_keep()


cdef int check(int code) except -1:
    if code < 0:
        raise getattr(errors, ms_error_exception(code).decode())(ms_error_text(code).decode())
    return 0


cdef int check_shape(bint fits, str what) except -1:
    if not fits:
        raise errors.KernelError(what)
    return 0


def error_codes():
    """Every code of the core with its exception class name and text: [(code, class, text)]."""
    cdef int i = 0
    codes = []
    while ms_error_code(i) != 0:
        code = ms_error_code(i)
        codes.append((code, ms_error_exception(code).decode(), ms_error_text(code).decode()))
        i += 1
    return codes


def expect_progress(int64_t failures_in_vain):
    """Raises SimulationError after too many failures since anything else happened."""
    check(MS_ERR_IN_VAIN if failures_in_vain > MS_MOST_FAILURES_IN_VAIN else 0)


# ---- random columns -------------------------------------------------------------------------------------

cdef ms_stream stream_of(uint32_t seed, uint32_t column, uint32_t replication, uint32_t sub) noexcept nogil:
    cdef ms_stream stream
    stream.seed, stream.column, stream.replication, stream.sub = seed, column, replication, sub
    return stream


def philox_block(uint32_t[::1] key not None, uint32_t[::1] counter not None):
    """The four words of one Philox4x32-10 block, for the known-answer tests."""
    check_shape(key.shape[0] == 2 and counter.shape[0] == 4, "a key has 2 words and a counter 4")
    words = np.empty(4, dtype=np.uint32)
    cdef uint32_t[::1] out = words
    ms_philox_block(&key[0], &counter[0], &out[0])
    return words


def draw_uniform(uint32_t seed, uint32_t column, uint64_t first, double[::1] out not None,
                 uint32_t replication=0, uint32_t sub=0, bint odd=False):
    """Fills `out` with the 52-bit uniforms of requests first, first + 1, ..."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    if out.shape[0]:
        with nogil:
            ms_draw_uniform(&stream, odd, first, out.shape[0], &out[0])


def draw_choice(uint32_t seed, uint32_t column, uint64_t first, double[::1] out not None,
                uint32_t replication=0, uint32_t sub=0):
    """Fills `out` with 32-bit uniforms, for Bernoulli draws and choices."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    if out.shape[0]:
        with nogil:
            ms_draw_choice(&stream, first, out.shape[0], &out[0])


def draw_exponential(uint32_t seed, uint32_t column, uint64_t first, double[::1] out not None,
                     uint32_t replication=0, uint32_t sub=0, bint odd=False):
    """Fills `out` with exponential variates of mean 1."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    if out.shape[0]:
        with nogil:
            ms_draw_exponential(&stream, odd, first, out.shape[0], &out[0])


def draw_normal(uint32_t seed, uint32_t column, uint64_t first, double[::1] out not None,
                uint32_t replication=0, uint32_t sub=0, bint odd=False):
    """Fills `out` with standard normal variates."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    if out.shape[0]:
        with nogil:
            ms_draw_normal(&stream, odd, first, out.shape[0], &out[0])


def draw_lognormal(uint32_t seed, uint32_t column, uint64_t first, double mu, double sigma,
                   double[::1] out not None, uint32_t replication=0, uint32_t sub=0, bint odd=False):
    """Fills `out` with exp(mu + sigma z), z standard normal."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    if out.shape[0]:
        with nogil:
            ms_draw_lognormal(&stream, odd, first, out.shape[0], mu, sigma, &out[0])


def draw_uniform_pair(uint32_t seed, uint32_t column, uint64_t first, double[:, ::1] out not None,
                      uint32_t replication=0, uint32_t sub=0):
    """Fills `out` [n, 2] with both 52-bit uniforms of each block."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    check_shape(out.shape[1] == 2, "out is [n, 2]")
    if out.shape[0]:
        with nogil:
            ms_draw_uniform_pair(&stream, first, out.shape[0], &out[0, 0])


def draw_normal_pair(uint32_t seed, uint32_t column, uint64_t first, double[::1] even not None,
                     double[::1] odd not None, uint32_t replication=0, uint32_t sub=0):
    """Fills two columns with standard normal variates, the two components that share a block."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    check_shape(even.shape[0] == odd.shape[0], "the two columns have one length")
    if even.shape[0]:
        with nogil:
            ms_draw_normal_pair(&stream, first, even.shape[0], &even[0], &odd[0])


def draw_geometric(uint32_t seed, uint32_t column, uint64_t first, double scale, double most, int32_t[::1] out not None,
                   uint32_t replication=0):
    """Fills `out` with min(most, 1 + floor(scale x)), x exponential."""
    cdef ms_stream stream = stream_of(seed, column, replication, 0)
    if out.shape[0]:
        with nogil:
            ms_draw_geometric(&stream, first, out.shape[0], scale, most, &out[0])


def draw_geometric_of(uint32_t seed, uint64_t first, const int32_t[::1] model not None, const uint32_t[::1] columns not None,
                      const double[::1] scales not None, const double[::1] mosts not None, int32_t[::1] out not None,
                      uint32_t replication=0):
    """The same where request i is of model[i], each of which has a column, a scale and a most."""
    cdef ms_stream stream = stream_of(seed, 0, replication, 0)
    check_shape(model.shape[0] == out.shape[0] and columns.shape[0] == scales.shape[0] == mosts.shape[0],
                "model and out have one length, and columns, scales and mosts another")
    if out.shape[0]:
        check_shape(0 <= np.min(model) and np.max(model) < columns.shape[0], "every model has a column")
        with nogil:
            ms_draw_geometric_of(&stream, first, out.shape[0], &model[0], &columns[0], &scales[0], &mosts[0], &out[0])


def draw_lognormal_count(uint32_t seed, uint32_t column, uint64_t first, double mu, double sigma, double most,
                         int32_t[::1] out not None, uint32_t replication=0):
    """Fills `out` with exp(mu + sigma z) to the nearest, within [1, most]."""
    cdef ms_stream stream = stream_of(seed, column, replication, 0)
    if out.shape[0]:
        with nogil:
            ms_draw_lognormal_count(&stream, first, out.shape[0], mu, sigma, most, &out[0])


def draw_logistic(uint32_t seed, uint32_t column, uint64_t first, double slope, double ability,
                  const double[::1] difficulty not None, double[::1] out not None, uint32_t replication=0,
                  uint32_t sub=0):
    """Fills `out` with 1 with probability sigmoid(slope (ability - difficulty)), else 0."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    check_shape(difficulty.shape[0] == out.shape[0], "difficulty and out have one length")
    if out.shape[0]:
        with nogil:
            ms_draw_logistic(&stream, first, out.shape[0], slope, ability, &difficulty[0], &out[0])


def draw_one(uint32_t seed, uint32_t column, uint64_t request, uint32_t replication=0, uint32_t sub=0,
             bint odd=False):
    """The 52-bit uniform of one request."""
    cdef ms_stream stream = stream_of(seed, column, replication, sub)
    return ms_draw_one(&stream, odd, request)


ctypedef void (*elementwise)(const double *, int64_t, double *) noexcept nogil


cdef mapped(elementwise function, const double[::1] x):
    result = np.empty(x.shape[0])
    cdef double[::1] out = result
    if x.shape[0]:
        with nogil:
            function(&x[0], x.shape[0], &out[0])
    return result


def quantile_exponential(const double[::1] u not None):
    """The unit-mean exponential quantiles of u in (0, 1)."""
    return mapped(<elementwise>ms_quantile_exponential, u)


def quantile_normal(const double[::1] u not None):
    """The standard normal quantiles of u in (0, 1)."""
    return mapped(<elementwise>ms_quantile_normal, u)


def exp(const double[::1] x not None):
    """e^x without libm: the same bits on every machine."""
    return mapped(<elementwise>ms_exp_many, x)


def log(const double[::1] x not None):
    """ln x of positive normal numbers, without libm."""
    return mapped(<elementwise>ms_log_many, x)


def log_histogram_add(int64_t[::1] counts not None, const double[::1] values not None, double least,
                      double bins_per_octave):
    """Counts values >= 0 into counts (csrc/histogram.h); returns how many were 0, and the sum of all."""
    cdef ms_log_histogram histogram
    check_shape(counts.shape[0] > 0, "a histogram has bins")
    histogram.counts, histogram.bins = &counts[0], counts.shape[0]
    histogram.least, histogram.bins_per_octave = least, bins_per_octave
    histogram.zeros, histogram.sum = 0, 0.0
    if values.shape[0]:
        with nogil:
            ms_log_histogram_add(&histogram, &values[0], values.shape[0])
    return histogram.zeros, histogram.sum


def frontier_add(double[:, ::1] sums not None, double[:, :, ::1] bins not None, const int32_t[::1] tenant not None,
                 const double[:, ::1] satisfied not None, const double[:, ::1] costs not None):
    """Adds requests to the frontiers of tenants (csrc/frontier.h): sums [tenants, 3 + 2 models], bins [tenants,
    FRONTIER_BINS, 4], satisfied and costs [models, n]."""
    cdef ms_frontier frontier
    cdef int64_t models = satisfied.shape[0], n = tenant.shape[0], tenants = sums.shape[0]
    check_shape(0 < models <= MS_FRONTIER_MODELS and costs.shape[0] == models and satisfied.shape[1] == n and costs.shape[1] == n,
                "satisfied and costs are [models, n]")
    check_shape(sums.shape[1] == MS_FRONTIER_SUMS + 2 * models and bins.shape[0] == tenants
                and bins.shape[1] == MS_FRONTIER_BINS and bins.shape[2] == 4, "sums and bins fit tenants and models")
    if n == 0:
        return
    check_shape(0 <= np.min(tenant) and np.max(tenant) < tenants, "every tenant has a frontier")
    frontier.models, frontier.sums, frontier.bins = models, &sums[0, 0], <ms_frontier_bin *>&bins[0, 0, 0]
    with nogil:
        ms_frontier_add(&frontier, n, &tenant[0], &satisfied[0, 0], &costs[0, 0])


# ---- results -------------------------------------------------------------------------------------------

cdef class Records:
    """A block of records for the sums of a run: contiguous columns [n] by name, as `Page.records` has them and those
    of a chunk. The columns are held as long as this is."""

    cdef ms_records c
    cdef object columns

    def __init__(self, dict columns):
        cdef int64_t n = len(columns["id"])
        self.columns = columns
        cdef const int64_t[::1] id_ = columns["id"]
        cdef const int32_t[::1] tenant = columns["tenant"], model = columns["model"]
        cdef const int32_t[::1] prompt = columns["prompt_tokens"], output = columns["output_tokens"]
        cdef const int32_t[::1] preemptions = columns["preemptions"]
        cdef const int8_t[::1] status = columns["status"]
        cdef const uint8_t[::1] explored = columns["explored"].view(np.uint8)
        cdef const double[::1] arrival = columns["arrival_s"], start = columns["start_s"]
        cdef const double[::1] first_token = columns["first_token_s"], finish = columns["finish_s"]
        cdef const double[::1] satisfied = columns["satisfied"], feedback = columns["feedback_s"]
        cdef const double[::1] energy = columns["energy_j"], cost = columns["cost"]
        cdef const double[::1] exploration = columns["exploration_cost"]
        cdef const int32_t[::1] hits = columns["cached_prompt_tokens"]
        cdef const int64_t[::1] hits_again = columns["cached_recompute_tokens"]
        check_shape(n > 0 and all(len(column) == n for column in columns.values()), "the columns have one length, not 0")
        self.c.n = n
        self.c.id, self.c.tenant, self.c.model, self.c.status = &id_[0], &tenant[0], &model[0], &status[0]
        self.c.explored, self.c.prompt_tokens, self.c.output_tokens = &explored[0], &prompt[0], &output[0]
        self.c.preemptions, self.c.arrival_s, self.c.start_s = &preemptions[0], &arrival[0], &start[0]
        self.c.first_token_s, self.c.finish_s, self.c.satisfied = &first_token[0], &finish[0], &satisfied[0]
        self.c.feedback_s, self.c.energy_j, self.c.cost = &feedback[0], &energy[0], &cost[0]
        self.c.exploration_cost = &exploration[0]
        self.c.cached_prompt_tokens, self.c.cached_recompute_tokens = &hits[0], &hits_again[0]

    def add_to(self, double[::1] sums not None, int64_t[::1] counts not None, int64_t[::1] by_status not None,
               int64_t[::1] answered not None, double[:, ::1] by_model not None,
               int64_t[::1] tenant_answered not None, double[::1] tenant_satisfied not None):
        """Adds to the sums of csrc/tally.h; `by_model` [2, models] is satisfied answers and what users saw has cost."""
        cdef ms_tally tally
        cdef int error
        tally.statuses, tally.models, tally.tenants = by_status.shape[0], answered.shape[0], tenant_answered.shape[0]
        check_shape(sums.shape[0] == MS_TALLY_SUMS and counts.shape[0] == MS_TALLY_COUNTS and by_model.shape[0] == 2
                    and by_model.shape[1] == tally.models and tenant_satisfied.shape[0] == tally.tenants,
                    "the sums are those of csrc/tally.h")
        tally.sums, tally.counts, tally.by_status, tally.answered = &sums[0], &counts[0], &by_status[0], &answered[0]
        tally.satisfied, tally.visible_cost = &by_model[0, 0], &by_model[1, 0]
        tally.tenant_answered, tally.tenant_satisfied = &tenant_answered[0], &tenant_satisfied[0]
        with nogil:
            error = ms_tally_add(&tally, &self.c)
        check_shape(error == 0, "every record has a status, a model and a tenant that there are")

    def add_latencies(self, int64_t[:, ::1] counts not None, int64_t[::1] zeros not None, double[::1] sums not None,
                      double least, double bins_per_octave, int64_t warmup, int32_t tenant):
        """Counts TTFT, TPOT, end-to-end and queueing time, seconds, into histograms (csrc/histogram.h): counts [4, bins]."""
        cdef ms_log_histogram histograms[MS_LATENCIES]
        cdef int k
        check_shape(counts.shape[0] == zeros.shape[0] == sums.shape[0] == MS_LATENCIES and counts.shape[1] > 0,
                    "four histograms have bins")
        for k in range(MS_LATENCIES):
            histograms[k].counts, histograms[k].bins = &counts[k, 0], counts.shape[1]
            histograms[k].least, histograms[k].bins_per_octave = least, bins_per_octave
            histograms[k].zeros, histograms[k].sum = zeros[k], sums[k]
        with nogil:
            ms_latencies_add(histograms, &self.c, warmup, tenant)
        for k in range(MS_LATENCIES):
            zeros[k], sums[k] = histograms[k].zeros, histograms[k].sum

    def attained(self, const double[:, ::1] objectives not None, int64_t[::1] arrived not None,
                 int64_t[::1] attained not None):
        """Counts requests, and those answered within all objectives of their tenant; objectives [3, tenants] are TTFT,
        TPOT and end to end, seconds, an infinite one is none. `add_to` has checked the tenants."""
        cdef ms_objectives c
        check_shape(objectives.shape[0] == 3 and objectives.shape[1] == arrived.shape[0] == attained.shape[0],
                    "objectives are [3, tenants]")
        c.ttft_s, c.tpot_s, c.e2e_s = &objectives[0, 0], &objectives[1, 0], &objectives[2, 0]
        ms_attained(&self.c, &c, &arrived[0], &attained[0])


def running_add(double[::1] state not None, const int64_t[::1] ids not None, const double[::1] satisfied not None,
                const double[::1] promised not None, const double[::1] costs not None, int64_t stride):
    """Continues running curves (csrc/tally.h) from `state`: answered, last short, satisfied, promised, cost, sum of the
    curve. Returns ids, and satisfaction, promise and cost so far, of every stride-th request."""
    cdef ms_running running
    cdef int64_t n = ids.shape[0], most = n // max(stride, 1) + 1, kept
    samples, curves = np.empty(most, np.int64), np.empty((3, most))
    cdef int64_t[::1] i = samples
    cdef double[:, ::1] c = curves
    check_shape(state.shape[0] == 6 and stride > 0 and stride & (stride - 1) == 0, "6 numbers, and a power of 2")
    check_shape(satisfied.shape[0] == promised.shape[0] == costs.shape[0] == n, "columns have one length")
    if n == 0:
        return samples[:0], curves[:, :0]
    running.answered, running.last_short = <int64_t>state[0], <int64_t>state[1]
    running.satisfied, running.promised, running.cost, running.curve_sum = state[2], state[3], state[4], state[5]
    with nogil:
        kept = ms_running_add(&running, n, &ids[0], &satisfied[0], &promised[0], &costs[0], stride, &i[0], &c[0, 0],
                              &c[1, 0], &c[2, 0])
    state[0], state[1] = running.answered, running.last_short
    state[2], state[3], state[4], state[5] = running.satisfied, running.promised, running.cost, running.curve_sum
    return samples[:kept], curves[:, :kept]


def scores_add(double[::1] good not None, double[::1] bad not None, const double[::1] scores not None,
               const double[::1] satisfied not None):
    """Counts predictions with their outcomes by score (csrc/tally.h); returns the sum of cross-entropies."""
    cdef double loss = 0.0
    check_shape(good.shape[0] == bad.shape[0] > 0 and scores.shape[0] == satisfied.shape[0], "as many outcomes as scores")
    if scores.shape[0]:
        with nogil:
            loss = ms_scores_add(&good[0], &bad[0], good.shape[0], scores.shape[0], &scores[0], &satisfied[0])
    return loss


# ---- routing --------------------------------------------------------------------------------------------

OPTIMIZERS = {"sgd": MS_SGD, "adagrad": MS_ADAGRAD}

cdef class Predictor:
    """Logistic regressions of all models, learnt by SGD or AdaGrad with a batch of one; `bias` is what biases start at."""

    cdef ms_predictor c
    cdef dict options

    def __init__(self, int models, int features, *, double learning_rate, double momentum=0.0,
                 double weight_decay=0.0, double clip=0.0, str optimizer="sgd", bint standardize=False, bias=None):
        check_shape(models >= 1 and features >= 0, "a predictor has at least one model and no fewer than 0 features")
        ms_predictor_free(&self.c)
        check(ms_predictor_init(&self.c, models, features))
        self.c.learning_rate, self.c.momentum = learning_rate, momentum
        self.c.weight_decay, self.c.clip = weight_decay, clip
        self.c.optimizer, self.c.standardizes = OPTIMIZERS[optimizer], standardize
        self.options = {"learning_rate": learning_rate, "momentum": momentum, "weight_decay": weight_decay, "clip": clip,
                        "optimizer": optimizer, "standardize": standardize}
        if bias is not None:
            check_shape(len(bias) == models, "bias is [models]")
            np.asarray(<double[:models]>self.c.bias)[:] = bias

    def __dealloc__(self):
        ms_predictor_free(&self.c)

    @property
    def version(self):
        """Steps learnt so far: scores made under another version are stale."""
        return self.c.version

    @property
    def weights(self):
        """A copy of the weights, [models, features]."""
        if self.c.features == 0:
            return np.empty((self.c.models, 0))
        return np.array(<double[:self.c.models, :self.c.features]>self.c.weights)

    @property
    def bias(self):
        """A copy of the biases, [models]."""
        return np.array(<double[:self.c.models]>self.c.bias)

    def score(self, const double[:, ::1] x not None, double[:, ::1] scores not None, int64_t first=0,
              int64_t end=-1):
        """Scores requests first ... end - 1 (-1: to the last) of x [features, n] into those columns of scores [models, n]."""
        cdef int64_t n = x.shape[1]
        end = n if end == -1 else end
        check_shape(x.shape[0] == self.c.features and scores.shape[0] == self.c.models
                    and scores.shape[1] == n and 0 <= first <= end <= n,
                    "x is [features, n] and scores [models, n]")
        cdef const double *at = &x[0, first] if self.c.features and first < end else NULL
        if first < end:
            with nogil:
                ms_predictor_score(&self.c, 0, self.c.models, at, n, end - first, &scores[0, first], n)

    def saved(self):
        """All that it has learnt, as numbers and lists; see `restore`."""
        cdef int64_t m = self.c.models, d = self.c.features
        return {
            "version": self.c.version,
            "weights": self.weights.tolist(),
            "bias": self.bias.tolist(),
            "velocity": np.array(<double[:m, :d + 1]>self.c.velocity).tolist(),
            "seen": self.c.scaler.count,
            "mean": np.array(<double[:d + 1]>self.c.scaler.mean)[:d].tolist(),
            "squares": np.array(<double[:d + 1]>self.c.scaler.squares)[:d].tolist(),
        }

    def restore(self, dict saved):
        """Takes up what `saved` gave."""
        cdef int64_t m = self.c.models, d = self.c.features
        weights, bias = np.array(saved["weights"], dtype=np.float64), np.array(saved["bias"], dtype=np.float64)
        velocity = np.array(saved["velocity"], dtype=np.float64)
        check_shape(weights.reshape(m, -1).shape == (m, d) and bias.shape == (m,) and velocity.shape == (m, d + 1),
                    "what was saved is of as many models and features")
        if d:
            np.asarray(<double[:m, :d]>self.c.weights)[:] = weights
        np.asarray(<double[:m]>self.c.bias)[:] = bias
        np.asarray(<double[:m, :d + 1]>self.c.velocity)[:] = velocity
        if "seen" in saved:
            self.c.scaler.count = saved["seen"]
            np.asarray(<double[:d + 1]>self.c.scaler.mean)[:d] = saved["mean"]
            np.asarray(<double[:d + 1]>self.c.scaler.squares)[:d] = saved["squares"]
        self.c.version = saved["version"]

    def copy(self):
        """Another one that has learnt the same, and goes on by itself."""
        other = Predictor(self.c.models, self.c.features, **self.options)
        other.restore(self.saved())
        return other

    def learn(self, const double[::1] x not None, const double[::1] labels not None):
        """One step on one request: x [features], labels [models], NaN where there is none."""
        check_shape(x.shape[0] == self.c.features and labels.shape[0] == self.c.models,
                    "x is [features] and labels [models]")
        ms_predictor_learn(&self.c, &x[0] if self.c.features else NULL, &labels[0])


def average(list predictors not None):
    """All weights, biases and velocities become their means. Scores made before are stale, versions stay."""
    cdef size_t[::1] pointers = np.empty(len(predictors), np.uintp)
    cdef Predictor predictor, first = predictors[0]
    for i, predictor in enumerate(predictors):
        check_shape(predictor.c.models == first.c.models and predictor.c.features == first.c.features,
                    "the predictors are of one shape")
        pointers[i] = <size_t>&predictor.c
    ms_predictor_average(<ms_predictor **>&pointers[0], pointers.shape[0])


cdef class Ledger:
    """A virtual queue and its certificate."""

    cdef ms_ledger c

    def __init__(self, double alpha, *, double discount=1.0, int64_t window=0):
        ms_ledger_free(&self.c)
        check(ms_ledger_init(&self.c, alpha, discount, window))

    def __dealloc__(self):
        ms_ledger_free(&self.c)

    def saved(self):
        """All that it has counted, as numbers and a list; see `restore`."""
        recent = np.array(<double[:self.c.window]>self.c.recent).tolist() if self.c.window else []
        return {"queue": self.c.queue, "plain": self.c.plain, "plain_max": self.c.plain_max, "rated": self.c.rated,
                "satisfied": self.c.satisfied, "promised": self.c.promised, "recent": recent,
                "recent_sum": self.c.recent_sum}

    def restore(self, dict saved):
        """Takes up what `saved` gave."""
        check_shape(len(saved["recent"]) == self.c.window, "what was saved is of a window as long")
        if self.c.window:
            np.asarray(<double[:self.c.window]>self.c.recent)[:] = saved["recent"]
        self.c.queue, self.c.plain, self.c.plain_max = saved["queue"], saved["plain"], saved["plain_max"]
        self.c.rated, self.c.satisfied, self.c.promised = saved["rated"], saved["satisfied"], saved["promised"]
        self.c.recent_sum = saved["recent_sum"]

    def rate(self, double satisfaction):
        """Counts one rated answer."""
        ms_ledger_rate(&self.c, satisfaction)

    @property
    def alpha(self):
        return self.c.alpha

    @property
    def queue(self):
        """What the router sees: Q, discounted or windowed where asked."""
        return self.c.queue

    @property
    def plain(self):
        """The undiscounted queue."""
        return self.c.plain

    @property
    def plain_max(self):
        return self.c.plain_max

    @property
    def rated(self):
        return self.c.rated

    @property
    def satisfied(self):
        return self.c.satisfied

    @property
    def certificate(self):
        """alpha - Q/T: the mean satisfaction of rated answers is at least this. NaN before any."""
        return ms_ledger_certificate(&self.c)

    @property
    def holds(self):
        """Whether the certificate holds; false only if there is a bug."""
        return bool(ms_ledger_holds(&self.c))


cdef size_t[::1] pointers_to(list ledgers):
    cdef size_t[::1] pointers = np.empty(len(ledgers), np.uintp)
    cdef Ledger ledger
    check_shape(len(ledgers) > 0, "there is at least one ledger")
    for i, ledger in enumerate(ledgers):
        pointers[i] = <size_t>&ledger.c
    return pointers


def reconcile(list ledgers not None):
    """Every queue becomes the mean of them all; not for windowed ones."""
    cdef size_t[::1] pointers = pointers_to(ledgers)
    ms_ledger_reconcile(<ms_ledger **>&pointers[0], pointers.shape[0])


def total(list ledgers not None):
    """One ledger of all ratings of several ledgers of one promise: its queue is the sum of theirs."""
    cdef size_t[::1] pointers = pointers_to(ledgers)
    cdef Ledger sum_ = Ledger(0.0)
    sum_.c = ms_ledger_total(<ms_ledger **>&pointers[0], pointers.shape[0])
    return sum_


def illegal(int status, int64_t request, int64_t code, int64_t models, failure=None):
    """The error for what a policy returned: a decision, a next model, an answer to a label; or what it raised."""
    if failure is not None:
        return errors.PolicyError(f"the policy's {failure}, at request {request}")
    if code == MS_POLICY_RAISED:
        return errors.PolicyError(
            f"the policy returned {code} at request {request}, which is what int() makes of NaN and of infinity; "
            "expected a whole number")
    if status == MS_ERR_CHAIN:
        return errors.PolicyError(
            f"the policy's finish goes on after {MS_CHAIN_MOST:,} answers to request {request}; expected the number of "
            "models in the end, to stay with an answer")
    if status == MS_ERR_LABEL:
        return errors.PolicyError(f"the policy returned its error code {code} on the label of request {request}")
    if status == MS_ERR_NEXT:
        return errors.PolicyError(
            f"the policy's finish returned {code} at request {request}; expected a model from 0 to {models - 1} to ask "
            f"next, or {models} to stay with the answer")
    if code < 0:
        return errors.PolicyError(f"the policy returned its error code {code} at request {request}")
    return errors.PolicyError(
        f"the policy returned {code} at request {request}; expected a model from 0 to {models - 1}, "
        "or one with a single PLAN_ flag")


CHAIN_MOST = MS_CHAIN_MOST
POLICY_RAISED = MS_POLICY_RAISED

cdef const double[::1] ZEROS = np.zeros(MS_FRONTIER_MODELS)  # a policy that is told nothing reads zeros, not a null pointer


cdef const double[::1] no_facts(int64_t models):
    return ZEROS if models <= ZEROS.shape[0] else np.zeros(models)


cdef double[::1] with_length(values):
    """Numbers after their own length (policy.h), and one 0 after them: no array is empty."""
    numbers = np.asarray(values, dtype=np.float64).reshape(-1)
    return np.concatenate([[len(numbers)], numbers, [0.0]])


cdef class Policy:
    """The three functions of a policy over its parameters and its state.

    `decide`, `finish`, `rated` and `learn` are a built-in's name or the address of a compiled function with the
    signature in csrc/policy.h; 0 for none. `uniforms` is how many a request has.
    """

    cdef ms_policy c
    cdef readonly object params
    cdef readonly object state
    cdef tuple compiled  # what the user's functions became; None for a built-in

    def __init__(self, decide, params, state, *, uint64_t finish=0, uint64_t rated=0, uint64_t learn=0,
                 int32_t uniforms=2):
        self.replace(params, state)
        self.c.uniforms = uniforms
        self.c.finish = <ms_finish_fn><size_t>finish
        self.c.rated = <ms_rated_fn><size_t>rated
        self.c.learn = <ms_learn_fn><size_t>learn
        if decide == "mess+":
            check_shape(len(self.params) > MS_MESS_PARAMS and len(self.state) > MS_MESS_STATE,
                        f"mess+ takes {MS_MESS_PARAMS} parameters and {MS_MESS_STATE} of state")
            self.c.decide, self.c.rated = ms_policy_mess_decide, ms_policy_mess_rated
        elif decide == "random":
            self.c.decide = ms_policy_random
        elif decide == "cheapest":
            self.c.decide = ms_policy_cheapest
        elif decide == "largest":
            self.c.decide = ms_policy_largest
        elif decide == "mix":  # params: for each tenant, as many models as their probabilities (csrc/policy.h)
            self.c.decide = ms_policy_mix
        else:
            self.c.decide = <ms_decide_fn><size_t>int(decide)
            check_shape(self.c.decide != NULL, "decide is a built-in's name or the address of a function")

    def replace(self, params, state=()):
        """Puts other parameters and state in their place, of any length; before the first decision only."""
        cdef double[::1] p = with_length(params), s = with_length(state)
        self.params, self.state = np.asarray(p)[1:], np.asarray(s)[1:]
        self.c.params, self.c.state = &p[1], &s[1]

    def copy(self):
        """Another instance: the same functions and parameters, and a state of its own that begins as this one stands."""
        cdef Policy other = Policy("random", self.params[:len(self.params) - 1], self.state[:len(self.state) - 1])
        params, state = other.c.params, other.c.state
        other.c = self.c
        other.c.params, other.c.state = params, state
        other.compiled = self.compiled
        return other

    def keep_alive(self, tuple compiled not None):
        """Holds what the functions' machine code belongs to; each knows by the address of `state` what has failed."""
        self.compiled = compiled

    @property
    def functions(self):
        """What the user's functions became, one an entry; empty for a built-in."""
        return self.compiled or ()

    @property
    def is_compiled(self):
        """Whether its functions were written in Python, so that nobody knows whether they return."""
        return self.compiled is not None

    def failure(self):
        """What the last of its functions that failed has raised, told once; None if none did."""
        for function in self.compiled or ():
            raised = function.failures.pop(<size_t>self.c.state, None)
            if raised is not None:
                return raised
        return None

    @property
    def uniforms(self):
        """How many uniforms a request has."""
        return self.c.uniforms

    def decide(self, int64_t request, int64_t step, double alpha, double queue,
               const double[::1] scores not None, const double[::1] costs not None, const double[::1] loads not None,
               const double[::1] uniforms not None, const double[::1] facts=None, const double[::1] features=None,
               int64_t tenant=0):
        """The plan for one request, checked: a model's index, or one with a PLAN_ flag."""
        cdef int64_t models = scores.shape[0], plan, dimensions = 0 if features is None else features.shape[0]
        check_shape(models >= 1 and costs.shape[0] == models and loads.shape[0] == models
                    and (facts is None or facts.shape[0] == models), "scores, costs, loads and facts are [models]")
        check_shape(uniforms.shape[0] == self.c.uniforms, f"this policy takes {self.c.uniforms} uniforms")
        cdef const double[::1] known = no_facts(models) if facts is None else facts
        cdef const double *x = &ZEROS[0] if dimensions == 0 else &features[0]
        if self.compiled is None:
            plan = self.c.decide(request, step, tenant, models, dimensions, alpha, queue, &scores[0], &costs[0],
                                 &loads[0], &known[0], x, &uniforms[0], self.c.params, self.c.state)
        else:
            with nogil:  # it may never return: another thread must hear Ctrl-C
                plan = self.c.decide(request, step, tenant, models, dimensions, alpha, queue, &scores[0], &costs[0],
                                     &loads[0], &known[0], x, &uniforms[0], self.c.params, self.c.state)
        cdef int64_t flags = plan & (MS_PLAN_ALL | MS_PLAN_CHAIN | MS_PLAN_EXPLORE)
        if plan < 0 or (plan & ~flags) >= models or flags & (flags - 1) or (
                flags == MS_PLAN_CHAIN and self.c.finish == NULL):
            raise illegal(MS_ERR_PLAN, request, plan, models, self.failure())
        return plan

    def finish(self, int64_t request, int64_t stage, int64_t model, const double[::1] scores not None,
               const double[::1] costs not None, const double[::1] uniforms not None, const double[::1] facts=None,
               int64_t tenant=0):
        """Chains: the model to ask next, or the number of models when the user gets this answer."""
        cdef int64_t models = scores.shape[0], chosen
        check_shape(self.c.finish != NULL, "this policy makes no chains")
        check_shape(models >= 1 and costs.shape[0] == models and (facts is None or facts.shape[0] == models),
                    "scores, costs and facts are [models]")
        check_shape(uniforms.shape[0] == self.c.uniforms, f"this policy takes {self.c.uniforms} uniforms")
        cdef const double[::1] known = no_facts(models) if facts is None else facts
        with nogil:
            chosen = self.c.finish(request, stage, tenant, model, models, &scores[0], &costs[0], &known[0],
                                   &uniforms[0], self.c.params, self.c.state)
        if not 0 <= chosen <= models:
            raise illegal(MS_ERR_NEXT, request, chosen, models, self.failure())
        if chosen < models and stage + 1 >= MS_CHAIN_MOST:
            raise illegal(MS_ERR_CHAIN, request, chosen, models)
        return chosen

    def rated(self, int64_t request, int64_t model, double alpha, double satisfaction, double queue, int64_t tenant=0):
        """Tells the policy of one rated answer."""
        cdef int64_t code
        if self.c.rated == NULL:
            return
        if self.compiled is None:
            code = self.c.rated(request, tenant, model, alpha, satisfaction, queue, self.c.params, self.c.state)
        else:
            with nogil:
                code = self.c.rated(request, tenant, model, alpha, satisfaction, queue, self.c.params, self.c.state)
        self.heard(request, code)

    def learn(self, int64_t request, const double[::1] features not None, const double[::1] labels not None,
              int64_t tenant=0):
        """Tells the policy of all labels of one request; NaN where there is none."""
        cdef int64_t models = labels.shape[0], dimensions = features.shape[0], code
        if self.c.learn == NULL:
            return
        cdef const double *x = &ZEROS[0] if dimensions == 0 else &features[0]
        with nogil:
            code = self.c.learn(request, tenant, models, dimensions, x, &labels[0], self.c.params, self.c.state)
        self.heard(request, code)

    cdef int heard(self, int64_t request, int64_t code) except -1:
        if code < 0:
            raise illegal(MS_ERR_LABEL, request, code, 0, self.failure())
        return 0


def wrong_pick(int64_t request, int64_t picked, failure=None):
    """The error for what a rule of dispatch of the user's own returned, or raised."""
    if failure is not None:
        return errors.PolicyError(f"the rule of dispatch: {failure}, at request {request}")
    if picked == MS_POLICY_RAISED:
        return errors.PolicyError(
            f"the rule of dispatch returned {picked} at request {request}, which is what int() makes of NaN and of "
            "infinity; expected a whole number")
    if picked < 0:
        return errors.PolicyError(f"the rule of dispatch returned its error code {picked} at request {request}")
    return errors.PolicyError(
        f"the rule of dispatch returned {picked} at request {request}; expected one of its replicas, from 0 to replicas - 1")


cdef class DispatchRule:
    """A rule of dispatch of the user's own, among the replicas of one model.

    `pick` is the address of a compiled function with the signature in csrc/dispatch_plan.h; what it does not see is not
    gathered for it.
    """

    cdef ms_own_rule c
    cdef readonly object params
    cdef readonly object state
    cdef tuple compiled

    def __init__(self, uint64_t pick, params, state, *, bint sees_loads=True, bint sees_engines=True,
                 bint sees_caches=True):
        check_shape(pick != 0, "pick is the address of a function")
        cdef double[::1] p = with_length(params), s = with_length(state)
        self.params, self.state = np.asarray(p)[1:], np.asarray(s)[1:]
        self.c.pick, self.c.params, self.c.state = <ms_pick_fn><size_t>pick, &p[1], &s[1]
        self.c.sees_loads, self.c.sees_engines, self.c.sees_caches = sees_loads, sees_engines, sees_caches
        self.compiled = ()

    def copy(self):
        """The same rule for another model: with a state of its own that begins as this one stands."""
        cdef DispatchRule other = DispatchRule(<size_t>self.c.pick, self.params[:len(self.params) - 1],
                                               self.state[:len(self.state) - 1],
                                               sees_loads=self.c.sees_loads, sees_engines=self.c.sees_engines,
                                               sees_caches=self.c.sees_caches)
        other.compiled = self.compiled
        return other

    def keep_alive(self, tuple compiled not None):
        """Holds what the machine code belongs to; it knows by the address of `state` what has failed."""
        self.compiled = compiled

    @property
    def functions(self):
        """What the user's function became."""
        return self.compiled

    @property
    def sees(self):
        """Whether it looks at loads, at engines and at caches."""
        return bool(self.c.sees_loads), bool(self.c.sees_engines), bool(self.c.sees_caches)

    def failure(self):
        """What the function has raised, told once; None if it did not."""
        for function in self.compiled:
            raised = function.failures.pop(<size_t>self.c.state, None)
            if raised is not None:
                return raised
        return None

    def pick(self, int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
             const double[::1] numbers not None, const double[::1] loads not None, const double[::1] waiting not None,
             const double[::1] usage not None, const double[::1] cached not None, const double[::1] uniforms not None):
        """Which of the replicas gets a copy, checked."""
        cdef int64_t n = numbers.shape[0], picked
        check_shape(n >= 1 and n == loads.shape[0] == waiting.shape[0] == usage.shape[0] == cached.shape[0],
                    "numbers, loads, waiting, usage and cached are [replicas]")
        check_shape(uniforms.shape[0] == MS_OWN_UNIFORMS, f"uniforms are {MS_OWN_UNIFORMS}")
        with nogil:  # it may never return: another thread must hear Ctrl-C
            picked = self.c.pick(request, attempt, session, prompt_tokens, now_s, n, &numbers[0], &loads[0],
                                 &waiting[0], &usage[0], &cached[0], &uniforms[0], self.c.params, self.c.state)
        if not 0 <= picked < n:
            raise wrong_pick(request, picked, self.failure())
        return picked


def argmin_block(double v, double alpha, double queue, const double[:, ::1] scores not None,
                 const double[:, ::1] costs not None, int32_t[::1] chosen not None):
    """argmin_m v costs[m, i] + queue (alpha - scores[m, i]) into chosen [n]; ties to the lowest m."""
    check_shape(scores.shape[0] == costs.shape[0] >= 1 and scores.shape[1] == costs.shape[1] == chosen.shape[0],
                "scores and costs are [models, n] and chosen [n]")
    if chosen.shape[0]:
        with nogil:
            ms_policy_argmin_block(scores.shape[0], scores.shape[1], scores.shape[1], v, alpha, queue,
                                   &scores[0, 0], &costs[0, 0], &chosen[0])


# ---- servers --------------------------------------------------------------------------------------------

cdef dict fields_of(const ms_field *(*field)(int) noexcept nogil):
    """Type and offset by name, in the order of a table in C."""
    fields, i = {}, 0
    while field(i) != NULL:
        fields[field(i).name.decode()] = (field(i).type.decode(), field(i).offset)
        i += 1
    return fields


cdef dict COEFFICIENTS = fields_of(ms_iteration_coefficient)


cdef dict WITHOUT_DRAFTS = {"draft_tokens": 0.0, "draft_s": 0.0, "draft_s_per_sequence": 0.0}


cdef ms_coefficients coefficients_of(dict given) except *:
    cdef ms_coefficients c
    cdef size_t offset
    values = WITHOUT_DRAFTS | given
    for name, (_, offset) in COEFFICIENTS.items():
        (<double *>(<char *>&c + offset))[0] = values[name]
    c.host_kind = HOST_KINDS[values["host_kind"]]
    cdef tuple knots = values["knots"]
    check_shape(len(knots) != 1 and len(knots) <= MS_MOST_KNOTS, f"knots are none or 2 to {MS_MOST_KNOTS}")
    c.knots = len(knots)
    for k, (tokens, seconds) in enumerate(knots):
        c.knot_tokens[k], c.knot_s[k] = tokens, seconds
    return c


def iteration(dict coefficients, double decoders, double context, double prompt_tokens, double prompt_work,
              double n=1, *, double prompt_prior=0, double prompts=1, double ahead=0):
    """Seconds and joules of n iterations that start with this composition: (seconds, joules).

    `prompt_prior` and `prompts` are read where there are prompt tokens; `ahead` are tokens that drafts add to the context in
    each.
    """
    cdef ms_coefficients c = coefficients_of(coefficients)
    cdef ms_batch batch
    batch.decoders, batch.context, batch.prompt_tokens, batch.prompt_work = (
        decoders, context, prompt_tokens, prompt_work)
    batch.prompt_prior = prompt_prior if prompt_tokens > 0 else 0.0
    batch.prompts = prompts if prompt_tokens > 0 else 0.0
    batch.ahead = ahead
    cdef ms_durations tau = ms_iteration_durations(&c, &batch)
    return ms_durations_sum(&tau, n), ms_iteration_joules(&c, &batch, &tau, n)


cdef ms_known_cost known_cost_of(dict coefficients, double usd_per_s, double max_batched_tokens, double nominal_batch,
                                 double mean_output_tokens, double mean_tokens) except *:
    cdef ms_known_cost known
    known.coefficients, known.usd_per_s = coefficients_of(coefficients), usd_per_s
    known.max_batched_tokens, known.nominal_batch = max_batched_tokens, nominal_batch
    known.mean_output_tokens, known.mean_tokens = mean_output_tokens, mean_tokens
    return known


def known_costs(dict coefficients, *, double usd_per_s, double max_batched_tokens, double nominal_batch,
                double mean_output_tokens, const int32_t[::1] prompt_tokens not None, double[::1] costs not None,
                double mean_tokens=1):
    """Expected cost of requests with these prompts into costs, joules, or USD where usd_per_s > 0."""
    cdef ms_known_cost known = known_cost_of(coefficients, usd_per_s, max_batched_tokens, nominal_batch,
                                             mean_output_tokens, mean_tokens)
    check_shape(prompt_tokens.shape[0] == costs.shape[0], "prompt_tokens and costs have one length")
    if costs.shape[0]:
        with nogil:
            ms_known_costs(&known, &prompt_tokens[0], costs.shape[0], &costs[0])


cdef class MarginalCosts:
    """What a request adds where it goes: see csrc/marginal.h.

    `servers` are dicts, one a pool, those of one model together: model, share, places, decoder_tokens, keeps_prefixes, and of
    its known cost coefficients, usd_per_s, max_batched_tokens, nominal_batch, mean_output_tokens.
    """

    cdef object memory
    cdef const ms_server_cost *c
    cdef int32_t n

    def __init__(self, list servers not None):
        self.memory = np.zeros(max(len(servers), 1) * sizeof(ms_server_cost), np.uint8)
        cdef uint8_t[::1] view = self.memory
        cdef ms_server_cost *c = <ms_server_cost *>&view[0]
        for k, server in enumerate(servers):
            c[k].model, c[k].share, c[k].places = server["model"], server["share"], server["places"]
            c[k].keeps_prefixes, c[k].decoder_tokens = server["keeps_prefixes"], server["decoder_tokens"]
            c[k].known = known_cost_of(server["coefficients"], server["usd_per_s"], server["max_batched_tokens"],
                                       server["nominal_batch"], server["mean_output_tokens"], server["mean_tokens"])
        self.c, self.n = c, len(servers)

    def of(self, double prompt_tokens, const double[::1] known not None, const double[::1] loads not None,
           const int32_t[::1] cached=None):
        """Costs [models] of a request, whose known costs stand where no server of a model is known.

        `cached` [models] tokens of the prompt are in the cache of each where it would go.
        """
        cdef double[::1] costs = np.empty(known.shape[0])
        check_shape(known.shape[0] == loads.shape[0] and known.shape[0] > 0, "known and loads are [models]")
        check_shape(cached is None or cached.shape[0] == known.shape[0], "cached is [models]")
        cdef const int32_t *there = NULL
        if cached is not None:
            there = &cached[0]
        ms_marginal_costs(self.c, self.n, known.shape[0], prompt_tokens, there, 1, &known[0], &loads[0], &costs[0])
        return np.asarray(costs)


cdef class PromptCosts:
    """Known costs of prompts whose length follows from the run: see csrc/cost.h.

    `pools` are dicts, those of one model together: model, share, is_api, usd_per_million_prompt_tokens and
    usd_per_million_output_tokens of an API, and of its known cost coefficients (None of an API), usd_per_s,
    max_batched_tokens, nominal_batch, mean_output_tokens.
    """

    cdef object memory
    cdef const ms_prompt_cost *c
    cdef int32_t n

    def __init__(self, list pools not None):
        self.memory = np.zeros(max(len(pools), 1) * sizeof(ms_prompt_cost), np.uint8)
        cdef uint8_t[::1] view = self.memory
        cdef ms_prompt_cost *c = <ms_prompt_cost *>&view[0]
        for k, pool in enumerate(pools):
            c[k].model, c[k].share, c[k].is_api = pool["model"], pool["share"], pool["is_api"]
            c[k].as_before = k > 0 and pool | {"share": 0} == pools[k - 1] | {"share": 0}
            c[k].usd_per_million_prompt_tokens = pool["usd_per_million_prompt_tokens"]
            c[k].usd_per_million_output_tokens = pool["usd_per_million_output_tokens"]
            c[k].known.mean_output_tokens = pool["mean_output_tokens"]
            if not pool["is_api"]:
                c[k].known = known_cost_of(pool["coefficients"], pool["usd_per_s"], pool["max_batched_tokens"],
                                           pool["nominal_batch"], pool["mean_output_tokens"], pool["mean_tokens"])
        self.c, self.n = c, len(pools)

    def write(self, int32_t prompt_tokens, double[:, ::1] costs not None, int64_t i,
              const double[:, ::1] price_factor=None):
        """Sets costs[:, i] of the models of these pools to those of a prompt; infinite ones stay so.

        `price_factor` [models, n] multiplies prices of APIs; None: it is 1.
        """
        cdef const double *factors = NULL
        check_shape(0 <= i < costs.shape[1], "i is a column of costs")
        for k in range(self.n):
            check_shape(self.c[k].model < costs.shape[0], "costs are [models, n]")
        if price_factor is not None:
            check_shape(price_factor.shape[0] == costs.shape[0] and price_factor.shape[1] == costs.shape[1],
                        "price_factor is [models, n]")
            factors = &price_factor[0, i]
        ms_cost_of_prompt(self.c, self.n, prompt_tokens, factors, &costs[0, i], costs.shape[1])


cdef class Job:
    """One copy of one request on its way through a server; times are NaN until they happen.

    `path` are the nodes (id, end_tokens) that its prompt begins with (csrc/job.h); `answer_node` is the id of the last
    one, if the answer is to continue it. `session` is the one that it is a turn of; -1: none.
    """

    cdef ms_job c
    cdef ms_node_of_path *nodes
    cdef readonly int64_t request
    cdef readonly int32_t model
    cdef public object tag
    cdef public object pool
    cdef public object destination  # where it is to decode, if that was chosen before its prefill

    def __init__(self, int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens, tag=None,
                 int32_t attempt=0, path=(), answer_node=None, int64_t session=-1):
        ms_job_init(&self.c, request, model, prompt_tokens, output_tokens)
        self.c.session = session
        self.c.attempt = attempt
        self.c.owner = <void *>self
        self.request, self.model, self.tag = request, model, tag
        if path:
            self.set_path(path, answer_node)

    cdef int set_path(self, path, answer_node) except -1:
        cdef int32_t end = 0
        self.nodes = <ms_node_of_path *>malloc(len(path) * sizeof(ms_node_of_path))
        if self.nodes == NULL:
            raise MemoryError
        for k, (node, end_tokens) in enumerate(path):
            check_shape(node >= 0 and end < end_tokens <= self.c.prompt_tokens,
                        f"path {path}: expected ids from 0 and rising ends up to {self.c.prompt_tokens}")
            self.nodes[k].id, self.nodes[k].end_tokens = node, end_tokens
            end = end_tokens
        check_shape(answer_node is None or (node == answer_node and end == self.c.prompt_tokens),
                    f"answer_node = {answer_node}: expected the last node, which ends with the prompt")
        self.c.path, self.c.path_length = self.nodes, len(path)
        self.c.answer_node = -1 if answer_node is None else answer_node
        return 0

    def __dealloc__(self):
        free(self.nodes)

    def hurry(self, int32_t priority, double arrival_s, double deadline_s):
        """What orders queues that are not first in first out."""
        self.c.priority, self.c.arrival_s, self.c.deadline_s = priority, arrival_s, deadline_s

    def served_elsewhere(self, int replica, double start_s, double first_token_s, double finish_s):
        """Sets its times where no Replica serves it, an API or no servers at all; a retry keeps the first ones."""
        self.c.replica, self.c.finish_s = replica, finish_s
        if self.c.start_s != self.c.start_s:
            self.c.start_s = start_s
        if self.c.first_token_s != self.c.first_token_s:
            self.c.first_token_s = first_token_s

    def reaches_user(self, double now_s):
        """The answer is detokenized, which takes time: its end at the user."""
        self.c.finish_s = now_s

    def cut_off(self, double now_s):
        """The API that it called fails: what it had promised for later will not happen."""
        ms_job_cut_off(&self.c, now_s)

    def stop_transfer(self):
        """Nobody wants its answer any more; it leaves at the end of its transfer."""
        self.c.aborted = 1

    def let_go(self):
        """The replica that prefilled it does not hold its KV any more."""
        self.c.source, self.c.holds = -1, NULL

    def wait_for(self, int server):
        """It is to go to this replica; -1: nobody knows where yet."""
        self.c.server = server

    def settle_price(self, double usd_per_s):
        """What it has used of a replica is priced before it goes to another."""
        self.c.usage_usd += self.c.usage_s * usd_per_s
        self.c.usage_s = 0.0

    def restart(self):
        """After a failure: it begins again from its prompt and keeps its first times and its energy."""
        self.c.generated_tokens = self.c.transferred = 0
        self.c.attempt += 1

    def take_energy_j(self):
        """What it has drawn so far, to be paid for: it starts anew from 0."""
        energy_j, self.c.energy_j = self.c.energy_j, 0.0
        return energy_j

    def take_usage_usd(self):
        """What it has used so far of replicas that it left, to be paid for: it starts anew from 0."""
        usage_usd, self.c.usage_usd = self.c.usage_usd, 0.0
        return usage_usd

    @property
    def prompt_tokens(self):
        return self.c.prompt_tokens

    @property
    def output_tokens(self):
        return self.c.output_tokens

    @property
    def replica(self):
        return self.c.replica

    @property
    def server(self):
        """The replica whose own queue it was put into; -1 if none."""
        return self.c.server

    @property
    def runs(self):
        """Whether it is in a replica's batch."""
        return self.c.place == MS_RUNS

    @property
    def waits(self):
        """Whether it is in the queue of a replica or of a pool, or has come to a replica from where it was prefilled."""
        return self.c.place == MS_QUEUED or self.c.place == MS_ARRIVED

    @property
    def transfers(self):
        """Whether its KV is on its way to where it decodes."""
        return self.c.place == MS_TRANSFERS

    @property
    def aborted(self):
        """Whether nobody wants its answer any more."""
        return self.c.aborted != 0

    @property
    def source(self):
        """The replica that prefilled it and holds its KV for another; -1: none does."""
        return self.c.source

    @property
    def prefilled_s(self):
        """When its prefill there ended."""
        return self.c.prefilled_s

    @property
    def preemptions(self):
        return self.c.preemptions

    @property
    def path(self):
        """The nodes (id, end_tokens) that its prompt begins with."""
        return [(self.nodes[k].id, self.nodes[k].end_tokens) for k in range(self.c.path_length)]

    @property
    def session(self):
        return self.c.session

    @property
    def answer_node(self):
        return None if self.c.answer_node < 0 else self.c.answer_node

    @property
    def cached_prompt_tokens(self):
        return self.c.cached_prompt_tokens

    @property
    def cached_recompute_tokens(self):
        return self.c.cached_recompute_tokens

    @property
    def attempt(self):
        return self.c.attempt

    @property
    def start_s(self):
        return self.c.start_s

    @property
    def first_token_s(self):
        return self.c.first_token_s

    @property
    def finish_s(self):
        return self.c.finish_s

    @property
    def energy_j(self):
        return self.c.energy_j

    @property
    def usage_s(self):
        return self.c.usage_s

    @property
    def usage_usd(self):
        """Price of what it used of replicas before its present one, where prefill and decode are split."""
        return self.c.usage_usd


cdef ms_limits_plan limits_plan_of(dict given) except *:
    cdef ms_limits_plan c
    c.requests_per_minute, c.tokens_per_minute = given["requests_per_minute"], given["tokens_per_minute"]
    c.burst_s, c.most_calls = given["burst_s"], given["most_calls"]
    return c


cdef ms_prompt_cache_plan prompt_cache_plan_of(dict given) except *:
    cdef ms_prompt_cache_plan c
    c.keep_s, c.least_tokens, c.step_tokens = given["keep_s"], given["least_tokens"], given["step_tokens"]
    return c


cdef class Api:
    """What an API lets in (csrc/api_limits.h), and what it remembers of prompts (csrc/prompt_cache.h).

    `limits` are requests_per_minute, tokens_per_minute, burst_s and most_calls, of which 0 is no limit; `prompt_cache`
    keep_s, least_tokens and step_tokens.
    """

    cdef ms_api_limits limits
    cdef ms_prompt_cache cache

    def __cinit__(self, dict limits not None, dict prompt_cache not None):
        cdef ms_limits_plan allowed = limits_plan_of(limits)
        cdef ms_prompt_cache_plan kept = prompt_cache_plan_of(prompt_cache)
        ms_api_limits_init(&self.limits, &allowed)
        ms_prompt_cache_init(&self.cache, &kept)

    def __dealloc__(self):
        ms_prompt_cache_free(&self.cache)

    def allows(self, int64_t tokens, int64_t calls, double now_s):
        """Whether a call of so many tokens is let in, with `calls` under way."""
        return bool(ms_api_limits_allow(&self.limits, tokens, calls, now_s))

    def call(self, Job job not None, double now_s):
        """It is called: takes what the job uses of its limits, and looks at its prompt."""
        ms_api_limits_take(&self.limits, <int64_t>job.c.prompt_tokens + job.c.output_tokens, now_s)
        check(ms_prompt_cache_send(&self.cache, &job.c, now_s))


cdef ms_queue empty_queue() noexcept nogil:
    cdef ms_queue queue
    queue.head, queue.tail, queue.length = NULL, NULL, 0
    return queue


cdef list taken(ms_queue *queue):
    """Empties a queue; the references that it held pass to the list."""
    jobs = []
    cdef ms_job *job = ms_queue_pop(queue)
    while job != NULL:
        jobs.append(<Job>job.owner)
        Py_DECREF(<Job>job.owner)
        job = ms_queue_pop(queue)
    return jobs


cdef class Queue:
    """A queue that the replicas of a pool share, first in first out unless another order is named."""

    cdef ms_queue c

    def __init__(self, str order="fcfs"):
        self.c.order = ORDERS[order]

    def __dealloc__(self):
        taken(&self.c)

    def __len__(self):
        return self.c.length

    def push(self, Job job not None):
        """Returns whether the job is the head now."""
        Py_INCREF(job)
        ms_queue_push_tail(&self.c, &job.c)
        return self.c.head == &job.c

    def remove(self, Job job not None):
        """Takes out a job that waits here; returns whether it was the head."""
        was_head = self.c.head == &job.c
        ms_queue_remove(&self.c, &job.c)
        Py_DECREF(job)
        return was_head

    def drain(self):
        """Takes all jobs out."""
        return taken(&self.c)


cdef class Drafts:
    """Speculative decoding (csrc/drafts.h): `accepted` [k] is how probably the j-th draft is right if those before it are,
    `stream` (seed, column, replication, sub)."""

    cdef ms_drafts c

    def __init__(self, const double[::1] accepted not None, tuple stream not None):
        cdef ms_stream s = stream_from(stream)
        check_shape(0 < accepted.shape[0] <= MS_DRAFTS_MOST, f"1 to {MS_DRAFTS_MOST} drafts")
        ms_drafts_init(&self.c, accepted.shape[0], &accepted[0], &s)

    @property
    def mean_tokens(self):
        """Of an iteration."""
        return self.c.mean_tokens

    def iterations(self, uint64_t request, int64_t tokens):
        """That a request takes for so many tokens."""
        return ms_drafts_iterations(&self.c, request, tokens)


cdef dict LIMITS = {"kv_policy": "recompute", "kv_block_tokens": 1, "prefix_cache": False, "schedule": "vllm",
                    "max_new_tokens": 0, "whole_prompts": False, "order": "fcfs", "lookahead": 0, "drafts": None,
                    "role": "both", "first_token_later": False}  # beside those that have no default


ROLES = {"both": MS_ROLE_BOTH, "prefill": MS_ROLE_PREFILL, "decode": MS_ROLE_DECODE}


cdef ms_limits limits_of(dict given, bint track_usage) except *:
    cdef ms_limits c
    limits = LIMITS | given
    check_shape(len(limits) == len(LIMITS) + 3, f"a replica has no limits but {', '.join(LIMITS)}")
    c.max_num_seqs, c.max_batched_tokens = limits["max_num_seqs"], limits["max_batched_tokens"]
    c.kv_capacity_tokens, c.kv_policy = limits["kv_capacity_tokens"], KV_POLICIES[limits["kv_policy"]]
    c.kv_block_tokens, c.prefix_cache = limits["kv_block_tokens"], limits["prefix_cache"]
    c.schedule, c.max_new_tokens = SCHEDULES[limits["schedule"]], limits["max_new_tokens"]
    c.whole_prompts, c.track_usage, c.order = limits["whole_prompts"], track_usage, ORDERS[limits["order"]]
    c.lookahead = limits["lookahead"]
    c.role, c.first_token_later = ROLES[limits["role"]], limits["first_token_later"]
    c.drafts = &(<Drafts?>limits["drafts"]).c if limits["drafts"] is not None else NULL
    return c


cdef class Replica:
    """A batching GPU server (csrc/replica.h)."""

    cdef ms_replica c
    cdef ms_coefficients coefficients
    cdef Queue shared
    cdef object limits  # whose drafts it looks at

    def __init__(self, int index, dict coefficients, *, bint track_usage=False, Queue shared=None, **given):
        cdef ms_limits limits = limits_of(given, track_usage)
        self.coefficients = coefficients_of(coefficients)
        self.shared, self.limits = shared, given
        check(ms_replica_init(&self.c, index, &self.coefficients, &limits, &shared.c if shared is not None else NULL))

    def __dealloc__(self):
        cdef ms_queue left = empty_queue()
        if self.c.state == MS_RUNNING or ms_replica_unfinished(&self.c):
            ms_replica_evict(&self.c, self.c.boundary_s, &left)
            taken(&left)
        ms_replica_free(&self.c)

    @property
    def index(self):
        return self.c.index

    @property
    def state(self):
        return self.c.state

    @property
    def boundary_s(self):
        """The next time at which `finish` is due; infinite unless it runs."""
        return self.c.boundary_s

    @property
    def unfinished(self):
        """Running jobs, and those waiting in a queue of its own."""
        return ms_replica_unfinished(&self.c)

    @property
    def jumps(self):
        return self.c.jumps

    @property
    def preemptions(self):
        return self.c.preemptions

    @property
    def evicted_blocks(self):
        """Blocks that its prefix cache has evicted, ever."""
        return self.c.sequences.cache.evicted

    @property
    def waiting(self):
        """Jobs in a queue of its own."""
        return ms_replica_waiting(&self.c)

    def kv_usage(self, double t_s):
        """Share of its memory that the batch holds in the iteration under way at t_s."""
        return ms_replica_kv_usage(&self.c, t_s)

    def settled_cached_tokens(self, Job job not None):
        """Tokens of a job's prompt, in whole blocks, that its prefix cache holds since the last change of its batch."""
        return ms_replica_settled_cached_tokens(&self.c, &job.c)

    def fits(self, Job job not None):
        """Raises if the job can never run here."""
        check(ms_replica_fits(&self.c, &job.c))

    def submit(self, Job job not None, double t_s):
        """Queues the job at t_s; returns NOTHING, WAKE or RESCHEDULE."""
        check_shape(self.shared is None, "a replica with a shared queue gets its jobs through Queue.push and notify")
        check(ms_replica_fits(&self.c, &job.c))
        Py_INCREF(job)
        job.c.server = self.c.index
        return ms_replica_submit(&self.c, &job.c, t_s)

    def share(self, Queue queue):
        """It takes from this queue from now on; None: from its own, which nobody fills."""
        if queue is None:
            self.c.queue = &self.c.own_queue
        else:
            self.shared, self.c.queue = queue, &queue.c

    def queues(self, Job job not None):
        """Whether a job waits in its own queue."""
        return bool(ms_queue_holds(&self.c.own_queue, &job.c))

    def notify(self, double t_s):
        """The head of the shared queue is new at t_s; returns NOTHING, WAKE or RESCHEDULE."""
        return ms_replica_notify(&self.c, t_s)

    def finish(self):
        """The boundary is reached: the jobs that are done, in running order."""
        cdef ms_queue done = empty_queue()
        check(ms_replica_finish(&self.c, &done))
        return taken(&done) if done.length else ()

    def batch(self):
        """The jobs of the iteration under way: those that decode, and those whose prompts it prefills."""
        jobs = [<object>self.c.sequences.jobs[i].owner for i in range(self.c.sequences.running)]
        return jobs[:self.c.sequences.decoders], jobs[self.c.sequences.decoders:]

    @property
    def prompt_tokens(self):
        """Prompt tokens that it has started so far, if it has a prefix cache, and how many of them were there."""
        return self.c.sequences.prompt_tokens, self.c.sequences.cached_prompt_tokens

    def memory(self):
        """Blocks that the batch holds in the iteration under way, blocks that are cached beside them, and all blocks."""
        return (ms_sequences_blocks(&self.c.sequences, 1), self.c.sequences.cache.cached,
                self.c.sequences.capacity_blocks)

    def start(self, double t_s):
        """The next iteration starts; returns how many jobs it took from its queue."""
        cdef int32_t pulled
        check(ms_replica_start(&self.c, t_s, &pulled))
        return pulled

    def cached_tokens(self, Job job not None, double t_s):
        """Tokens of a job's prompt that its prefix cache holds at t_s."""
        return ms_replica_cached_tokens(&self.c, &job.c, t_s)

    def abort(self, Job job not None, double t_s):
        """Nobody wants the answer of a job of its own any more: what this notices, and whether the job has left by
        now. Else `finish` hands it over."""
        cdef int left
        notice = ms_replica_abort(&self.c, &job.c, t_s, &left)
        if left:
            Py_DECREF(job)
        return notice, bool(left)

    def departures(self):
        """Jobs whose transfer to here its last start began; they are on their way from now on."""
        jobs = []
        job = ms_transit_depart(&self.c)
        while job != NULL:
            jobs.append(<object>job.owner)
            job = ms_transit_depart(&self.c)
        return jobs

    def arrive(self, Job job not None, double t_s):
        """All of a job that was on its way is here at t_s; returns NOTHING, WAKE or RESCHEDULE."""
        return ms_replica_arrive(&self.c, &job.c, t_s)

    def call_off(self, Job job not None, double t_s):
        """A job that was on its way to here, or has arrived, comes no more: what this notices."""
        notice = ms_replica_call_off(&self.c, &job.c, t_s)
        Py_DECREF(job)
        return notice

    def check(self):
        """Raises unless the blocks of its prefix cache add up."""
        check(ms_cache_check(&self.c.sequences.cache))

    def let_go(self, Job job not None, double t_s):
        """The blocks of a job that it has prefilled for another are free: what this notices."""
        return ms_replica_let_go(&self.c, &job.c, t_s)

    def meter_j(self, double t_s):
        """Energy drawn by iterations until t_s, joules; idle power is not in it."""
        return ms_replica_meter_j(&self.c, t_s)

    def busy_s(self, double t_s):
        return ms_replica_busy_s(&self.c, t_s)

    def evict(self, double t_s):
        """Cuts everything off at t_s: the jobs it had, running ones first. It is down afterwards."""
        cdef ms_queue evicted = empty_queue()
        ms_replica_evict(&self.c, t_s, &evicted)
        return taken(&evicted)

    def repair(self):
        ms_replica_repair(&self.c)


# ---- the loop -------------------------------------------------------------------------------------------

LOOP_PAUSED, LOOP_NEEDS_PAGE, LOOP_OVER = MS_LOOP_PAUSED, MS_LOOP_NEEDS_PAGE, MS_LOOP_OVER
SCALING_RULES = {"schedule": MS_SCALES_BY_SCHEDULE, "target": MS_SCALES_BY_TARGET,
                 "concurrency": MS_SCALES_BY_CONCURRENCY,
                 "saturation": MS_SCALES_BY_SATURATION}
DISPATCH = {"least_loaded": MS_LEAST_LOADED, "round_robin": MS_ROUND_ROBIN, "power_of_two": MS_POWER_OF_TWO,
            "shared_queue": MS_SHARED_QUEUE, "random": MS_RANDOM, "session": MS_SESSION,
            "prefix_affinity": MS_PREFIX_AFFINITY, "kv_router": MS_KV_ROUTER, "scored": MS_SCORED, "own": MS_OWN_RULE}
cdef dict LINKS = {"transfer": MS_LINK_EACH, "prefill": MS_LINK_PREFILL, "decode": MS_LINK_DECODE,
         "cluster": MS_LINK_CLUSTER}
cdef dict WAITS = {"forever": MS_WAITS_FOREVER, "constant": MS_WAITS_CONSTANT, "exponential": MS_WAITS_EXPONENTIAL,
         "lognormal": MS_WAITS_LOGNORMAL}
ESTIMATES = {"known": MS_ESTIMATE_KNOWN, "mean": MS_ESTIMATE_MEAN, "last_explored": MS_ESTIMATE_LAST_EXPLORED,
             "marginal": MS_ESTIMATE_MARGINAL}


cdef dict RECORD_FIELDS = fields_of(ms_open_column)
RECORD_COLUMNS = {name: np.dtype(kind) for name, (kind, _) in RECORD_FIELDS.items()}


cdef int32_t NO_ROWS = 0
NOT_SENT = MS_NOT_SENT


cdef class Page:
    """A stretch of requests on its way through a Loop, with the records that it leaves.

    Parameters
    ----------
    first
        Its first request.
    drawn
        Columns by name: arrival_s (or None), tenant, instance (or None: there is one), prompt_tokens, output_tokens
        [models, n] (or None without servers: the record's is then to be filled in), features [d, n], known_costs,
        satisfied [models, n], labels (or None: the satisfaction) and facts (or None) likewise, uniforms [n, k],
        feedback_uniform (or None: feedback is certain), delay_s [models, n] (or None); price_factor
        likewise (or left out); paths (or None, or left out);
        turns likewise, whose prompts, ends of paths and known costs are written when they are known. The status of one
        that is not sent is NOT_SENT.

    Attributes
    ----------
    records
        Arrays [n] by column name; a row stands once its request is done, and is undefined before.
    """

    cdef ms_page c
    cdef readonly object records
    cdef object drawn, models_before, cached

    def __init__(self, int64_t first, dict drawn):
        cdef int64_t n = len(drawn["tenant"])
        self.drawn = drawn
        self.c.first, self.c.n, self.c.open = first, n, n
        self.records = {name: np.empty(n, dtype) for name, dtype in RECORD_COLUMNS.items()}
        self.point_to_drawn(n)
        if drawn.get("turns") is not None:
            self.point_to_turns(drawn["turns"])
        if drawn.get("paths") is not None:
            self.point_to_paths(drawn["paths"])
        self.point_to_records()

    cdef int point_to_drawn(self, int64_t n) except -1:
        drawn = self.drawn
        cdef const double[:, ::1] by_model = drawn["satisfied"]
        cdef const double[:, ::1] known = drawn["known_costs"]
        cdef const double[:, ::1] features = drawn["features"] if len(drawn["features"]) else np.zeros((1, n))
        cdef const double[:, ::1] uniforms = drawn["uniforms"]
        cdef const int32_t[:, ::1] outputs
        cdef const int32_t[::1] tenant = drawn["tenant"], prompt = drawn["prompt_tokens"], instance
        cdef const double[::1] feedback, arrival
        cdef const double[:, ::1] delay, facts, labels, factors
        check_shape(n > 0 and by_model.shape[1] == n == known.shape[1] == features.shape[1] == uniforms.shape[0]
                    == prompt.shape[0] and by_model.shape[0] == known.shape[0], "the columns of a page have one length")
        self.drawn = dict(drawn, features=np.asarray(features))
        self.c.satisfied, self.c.view.known_costs = &by_model[0, 0], <double *>&known[0, 0]
        self.c.view.n, self.c.view.features, self.c.view.uniforms = n, &features[0, 0], &uniforms[0, 0]
        self.c.view.facts = NULL
        if drawn["facts"] is not None:
            facts = drawn["facts"]
            check_shape(facts.shape[0] == by_model.shape[0] and facts.shape[1] == n, "facts is [models, n]")
            self.c.view.facts = &facts[0, 0]
        self.c.tenant, self.c.prompt_tokens = &tenant[0], <int32_t *>&prompt[0]
        self.c.view.prompt_tokens = &prompt[0]
        self.c.output_tokens, self.c.feedback_uniform, self.c.instance = NULL, NULL, NULL
        if drawn["output_tokens"] is not None:
            outputs = drawn["output_tokens"]
            check_shape(outputs.shape[0] == by_model.shape[0] and outputs.shape[1] == n, "output_tokens is [models, n]")
            self.c.output_tokens = &outputs[0, 0]
        if drawn["feedback_uniform"] is not None:
            feedback = drawn["feedback_uniform"]
            check_shape(feedback.shape[0] == n, "the columns of a page have one length")
            self.c.feedback_uniform = &feedback[0]
        if drawn["instance"] is not None:
            instance = drawn["instance"]
            check_shape(instance.shape[0] == n, "the columns of a page have one length")
            self.c.instance = &instance[0]
        self.c.arrival_s = self.c.delay_s = self.c.labels = NULL
        if drawn["arrival_s"] is not None:
            arrival = drawn["arrival_s"]
            check_shape(arrival.shape[0] == n, "the columns of a page have one length")
            self.c.arrival_s = &arrival[0]
        if drawn["labels"] is not None:
            labels = drawn["labels"]
            check_shape(labels.shape[0] == by_model.shape[0] and labels.shape[1] == n, "labels is [models, n]")
            self.c.labels = &labels[0, 0]
        if drawn["delay_s"] is not None:
            delay = drawn["delay_s"]
            check_shape(delay.shape[0] == by_model.shape[0] and delay.shape[1] == n, "delay_s is [models, n]")
            self.c.delay_s = &delay[0, 0]
        self.c.price_factor = NULL
        if drawn.get("price_factor") is not None:
            factors = drawn["price_factor"]
            check_shape(factors.shape[0] == by_model.shape[0] and factors.shape[1] == n, "price_factor is [models, n]")
            self.c.price_factor = &factors[0, 0]
        return 0

    cdef int point_to_paths(self, object paths) except -1:
        cdef const int64_t[::1] start = paths.start
        cdef uint8_t[::1] nodes = paths.nodes.view(np.uint8)
        check_shape(paths.nodes.itemsize == sizeof(ms_node_of_path), "a node of a path has the size that it has in C")
        check_shape(start.shape[0] == self.c.n + 1 and start[self.c.n] == len(paths.nodes), "start is [n + 1]")
        self.c.path_start = &start[0]
        self.cached = np.zeros((len(self.drawn["satisfied"]), self.c.n), np.int32)
        cdef int32_t[:, ::1] cached = self.cached
        self.c.cached = &cached[0, 0]
        self.c.view.cached = &cached[0, 0]
        self.c.path = <ms_node_of_path *>&nodes[0] if nodes.shape[0] else NULL
        return 0

    cdef int point_to_turns(self, object turns) except -1:
        cdef int64_t n = self.c.n
        cdef const int32_t[::1] roots = turns.roots, first = turns.first_child, new_tokens
        cdef int32_t[::1] following = turns.next_child, model = np.full(n, -1, np.int32)
        cdef const int64_t[::1] session = turns.session
        cdef const double[::1] wait = turns.wait_s
        check_shape(first.shape[0] == n == following.shape[0] == wait.shape[0] == session.shape[0], "the turns of a page have its length")
        check_shape(self.c.arrival_s != NULL, "turns want arrival times")
        self.c.turns.session = &session[0]
        self.c.turns.roots = <const int32_t *>&roots[0] if roots.shape[0] else &NO_ROWS
        self.c.turns.n_roots = roots.shape[0]
        self.c.turns.first_child, self.c.turns.next_child, self.c.turns.wait_s = &first[0], &following[0], &wait[0]
        if turns.new_tokens is not None:
            new_tokens = turns.new_tokens
            check_shape(new_tokens.shape[0] == n and self.c.output_tokens != NULL, "new_tokens is [n], with answers")
            self.c.turns.new_tokens = &new_tokens[0]
        self.models_before = np.asarray(model)
        self.c.turns.model = &model[0]
        self.records["status"][:] = MS_NOT_SENT
        return 0

    cdef int point_to_records(self) except -1:
        cdef size_t offset, data
        for name, (_, offset) in RECORD_FIELDS.items():
            data = self.records[name].ctypes.data
            (<void **>(<char *>&self.c + offset))[0] = <void *>data
        return 0

    @property
    def first(self):
        """Its first request."""
        return self.c.first

    @property
    def open(self):
        """Requests whose record does not stand yet."""
        return self.c.open


cdef ms_stream stream_from(tuple words) except *:
    """(seed, column, replication, sub)"""
    return stream_of(words[0], words[1], words[2], words[3])


cdef ms_wait wait_of(dict law) except *:
    cdef ms_wait c
    c.law, c.mean_s, c.mu, c.sigma = WAITS[law["law"]], law["mean_s"], law["mu"], law["sigma"]
    c.stream = stream_from(law["stream"])
    return c


cdef ms_patience patience_of(dict given) except *:
    cdef ms_patience c
    c.wait, c.backoff, c.backoff_growth = wait_of(given["wait"]), wait_of(given["backoff"]), given["backoff_growth"]
    c.until_first_token, c.aborts = given["until_first_token"], given["aborts"]
    c.rates_giving_up, c.retries = given["rates_giving_up"], given["retries"]
    c.uniforms = stream_from(given["uniforms"])
    return c


cdef ms_autoscale_plan autoscale_plan_of(dict given) except *:
    cdef ms_autoscale_plan c
    memset(&c, 0, sizeof(c))
    if given is None:
        return c
    c.rule, c.least, c.initial = SCALING_RULES[given["rule"]], given["least"], given["initial"]
    c.period_s, c.zero_after_s = given["period_s"], given["zero_after_s"]
    c.target, c.tolerance = given["target"], given["tolerance"]
    c.up_window_s, c.down_window_s = given["up_window_s"], given["down_window_s"]
    c.up_most_factor, c.up_most_replicas = given["up_most_factor"], given["up_most_replicas"]
    c.down_most_factor, c.stable_window_s = given["down_most_factor"], given["stable_window_s"]
    c.panic_window_s, c.panic_threshold = given["panic_window_s"], given["panic_threshold"]
    c.saturated_usage, c.saturated_waiting = given["saturated_usage"], given["saturated_waiting"]
    c.spare_usage, c.spare_waiting = given["spare_usage"], given["spare_waiting"]
    c.steps, c.day_s = len(given["schedule"]), given["day_s"]
    for k, (at_s, replicas) in enumerate(given["schedule"]):
        c.step_s[k], c.step_replicas[k] = at_s, replicas
    for k in range(MS_COLD_PHASES):
        c.cold_start[k] = wait_of(given["cold_start"][k])
    return c


cdef ms_pool_plan pool_plan_of(dict plan) except *:
    cdef ms_pool_plan c
    c.model, c.replicas, c.is_api = plan["model"], plan["replicas"], plan["is_api"]
    if not c.is_api:
        c.coefficients = coefficients_of(plan["coefficients"])
    else:
        c.coefficients.p_idle_w = 0.0
    c.limits = limits_of(plan["limits"], plan["track_usage"])
    c.most_tokens, c.most_prompt_tokens = plan["most_tokens"], plan["most_prompt_tokens"]
    c.kv_bytes_per_token = plan.get("kv_bytes_per_token", 0.0)
    c.front_end = wait_of(plan["front_end"])
    c.front_end_workers, c.detokenize_s = plan["front_end_workers"], plan["detokenize_s"]
    c.usd_per_s, c.latency_s, c.tpot_s = plan["usd_per_s"], plan["latency_s"], plan["tpot_s"]
    c.usd_per_million_prompt_tokens = plan["usd_per_million_prompt_tokens"]
    c.usd_per_million_output_tokens = plan["usd_per_million_output_tokens"]
    c.usd_per_million_cached_prompt_tokens = plan["usd_per_million_cached_prompt_tokens"]
    c.api_limits, c.prompt_cache = limits_plan_of(plan["api_limits"]), prompt_cache_plan_of(plan["prompt_cache"])
    c.autoscale = autoscale_plan_of(plan.get("autoscale"))
    return c


_IN_SAMPLES = ("request", "time_s", "queue", "queue_tracked", "certificate", "explored")  # ms_sample, in its order
_COUNTS_IN_SAMPLES = ("request", "explored")


cdef fill(array, const void *values):
    """Copies as many bytes as an array of the core's own layout has."""
    cdef char[::1] room = array.reshape(-1).view(np.int8)
    if room.shape[0] > 0:
        memcpy(&room[0], values, room.shape[0])
    return array


cdef class Loop:
    """The event loop of csrc/loop.h.

    Parameters
    ----------
    config
        Fields of ms_run_config by name; `patience` holds those of ms_patience, and waits those of ms_wait.
    alphas, discount, window
        Of the tenants' virtual queues.
    pools
        Fields of ms_pool_plan by name, one dict a pool.
    dispatch, dispatch_streams
        Fields of ms_dispatch_plan by name, `rule` being a key of DISPATCH, and (seed, column, replication, sub) for each model.
    estimate, prior
        A key of ESTIMATES; NaN for the known cost.
    marginal
        What the estimate of that name knows of servers.
    policies, predictors
        Of the router's instances, one of each for each of them; None for an instance without a predictor.
    prompt_costs
        Where prompts grow; None where all are given.
    priority, ttft_objective_s
        Of tenants, which order the queues of servers; None where these are first come, first served.
    breakdowns
        Dicts with replica, random, fails, mends (streams), time_s, for_s.
    own_rules
        A rule of dispatch of the user's own, by model; none where `rule` is another.
    """

    cdef ms_run c
    cdef object policies, predictors, pages, marginal, prompt_costs, urgency
    cdef list own_rules
    cdef object pools  # whose drafts it looks at
    cdef object page  # the present one: the loop still looks at it after its records are handed on
    cdef bint ready

    def __init__(self, dict config, const double[::1] alphas not None, double discount, int64_t window, list pools,
                 dict dispatch, list dispatch_streams, list policies not None, list predictors not None, str estimate,
                 double prior, MarginalCosts marginal not None, list breakdowns, PromptCosts prompt_costs=None,
                 const int32_t[::1] priority=None, const double[::1] ttft_objective_s=None, list own_rules=None):
        cdef ms_run_config c
        cdef int32_t n_pools = len(pools), models = config["models"]
        plans_bytes = np.zeros(max(n_pools, 1) * sizeof(ms_pool_plan), np.uint8)
        streams_bytes = np.zeros(len(dispatch_streams) * sizeof(ms_stream), np.uint8)
        cdef uint8_t[::1] plans_view = plans_bytes, streams_view = streams_bytes
        cdef ms_pool_plan *plans = <ms_pool_plan *>&plans_view[0]
        cdef ms_stream *streams = <ms_stream *>&streams_view[0]
        cdef ms_dispatch_plan dispatch_plan = {"decode_first": False} | dispatch | {
            "rule": DISPATCH[dispatch["rule"]], "decode_rule": DISPATCH[dispatch.get("decode_rule", "least_loaded")]}
        for k in range(n_pools):
            plans[k] = pool_plan_of(pools[k])
        for k in range(len(dispatch_streams)):
            streams[k] = stream_from(dispatch_streams[k])
        c.models, c.tenants, c.features = models, config["tenants"], config["features"]
        c.reference, c.in_usd, c.needs_loads = config["reference"], config["in_usd"], config["needs_loads"]
        c.needs_caches = config.get("needs_caches", False)
        c.keeps_session_model = config.get("keeps_session_model", False)
        c.needs_features, c.uniforms = config["needs_features"], config["uniforms"]
        c.learns_every_answer, c.keeps_delays = config["learns_every_answer"], config["keeps_delays"]
        c.raters_err, c.one_sided = config["raters_err"], config["one_sided"]
        c.max_waiting, c.feedback_probability = config["max_waiting"], config["feedback_probability"]
        c.asks_next_model = config["asks_next_model"]
        c.horizon_s, c.length, c.clients = config["horizon_s"], config["length"], config["clients"]
        c.think_s, c.think_is_exponential = config["think_s"], config["think_is_exponential"]
        c.think = stream_from(config["think"])
        c.mtbf_s, c.mttr_s, c.lose_on_failure = config["mtbf_s"], config["mttr_s"], config["lose_on_failure"]
        c.transfer_latency_s = config.get("transfer_latency_s", 0.0)
        c.transfer_bytes_per_s, c.transfer_links = config.get("transfer_bytes_per_s", 1.0), LINKS[config.get("links", "transfer")]
        c.patience = patience_of(config["patience"])
        c.instances, c.reconcile_s = len(policies), config["reconcile_s"]
        c.decision, c.router_workers = wait_of(config["decision"]), config["router_workers"]
        is_split = any(plans[k].limits.role != MS_ROLE_BOTH for k in range(n_pools))
        check_shape(alphas.shape[0] == c.tenants and len(dispatch_streams) == models * (1 + is_split),
                    "alphas are [tenants] and dispatch_streams [models], twice where prefill and decode are split")
        self.own_rules = own_rules or []
        check_shape(len(self.own_rules) == (models if dispatch_plan.rule == MS_OWN_RULE else 0),
                    "there is a rule of one's own for each model, or none")
        check_shape(0 < c.instances == len(predictors), "every instance has a policy, and a predictor or None")
        self.policies, self.predictors, self.pages, self.marginal = policies, predictors, [], marginal
        self.pools = pools
        self.ready = True
        check(ms_run_init(&self.c, &c, &alphas[0], discount, window, n_pools, plans, &dispatch_plan, streams))
        for k in range(len(self.own_rules)):
            self.c.fleet.servers[k].own = (<DispatchRule>self.own_rules[k]).c
        for i in range(c.instances):
            self.set_brain(&self.c.instances.brain[i], policies[i], predictors[i], ESTIMATES[estimate], prior)
            self.c.instances.brain[i].servers, self.c.instances.brain[i].n_servers = marginal.c, marginal.n
        if priority is not None:
            check_shape(priority.shape[0] == ttft_objective_s.shape[0] == c.tenants, "priorities and objectives are [tenants]")
            self.urgency = priority, ttft_objective_s
            self.c.priority, self.c.ttft_objective_s = &priority[0], &ttft_objective_s[0]
        self.prompt_costs = prompt_costs
        if prompt_costs is not None:
            self.c.prompt_costs, self.c.n_prompt_costs = prompt_costs.c, prompt_costs.n
        self.plan_breakdowns(breakdowns)
        check(ms_loop_begin(&self.c))

    cdef int plan_breakdowns(self, list breakdowns) except -1:
        check(ms_run_plan_breakdowns(&self.c, len(breakdowns)))
        for k, breakdown in enumerate(breakdowns):
            self.c.breakdowns[k].replica, self.c.breakdowns[k].random = breakdown["replica"], breakdown["random"]
            self.c.breakdowns[k].fails = stream_from(breakdown["fails"])
            self.c.breakdowns[k].mends = stream_from(breakdown["mends"])
            self.c.breakdowns[k].time_s, self.c.breakdowns[k].for_s = breakdown["time_s"], breakdown["for_s"]
        return 0

    cdef void set_brain(self, ms_brain *brain, Policy policy, Predictor predictor, int32_t estimate, double prior):
        brain.policy = policy.c
        brain.predictor = &predictor.c if predictor is not None else NULL
        brain.estimate, brain.prior = estimate, prior

    def __dealloc__(self):
        if self.ready:
            ms_run_free(&self.c)

    def turn_page(self, Page page not None):
        """The next requests. The page is kept alive until `release`."""
        self.pages.append(page)
        self.page = page
        ms_loop_turn_page(&self.c, &page.c)

    def release(self):
        """The pages that are over and lead the others, in order: nothing of them is open any more."""
        over = []
        while self.pages and (<Page>self.pages[0]).c.open == 0:
            over.append(self.pages.pop(0))
        return over

    def no_more(self):
        """There are no further requests."""
        ms_loop_no_more(&self.c)

    def run(self, int64_t budget):
        """Handles up to `budget` events; returns LOOP_PAUSED, LOOP_NEEDS_PAGE or LOOP_OVER."""
        cdef int status
        with nogil:
            status = ms_loop_run(&self.c, budget)
        if status == MS_ERR_PICK:
            raise wrong_pick(self.c.fleet.wrong_request, self.c.fleet.wrong_pick, self.failure())
        if status < 0 and self.c.error_request >= 0 and ms_error_exception(status) == b"PolicyError":
            raise illegal(status, self.c.error_request, self.c.error_plan, self.c.config.models, self.failure())
        check(status)
        return status

    def failure(self):
        """What a compiled function of one of its policies or of its rule of dispatch has raised; None if none did."""
        for policy in (*self.policies, *self.own_rules):
            raised = policy.failure()
            if raised is not None:
                return raised
        return None

    def check(self):
        """Raises unless the blocks of every prefix cache add up."""
        cdef int32_t i
        for i in range(self.c.fleet.replicas):
            check(ms_cache_check(&self.c.fleet.replica[i].sequences.cache))

    def cut(self):
        """At the horizon: what is under way is charged and recorded as in flight."""
        ms_loop_cut(&self.c)

    def left(self):
        """Pages not released yet."""
        return list(self.pages)

    @property
    def counts(self):
        """issued, attempts, explored, rated, labels_of_lost, events, open, router_begun, turns_not_sent, transfers,
        transferred."""
        return {"issued": self.c.issued, "attempts": self.c.attempts, "explored": self.c.explored, "rated": self.c.rated,
                "labels_of_lost": self.c.labels_of_lost, "events": self.c.events, "open": self.c.open_count,
                "router_begun": self.c.router_begun, "turns_not_sent": self.c.turns_not_sent,
                "transfers": self.c.transfers, "transferred": self.c.transferred}

    @property
    def sums(self):
        """now_s, last_arrival_s, paid_j, in_system_integral, router_wait_s, router_busy_s; of transfers bytes, wait_s and s."""
        return {"router_wait_s": self.c.router_wait_s, "router_busy_s": self.c.router_busy_s, "now_s": self.c.now_s,
                "last_arrival_s": self.c.last_arrival_s, "paid_j": self.c.paid_j,
                "in_system_integral": self.c.in_system_integral, "transfer_bytes": self.c.transfer_bytes,
                "transfer_wait_s": self.c.transfer_wait_s, "transfer_s": self.c.transfer_s}

    def ledger(self, int tenant, bint tracked):
        """The figures of one ledger; of what is tracked, over all instances."""
        cdef ms_ledger ledger = self.c.instances.delivered[tenant]
        if tracked:
            ledger = ms_instances_tracked(&self.c.instances, tenant)
        return {"alpha": ledger.alpha, "queue": ledger.queue, "plain": ledger.plain, "plain_max": ledger.plain_max,
                "rated": ledger.rated, "satisfied": ledger.satisfied, "certificate": ms_ledger_certificate(&ledger),
                "holds": bool(ms_ledger_holds(&ledger))}

    def pool(self, int k, int replicas, double end_s):
        """busy_s, idle_s and rented_s at the last arrival, meter_j at the end, preemptions and jumps of one pool."""
        cdef int first = self.c.fleet.pool[k].first
        cdef int64_t preemptions = 0, jumps = 0
        for i in range(first, first + replicas):
            preemptions += self.c.fleet.replica[i].preemptions
            jumps += self.c.fleet.replica[i].jumps
        return {"busy_s": self.c.busy_s[k], "idle_s": self.c.idle_s[k], "rented_s": self.c.rented_s[k],
                "meter_j": ms_fleet_meter_j(&self.c.fleet, k, end_s), "preemptions": preemptions, "jumps": jumps}

    def samples(self):
        """The timeline's columns (request, time_s, queue, queue_tracked, certificate, explored; in_system, energy_j,
        prompt_tokens and cached_prompt_tokens [samples, pools]; replicas [samples, pools, 3]), and the stride."""
        cdef ms_timeline *t = &self.c.timeline
        cdef int64_t n = t.length, pools = t.pools
        layout = [(name, np.int64 if name in _COUNTS_IN_SAMPLES else np.float64) for name in _IN_SAMPLES]
        rows = fill(np.empty(n, layout), t.samples)
        return (
            *(rows[name] for name in _IN_SAMPLES),
            fill(np.empty((n, pools), np.int64), t.in_system),
            fill(np.empty((n, pools)), t.energy_j),
            fill(np.empty((n, pools), np.int64), t.prompt_tokens),
            fill(np.empty((n, pools), np.int64), t.cached_prompt_tokens),
            fill(np.empty((n, pools, 3), np.int32), t.replicas),
        ), t.stride
