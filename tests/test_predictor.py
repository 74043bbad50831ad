"""The satisfaction predictor against a NumPy twin, numerical gradients, and itself in other blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messsim import _core
from messsim.errors import KernelError


class Twin:
    """Logistic regressions by SGD, written with matrices and the update rule of PyTorch's SGD."""

    def __init__(self, models, features, *, learning_rate, momentum=0.0, weight_decay=0.0, clip=0.0):
        self.theta = np.zeros((models, features + 1))  # the bias last
        self.velocity = np.zeros_like(self.theta)
        self.learning_rate, self.momentum = learning_rate, momentum
        self.weight_decay, self.clip = weight_decay, clip

    def score(self, x: np.ndarray) -> np.ndarray:
        """x [features, n] -> [models, n]"""
        z = self.theta @ np.vstack([x, np.ones(x.shape[1])])
        return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), 1 - 1 / (1 + np.exp(-np.abs(z))))

    def gradient(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        difference = np.nan_to_num(self.score(x[:, None])[:, 0] - labels)
        return np.outer(difference, np.append(x, 1.0))

    def learn(self, x: np.ndarray, labels: np.ndarray) -> None:
        gradient = self.gradient(x, labels)
        norm = np.linalg.norm(gradient)
        if 0 < self.clip < norm:
            gradient *= self.clip / norm
        known = ~np.isnan(labels)
        gradient = gradient[known] + self.weight_decay * self.theta[known]
        self.velocity[known] = self.momentum * self.velocity[known] + gradient
        self.theta[known] -= self.learning_rate * self.velocity[known]


def parameters(predictor: _core.Predictor) -> np.ndarray:
    return np.column_stack([predictor.weights, predictor.bias])


def random_labels(rng, models: int, missing: float) -> np.ndarray:
    labels = np.where(rng.random(models) < 0.5, rng.integers(0, 2, models), rng.random(models))
    labels[rng.random(models) < missing] = np.nan
    return labels


def trained(rng, models: int, features: int, steps: int = 5) -> _core.Predictor:
    predictor = _core.Predictor(models, features, learning_rate=0.5)
    for _ in range(steps):
        predictor.learn(rng.normal(size=features), random_labels(rng, models, 0.0))
    return predictor


def scored(predictor: _core.Predictor, x: np.ndarray, models: int) -> np.ndarray:
    scores = np.full((models, x.shape[1]), np.nan)
    predictor.score(np.ascontiguousarray(x), scores)
    return scores


# ---- scoring -----------------------------------------------------------------------------------------


def test_before_any_step_every_score_is_a_half():
    predictor = _core.Predictor(3, 4, learning_rate=0.1)
    assert predictor.version == 0
    np.testing.assert_array_equal(scored(predictor, np.random.default_rng(0).normal(size=(4, 40)), 3), 0.5)


shapes = st.tuples(st.integers(1, 17), st.integers(0, 100), st.integers(0, 200), st.integers(0, 2**31))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(shapes, st.data())
def test_a_block_gives_the_bits_of_one_by_one(shape, data):
    models, features, n, seed = shape
    rng = np.random.default_rng(seed)
    predictor = trained(rng, models, features)
    x = rng.normal(size=(features, n))
    block = scored(predictor, x, models)
    for i in range(n):
        assert scored(predictor, x[:, i : i + 1], models).tobytes() == block[:, i].tobytes()
    first = data.draw(st.integers(0, n))
    rest = np.full((models, n), -7.0)
    predictor.score(x, rest, first)
    assert rest[:, first:].tobytes() == block[:, first:].tobytes()
    assert np.all(rest[:, :first] == -7.0)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(shapes)
def test_scores_equal_the_twins(shape):
    models, features, n, seed = shape
    rng = np.random.default_rng(seed)
    predictor = trained(rng, models, features)
    twin = Twin(models, features, learning_rate=1.0)
    twin.theta = parameters(predictor)
    x = rng.normal(size=(features, n))
    np.testing.assert_allclose(scored(predictor, x, models), twin.score(x), rtol=1e-12, atol=1e-15)


def test_a_score_saturates_without_overflow():
    predictor = _core.Predictor(2, 1, learning_rate=1e6)
    predictor.learn(np.array([1.0]), np.array([1.0, 0.0]))
    scores = scored(predictor, np.array([[1.0, 1e300, -1e300]]), 2)
    assert np.all((scores >= 0.0) & (scores <= 1.0))
    assert scores[0, 0] == scores[0, 1] == 1.0
    assert scores[0, 2] < 1e-300


# ---- learning ----------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.integers(1, 8),
    st.integers(0, 12),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([0.0, 0.01, 0.5]),
    st.sampled_from([0.0, 0.1, 1.0, 100.0]),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.integers(0, 2**31),
)
def test_steps_equal_the_twins(models, features, momentum, weight_decay, clip, missing, seed):
    rng = np.random.default_rng(seed)
    options = {"learning_rate": 0.1, "momentum": momentum, "weight_decay": weight_decay, "clip": clip}
    predictor, twin = _core.Predictor(models, features, **options), Twin(models, features, **options)
    for step in range(40):
        x, labels = rng.normal(size=features), random_labels(rng, models, missing)
        predictor.learn(x, labels)
        twin.learn(x, labels)
        assert predictor.version == step + 1
        np.testing.assert_allclose(parameters(predictor), twin.theta, rtol=1e-10, atol=1e-13)


