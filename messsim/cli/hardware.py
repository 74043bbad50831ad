"""``validate`` and ``calibrate``: the simulator and real hardware."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from messsim.files import json_text

from .base import AsJson, Seed, Sets, command, console, print_json, stderr
from .outputs import check_named_file, check_out, hand_over
from .rows import Select, SkipFailed, Unique

if TYPE_CHECKING:
    from messsim.shapes.evidence import Accuracy, Calibration

__all__ = ["calibrate", "validate"]


@command
def validate(
    data: Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Directory of measured tables (docs: accuracy).")],
    seed: Seed = None,
    sets: Sets = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write tables, rows and plots to a new directory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predicted against measured: latencies and energy of served models, row by row."""
    from messsim.report.hardware.accuracy import accuracy
    from messsim.report.hardware.accuracy_plots import accuracy_svg
    from messsim.results.directory import write_texts
    from messsim.study.runs.pictures import add_pictures
    from messsim.study.validate.against_hardware import validate as compare

    check_out(out)
    comparison = compare(data, sets, seed=seed)

    def write(target: Path) -> list[str]:
        write_texts(target, _files(comparison))
        return add_pictures(
            target, "pictures", lambda: {f"{k}.svg": v.encode() for k, v in accuracy_svg(comparison).items()}
        )

    hand_over(comparison, lambda: accuracy(comparison), as_json, out, write)


def _files(result: "Accuracy") -> dict[str, str]:
    from messsim.report.hardware.accuracy import accuracy_page, rows_csv

    files = {"accuracy.md": accuracy_page(result), "accuracy.json": json_text(result)}
    return files | {f"{table}.csv": rows_csv(result[table]) for table in result}


@command
def calibrate(
    measurements: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Measured iterations, or a server at fixed concurrencies."),
    ],
    select: Select = None,
    skip_failed: SkipFailed = False,
    unique: Unique = None,
    time_format: Annotated[
        str,
        typer.Option(metavar="UNIT", help="Unit of all times: s, ms, us or ns; auto: by the columns' suffixes (_ms)."),
    ] = "auto",
    model: Annotated[str | None, typer.Option(help="Name of the model, for people to read.")] = None,
    gpu: Annotated[str | None, typer.Option(help="Name of the GPU.")] = None,
    tp: Annotated[int | None, typer.Option(min=1, help="GPUs of the replica (tensor parallel).")] = None,
    experts: Annotated[int | None, typer.Option(min=0, help="Mixture of experts: experts a layer.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Mixture of experts: experts that a token uses.")] = None,
    kv_capacity_tokens: Annotated[
        int | None, typer.Option(min=1, help="Cached tokens that the replica holds (engines print it).")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="ENGINE", help="vllm, sglang or tensorrt-llm: its schedule, limits and front end hold."),
    ] = None,
    fix: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Do not fit a coefficient; may be repeated.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="PROFILE", help="Profile (MODEL/GPU/tpN or a file) for what is not determined."),
    ] = None,
    sets: Sets = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the profile to a new TOML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a profile of your own to measurements, for a scenario to use."""
    from messsim.errors import MissingColumns
    from messsim.logs.presets import of_other_kind
    from messsim.study.calibrate.fitting import calibrate as fit
    from messsim.study.calibrate.options import Options, engine_named

    check_named_file(out)
    options = Options(model, gpu, tp, experts, top_k, kv_capacity_tokens, fix or [], base, engine_named(engine))
    try:
        with stderr.status("fitting") as status:
            fitted = fit(
                measurements,
                select,
                options,
                sets,
                unit=time_format,
                unique=unique,
                skip_failed=skip_failed,
                progress=lambda runs, off: status.update(
                    f"fitting: {runs:,} runs, {100 * off:.1f} % from the readings"
                ),
            )
    except MissingColumns as error:
        raise of_other_kind(str(error.file)) or error from None
    _hand_over_profile(fitted, as_json, out)


def _hand_over_profile(fitted: "Calibration", as_json: bool, out: Path | None) -> None:
    """Writes the profile where a file is named, and prints what was fitted."""
    from messsim.report.hardware.calibration import calibration
    from messsim.results.directory import write_file
    from messsim.scenario.overrides import format_value
    from messsim.study.calibrate.profile_file import profile_text

    try:
        if out is not None:
            write_file(out, profile_text(fitted).encode())
    finally:  # a profile that cannot be written was fitted all the same
        if as_json:
            print_json(fitted)
        else:
            console.print(calibration(fitted))
    if out is not None and not as_json:
        console.print_plain(f"written to {out}; in a scenario: profile = {format_value(out.name)}", "dim")
