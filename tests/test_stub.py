"""The stub of the compiled core and the core itself name the same things."""

import ast
import inspect
import types
from pathlib import Path

import pytest

from messsim import _core

STUB = Path(_core.__file__).with_name("_core.pyi")
TREE = ast.parse(STUB.read_text(encoding="utf-8"))

Definitions = dict[str, ast.stmt]


def is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__len__"


def defined(body: list[ast.stmt]) -> Definitions:
    """Name -> definition; imports are not exported by a stub."""
    definitions: Definitions = {}
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                definitions[name] = node
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                definitions[name] = node
    return {name: node for name, node in definitions.items() if is_public(name)}


NAMES = defined(TREE.body)
CLASSES = {name: node for name, node in NAMES.items() if isinstance(node, ast.ClassDef)}


def public(thing: object) -> dict[str, object]:
    members = vars(thing).items()
    return {name: value for name, value in members if is_public(name) and not inspect.ismodule(value)}


def is_property(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and any(ast.unparse(d) == "property" for d in node.decorator_list)


def parameters_of_stub(node: ast.FunctionDef) -> list[tuple[str, bool, str]]:
    """Name, whether by keyword only, default."""
    a = node.args
    assert (a.posonlyargs, a.vararg, a.kwarg) == ([], None, None)
    defaults = [None] * (len(a.args) - len(a.defaults)) + a.defaults
    pairs = [*zip(a.args, defaults, strict=True), *zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    return [(arg.arg, arg in a.kwonlyargs, ast.unparse(d) if d else "") for arg, d in pairs]


def parameters_of_core(function: object) -> list[tuple[str, bool, str]]:
    return [
        (p.name, p.kind is p.KEYWORD_ONLY, "" if p.default is p.empty else repr(p.default))
        for p in inspect.signature(function).parameters.values()
    ]


def test_every_public_name_is_in_both():
    assert len(NAMES) > 20
    assert set(NAMES) == set(public(_core))


@pytest.mark.parametrize("name", CLASSES)
def test_every_member_of_a_class_is_in_both(name):
    stub, core = defined(CLASSES[name].body), public(getattr(_core, name))
    assert set(stub) == set(core)
    for member, value in core.items():
        is_method = inspect.isroutine(value)
        assert is_method == (isinstance(stub[member], ast.FunctionDef) and not is_property(stub[member])), member


FUNCTIONS = [(name, node) for name, node in NAMES.items() if isinstance(node, ast.FunctionDef)] + [
    (f"{name}.{method}", node)
    for name, cls in CLASSES.items()
    for method, node in defined(cls.body).items()
    if isinstance(node, ast.FunctionDef) and not is_property(node) and method != "__len__"
]


@pytest.mark.parametrize(("path", "node"), FUNCTIONS, ids=[path for path, _ in FUNCTIONS])
def test_every_function_has_the_parameters_and_defaults_of_its_stub(path, node):
    function = _core
    for part in path.split("."):
        function = getattr(function, part)
    assert parameters_of_stub(node) == parameters_of_core(function)


CONSTANTS = [name for name, node in NAMES.items() if isinstance(node, ast.AnnAssign)]


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_has_the_type_of_its_stub(name):
    annotation = ast.unparse(NAMES[name].annotation)
    value = getattr(_core, name)
    dicts = ("Final[dict[str, int]]", "Final[dict[str, Any]]")
    types = {"Final[int]": int, "Final[float]": float} | dict.fromkeys(dicts, dict)
    assert type(value) is types[annotation]


def test_everything_is_annotated():
    """Every function says what it returns, and every parameter but self what it takes."""
    for node in ast.walk(TREE):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is not None, node.name
            a = node.args
            assert all(arg.annotation for arg in [*a.args, *a.kwonlyargs] if arg.arg != "self"), node.name


def test_a_difference_is_noticed():
    tree = ast.parse("def exp(x: int, y: int = 2, *, z: int = 3) -> int: ...\n_hidden = 1\nSHOWN: int")
    names = defined(tree.body)
    assert set(names) == {"exp", "SHOWN"}
    assert parameters_of_stub(names["exp"]) == [("x", False, ""), ("y", False, "2"), ("z", True, "3")]
    assert set(public(types.SimpleNamespace(a=1, _b=2, c=ast))) == {"a"}