def loss(theta: np.ndarray, x: np.ndarray, labels: np.ndarray) -> float:
    """Sum of the cross-entropies over the labelled models: log(1 + e^z) - y z."""
    z = theta @ np.append(x, 1.0)
    return float(np.nansum(np.logaddexp(0.0, z) - labels * z))


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_the_numerical_gradient(seed):
    rng = np.random.default_rng(seed)
    models, features, h = 4, 6, 1e-5
    predictor = trained(rng, models, features)
    before = parameters(predictor)
    x, labels = rng.normal(size=features), random_labels(rng, models, 0.3)
    numerical = np.empty_like(before)
    for at in np.ndindex(before.shape):
        nudge = np.zeros_like(before)
        nudge[at] = h
        numerical[at] = (loss(before + nudge, x, labels) - loss(before - nudge, x, labels)) / (2 * h)
    predictor.learn(x, labels)
    # error of a central difference: h^2 f''' / 6 + eps f / h, below 1e-9 here; the rate of learning is 1/2
    np.testing.assert_allclose((before - parameters(predictor)) / 0.5, numerical, rtol=0, atol=1e-9)


def test_a_missing_label_leaves_its_model_alone():
    rng = np.random.default_rng(1)
    predictor = _core.Predictor(3, 4, learning_rate=0.1, momentum=0.9, weight_decay=0.1, clip=1.0)
    for _ in range(3):
        predictor.learn(rng.normal(size=4), np.array([1.0, 0.0, 1.0]))
    before = parameters(predictor)
    predictor.learn(rng.normal(size=4), np.array([np.nan, 1.0, np.nan]))
    changed = np.any(parameters(predictor) != before, axis=1)
    assert list(changed) == [False, True, False]
    assert predictor.version == 4


def test_clipping_bounds_the_step():
    x = np.full(4, 10.0)
    for clip, length in [(0.0, np.sqrt(401) / 2), (1.0, 1.0), (5.0, 5.0), (50.0, np.sqrt(401) / 2)]:
        predictor = _core.Predictor(1, 4, learning_rate=1.0, clip=clip)
        predictor.learn(x, np.array([1.0]))
        assert np.linalg.norm(parameters(predictor)) == pytest.approx(length, rel=1e-14)


def log_loss(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.mean(labels * np.log(scores) + (1 - labels) * np.log1p(-scores)))


def test_learning_a_separable_problem_lowers_the_log_loss():
    rng = np.random.default_rng(3)
    models, features = 3, 5
    truth = rng.normal(size=(models, features))
    x = rng.normal(size=(features, 4000))
    labels = (truth @ x > 0).astype(float)
    predictor = _core.Predictor(models, features, learning_rate=0.1)
    test_x, test_labels = x[:, 3000:], labels[:, 3000:]
    losses = [log_loss(scored(predictor, test_x, models), test_labels)]
    for i in range(3000):
        predictor.learn(np.ascontiguousarray(x[:, i]), np.ascontiguousarray(labels[:, i]))
        if i in (299, 2999):
            losses.append(log_loss(scored(predictor, test_x, models), test_labels))
    assert losses[0] == pytest.approx(np.log(2))
    assert losses[1] < 0.4
    assert losses[2] < 0.15 < losses[1]


# ---- the door ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "scores", "first"),
    [
        ((3, 10), (3, 10), 0),
        ((2, 10), (2, 10), 0),
        ((2, 10), (3, 9), 0),
        ((2, 10), (3, 10), -1),
        ((2, 10), (3, 10), 11),
    ],
    ids=["features", "models", "length", "before", "behind"],
)
def test_shapes_of_score_are_checked(x, scores, first):
    predictor = _core.Predictor(3, 2, learning_rate=0.1)
    with pytest.raises(KernelError, match=r"x is \[features, n\] and scores \[models, n\]"):
        predictor.score(np.zeros(x), np.zeros(scores), first)


