from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.folds.makers import a_scan
from voxray.core.records import PatientId
from voxray.folds import group_patients


def test_patient_without_partner_is_its_own_group():
    assert group_patients([a_scan("s1", "p1"), a_scan("s2", "p1")]) == {"p1": "p1"}


def test_patients_with_the_same_image_are_one_group():
    records = [a_scan("s1", "p2", image="x"), a_scan("s2", "p1", image="x")]

    assert group_patients(records) == {"p1": "p1", "p2": "p1"}


def test_links_chain_through_a_patient_whose_scans_are_all_quarantined():
    records = [a_scan("s1", "p1"), a_scan("s3", "p3")]
    linked = [(PatientId("p1"), PatientId("p2")), (PatientId("p2"), PatientId("p3"))]

    assert group_patients(records, linked) == {"p1": "p1", "p3": "p1"}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12), st.data()
)
def test_order_of_links_and_records_does_not_matter(pairs, data):
    records = [a_scan(f"s{n}", f"p{n}") for n in range(10)]
    linked = [(PatientId(f"p{a}"), PatientId(f"p{b}")) for a, b in pairs]
    mixed = [
        (b, a) if data.draw(st.booleans()) else (a, b)
        for a, b in data.draw(st.permutations(linked))
    ]

    groups = group_patients(records, linked)

    assert groups == group_patients(records[::-1], mixed)
    assert all(groups[a] == groups[b] for a, b in linked)
