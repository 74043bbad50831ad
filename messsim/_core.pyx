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

include "_core_fill.pxi"

DOWN, IDLE, BOUNDARY, RUNNING = MS_DOWN, MS_IDLE, MS_BOUNDARY, MS_RUNNING
NOTHING, WAKE, RESCHEDULE = MS_NOTHING, MS_WAKE, MS_RESCHEDULE
QUEUED, RUNS, TRANSFERS, ARRIVED = MS_QUEUED, MS_RUNS, MS_TRANSFERS, MS_ARRIVED
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
    if code != 0:
        raise getattr(errors, ms_error_exception(code).decode())(ms_error_text(code).decode())
    return 0


cdef int check_shape(bint fits, str what) except -1:
    if not fits:
        raise errors.KernelError(what)
    return 0


def error_codes() -> list[tuple[int, str, str]]:
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


cdef dict by_name(object given, tuple names, tuple others, str what):
    """Values of a structure by name, checked; those of a tuple are in its order. `others` may be there."""
    cdef dict values = dict(zip(names, given, strict=True)) if isinstance(given, tuple) else given
    wrong = set(names).symmetric_difference(values).difference(others)
    check_shape(not wrong, f"{what}: {', '.join(sorted(wrong))} missing or unknown")
    return values


cdef flat(object column, tuple shape, str name):
    """A column as C has it; None stays."""
    if column is None:
        return None
    check_shape(column.shape == shape and column.flags.c_contiguous, f"{name} is {shape}, contiguous")
    return column.reshape(-1)


cdef void *start_of(array):
    """Where the memory of an array begins."""
    cdef uint8_t[::1] memory = array
    return &memory[0]


# ---- random columns -------------------------------------------------------------------------------------

def philox_block(uint32_t[::1] key not None, uint32_t[::1] counter not None) -> NDArray[np.uint32]:
    """The four words of one Philox4x32-10 block, for the known-answer tests."""
    check_shape(key.shape[0] == 2 and counter.shape[0] == 4, "a key has 2 words and a counter 4")
    words = np.empty(4, dtype=np.uint32)
    cdef uint32_t[::1] out = words
    ms_philox_block(&key[0], &counter[0], &out[0])
    return words


cdef class Stream(_ms_stream):
    """Random numbers of one column (csrc/draw.h): each method fills `out` for requests first, first + 1, ...; `odd` is the
    second component of what `sub` numbers."""

    def __init__(self, uint32_t seed, uint32_t column, uint32_t replication=0, uint32_t sub=0):
        self.c = ms_stream(seed, column, replication, sub)

    def uniform(self, uint64_t first, double[::1] out not None, bint odd=False):
        """52-bit uniforms."""
        with nogil:
            ms_draw_uniform(&self.c, odd, first, out.shape[0], &out[0])

    def choice(self, uint64_t first, double[::1] out not None):
        """32-bit uniforms, for Bernoulli draws and choices."""
        with nogil:
            ms_draw_choice(&self.c, first, out.shape[0], &out[0])

    def exponential(self, uint64_t first, double[::1] out not None, bint odd=False):
        """Mean 1."""
        with nogil:
            ms_draw_exponential(&self.c, odd, first, out.shape[0], &out[0])

    def normal(self, uint64_t first, double[::1] out not None, bint odd=False):
        """Mean 0, standard deviation 1."""
        with nogil:
            ms_draw_normal(&self.c, odd, first, out.shape[0], &out[0])

    def lognormal(self, uint64_t first, double mu, double sigma, double[::1] out not None, bint odd=False):
        """exp(mu + sigma z), z standard normal."""
        with nogil:
            ms_draw_lognormal(&self.c, odd, first, out.shape[0], mu, sigma, &out[0])

    def uniform_pair(self, uint64_t first, double[:, ::1] out not None):
        """Both 52-bit uniforms of each block into out [n, 2]."""
        check_shape(out.shape[1] == 2, "out is [n, 2]")
        with nogil:
            ms_draw_uniform_pair(&self.c, first, out.shape[0], &out[0, 0])

    def normal_pair(self, uint64_t first, double[::1] even not None, double[::1] odd not None):
        """Standard normal variates into two columns, the two components that share a block."""
        check_shape(even.shape[0] == odd.shape[0], "the two columns have one length")
        with nogil:
            ms_draw_normal_pair(&self.c, first, even.shape[0], &even[0], &odd[0])

    def geometric(self, uint64_t first, double scale, double most, int32_t[::1] out not None):
        """min(most, 1 + floor(scale x)), x exponential."""
        with nogil:
            ms_draw_geometric(&self.c, first, out.shape[0], scale, most, &out[0])

    def geometric_of(self, uint64_t first, const int32_t[::1] model not None, const uint32_t[::1] columns not None,
                     const double[::1] scales not None, const double[::1] mosts not None, int32_t[::1] out not None):
        """The same where request i is of model[i], each of which has a column, a scale and a most."""
        check_shape(model.shape[0] == out.shape[0] and columns.shape[0] == scales.shape[0] == mosts.shape[0],
                    "model and out have one length, and columns, scales and mosts another")
        check_shape(out.shape[0] == 0 or 0 <= np.min(model) and np.max(model) < columns.shape[0], "every model has a column")
        with nogil:
            ms_draw_geometric_of(&self.c, first, out.shape[0], &model[0], &columns[0], &scales[0], &mosts[0], &out[0])

    def lognormal_count(self, uint64_t first, double mu, double sigma, double most, int32_t[::1] out not None):
        """exp(mu + sigma z) to the nearest, within [1, most]."""
        with nogil:
            ms_draw_lognormal_count(&self.c, first, out.shape[0], mu, sigma, most, &out[0])

    def logistic(self, uint64_t first, double slope, double ability, const double[::1] difficulty not None,
                 double[::1] out not None):
        """1 with probability sigmoid(slope (ability - difficulty)), else 0."""
        check_shape(difficulty.shape[0] == out.shape[0], "difficulty and out have one length")
        with nogil:
            ms_draw_logistic(&self.c, first, out.shape[0], slope, ability, &difficulty[0], &out[0])

    def difficulty_features(self, uint64_t first, double signal, double mean, double deviation,
                            const double[::1] difficulty not None, double[:, ::1] out not None):
        """What a router sees of requests of a difficulty, out [features, n] (csrc/difficulty.h)."""
        check_shape(difficulty.shape[0] == out.shape[1], "difficulty and out have one length")
        cdef ms_difficulty_law law
        law.stream, law.signal, law.mean, law.deviation = self.c, signal, mean, deviation
        with nogil:
            ms_difficulty_columns(&law, first, out.shape[1], out.shape[0], &difficulty[0], &out[0, 0])

    def one(self, uint64_t request, bint odd=False) -> float:
        """The 52-bit uniform of one request."""
        return ms_draw_one(&self.c, odd, request)


