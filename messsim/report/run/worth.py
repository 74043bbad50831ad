"""Can a router pay here? In sentences and a table."""

from collections.abc import Sequence

from messsim.shapes.checks import CheckedPool, Worth
from messsim.wording import per_request, percent

__all__ = ["bounds_of", "sentences_of"]

MOST_DOMINATED = 3  # models that are told by name


def bounds_of(worth: Worth) -> list[list[str]]:
    """Who chooses, and what an answer costs at least; all by expected costs."""
    single, unit = worth["best_single"], worth["unit"]
    rows = [
        ("best single model" + (f", {single['model']}" if single["model"] else ""), single["per_request"]),
        ("best fixed mix", worth["static_mix"]),
        ("knows each request's cost", worth["own_cost"]),
        ("knows what features tell", worth["features"]),
        ("knows every outcome", worth["clairvoyant"]),
    ]
    return [[who, per_request(cost, unit)] for who, cost in rows]


def sentences_of(worth: Worth, pools: Sequence[CheckedPool]) -> list[str]:
    """What routing can save, what is in its way, and the cheapest change that would help."""
    sentences = [_savings(worth)]
    dominated = worth["dominated"]
    sentences += [
        f"{d['model']} is dominated: {d['by']} satisfies no less often, at no more cost"
        for d in dominated[:MOST_DOMINATED]
    ]
    if (left := len(dominated) - MOST_DOMINATED) > 0:
        sentences.append(f"so {'is' if left == 1 else 'are'} {left} more of the models")
    thin = [p for p in pools if p["thin"]]
    sentences += [
        f"pool {p['name']} runs {p['batch']:.2g} sequences at once where it is busy: below {p['few']:g} a request pays "
        "mostly for itself being alone"
        for p in thin
    ]
    if (change := _change(worth, thin)) is not None:
        sentences.append(f"what would help most: {change}")
    return sentences


def _savings(worth: Worth) -> str:
    most = worth["can_save"]
    if most is None:
        return "routing cannot be judged by cost: no fixed choice of models keeps the promise"
    of_which = (
        f"of which features {percent(worth['features_save'], 0)}"
        if worth["features_save"] is not None
        else f"what features would save is not known: {worth['no_features'] or 'they do not reach the promise'}"
    )
    return (
        f"routing can save at most {percent(most, 0)} of the best choice made beforehand, {of_which} (expected costs)"
    )


def _change(worth: Worth, thin: Sequence[CheckedPool]) -> str | None:
    most, features = worth["can_save"], worth["features_save"]
    dominated = {d["model"] for d in worth["dominated"]}
    if (idle := next((p for p in thin if p["model"] in dominated), None)) is not None:
        return f"a zoo without {idle['model']}, whose replicas serve few at once and which another model dominates"
    spare = [p for p in thin if p["replicas"] > 1]
    if spare:
        p = min(spare, key=lambda p: p["batch"] or 0.0)
        fewer = f"{p['replicas'] - 1} instead of {p['replicas']}"
        return f"fewer replicas of {p['name']} ({fewer}), which then run more at once"
    if thin:
        return f"more traffic, or a zoo without {thin[0]['name']}: its replica idles or serves few at once"
    if most is not None and most < 0.1:
        return "a promise further from what one model keeps alone, or models further apart in cost"
    if features is not None and most is not None and features < 0.25 * most:
        return "features that tell more of who will be right"
    return None
