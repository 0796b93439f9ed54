"""Who is in the cohort."""

from collections import Counter

from voxray.demo.roster import Dirt, draw_roster
from voxray.demo.scanners import SCANNERS

LOST = {Dirt.MISSING_SLICE, Dirt.TRUNCATED_FILE, Dirt.NO_MASK, Dirt.NO_LABEL}


def test_twelve_usable_patients_a_class_remain_spread_evenly_over_scanners():
    usable = [p for p in draw_roster(1).known if p.dirt not in LOST]
    counts = Counter((p.has_lesions, p.scanners[0]) for p in usable)
    assert counts == {(c, s): 4 for c in (True, False) for s in range(len(SCANNERS))}


def test_four_known_patients_have_two_visits_two_a_class():
    twice = [p.has_lesions for p in draw_roster(1).known if len(p.scanners) == 2]
    assert sorted(twice) == [False, False, True, True]


def test_numbers_are_unique_and_do_not_follow_the_class():
    roster = draw_roster(1)
    people = (*roster.known, *roster.new)
    assert [p.number for p in people] == list(range(1, 38))
    first_half = [p.has_lesions for p in roster.known[:14]]
    assert 3 <= sum(first_half) <= 11


def test_inbox_has_both_classes_and_one_scan_unlike_the_others():
    new = draw_roster(1).new
    assert {p.has_lesions for p in new} == {True, False}
    assert [p.dirt for p in new].count(Dirt.SMALL_FIELD) == 1


def test_same_seed_gives_the_same_people_and_another_seed_others():
    assert draw_roster(5) == draw_roster(5)
    assert draw_roster(5) != draw_roster(6)