ctypedef void (*elementwise)(const double *, int64_t, double *) noexcept nogil


cdef mapped(elementwise function, const double[::1] x):
    result = np.empty(x.shape[0])
    cdef double[::1] out = result
    with nogil:
        function(&x[0], x.shape[0], &out[0])
    return result


def quantile_exponential(const double[::1] u not None) -> NDArray[np.float64]:
    """The unit-mean exponential quantiles of u in (0, 1)."""
    return mapped(<elementwise>ms_draw_quantile_exponential, u)


def quantile_normal(const double[::1] u not None) -> NDArray[np.float64]:
    """The standard normal quantiles of u in (0, 1)."""
    return mapped(<elementwise>ms_draw_quantile_normal, u)


def exp(const double[::1] x not None) -> NDArray[np.float64]:
    """e^x without libm: the same bits on every machine."""
    return mapped(<elementwise>ms_draw_exp_many, x)


def sum_up(double[::1] x not None, double before) -> float:
    """Each of x becomes the sum of `before` and all up to it, from left to right; the last of them, or `before`."""
    return ms_draw_sum_up(&x[0] if x.shape[0] else NULL, x.shape[0], before)


def log(const double[::1] x not None) -> NDArray[np.float64]:
    """ln x of positive normal numbers, without libm."""
    return mapped(<elementwise>ms_draw_log_many, x)


def log_histogram_add(int64_t[::1] counts not None, const double[::1] values not None, double least,
                      double bins_per_octave) -> tuple[int, float]:
    """Counts values >= 0 into counts (csrc/histogram.h); returns how many were 0, and the sum of all."""
    cdef ms_log_histogram histogram
    check_shape(counts.shape[0] > 0, "a histogram has bins")
    histogram.counts, histogram.bins = &counts[0], counts.shape[0]
    histogram.least, histogram.bins_per_octave = least, bins_per_octave
    histogram.zeros, histogram.sum = 0, 0.0
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
        cdef dict used = {name: columns[name] for name in TYPES_OF_ms_records}
        used["explored"] = used["explored"].view(np.uint8)
        self.columns, self.c.n = used, len(used["id"])
        check_shape(self.c.n > 0 and all(len(column) == self.c.n for column in used.values()),
                    "the columns have one length, not 0")
        point_ms_records(&self.c, used)

    def add_to(self, dict sums not None):
        """Adds to arrays by the names of ms_tally (csrc/tally.h)."""
        cdef ms_tally tally
        cdef int error
        memset(&tally, 0, sizeof(tally))
        tally.statuses, tally.models, tally.tenants = (
            len(sums["by_status"]), len(sums["answered"]), len(sums["tenant_answered"]))
        check_shape(len(sums["sums"]) == MS_TALLY_SUMS and len(sums["counts"]) == MS_TALLY_COUNTS
                    and len(sums["satisfied"]) == len(sums["visible_cost"]) == tally.models
                    and len(sums["tenant_satisfied"]) == tally.tenants, "the sums are those of csrc/tally.h")
        point_ms_tally(&tally, sums)
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
            ms_tally_add_latencies(histograms, &self.c, warmup, tenant)
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
        ms_tally_attained(&self.c, &c, &arrived[0], &attained[0])


