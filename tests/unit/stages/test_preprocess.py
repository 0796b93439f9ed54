from tests.unit.stages.makers import a_context, an_experiment
from voxray.core.files import write_json
from voxray.stages.frame import StageOutcome, StageRecord, write_record
from voxray.stages.ingest import STAGE as INGEST
from voxray.stages.preprocess import STAGE


def ingested(folder):
    """A context whose stage 1 is done."""
    context = a_context(folder)
    tables = ("manifest.csv", "files.parquet", "summary.json")
    outputs = {name: {"sha256": "0" * 64} for name in tables}
    record = StageRecord({}, {}, "code", outputs, StageOutcome({}, "done"))
    write_json(context.folder / "ingest" / "manifest.csv", {})
    write_record(context.folder / "ingest", INGEST, record, 0.0)
    return context


def test_a_mask_that_is_drawn_anew_is_prepared_anew(tmp_path):
    mask = tmp_path / "masks" / "s1.nii.gz"
    mask.parent.mkdir()
    mask.write_bytes(b"as it was drawn first")
    context = ingested(tmp_path)
    before = STAGE.inputs(context)
    assert STAGE.inputs(context) == before
    mask.write_bytes(b"and now, with the same name")
    assert STAGE.inputs(context) != before


def test_a_channel_that_is_now_said_to_be_ct_is_planned_anew(tmp_path):
    data = an_experiment(tmp_path).data.model_dump(exclude={"channels"})
    plain, ct = (
        an_experiment(tmp_path, data={**data, "channels": {"image": rules}})
        for rules in ({}, {"modality": "CT"})
    )
    assert STAGE.config(plain) != STAGE.config(ct)