@pytest.mark.parametrize(("x", "labels"), [(1, 3), (3, 3), (2, 2), (2, 4)])
def test_shapes_of_learn_are_checked(x, labels):
    predictor = _core.Predictor(3, 2, learning_rate=0.1)
    with pytest.raises(KernelError, match=r"x is \[features\] and labels \[models\]"):
        predictor.learn(np.zeros(x), np.zeros(labels))
    assert predictor.version == 0


@pytest.mark.parametrize(("models", "features"), [(0, 3), (-1, 3), (2, -1)])
def test_a_predictor_of_no_size_is_refused(models, features):
    with pytest.raises(KernelError, match="at least one model"):
        _core.Predictor(models, features, learning_rate=0.1)


def test_an_array_that_would_need_a_copy_is_refused():
    predictor = _core.Predictor(3, 2, learning_rate=0.1)
    with pytest.raises(ValueError, match="contiguous"):
        predictor.score(np.zeros((10, 2)).T, np.zeros((3, 10)))
    with pytest.raises(ValueError, match="dtype mismatch"):
        predictor.learn(np.zeros(2, dtype=np.float32), np.zeros(3))


def test_weights_and_biases_are_copies():
    predictor = trained(np.random.default_rng(0), 3, 2)
    weights, bias = predictor.weights, predictor.bias
    kept = parameters(predictor)
    weights[:], bias[:] = 99.0, 99.0
    np.testing.assert_array_equal(parameters(predictor), kept)


def test_a_predictor_without_features_has_biases_alone():
    predictor = _core.Predictor(3, 0, learning_rate=0.5)
    predictor.learn(np.empty(0), np.array([1.0, 0.0, np.nan]))
    assert predictor.weights.shape == (3, 0)
    np.testing.assert_array_equal(predictor.bias, [0.25, -0.25, 0.0])
    scores = scored(predictor, np.empty((0, 70)), 3)
    assert np.all(scores == scores[:, :1])


def test_only_the_columns_asked_for_are_scored():
    chance = np.random.default_rng(3)
    predictor = _core.Predictor(3, 5, learning_rate=0.1)
    predictor.learn(chance.normal(size=5), np.array([0.0, 1.0, 0.0]))
    x = chance.normal(size=(5, 100))
    whole, part = np.zeros((3, 100)), np.full((3, 100), -1.0)
    predictor.score(x, whole)
    predictor.score(x, part, 30, 65)
    assert (part[:, 30:65] == whole[:, 30:65]).all()
    assert (part[:, :30] == -1.0).all()
    assert (part[:, 65:] == -1.0).all()
    for first, end in ((40, 39), (0, 101)):
        with pytest.raises(KernelError):
            predictor.score(x, part, first, end)


# ---- standardized features, AdaGrad, starts ----------------------------------------------------------------


class ScaledTwin(Twin):
    """The same on z = (x - mean) / deviation of all lessons so far, found by NumPy; `theta` are those of x."""

    def __init__(self, models, features, *, adagrad=False, **options):
        super().__init__(models, features, **options)
        self.adagrad, self.seen = adagrad, []

    def learn(self, x: np.ndarray, labels: np.ndarray) -> None:
        slope = np.nan_to_num(self.score(x[:, None])[:, 0] - labels)
        self.seen.append(x)
        rows = np.array(self.seen)
        mean, deviation = rows.mean(0), rows.std(0)
        inverse = 1 / deviation if len(rows) >= 16 else np.zeros_like(deviation)
        z = np.append((x - mean) * inverse, 1.0)
        gradient = np.outer(slope, z)
        norm = np.linalg.norm(gradient)
        factor = self.clip / norm if 0 < self.clip < norm else 1.0
        for m in np.flatnonzero(~np.isnan(labels)):
            w, b = self.theta[m, :-1], self.theta[m, -1]
            own = np.append(np.divide(w, inverse, out=np.zeros_like(w), where=inverse > 0), b + w @ mean)
            g = factor * gradient[m] + self.weight_decay * own
            if self.adagrad:
                self.velocity[m] += g**2
                move = self.learning_rate * np.divide(g, np.sqrt(self.velocity[m]), out=np.zeros_like(g), where=g != 0)
            else:
                self.velocity[m] = self.momentum * self.velocity[m] + g
                move = self.learning_rate * self.velocity[m]
            most, logit = 2 * abs(factor * slope[m]) / (1 - self.momentum), abs(move @ z)
            move = move * (most / logit if logit > most else 1.0)
            self.theta[m, :-1] -= move[:-1] * inverse
            self.theta[m, -1] += (move[:-1] * inverse) @ mean - move[-1]