cdef class RunningSums(_ms_running):
    """Sums over requests in order (csrc/tally.h)."""

    def __init__(self):
        self.c.last_short = -1

    def sum_up(self, const int64_t[::1] ids not None, const double[::1] satisfied not None, const double[::1] promised not None,
               const double[::1] costs not None, int64_t stride) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Goes on; returns ids, and satisfaction, promise and cost so far, of every stride-th request."""
        cdef int64_t n = ids.shape[0], most = n // max(stride, 1) + 1, kept
        samples, curves = np.empty(most, np.int64), np.empty((3, most))
        cdef int64_t[::1] i = samples
        cdef double[:, ::1] c = curves
        check_shape(stride > 0 and stride & (stride - 1) == 0, "stride is a power of 2")
        check_shape(satisfied.shape[0] == promised.shape[0] == costs.shape[0] == n, "columns have one length")
        with nogil:
            kept = ms_running_add(&self.c, n, &ids[0], &satisfied[0], &promised[0], &costs[0], stride, &i[0], &c[0, 0],
                                  &c[1, 0], &c[2, 0])
        return samples[:kept], curves[:, :kept]


def scores_add(double[::1] good not None, double[::1] bad not None, const double[::1] scores not None,
               const double[::1] satisfied not None) -> float:
    """Counts predictions with their outcomes by score (csrc/tally.h); returns the sum of cross-entropies."""
    cdef double loss = 0.0
    check_shape(good.shape[0] == bad.shape[0] > 0 and scores.shape[0] == satisfied.shape[0], "as many outcomes as scores")
    with nogil:
        loss = ms_tally_add_scores(&good[0], &bad[0], good.shape[0], scores.shape[0], &scores[0], &satisfied[0])
    return loss


# ---- routing --------------------------------------------------------------------------------------------

OPTIMIZERS = {"sgd": MS_SGD, "adagrad": MS_ADAGRAD}


cdef view(double *at, int64_t rows, int64_t columns):
    """Memory of C as an array [rows, columns]."""
    return np.asarray(<double[:rows, :columns]>at) if columns else np.empty((rows, 0))


cdef class Predictor(_ms_predictor):
    """Logistic regressions of all models, learnt by SGD or AdaGrad with a batch of one; `bias` is what biases start at.

    Scores made under another `version`, the number of steps so far, are stale.
    """

    cdef dict options

    def __init__(self, int models, int features, *, double learning_rate, double momentum=0.0,
                 double weight_decay=0.0, double clip=0.0, str optimizer="sgd", bint standardize=False,
                 bias: "Iterable[float] | None" = None):
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
            view(self.c.bias, 1, models)[0, :] = bias

    def __dealloc__(self):
        ms_predictor_free(&self.c)

    @property
    def weights(self) -> NDArray[np.float64]:
        """A copy of the weights, [models, features]."""
        return view(self.c.weights, self.c.models, self.c.features).copy()

    @property
    def bias(self) -> NDArray[np.float64]:
        """A copy of the biases, [models]."""
        return view(self.c.bias, 1, self.c.models)[0].copy()

    def score(self, const double[:, ::1] x not None, double[:, ::1] scores not None, int64_t first=0,
              int64_t end=-1):
        """Scores requests first ... end - 1 (-1: to the last) of x [features, n] into those columns of scores [models, n]."""
        cdef int64_t n = x.shape[1]
        end = n if end == -1 else end
        check_shape(x.shape[0] == self.c.features and scores.shape[0] == self.c.models
                    and scores.shape[1] == n and 0 <= first <= end <= n,
                    "x is [features, n] and scores [models, n]")
        cdef const double *at = &x[0, first] if self.c.features else NULL
        with nogil:
            ms_predictor_score(&self.c, at, n, end - first, &scores[0, first], n)

    cdef dict learnt(self):
        """The arrays that it learns, as they stand in C."""
        cdef int64_t m = self.c.models, d = self.c.features
        return {"weights": view(self.c.weights, m, d), "bias": view(self.c.bias, 1, m)[0],
                "velocity": view(self.c.velocity, m, d + 1), "mean": view(self.c.scaler.mean, 1, d)[0],
                "squares": view(self.c.scaler.squares, 1, d)[0]}

    def saved(self) -> dict[str, Any]:
        """All that it has learnt, as numbers and lists; see `restore`."""
        numbers = {"version": self.c.version, "weights": 0, "bias": 0, "velocity": 0, "seen": self.c.scaler.count}
        return numbers | {name: array.tolist() for name, array in self.learnt().items()}

    def restore(self, dict saved):
        """Takes up what `saved` gave; a scale that was not saved stays."""
        arrays = {name: array for name, array in self.learnt().items() if name in saved}
        values = {name: np.array(saved[name], dtype=np.float64) for name in arrays}
        check_shape(len(arrays) >= 3 and all(array.shape == values[name].shape for name, array in arrays.items()),
                    "what was saved is of as many models and features")
        for name, array in arrays.items():
            array[...] = values[name]
        self.c.version, self.c.scaler.count = saved["version"], saved.get("seen", self.c.scaler.count)

    def copy(self) -> Predictor:
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
    """All weights, biases and velocities become their means. Scores made before are stale, the version stays."""
    cdef size_t[::1] pointers = np.empty(len(predictors), np.uintp)
    cdef Predictor predictor, first = predictors[0]
    for i, predictor in enumerate(predictors):
        check_shape(predictor.c.models == first.c.models and predictor.c.features == first.c.features,
                    "the predictors are of one shape")
        pointers[i] = <size_t>&predictor.c
    ms_predictor_average(<ms_predictor **>&pointers[0], pointers.shape[0])


cdef class Ledger(_ms_ledger):
    """A virtual queue and its certificate: `queue` is what the router sees, `plain` the undiscounted one."""

    def __init__(self, double alpha, *, double discount=1.0, int64_t window=0, double initial=0.0):
        ms_ledger_free(&self.c)
        check(ms_ledger_init(&self.c, alpha, discount, window))
        ms_ledger_start(&self.c, initial)

    def __dealloc__(self):
        ms_ledger_free(&self.c)

    def saved(self) -> dict[str, Any]:
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
    def certificate(self) -> float:
        """alpha - (Q - Q_start)/T: the mean satisfaction of rated answers is at least this. NaN before any."""
        return ms_ledger_certificate(&self.c)

    @property
    def holds(self) -> bool:
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


def total(list ledgers not None) -> Ledger:
    """One ledger of all ratings of several ledgers of one promise: its queue is the sum of theirs."""
    cdef size_t[::1] pointers = pointers_to(ledgers)
    cdef Ledger sum_ = Ledger(0.0)
    sum_.c = ms_ledger_total(<ms_ledger **>&pointers[0], pointers.shape[0])
    return sum_


CHAIN_MOST, POLICY_RAISED = MS_CHAIN_MOST, MS_POLICY_RAISED

cdef const double[::1] ZEROS = np.zeros(MS_FRONTIER_MODELS)  # a policy that is told nothing reads zeros, not a null pointer


cdef const double[::1] no_facts(int64_t models):
    return ZEROS if models <= ZEROS.shape[0] else np.zeros(models)


cdef double[::1] with_length(values):
    """Numbers after their own length (policy.h), and one 0 after them: no array is empty."""
    numbers = np.asarray(values, dtype=np.float64).reshape(-1)
    return np.concatenate([[len(numbers)], numbers, [0.0]])


cdef class Compiled:
    """What a policy and a rule of dispatch have in common: parameters, a state and machine code of somebody's.

    `params` are as given, and one 0 behind them; `state` is the array that the code itself reads and writes, likewise.
    """

    cdef readonly object params
    cdef readonly object state
    cdef const double **params_at  # where its structure in C points to them
    cdef double **state_at
    cdef tuple compiled  # what the user's functions became; None for a built-in

    def replace(self, params, state=()):
        """Puts other parameters and state in their place, of any length; before the first decision only."""
        cdef double[::1] p = with_length(params), s = with_length(state)
        self.params, self.state = np.asarray(p)[1:], np.asarray(s)[1:]
        self.params_at[0], self.state_at[0] = &p[1], &s[1]

    cdef adopt(self, Compiled other):
        """The same parameters, and a state of its own that begins as the other stands."""
        self.replace(other.params[:len(other.params) - 1], other.state[:len(other.state) - 1])
        self.compiled = other.compiled
        return self

    def keep_alive(self, tuple compiled not None):
        """Holds what the functions' machine code belongs to; each knows by the address of `state` what has failed."""
        self.compiled = compiled

    @property
    def functions(self) -> tuple[Any, ...]:
        """What the user's functions became, one an entry; empty for a built-in."""
        return self.compiled or ()

    @property
    def is_compiled(self) -> bool:
        """Whether its functions were written in Python, so that nobody knows whether they return."""
        return self.compiled is not None

    def failure(self) -> str | None:
        """What the last of its functions that failed has raised, told once; None if none did."""
        for function in self.functions:
            raised = function.failures.pop(<size_t>self.state_at[0], None)
            if raised is not None:
                return raised
        return None


cdef dict BUILT_IN = {"mess+": <size_t>ms_policy_mess_decide, "random": <size_t>ms_policy_random,
                      "cheapest": <size_t>ms_policy_cheapest, "largest": <size_t>ms_policy_largest,
                      "mix": <size_t>ms_policy_mix}


