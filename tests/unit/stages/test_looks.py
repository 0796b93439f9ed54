import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from voxray.core.errors import ManifestError
from voxray.core.records import Sha256
from voxray.stages.looks import (
    LEDGER,
    RECEIPT,
    Seen,
    TakenLook,
    read_receipt,
    take_look,
    write_receipt,
)


def seen(model="m1", holdout="h1", scans=("a", "b"), experiment="toy"):
    return Seen(experiment, Sha256(model), Sha256(holdout), len(scans), tuple(scans))


def lines(workspace: Path) -> list[str]:
    return (workspace / LEDGER).read_text(encoding="utf-8").splitlines()


def look(workspace: Path, **changes: Any) -> TakenLook:
    """Take a look and keep its receipt, as the command does."""
    taken = take_look(workspace, seen(**changes))
    folder = workspace / "toy" / "holdout" / taken.look.seen.model
    write_receipt(folder, taken.look)
    return taken


def test_the_first_look_is_number_one_and_is_written_down(tmp_path):
    taken = take_look(tmp_path, seen())

    assert (taken.look.number, taken.is_new, taken.problems) == (1, True, ())
    assert json.loads(lines(tmp_path)[0])["seen"]["model"] == "m1"


def test_the_same_model_looking_again_is_not_counted(tmp_path):
    first = take_look(tmp_path, seen())
    again = take_look(tmp_path, seen())

    assert (again.look, again.is_new) == (first.look, False)
    assert len(lines(tmp_path)) == 1


def test_another_model_is_the_next_look(tmp_path):
    look(tmp_path)
    assert look(tmp_path, model="m2").look.number == 2
    assert look(tmp_path, model="m3").look.number == 3
    assert look(tmp_path, model="m2").look.number == 2


def test_looks_of_another_experiment_at_the_same_scans_count(tmp_path):
    look(tmp_path)
    assert look(tmp_path, model="m2", experiment="other").look.number == 2


def test_a_holdout_of_other_scans_has_looks_of_its_own(tmp_path):
    look(tmp_path)
    taken = look(tmp_path, model="m2", holdout="h2", scans=("c", "d"))

    assert (taken.look.number, taken.problems) == (1, ())


def test_a_holdout_that_was_changed_after_a_look_is_said_and_counts(tmp_path):
    look(tmp_path)
    taken = look(tmp_path, holdout="h2", scans=("b", "c", "d"))

    assert taken.look.number == 2
    assert "(1 of its 3 scans were in that one" in taken.problems[0]


def test_a_changed_line_is_said(tmp_path):
    for model in ("m1", "m2", "m3"):
        take_look(tmp_path, seen(model))
    changed = [line.replace('"m1"', '"m9"') for line in lines(tmp_path)]
    (tmp_path / LEDGER).write_text("\n".join(changed) + "\n", encoding="utf-8")

    taken = take_look(tmp_path, seen("m4"))

    assert "line 2 of holdout_looks.jsonl does not follow" in taken.problems[0]
    assert taken.look.number == 4


def test_a_line_that_was_taken_out_is_said_and_counts_by_its_receipt(tmp_path):
    for model in ("m1", "m2", "m3"):
        look(tmp_path, model=model)
    first, _, third = lines(tmp_path)
    (tmp_path / LEDGER).write_text(f"{first}\n{third}\n", encoding="utf-8")

    taken = take_look(tmp_path, seen("m4"))

    assert "lacks 1 look that results or MLflow runs tell of" in taken.problems[1]
    assert taken.look.number == 4


def test_a_deleted_list_is_restored_from_receipts(tmp_path):
    look(tmp_path)
    look(tmp_path, model="m2")
    (tmp_path / LEDGER).unlink()

    assert not take_look(tmp_path, seen("m2")).is_new
    taken = take_look(tmp_path, seen("m3"))
    assert taken.look.number == 3
    assert "lacks 2 looks" in taken.problems[0]


def test_looks_that_only_the_store_tells_of_count(tmp_path):
    first = take_look(tmp_path, seen()).look
    (tmp_path / LEDGER).unlink()

    taken = take_look(tmp_path, seen("m2"), frozenset({first.entry}))

    assert taken.look.number == 2
    assert "lacks 1 look" in taken.problems[0]


def test_a_look_that_list_receipt_and_store_tell_of_is_one(tmp_path):
    first = look(tmp_path).look
    taken = take_look(tmp_path, seen("m2"), frozenset({first.entry}))

    assert (taken.look.number, taken.problems) == (2, ())


def test_a_torn_last_line_counts_and_the_next_one_is_whole(tmp_path):
    take_look(tmp_path, seen())
    text = (tmp_path / LEDGER).read_text(encoding="utf-8")
    (tmp_path / LEDGER).write_text(text + '{"schema_ver', encoding="utf-8")

    taken = take_look(tmp_path, seen("m2"))

    assert taken.look.number == 3
    assert "line 2 of holdout_looks.jsonl cannot be read" in taken.problems[0]
    assert json.loads(lines(tmp_path)[2])["number"] == 3


def _take(workspace: str, model: str) -> None:
    take_look(Path(workspace), seen(model))


def test_looks_at_the_same_time_get_numbers_of_their_own(tmp_path):
    context = multiprocessing.get_context("fork")
    models = [f"m{n}" for n in range(8)]
    workers = [context.Process(target=_take, args=(str(tmp_path), m)) for m in models]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [json.loads(line)["number"] for line in lines(tmp_path)] == list(range(1, 9))
    assert not take_look(tmp_path, seen("m9")).problems


def test_a_receipt_reads_back_as_it_was_written(tmp_path):
    taken = take_look(tmp_path, seen())
    write_receipt(tmp_path, taken.look)

    assert read_receipt(tmp_path) == taken.look


def test_a_receipt_that_lacks_something_is_refused(tmp_path):
    (tmp_path / RECEIPT).write_text('{"schema_version": 1, "number": 1}')

    with pytest.raises(ManifestError, match=r"'look\.json' lacks 'entry'; look again"):
        read_receipt(tmp_path)
