import json

import pytest

from tests.unit.folds.makers import a_scan
from voxray.core.ids import Pseudonymizer
from voxray.core.seen import knows_key, recognised, remember
from voxray.ingest.patients import Person

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
KEYED, READABLE = Pseudonymizer(KEY), Pseudonymizer(KEY, readable=True)


def test_pixels_are_recognised_under_any_key_and_name():
    seen = remember([a_scan("s1", "p1", image="a")], KEYED, "salt")
    new = [a_scan("x", "q1", image="a"), a_scan("y", "q2", image="b")]

    assert recognised(new, seen, Pseudonymizer(OTHER_KEY)) == {"q1"}


def test_a_patient_is_recognised_by_pseudonym_under_the_same_key_only():
    mine = KEYED.patient_id("\0anna", "anna")
    seen = remember([a_scan("s1", mine, image="a")], KEYED, "salt")

    assert recognised([a_scan("x", mine, image="b")], seen, KEYED) == {mine}
    theirs = Pseudonymizer(OTHER_KEY).patient_id("\0anna", "anna")
    other = [a_scan("x", theirs, image="b")]
    assert recognised(other, seen, Pseudonymizer(OTHER_KEY)) == frozenset()
    assert knows_key(seen, KEYED)
    assert not knows_key(seen, Pseudonymizer(OTHER_KEY))


def test_readable_and_keyed_ids_of_one_patient_are_the_same_patient():
    seen = remember([a_scan("s1", "anna", image="a")], READABLE, "salt")
    mine = KEYED.patient_id("\0anna", "anna")

    assert recognised([a_scan("x", mine, image="b")], seen, KEYED) == {mine}


@pytest.mark.parametrize(("first", "then"), [(READABLE, KEYED), (KEYED, READABLE)])
def test_a_patient_of_an_issuer_is_recognised_by_readable_and_by_keyed_id(first, then):
    anna = Person("anna_7", issuer="ward_b")
    seen = remember([a_scan("s1", anna.patient_id(first), image="a")], first, "salt")
    mine = anna.patient_id(then)

    assert recognised([a_scan("x", mine, image="b")], seen, then) == {mine}
    other = Person("anna", issuer="ward_b").patient_id(then)
    assert recognised([a_scan("x", other, image="b")], seen, then) == frozenset()


@pytest.mark.parametrize("ids", [KEYED, READABLE])
def test_no_id_and_no_pixel_hash_stands_in_the_list(ids):
    scan = a_scan("s1", ids.patient_id("\0anna", "anna"))

    text = json.dumps(remember([scan], ids, "salt").model_dump(mode="json"))

    assert scan.patient_id not in text
    assert scan.sha256_pixels[:16] not in text


def test_lists_of_two_models_share_no_token():
    records = [a_scan("s1", "p1", image="a")]
    one, other = (remember(records, KEYED, salt) for salt in ("one", "other"))

    assert {one.key, *one.pixels, *one.patients}.isdisjoint(
        {other.key, *other.pixels, *other.patients}
    )