cdef class Policy(Compiled):
    """The three functions of a policy over its parameters and its state.

    `decide`, `finish`, `rated` and `learn` are a built-in's name or the address of a compiled function with the
    signature in csrc/policy.h; 0 for none. `uniforms` is how many a request has.
    """

    cdef ms_policy c

    def __cinit__(self):
        self.params_at, self.state_at = &self.c.params, &self.c.state

    def __init__(self, decide, params, state, *, uint64_t finish=0, uint64_t rated=0, uint64_t learn=0,
                 int32_t uniforms=2):
        self.replace(params, state)
        self.c.uniforms = uniforms
        self.c.decide = <ms_decide_fn><size_t>int(BUILT_IN.get(decide, decide))
        self.c.finish = <ms_finish_fn><size_t>finish
        self.c.rated = <ms_rated_fn><size_t>rated
        self.c.learn = <ms_learn_fn><size_t>learn
        check_shape(self.c.decide != NULL, "decide is a built-in's name or the address of a function")
        if decide == "mess+":
            check_shape(len(self.params) > MS_MESS_PARAMS and len(self.state) > MS_MESS_STATE,
                        f"mess+ takes {MS_MESS_PARAMS} parameters and {MS_MESS_STATE} of state")
            self.c.rated = ms_policy_mess_rated

    def copy(self) -> Policy:
        """Another instance: the same functions and parameters, and a state of its own that begins as this one stands."""
        cdef Policy other = Policy.__new__(Policy)
        other.c = self.c
        return other.adopt(self)

    @property
    def uniforms(self) -> int:
        """How many uniforms a request has."""
        return self.c.uniforms

    def decide(self, int64_t request, int64_t step, double alpha, double queue,
               const double[::1] scores not None, const double[::1] costs not None, const double[::1] loads not None,
               const double[::1] uniforms not None, const double[::1] facts=None, const double[::1] features=None,
               int64_t tenant=0) -> int:
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
            raise errors.illegal("plan", request, plan, models, self.failure())
        return plan

    def finish(self, int64_t request, int64_t stage, int64_t model, const double[::1] scores not None,
               const double[::1] costs not None, const double[::1] uniforms not None, const double[::1] facts=None,
               int64_t tenant=0) -> int:
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
            raise errors.illegal("next", request, chosen, models, self.failure())
        if chosen < models and stage + 1 >= MS_CHAIN_MOST:
            raise errors.illegal("chain", request, chosen, models)
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
            raise errors.illegal("label", request, code, 0, self.failure())
        return 0


cdef class DispatchRule(Compiled):
    """A rule of dispatch of the user's own, among the replicas of one model.

    `pick` is the address of a compiled function with the signature in csrc/dispatch_plan.h; what it does not see is not
    gathered for it.
    """

    cdef ms_own_rule c

    def __cinit__(self):
        self.params_at, self.state_at = &self.c.params, &self.c.state

    def __init__(self, uint64_t pick, params, state, *, bint sees_loads=True, bint sees_engines=True,
                 bint sees_caches=True):
        check_shape(pick != 0, "pick is the address of a function")
        self.replace(params, state)
        self.c.pick = <ms_pick_fn><size_t>pick
        self.c.sees_loads, self.c.sees_engines, self.c.sees_caches = sees_loads, sees_engines, sees_caches

    def copy(self) -> DispatchRule:
        """The same rule for another model: with a state of its own that begins as this one stands."""
        cdef DispatchRule other = DispatchRule.__new__(DispatchRule)
        other.c = self.c
        return other.adopt(self)

    @property
    def sees(self) -> tuple[bool, bool, bool]:
        """Whether it looks at loads, at engines and at caches."""
        return bool(self.c.sees_loads), bool(self.c.sees_engines), bool(self.c.sees_caches)

    def pick(self, int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
             const double[::1] numbers not None, const double[::1] loads not None, const double[::1] waiting not None,
             const double[::1] usage not None, const double[::1] cached not None,
             const double[::1] uniforms not None) -> int:
        """Which of the replicas gets a copy, checked."""
        cdef int64_t n = numbers.shape[0], picked
        check_shape(n >= 1 and n == loads.shape[0] == waiting.shape[0] == usage.shape[0] == cached.shape[0],
                    "numbers, loads, waiting, usage and cached are [replicas]")
        check_shape(uniforms.shape[0] == MS_OWN_UNIFORMS, f"uniforms are {MS_OWN_UNIFORMS}")
        with nogil:  # it may never return: another thread must hear Ctrl-C
            picked = self.c.pick(request, attempt, session, prompt_tokens, now_s, n, &numbers[0], &loads[0],
                                 &waiting[0], &usage[0], &cached[0], &uniforms[0], self.c.params, self.c.state)
        if not 0 <= picked < n:
            raise errors.wrong_pick(request, picked, self.failure())
        return picked


def argmin_block(double v, double alpha, double queue, const double[:, ::1] scores not None,
                 const double[:, ::1] costs not None, int32_t[::1] chosen not None):
    """argmin_m v costs[m, i] + queue (alpha - scores[m, i]) into chosen [n]; ties to the lowest m."""
    check_shape(scores.shape[0] == costs.shape[0] >= 1 and scores.shape[1] == costs.shape[1] == chosen.shape[0],
                "scores and costs are [models, n] and chosen [n]")
    with nogil:
        ms_policy_argmin_block(scores.shape[0], scores.shape[1], scores.shape[1], v, alpha, queue, &scores[0, 0],
                               &costs[0, 0], &chosen[0])


# ---- servers --------------------------------------------------------------------------------------------

cdef dict UNLESS_GIVEN = {"spared_w": 0.0, "draft_tokens": 0.0, "draft_s": 0.0, "draft_s_per_sequence": 0.0}


cdef int fill_ms_coefficients(ms_coefficients *c, object given) except -1:
    if given is None:
        return set_ms_coefficients(c, None)
    cdef tuple knots = given["knots"]
    check_shape(len(knots) != 1 and len(knots) <= MS_MOST_KNOTS, f"knots are none or 2 to {MS_MOST_KNOTS}")
    return set_ms_coefficients(c, UNLESS_GIVEN | given | {
        "host_kind": HOST_KINDS[given["host_kind"]], "knots": len(knots),
        "knot_tokens": [tokens for tokens, _ in knots], "knot_s": [seconds for _, seconds in knots]})


def iteration(dict coefficients, double decoders, double context, double prompt_tokens, double prompt_work,
              double n=1.0, *, double prompt_prior=0.0, double prompts=1.0, double ahead=0.0) -> tuple[float, float]:
    """Seconds and joules of n iterations that start with this composition: (seconds, joules).

    `prompt_prior` and `prompts` are read where there are prompt tokens; `ahead` are tokens that drafts add to the context in
    each.
    """
    cdef ms_coefficients c
    cdef ms_batch batch
    fill_ms_coefficients(&c, coefficients)
    fill_ms_batch(&batch, (decoders, context, prompt_tokens, prompt_work, prompt_prior if prompt_tokens > 0 else 0.0,
                           prompts if prompt_tokens > 0 else 0.0, ahead, 0.0, 0.0))
    cdef ms_durations tau = ms_iteration_durations(&c, &batch)
    return ms_durations_sum(&tau, n), ms_iteration_joules(&c, &batch, &tau, n)


