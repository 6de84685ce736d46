"""What a replay came to, in words."""

from policies.replay import told
from policies.replay.values import Counts, counts_of, shown


def test_sentences() -> None:
    assert told.sentence(Counts()) == "No call was decided in this time."
    assert told.sentence(Counts(calls=1, unchanged=1)) == "None of 1 call would fare otherwise."
    many = Counts(calls=143_208, rerouted=380, held=31, denied=1, undecidable=6)
    assert told.sentence(many) == (
        "412 of 143,208 calls would fare otherwise: 380 re-routed, 31 held for a person, 1 denied; 6 are undecidable."
    )
    assert told.sentence(Counts(calls=2, undecidable=1)) == (
        "None of 2 calls would fare otherwise; 1 is undecidable."
    )


def test_what_nobody_knows_is_said() -> None:
    assert (told.undecidable(Counts()), told.unknown(Counts())) == ("", "")
    some = Counts(undecidable=3, fields={"request.labels.case": 2, "output (erased)": 1}, unknown=2)
    assert told.undecidable(some) == (
        "Undecidable, and not counted as unchanged: output (erased) (1), request.labels.case (2) "
        "was not recorded or has been erased."
    )
    assert told.unknown(some).startswith("2 of them have rules about the answer")


def test_a_drill_in_words() -> None:
    assert told.drilled(Counts(), "EUR") == (
        "Nothing was served in this time, so nothing can be said."
    )
    assert told.drilled(Counts(served_before=8, served_after=7, cost_nano=-(10**9)), "EUR") == (
        "87.5 % of what was served still would be: 7 of 8 calls, 1.00 EUR cheaper in this time."
    )
    assert told.words_of(0, "EUR") == "at the same cost"


def test_sums_survive_json() -> None:
    counts = Counts(calls=3, denied=1, cost_nano=-(2**60), fields={"facts": 1}, served={"m": 2})
    assert shown(counts)["costNano"] == "-1152921504606846976"
    assert counts_of(shown(counts)) == counts