@pytest.mark.parametrize(
    "options",
    [{}, {"momentum": 0.9}, {"weight_decay": 0.01, "clip": 0.5}, {"optimizer": "adagrad"}, {"learning_rate": 5.0}],
)
def test_standardized_steps_are_the_twins(options):
    rng = np.random.default_rng(3)
    options = {"learning_rate": 0.3} | options
    predictor = _core.Predictor(3, 5, standardize=True, **options)
    adagrad = options.pop("optimizer", "sgd") == "adagrad"
    twin = ScaledTwin(3, 5, adagrad=adagrad, **options)
    for _ in range(80):
        x = rng.normal(size=5) * [1, 10, 1e4, 1e-3, 1] + [0, 5, 1e5, 1, 0]
        labels = random_labels(rng, 3, 0.3)
        predictor.learn(x, labels)
        twin.learn(x, labels)
    np.testing.assert_allclose(parameters(predictor), twin.theta, rtol=1e-6, atol=1e-9)


def test_adagrad_divides_by_what_it_has_seen():
    predictor = _core.Predictor(1, 1, learning_rate=0.5, optimizer="adagrad")
    predictor.learn(np.array([2.0]), np.array([1.0]))
    assert predictor.weights[0, 0] == predictor.bias[0] == 0.5  # the first step is the rate itself
    slope = 1 / (1 + np.exp(-1.5)) - 1
    predictor.learn(np.array([2.0]), np.array([1.0]))
    assert predictor.weights[0, 0] == pytest.approx(0.5 - 0.5 * 2 * slope / np.sqrt(1 + 4 * slope**2))


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_no_scale_of_a_feature_changes_what_is_learnt(optimizer):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 4))
    scale, offset = np.array([1.0, 1e5, 1e-6, 30.0]), np.array([0.0, 4e5, 1e-5, -100.0])
    plain, scaled = (_core.Predictor(1, 4, learning_rate=0.05, standardize=True, optimizer=optimizer) for _ in range(2))
    for row in x:
        label = np.array([float(rng.random() < 1 / (1 + np.exp(-row.sum())))])
        plain.learn(row, label)
        scaled.learn(row * scale + offset, label)
    a, b = scored(plain, x.T, 1), scored(scaled, (x * scale + offset).T, 1)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    assert a.std() > 0.1


@pytest.mark.parametrize("features", [1, 32, 2000])
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_a_standardized_step_never_overshoots(features, optimizer):
    """However many features, however far out: the logit of the request moves by 2 |s - y| at most."""
    rng = np.random.default_rng(5)
    predictor = _core.Predictor(1, features, learning_rate=10.0, standardize=True, optimizer=optimizer)
    for k in range(40):
        x, label = rng.standard_t(1, size=(features, 1)), float(k % 2)
        before = scored(predictor, x, 1)[0, 0]
        predictor.learn(np.ascontiguousarray(x[:, 0]), np.array([label]))
        after = scored(predictor, x, 1)[0, 0]
        moved = abs(np.log(after / (1 - after)) - np.log(before / (1 - before)))
        assert moved <= 2 * abs(before - label) * (1 + 1e-6) + 1e-9


def test_biases_start_where_they_are_put_and_copies_go_on_alike():
    predictor = _core.Predictor(2, 2, learning_rate=0.1, standardize=True, optimizer="adagrad", bias=[1.0, -1.0])
    assert scored(predictor, np.zeros((2, 1)), 2)[:, 0].tolist() == [1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(1.0))]
    rng = np.random.default_rng(6)
    for _ in range(30):
        predictor.learn(rng.normal(size=2), random_labels(rng, 2, 0.2))
    other = predictor.copy()
    for _ in range(30):
        x, labels = rng.normal(size=2), random_labels(rng, 2, 0.2)
        predictor.learn(x, labels)
        other.learn(x, labels)
    assert parameters(predictor).tobytes() == parameters(other).tobytes()
    with pytest.raises(KernelError, match="bias"):
        _core.Predictor(2, 2, learning_rate=0.1, bias=[1.0])