def known_costs(dict known not None, const int32_t[::1] prompt_tokens not None, double[::1] costs not None):
    """Expected cost of requests with these prompts into costs, joules, or USD where usd_per_s > 0; `known` are fields
    of ms_known_cost."""
    cdef ms_known_cost c
    fill_ms_known_cost(&c, known)
    check_shape(prompt_tokens.shape[0] == costs.shape[0], "prompt_tokens and costs have one length")
    with nogil:
        ms_cost_known(&c, &prompt_tokens[0], costs.shape[0], &costs[0])


def look_up_costs(const double[::1] by_length not None, const int32_t[::1] prompt_tokens not None,
                  double[::1] costs not None):
    """Cost of requests with these prompts into costs, by a table [most tokens + 1]."""
    check_shape(prompt_tokens.shape[0] == costs.shape[0] > 0, "prompt_tokens and costs have one length")
    check_shape(0 <= np.min(prompt_tokens) and np.max(prompt_tokens) < by_length.shape[0], "by_length has every length")
    with nogil:
        ms_cost_look_up(&by_length[0], &prompt_tokens[0], costs.shape[0], &costs[0])


cdef class MarginalCosts(_all_ms_server_cost):
    """What a request adds where it goes, from fields of ms_server_cost (csrc/marginal.h), those of one model together."""

    def of(self, double prompt_tokens, const double[::1] known not None, list destinations not None) -> NDArray[np.float64]:
        """Costs [models] of a request, whose known costs stand where no server of a model is known.

        `destinations` [models] are fields of ms_destination: where it would go if it went to a model.
        """
        cdef double[::1] costs = np.empty(known.shape[0])
        check_shape(known.shape[0] == len(destinations) > 0, "known and destinations are [models]")
        memory = all_ms_destination(destinations)
        ms_marginal_costs(self.c, self.n, known.shape[0], prompt_tokens, <ms_destination *>start_of(memory), &known[0],
                          &costs[0])
        return np.asarray(costs)


cdef class PromptCosts(_all_ms_prompt_cost):
    """Known costs of prompts whose length follows from the run, from fields of ms_prompt_cost (csrc/cost.h), of a pool each,
    those of one model together."""

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
        ms_cost_of_prompt(self.c, self.n, prompt_tokens, factors, &costs[0, i], costs.shape[1], NULL)


cdef class Job(_open_ms_job):
    """One copy of one request on its way through a server; times are NaN until they happen.

    `path` are the nodes (id, end_tokens) that its prompt begins with (csrc/job.h); `answer_node` is the id of the last
    one, if the answer is to continue it. `session` is the one that it is a turn of; -1: none. Its client allows
    `max_new_tokens` of answer; None: as many as it has.
    """

    cdef ms_node_of_path *nodes
    cdef public object tag
    cdef public object pool
    cdef public object destination  # where it is to decode, if that was chosen before its prefill

    def __init__(self, int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens, tag=None,
                 int32_t attempt=0, path=(), answer_node=None, int64_t session=-1, max_new_tokens=None):
        ms_job_init(&self.c, request, model, prompt_tokens, output_tokens)
        if max_new_tokens is not None:
            self.c.max_new_tokens = max_new_tokens
        self.c.session = session
        self.c.attempt = attempt
        self.c.owner = <void *>self
        self.tag = tag
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

    def cut_off(self, double now_s):
        """The API that it called fails: what it had promised for later will not happen."""
        ms_job_cut_off(&self.c, now_s)

    def let_go(self):
        """The replica that prefilled it does not hold its KV any more."""
        self.c.source, self.c.holds = -1, NULL

    @property
    def path(self) -> list[tuple[int, int]]:
        """The nodes (id, end_tokens) that its prompt begins with."""
        return [(self.nodes[k].id, self.nodes[k].end_tokens) for k in range(self.c.path_length)]


cdef class Api:
    """What an API lets in (csrc/api_limits.h), and what it remembers of prompts (csrc/prompt_cache.h).

    `limits` are fields of ms_limits_plan, `prompt_cache` those of ms_prompt_cache_plan.
    """

    cdef ms_api_limits limits
    cdef ms_prompt_cache cache

    def __init__(self, dict limits not None, dict prompt_cache not None):
        cdef ms_limits_plan allowed
        cdef ms_prompt_cache_plan kept
        fill_ms_limits_plan(&allowed, limits)
        fill_ms_prompt_cache_plan(&kept, prompt_cache)
        ms_api_limits_init(&self.limits, &allowed)
        ms_prompt_cache_init(&self.cache, &kept)

    def __dealloc__(self):
        ms_prompt_cache_free(&self.cache)

    def wait_s(self, int64_t tokens, int64_t calls, double now_s) -> float:
        """Until a call of so many tokens is let in, with `calls` under way, seconds; 0: now."""
        return ms_api_limits_wait_s(&self.limits, tokens, calls, now_s)

    def call(self, Job job not None, double now_s):
        """It is called: takes what the job uses of its limits, and looks at its prompt."""
        ms_api_limits_take(&self.limits, <int64_t>job.c.prompt_tokens + job.c.max_new_tokens, now_s)
        check(ms_prompt_cache_send(&self.cache, &job.c, now_s))


cdef ms_queue empty_queue() noexcept nogil:
    return ms_queue(NULL, NULL, 0, MS_ORDER_FCFS)


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

    def __len__(self) -> int:
        return self.c.length

    def push(self, Job job not None) -> bool:
        """Returns whether the job is the head now."""
        Py_INCREF(job)
        ms_queue_push_tail(&self.c, &job.c)
        return self.c.head == &job.c

    def remove(self, Job job not None) -> bool:
        """Takes out a job that waits here; returns whether it was the head."""
        was_head = self.c.head == &job.c
        ms_queue_remove(&self.c, &job.c)
        Py_DECREF(job)
        return was_head

    def drain(self) -> list[Any]:
        """Takes all jobs out."""
        return taken(&self.c)


cdef class Drafts(_ms_drafts):
    """Speculative decoding (csrc/drafts.h): `accepted` [k] is how probably the j-th draft is right if those before it are,
    `stream` (seed, column, replication, sub)."""

    def __init__(self, const double[::1] accepted not None, tuple stream not None):
        cdef ms_stream s
        fill_ms_stream(&s, stream)
        check_shape(0 < accepted.shape[0] <= MS_DRAFTS_MOST, f"1 to {MS_DRAFTS_MOST} drafts")
        ms_drafts_init(&self.c, accepted.shape[0], &accepted[0], &s)

    def iterations(self, uint64_t request, int64_t tokens) -> int:
        """That a request takes for so many tokens."""
        return ms_drafts_iterations(&self.c, request, tokens)


cdef dict LIMITS = {"kv_policy": "recompute", "kv_block_tokens": 1, "prefix_cache": False, "schedule": "vllm",
                    "max_new_tokens": 0, "whole_prompts": False, "order": "fcfs", "lookahead": 0, "drafts": None,
                    "role": "both", "first_token_later": False, "track_usage": False, "recv_interval": 1}  # others have none
