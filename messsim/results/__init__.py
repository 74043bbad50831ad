"""From record columns to summary, frames and files; never calls back into an engine."""

from .directory import (
    complete_or_absent,
    in_progress,
    leftover_notes,
    leftovers,
    whole_or_absent,
    write_file,
    writing,
)
from .frames import joined, record_frame, timeline_frame, write_parquet
from .intervals import Interval, is_precise, paired_difference, replication_interval
from .means import LatencyMeans, Means, energy_of
from .provenance import provenance
from .result import Result
from .stationary import warmup_note
from .summary import summarise
from .tally import Tally
from .targets import check_free, check_replaceable
from .whole import check_whole, reading_records
from .writer import RecordWriter

__all__ = [
    "Interval",
    "LatencyMeans",
    "Means",
    "RecordWriter",
    "Result",
    "Tally",
    "check_free",
    "check_replaceable",
    "check_whole",
    "complete_or_absent",
    "energy_of",
    "in_progress",
    "is_precise",
    "joined",
    "leftover_notes",
    "leftovers",
    "paired_difference",
    "provenance",
    "reading_records",
    "record_frame",
    "replication_interval",
    "summarise",
    "timeline_frame",
    "warmup_note",
    "whole_or_absent",
    "write_file",
    "write_parquet",
    "writing",
]
