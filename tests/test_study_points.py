"""Points of a sweep: grids, files of points, and how a point reads."""

import pytest

from messsim.errors import DataError, ScenarioError
from messsim.study.runs.points import in_words, points_of, read_points


@pytest.mark.parametrize(
    ("grid", "values"),
    [
        ("router.V=1e-5,1e-4", [1e-5, 1e-4]),
        ("router.V=1", [1]),
        ("router.V = 1, 2 ", [1, 2]),
        ("router.policy=mess+,random", ["mess+", "random"]),
        ("router.policy='mess+'", ["mess+"]),
        ("a.b=[1,2],[3]", [[1, 2], [3]]),
        ("a.b=true,false", [True, False]),
        ("a.b=x=y,z", ["x=y", "z"]),
    ],
)
def test_the_values_of_a_grid(grid, values):
    key = grid.partition("=")[0].strip()
    assert points_of([grid]) == [{key: v} for v in values]


def test_grids_run_from_the_last_on_and_lines_of_a_file_are_outermost(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("sla.alpha\n0.5\n0.7\n")
    assert [tuple(p.items()) for p in points_of(["a=1,2", "b=x,y"], file)] == [
        (("sla.alpha", 0.5), ("a", 1), ("b", "x")),
        (("sla.alpha", 0.5), ("a", 1), ("b", "y")),
        (("sla.alpha", 0.5), ("a", 2), ("b", "x")),
        (("sla.alpha", 0.5), ("a", 2), ("b", "y")),
        (("sla.alpha", 0.7), ("a", 1), ("b", "x")),
        (("sla.alpha", 0.7), ("a", 1), ("b", "y")),
        (("sla.alpha", 0.7), ("a", 2), ("b", "x")),
        (("sla.alpha", 0.7), ("a", 2), ("b", "y")),
    ]


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        ([], "no points; expected --grid KEY.PATH=VALUE,VALUE or --points FILE.csv"),
        (["router.V"], "--grid router.V: expected KEY.PATH=VALUE,VALUE,..., such as router.V=1e-5,1e-4"),
        (["router.V= "], "--grid router.V= : expected KEY.PATH=VALUE,VALUE,..., such as router.V=1e-5,1e-4"),
        (["a=1", "b=2", "a=3"], "a: given twice; expected each key path once"),
        (["seed=1,2"], "--grid seed=1,2: seed is no axis; expected --seed and --seeds for it"),
        (["replication=1"], "--grid replication=1: replication is no axis; expected --seed and --seeds for it"),
        (["a..b=1"], "--grid a..b=1: 'a..b' is no key path; expected one such as router.V"),
        (["a=1,1"], "the point a = 1 is given twice; expected different points"),
    ],
)
def test_grids_that_are_none_are_told(grids, message):
    with pytest.raises(ScenarioError) as caught:
        points_of(grids)
    assert str(caught.value) == message


def test_a_key_path_of_a_grid_may_not_be_in_the_file_too(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("sla.alpha,b\n0.5,1\n")
    with pytest.raises(ScenarioError, match=r"^b: given twice"):
        points_of(["b=1"], file)
    assert points_of([], file) == [{"sla.alpha": 0.5, "b": 1}], "a file alone is enough"


def test_cells_are_values_and_empty_ones_leave_the_scenarios(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text('\ufeffrouter.V,router.policy, sla.alpha\n1e-4,mess+,\n\n"2",,"0.5"\n , ,0.7\n')
    assert read_points(file) == [
        {"router.V": 1e-4, "router.policy": "mess+"},
        {"router.V": 2, "sla.alpha": 0.5},
        {"sla.alpha": 0.7},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no points; expected a line of key paths, then a line for each point"),
        ("a,b\n", "has no points; expected a line of key paths, then a line for each point"),
        ("a,b\n1,2\n1\n", "row 2 has 1 cells; expected 2"),
        ("a,b\n1,2,3\n", "row 1 has 3 cells; expected 2"),
        ("a,a\n1,2\n", "a key path is given twice; expected each once"),
        ('a\n"1" 2\n', "cannot be read: "),
    ],
)
def test_files_of_points_that_are_none_are_told(tmp_path, text, message):
    file = tmp_path / "points.csv"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_points(file)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [("a,seed", "column 2: seed is no axis; expected --seed and --seeds for it"), ("a.,b", "column 1: 'a.' is no key")],
)
def test_a_column_that_is_no_axis_is_told_by_its_number_from_one(tmp_path, head, message):
    file = tmp_path / "points.csv"
    file.write_text(f"{head}\n1,2\n")
    with pytest.raises(ScenarioError) as caught:
        read_points(file)
    assert str(caught.value).startswith(f"{file}: {message}")


def test_a_file_that_is_absent_or_no_text_is_told(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv"):
        read_points(tmp_path / "none.csv")
    file = tmp_path / "points.csv"
    file.write_bytes(b"a\n\xff\n")
    with pytest.raises(DataError, match="cannot be read: 'utf-8' codec"):
        read_points(file)


def test_two_lines_alike_are_one_point_too_many(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("a,b\n1,x\n1,x\n")
    assert len(read_points(file)) == 2, "the file itself may be read"
    with pytest.raises(ScenarioError, match=r"^the point a = 1, b = 'x' is given twice"):
        points_of([], file)


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ({}, "the scenario as it is"),
        ({"router.V": 1e-4}, "router.V = 0.0001"),
        ({"router.policy": "mess+", "sla.alpha": 0.5}, "router.policy = 'mess+', sla.alpha = 0.5"),
    ],
)
def test_a_point_in_words(point, words):
    assert in_words(point) == words


def test_points_as_spreadsheets_write_them(tmp_path):
    """With semicolons and decimal commas, tabs, a mark of byte order, and columns beside the table."""
    file = tmp_path / "points.csv"
    for text in (
        "router.V;sla.alpha;cluster.dispatch;\r\n0,001;0,6;least_loaded;\r\n1,5e-2;;packed;\r\n",
        "router.V\tsla.alpha\tcluster.dispatch\n0.001\t0.6\tleast_loaded\n1.5e-2\t\tpacked\n",
        "router.V,sla.alpha,cluster.dispatch,,\r\n0.001,0.6,least_loaded,,\r\n1.5e-2,,packed,,\r\n",
    ):
        file.write_text(text, encoding="utf-8-sig")
        assert read_points(file) == [
            {"router.V": 0.001, "sla.alpha": 0.6, "cluster.dispatch": "least_loaded"},
            {"router.V": 0.015, "cluster.dispatch": "packed"},
        ]
    for before in ("\r\n", " \n\n", "sep=;\r\n", '\n"sep=;"\n'):
        file.write_text(f"{before}router.V;sla.alpha\r\n0,001;0,6\r\n", encoding="utf-8-sig", newline="")
        assert read_points(file) == [{"router.V": 0.001, "sla.alpha": 0.6}]
    file.write_text("sep=|\nrouter.V|router.policy\n1|a,b;c\n")
    assert read_points(file) == [{"router.V": 1, "router.policy": "a,b;c"}]
    file.write_text('"models.""a;b"".replicas"\n2\n')
    assert read_points(file) == [{'models."a;b".replicas': 2}]
    file.write_text("router.V;phases.0.columns\n1;[1, 2]\n")
    assert read_points(file) == [{"router.V": 1, "phases.0.columns": [1, 2]}], "a list is none of decimals"
    file.write_text("router.V;\n1;2\n")
    with pytest.raises(ScenarioError, match="column 2: '' is no key path"):
        read_points(file)