ROLES = {"both": MS_ROLE_BOTH, "prefill": MS_ROLE_PREFILL, "decode": MS_ROLE_DECODE}
cdef dict LIMIT_NAMES = {"kv_policy": KV_POLICIES, "schedule": SCHEDULES, "order": ORDERS, "role": ROLES}


cdef int fill_ms_limits(ms_limits *c, object given) except -1:
    values = LIMITS | given
    set_ms_limits(c, values | {name: numbers[values[name]] for name, numbers in LIMIT_NAMES.items()})
    if values["drafts"] is not None:
        c.drafts = &(<Drafts?>values["drafts"]).c
    return 0


cdef class Replica(_ms_replica):
    """A batching GPU server (csrc/replica.h); `given` are fields of ms_limits by name."""

    cdef ms_coefficients coefficients
    cdef Queue shared
    cdef object limits  # whose drafts it looks at
    cdef int64_t looks  # of routers at its prefix cache

    def __init__(self, int index, dict coefficients, *, Queue shared=None, **given):
        cdef ms_limits limits
        fill_ms_limits(&limits, given)
        fill_ms_coefficients(&self.coefficients, coefficients)
        self.shared, self.limits = shared, given
        check(ms_replica_init(&self.c, index, &self.coefficients, &limits, &shared.c if shared is not None else NULL))

    def __dealloc__(self):
        cdef ms_queue left = empty_queue()
        if self.c.state == MS_RUNNING or ms_replica_unfinished(&self.c):
            ms_replica_evict(&self.c, self.c.boundary_s, &left)
            taken(&left)
        ms_replica_free(&self.c)

    @property
    def unfinished(self) -> int:
        """Running jobs, and those waiting in a queue of its own."""
        return ms_replica_unfinished(&self.c)

    @property
    def waiting(self) -> int:
        """Jobs in a queue of its own."""
        return ms_replica_waiting(&self.c)

    def kv_usage(self, double t_s) -> float:
        """Share of its memory that the batch holds in the iteration under way at t_s."""
        return ms_outlook_kv_usage(&self.c, t_s)

    def look(self, double t_s, *, bint settles):
        """What its prefix cache holds, with `settles` that at t_s, is what routers see of it until the next look."""
        if settles:
            ms_replica_settle_cache(&self.c, t_s)
        self.looks += 1
        check(ms_cache_poll(&self.c.sequences.cache, &self.looks))

    def seen_cached_tokens(self, Job job not None) -> int:
        """Tokens of a job's prompt, in whole blocks, in its prefix cache as it was at the last look, or since its last event."""
        return ms_outlook_cached_tokens(&self.c, &job.c)

    def fits(self, Job job not None):
        """Raises if the job can never run here."""
        check(ms_replica_fits(&self.c, &job.c))

    def submit(self, Job job not None, double t_s) -> int:
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

    def queues(self, Job job not None) -> bool:
        """Whether a job waits in its own queue."""
        return bool(ms_queue_holds(&self.c.own_queue, &job.c))

    def notify(self, double t_s) -> int:
        """The head of the shared queue is new at t_s; returns NOTHING, WAKE or RESCHEDULE."""
        return ms_replica_notify(&self.c, t_s)

    def finish(self) -> Sequence[Job]:
        """The boundary is reached: the jobs that are done, in running order."""
        cdef ms_queue done = empty_queue()
        check(ms_replica_finish(&self.c, &done))
        return taken(&done) if done.length else ()

    def batch(self) -> tuple[list[Job], list[Job]]:
        """The jobs of the iteration under way: those that decode, and those whose prompts it prefills."""
        jobs = [<object>self.c.sequences.jobs[i].owner for i in range(self.c.sequences.running)]
        return jobs[:self.c.sequences.decoders], jobs[self.c.sequences.decoders:]

    @property
    def prompt_tokens(self) -> tuple[int, int]:
        """Prompt tokens that it has started so far, if it has a prefix cache, and how many of them were there."""
        return self.c.sequences.prompt_tokens, self.c.sequences.cached_prompt_tokens

    def memory(self) -> tuple[int, int, int, int]:
        """Blocks that the batch holds in the iteration under way, blocks that are cached beside them, all blocks, and those
        that were evicted, ever."""
        cdef const ms_sequences *s = &self.c.sequences
        return ms_sequences_blocks(s, 1), s.cache.cached, s.capacity_blocks, s.cache.evicted

    def start(self, double t_s) -> int:
        """The next iteration starts; returns how many jobs it took from its queue."""
        cdef int32_t pulled
        check(ms_replica_start(&self.c, t_s, &pulled))
        return pulled

    def cached_tokens(self, Job job not None, double t_s) -> int:
        """Tokens of a job's prompt that its prefix cache holds at t_s, or held at the last look if there was one."""
        return ms_replica_cached_tokens(&self.c, &job.c, t_s)

    def abort(self, Job job not None, double t_s) -> tuple[int, bool]:
        """Nobody wants the answer of a job of its own any more: what this notices, and whether the job has left by
        now. Else `finish` hands it over."""
        cdef int left
        notice = ms_replica_abort(&self.c, &job.c, t_s, &left)
        if left:
            Py_DECREF(job)
        return notice, bool(left)

    def departures(self) -> list[Job]:
        """Jobs whose transfer to here its last start began; they are on their way from now on."""
        jobs = []
        job = ms_transit_depart(&self.c)
        while job != NULL:
            jobs.append(<object>job.owner)
            job = ms_transit_depart(&self.c)
        return jobs

    def arrive(self, Job job not None, double t_s) -> int:
        """All of a job that was on its way is here at t_s; returns NOTHING, WAKE or RESCHEDULE."""
        return ms_replica_arrive(&self.c, &job.c, t_s)

    def call_off(self, Job job not None, double t_s) -> int:
        """A job that was on its way to here, or has arrived, comes no more: what this notices."""
        notice = ms_replica_call_off(&self.c, &job.c, t_s)
        Py_DECREF(job)
        return notice

    def check(self) -> None:
        """Raises unless the blocks of its prefix cache add up."""
        check(ms_cache_check(&self.c.sequences.cache))

    def let_go(self, Job job not None, double t_s) -> int:
        """The blocks of a job that it has prefilled for another are free: what this notices."""
        return ms_replica_let_go(&self.c, &job.c, t_s)

    def meter_j(self, double t_s) -> float:
        """Energy drawn by iterations until t_s, joules; idle power is not in it."""
        return ms_replica_meter_j(&self.c, t_s)

    def busy_s(self, double t_s) -> float:
        return ms_replica_busy_s(&self.c, t_s)

    def evict(self, double t_s) -> list[Any]:
        """Cuts everything off at t_s: the jobs it had, running ones first. It is down afterwards."""
        cdef ms_queue evicted = empty_queue()
        ms_replica_evict(&self.c, t_s, &evicted)
        return taken(&evicted)

    def repair(self):
        ms_replica_repair(&self.c)


