"""Limits choose among ways that are all right: whatever they are, values stay what they were."""

import json
import math
import subprocess
import sys
from dataclasses import asdict, fields

import pytest
from sweep_threads import sweep

from minigen.kernels import limits
from minigen.kernels.limits import Limits

LEAST = {f.name: 1 if type(f.default) is int else 0.0 for f in fields(Limits)}
LARGEST = {name: 1 << 60 if least else 1e30 for name, least in LEAST.items()}
ABSURD = {"least": LEAST, "largest": LARGEST, "mixed": {
    name: (LEAST if i % 2 else LARGEST)[name] for i, name in enumerate(LEAST)}}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_values_do_not_rest_on_a_limit(name):
    with limits.use(**ABSURD[name]):
        assert not sweep(count=25, seed=1)


def test_limits_are_used_for_a_block_and_by_a_process(tmp_path):
    shipped = limits.now
    with limits.use(piece=7, alone=0.0) as used, limits.use(piece=8):
        assert (limits.now.piece, limits.now.alone, used.piece) == (8, 0.0, 7)
    assert limits.now is shipped
    file = tmp_path / "limits.json"
    file.write_text(json.dumps(asdict(limits.changed({"few": 3}))))
    assert limits.changed(limits.read(file)).few == 3
    assert asdict(limits.changed(limits.read(file))) == {**asdict(shipped), "few": 3}
    assert of_a_process(file).stdout == "3\n"
    file.write_text('{"by_ones": 7, "few": 3}')  # of an earlier version
    assert limits.read(file) == {"few": 3}


def of_a_process(file):
    code = "from minigen.kernels import limits; print(limits.now.few)"
    command = ["env", f"MINIGEN_LIMITS={file}", sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"piece": 0}', "piece should be a whole number above 0, got 0"),
        ('{"piece": 2.5}', "piece should be a whole number above 0, got 2.5"),
        ('{"piece": true}', "piece should be a whole number above 0, got True"),
        ('{"alone": -1}', "alone should be a number, 0 or more, got -1"),
        ('{"alone": NaN}', "alone should be a number, 0 or more, got nan"),
        ('{"piece": 1' + "0" * 400 + "}", "piece should be a whole number above 0, got 1000"),
        ('{"alone": 1e999}', "alone should be a number, 0 or more, got inf"),
        ('{"alone": "4"}', "alone should be a number, 0 or more, got '4'"),
        ('{"peace": 1}', "there is none called 'peace'"),
        ("[1]", "expected a JSON object"),
        ("{", "Expecting"),
        ("[" * 10**5, "recursion"),
        ("\xff", ""),
    ],
)
def test_what_is_no_limit_is_refused_in_a_line(tmp_path, text, said):
    file = tmp_path / "limits.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=f"limits.json holds no limits of this version: .*{said}"):
        limits.read(file)
    assert math.isfinite(limits.now.alone)
    if text in ("{", '{"peace": 1}'):
        last = of_a_process(file).stderr.splitlines()[-1]
        assert last.startswith(f"ValueError: MINIGEN_LIMITS: {file} holds no limits")


def test_the_command_measures_and_no_import_does(tmp_path, monkeypatch, capsys):
    assert "minigen.kernels.measure" not in sys.modules
    from minigen.kernels import measure

    before, file = limits.now, tmp_path / "limits.json"
    monkeypatch.setattr(measure, "SECONDS", 0)
    measure.main(["--write", str(file)])
    found, said = limits.read(file), capsys.readouterr().out
    assert limits.now is before and found.keys() == asdict(before).keys()
    assert all(f"\n{name} " in said for name in found)
    assert all(found[f.name] == f.default for f in fields(Limits) if "chosen" in f.metadata["how"])


def test_each_limit_says_its_unit_and_how_it_was_measured():
    for f in fields(Limits):
        assert f.metadata["unit"] and f.metadata["how"]
