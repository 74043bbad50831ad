"""In which letters a text is written, told by its bytes."""

import codecs

import pytest

from messsim.errors import DataError
from messsim.workload import blocks as room
from messsim.workload.blocks import blocks, schema_of, whole
from messsim.workload.encoding import wide_encoding

LETTERS = "a,b\n1,2\n"


def write(folder, name, content):
    file = folder / name
    file.write_bytes(content)
    return file


def rows(file, notes=None):
    return [row for _, frame in blocks(file, None, notes) for row in frame.to_dicts()]


@pytest.mark.parametrize(
    ("start", "encoding"),
    [
        (LETTERS.encode("utf-16-le"), "utf-16-le"),
        (LETTERS.encode("utf-16-be"), "utf-16-be"),
        (LETTERS.encode("utf-16-le") + b"3", "utf-16-le"),  # cut within a letter
        (LETTERS.encode("utf-16"), "utf-16"),
        (LETTERS.encode("utf-32"), "utf-32"),
        (codecs.BOM_UTF32_BE + LETTERS.encode("utf-32-be"), "utf-32"),
        (LETTERS[1:].encode("utf-16-le"), None),  # too few to tell
        (LETTERS.encode("utf-32-le"), None),  # without a mark
        (LETTERS.encode("utf-32-be"), None),
        ("aΩ,b\n1,2\n".encode("utf-16-le"), None),
        (LETTERS.encode() * 4, None),
        (bytes(32), None),
        (b"", None),
        ((LETTERS * 8 + "时间").encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_wide_letters_are_told_by_their_mark_or_by_every_other_byte(start, encoding):
    assert wide_encoding(start) == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_header_of_a_long_file_is_read_in_its_letters(monkeypatch, tmp_path, encoding):
    """Whatever letter stands where the first bytes end that tell what a file is."""
    monkeypatch.setattr(room, "PEEK", 64)
    for more in range(4):
        text = "时间,输入,用户\n" + "x" * more + "时间" * 40 + ",1,2\n"
        file = write(tmp_path, "f.csv", text.encode(encoding))
        assert list(schema_of(file)) == ["时间", "输入", "用户"] == list(rows(file)[0])


@pytest.mark.parametrize(
    ("text", "encoding", "note"),
    [
        ("时间,用户\n1,张三\n", "gb18030", "GB 18030"),
        ("Größe,Straße\nfür,öße\n", "cp1252", "Windows-1252"),
        ("modèle,durée\ngénération,É\n", "cp1252", "Windows-1252"),
        ("a,b\n1,öß\n", "cp1252", "Windows-1252"),
        ("a,b\n1,ÄÖ GMBH\n2,ÄÖ GMBH\n", "cp1252", "Windows-1252"),
        ("a,b\n1,ÉÉÀÀ ÇÇ\n2,ÉÉÀÀ ÇÇ\n", "cp1252", "Windows-1252"),
        ("É_1,À_2,Ç_3,Ê_4,È_5,Ä_6,Ö_7,Å_8\n1,2,3,4,5,6,7,8\n", "cp1252", "Windows-1252"),
        ("a,b\n1,¿Él\n2,»Èd\n3,CRÉÉE\n4,ÄÖl\n5,°Çx\n6,ÀÀb\n", "cp1252", "Windows-1252"),
    ],
)
@pytest.mark.parametrize("read", [rows, whole])
def test_letters_that_are_in_no_utf8_are_read_with_a_note(tmp_path, text, encoding, note, read):
    notes = []
    read(write(tmp_path, "f.csv", text.encode(encoding)), notes)
    assert notes == [f"it is not in UTF-8: letters beyond ASCII are read as {note}"]
    assert whole(tmp_path / "f.csv").columns == text.split("\n")[0].split(",")


@pytest.mark.parametrize("name", ["f.json", "f.jsonl"])
def test_json_that_is_in_no_utf8_is_read_with_a_note(tmp_path, name):
    notes = []
    file = write(tmp_path, name, '{"a": "Jörg"}\n{"a": "x"}\n'.encode("cp1252"))
    assert rows(file, notes) == [{"a": "Jörg"}, {"a": "x"}]
    assert len(notes) == 1
    assert schema_of(file).keys() == {"a"} == set(whole(file).columns)


def test_letters_of_all_blocks_are_in_one_encoding(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "BLOCK_BYTES", 8)
    notes = []
    file = write(tmp_path, "f.csv", "时间输入用户\n时间时间\n联通\nabc\n".encode("gb18030"))
    assert [row["时间输入用户"] for row in rows(file, notes)] == ["时间时间", "联通", "abc"]  # 联通: valid UTF-8 too
    assert len(notes) == 1


@pytest.mark.parametrize("block_bytes", [16, 1 << 20])
@pytest.mark.parametrize("read", [rows, whole])
def test_json_in_utf8_with_a_byte_that_is_not_is_refused(monkeypatch, tmp_path, read, block_bytes):
    monkeypatch.setattr(room, "BLOCK_BYTES", block_bytes)
    text = '{"a": "Größe 时间"}\n'.encode()
    file, notes = write(tmp_path, "f.jsonl", text * 3 + b'{"a": "x\xff"}\n' + text), []
    with pytest.raises(DataError, match="row 4 is no JSON object: "):
        read(file, notes)
    assert notes == []
    with pytest.raises(DataError, match="cannot be read"):
        read(write(tmp_path, "f.json", b"[" + text + b',{"a": "x\xff"}]'), notes)


@pytest.mark.parametrize("block_bytes", [16, 1 << 20])
def test_a_byte_that_is_in_no_utf8_leaves_others_as_they_are(monkeypatch, tmp_path, block_bytes):
    monkeypatch.setattr(room, "BLOCK_BYTES", block_bytes)
    notes = []
    file = write(tmp_path, "f.csv", "a,b\n1,时间\n2,用户\n".encode() + b"3,x\xe9\n" + "4,输入\n".encode())
    assert [row["b"] for row in rows(file, notes)] == ["时间", "用户", "xé", "输入"] == whole(file)["b"].to_list()
    assert notes == ["some bytes are in no UTF-8: they are read as Windows-1252"]