# ---- the loop -------------------------------------------------------------------------------------------

LOOP_PAUSED, LOOP_NEEDS_PAGE, LOOP_OVER = MS_LOOP_PAUSED, MS_LOOP_NEEDS_PAGE, MS_LOOP_OVER
SCALING_RULES = {"schedule": MS_SCALES_BY_SCHEDULE, "target": MS_SCALES_BY_TARGET,
                 "concurrency": MS_SCALES_BY_CONCURRENCY, "saturation": MS_SCALES_BY_SATURATION}
DISPATCH = {"least_loaded": MS_LEAST_LOADED, "round_robin": MS_ROUND_ROBIN, "power_of_two": MS_POWER_OF_TWO,
            "shared_queue": MS_SHARED_QUEUE, "random": MS_RANDOM, "session": MS_SESSION, "own": MS_OWN_RULE,
            "prefix_affinity": MS_PREFIX_AFFINITY, "kv_router": MS_KV_ROUTER, "scored": MS_SCORED, "packed": MS_PACKED}
LINKS = {"transfer": MS_LINK_EACH, "prefill": MS_LINK_PREFILL, "decode": MS_LINK_DECODE, "cluster": MS_LINK_CLUSTER}
WAITS = {"forever": MS_WAITS_FOREVER, "constant": MS_WAITS_CONSTANT, "exponential": MS_WAITS_EXPONENTIAL,
         "lognormal": MS_WAITS_LOGNORMAL}
ESTIMATES = {"known": MS_ESTIMATE_KNOWN, "mean": MS_ESTIMATE_MEAN, "last_explored": MS_ESTIMATE_LAST_EXPLORED,
             "marginal": MS_ESTIMATE_MARGINAL}
RECORD_COLUMNS = {name: np.dtype(kind) for name, kind in TYPES_OF_ms_record_columns.items()}
NOT_SENT = MS_NOT_SENT
cdef tuple OF_REQUESTS = ("arrival_s", "tenant", "instance", "prompt_tokens", "max_new_tokens", "feedback_uniform")
cdef tuple OF_MODELS = ("output_tokens", "satisfied", "labels", "delay_s", "price_factor")


cdef class Page(_ms_page):
    """A stretch of requests on its way through a Loop, with the records that it leaves.

    `drawn` are columns by the names of ms_page and ms_page_view (csrc/open.h, csrc/brain.h), which say what None is;
    `turns`, `paths` and `price_factor` may be left out; with `rows`, an array of ms_record, columns by model and features are [n, .].
    `records` are arrays [n] by name: one stands once its request is done; of one not sent the status is NOT_SENT."""

    cdef readonly object records
    cdef object drawn, models_before

    def __init__(self, int64_t first, dict drawn, rows=None):
        cdef int64_t n = len(drawn["tenant"]), side = rows is not None
        cdef int64_t models = drawn["satisfied"].shape[side], d = drawn["features"].shape[side]
        by_model, of_features = ((models, n), (d, n)) if rows is None else ((n, models), (n, d))
        columns = {name: flat(drawn.get(name), (n,), name) for name in OF_REQUESTS}
        columns |= {name: flat(drawn.get(name), by_model, name) for name in OF_MODELS}
        view = {name: flat(drawn[name], by_model, name) for name in ("known_costs", "facts")}
        view["features"] = flat(drawn["features"], of_features, "features") if d > 0 else None
        view |= {"difficulty": flat(drawn.get("difficulty"), (n,), "difficulty"), "prompt_tokens": columns["prompt_tokens"]}
        view["uniforms"] = flat(drawn["uniforms"], (n, drawn["uniforms"].shape[1]), "uniforms")
        check_shape(n > 0 and view["known_costs"] is not None and view["prompt_tokens"] is not None, "a page has rows")
        self.records, self.drawn = {k: np.empty(n, t) if rows is None else rows[k] for k, t in RECORD_COLUMNS.items()}, drawn
        self.c.first, self.c.n, self.c.open, self.c.view.n = first, n, n, n
        point_ms_page(&self.c, columns)
        point_ms_page_view(&self.c.view, view)
        if rows is None:
            point_ms_record_columns(&self.c.record, self.records)
        else:
            check_shape(len(rows) == n and rows.itemsize == sizeof(ms_record), "a row of records is an ms_record")
            ms_page_lay_rows(&self.c, <ms_record *>start_of(rows.view(np.uint8)))
            self.c.view.models_in_row, self.c.view.features_in_row = models, d
        if drawn.get("turns") is not None:
            self.point_to_turns(drawn["turns"])
        if drawn.get("paths") is not None:
            self.point_to_paths(drawn["paths"])

    cdef int point_to_paths(self, object paths) except -1:
        cdef const int64_t[::1] start = paths.start
        cdef uint8_t[::1] nodes = paths.nodes.view(np.uint8)
        check_shape(paths.nodes.itemsize == sizeof(ms_node_of_path), "a node of a path has the size that it has in C")
        check_shape(start.shape[0] == self.c.n + 1 and start[self.c.n] == len(paths.nodes), "start is [n + 1]")
        self.c.path_start = &start[0]
        self.c.path = <ms_node_of_path *>&nodes[0] if nodes.shape[0] else NULL

    cdef int point_to_turns(self, object turns) except -1:
        cdef int64_t n = self.c.n
        self.models_before = np.full(n, -1, np.int32)
        check_shape(self.c.arrival_s != NULL, "turns want arrival times")
        check_shape(turns.new_tokens is None or self.c.output_tokens != NULL, "new tokens want answers")
        columns = {name: flat(getattr(turns, name), (n,), name)
                   for name in ("first_child", "next_child", "wait_s", "session", "new_tokens")}
        point_ms_page_turns(&self.c.turns, columns | {"roots": turns.roots, "model": self.models_before})
        self.c.turns.n_roots, self.records["status"][:] = len(turns.roots), MS_NOT_SENT


cdef fill(array, const void *values):
    """Copies as many bytes as an array of the core's own layout has."""
    cdef char[::1] room = array.reshape(-1).view(np.int8)
    if room.shape[0] > 0:
        memcpy(&room[0], values, room.shape[0])
    return array


cdef class Loop(_ms_run):
    """The event loop of csrc/loop.h.

    Parameters
    ----------
    config, pools, dispatch, breakdowns
        Fields of ms_run_config, ms_pool_plan, ms_dispatch_plan (its rule a key of DISPATCH) and ms_breakdown by name.
    alphas, discount, window
        Of the tenants' virtual queues.
    dispatch_streams
        (seed, column, replication, sub) for each model, twice where prefill and decode are split.
    estimate, prior, marginal
        A key of ESTIMATES; NaN for the known cost; what the estimate of that name knows of servers.
    policies, predictors
        Of the router's instances, one of each for each of them; None for an instance without a predictor.
    prompt_costs
        Where prompts grow; None where all are given.
    priority, ttft_objective_s
        Of tenants, which order the queues of servers; None where these are first come, first served.
    own_rules
        A rule of dispatch of the user's own, by model; none where `rule` is another.
    """

    cdef object policies, predictors, own_rules, pages, marginal, prompt_costs, urgency
    cdef object pools  # whose drafts it looks at
    cdef object page  # the present one: the loop still looks at it after its records are handed on
    cdef bint ready

    def __init__(self, dict config, const double[::1] alphas not None, double discount, int64_t window, list pools,
                 dict dispatch, list dispatch_streams, list policies not None, list predictors not None, str estimate,
                 double prior, MarginalCosts marginal not None, list breakdowns, PromptCosts prompt_costs=None,
                 const int32_t[::1] priority=None, const double[::1] ttft_objective_s=None, list own_rules=None):
        cdef ms_run_config c
        cdef ms_dispatch_plan dispatch_plan
        cdef int32_t n_pools = len(pools), models = config["models"]
        plans_memory, streams_memory = all_ms_pool_plan(pools), all_ms_stream(dispatch_streams)
        cdef ms_pool_plan *plans = <ms_pool_plan *>start_of(plans_memory)
        cdef ms_stream *streams = <ms_stream *>start_of(streams_memory)
        fill_ms_run_config(&c, config | {"instances": len(policies), "transfer_links": LINKS[config["transfer_links"]]})
        fill_ms_dispatch_plan(&dispatch_plan, dispatch | {key: DISPATCH[dispatch[key]] for key in ("rule", "decode_rule")})
        is_split = any(plans[k].limits.role != MS_ROLE_BOTH for k in range(n_pools))
        check_shape(alphas.shape[0] == c.tenants and len(dispatch_streams) == models * (1 + is_split),
                    "alphas are [tenants] and dispatch_streams [models], twice where prefill and decode are split")
        self.own_rules = own_rules or []
        check_shape(len(self.own_rules) == (models if dispatch_plan.rule == MS_OWN_RULE else 0),
                    "there is a rule of one's own for each model, or none")
        check_shape(0 < c.instances == len(predictors), "every instance has a policy, and a predictor or None")
        self.policies, self.predictors, self.pages, self.marginal = policies, predictors, [], marginal
        self.pools, self.ready = pools, True
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
            fill_ms_breakdown(&self.c.breakdowns[k], breakdown)
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

    def release(self) -> list[Page]:
        """The pages that are over and lead the others, in order: nothing of them is open any more."""
        over = []
        while self.pages and (<Page>self.pages[0]).c.open == 0:
            over.append(self.pages.pop(0))
        return over

    def no_more(self):
        """There are no further requests."""
        ms_loop_no_more(&self.c)

    def run(self, int64_t budget) -> int:
        """Handles up to `budget` events; returns LOOP_PAUSED, LOOP_NEEDS_PAGE or LOOP_OVER."""
        cdef int status
        with nogil:
            status = ms_loop_run(&self.c, budget)
        if status == MS_ERR_PICK:
            raise errors.wrong_pick(self.c.fleet.wrong_request, self.c.fleet.wrong_pick, self.failure())
        if status < 0 and self.c.error_request >= 0 and ms_error_exception(status) == b"PolicyError":
            kind = {MS_ERR_NEXT: "next", MS_ERR_CHAIN: "chain", MS_ERR_LABEL: "label"}.get(status, "plan")
            raise errors.illegal(kind, self.c.error_request, self.c.error_plan, self.c.config.models, self.failure())
        check(min(status, 0))  # what is left to do is no error
        return status

    def failure(self) -> str | None:
        """What a compiled function of one of its policies or of its rule of dispatch has raised; None if none did."""
        failures = [compiled.failure() for compiled in (*self.policies, *self.own_rules)]
        return next(filter(None, failures), None)

    def check(self) -> None:
        """Raises unless the blocks of every prefix cache add up."""
        cdef int32_t i
        for i in range(self.c.fleet.replicas):
            check(ms_cache_check(&self.c.fleet.replica[i].sequences.cache))

    def cut(self):
        """At the horizon: what is under way is charged and recorded as in flight."""
        ms_loop_cut(&self.c)

    def left(self) -> list[Page]:
        """Pages not released yet."""
        return list(self.pages)

    def ledger(self, int tenant, bint tracked) -> Ledger:
        """One ledger as it stands, to be read; of what is tracked, over all instances."""
        cdef Ledger copied = Ledger(0.0)
        copied.c = ms_instances_tracked(&self.c.instances, tenant) if tracked else self.c.instances.delivered[tenant]
        copied.c.recent = NULL  # this memory stays the loop's
        return copied

    def pool(self, int k, int replicas, double end_s) -> dict[str, Any]:
        """busy_s, idle_s and rented_s at the last arrival, meter_j at the end, preemptions and jumps of one pool."""
        cdef int first = self.c.fleet.pool[k].first
        cdef int64_t preemptions = 0, jumps = 0
        for i in range(first, first + replicas):
            preemptions += self.c.fleet.replica[i].preemptions
            jumps += self.c.fleet.replica[i].jumps
        return {"busy_s": self.c.busy_s[k], "idle_s": self.c.idle_s[k], "rented_s": self.c.rented_s[k],
                "meter_j": ms_meters_iterations_j(&self.c.fleet, k, end_s), "preemptions": preemptions, "jumps": jumps}

    def samples(self) -> tuple[tuple[NDArray[Any], ...], int]:
        """The timeline's columns (request, time_s, queue, queue_tracked, certificate, explored; in_system, energy_j,
        prompt_tokens and cached_prompt_tokens [samples, pools]; replicas [samples, pools, 3]), and the stride."""
        cdef ms_timeline *t = &self.c.timeline
        cdef int64_t n = t.length, pools = t.pools
        rows = fill(np.empty(n, list(TYPES_OF_ms_sample.items())), t.samples)
        return (
            *(rows[name] for name in TYPES_OF_ms_sample),
            fill(np.empty((n, pools), np.int64), t.in_system),
            fill(np.empty((n, pools)), t.energy_j),
            fill(np.empty((n, pools), np.int64), t.prompt_tokens),
            fill(np.empty((n, pools), np.int64), t.cached_prompt_tokens),
            fill(np.empty((n, pools, 3), np.int32), t.replicas),
        ), t.stride
