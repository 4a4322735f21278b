from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertspec.errors import DataError
from bertspec.heads import Classification, HardRow

HEAD = Classification(("negative", "positive"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((), "at least two labels"),
        (("a",), "at least two"),
        (("a", "b", "a"), "named twice"),
        (("a", " "), "a label is empty"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classification(labels)


def test_a_label_is_a_class_number_or_a_class_name() -> None:
    assert HEAD.targets([1, "negative", True, np.int8(0)], where="here").tolist() == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("label", [2, -1, "neutral", 0.5, "2", "01", "0x1", ["negative"], 10**400])
def test_a_label_outside_the_classes_is_refused_with_its_row(label: object) -> None:
    with pytest.raises(DataError, match="unknown label.*allowed: 0 to 1, or one of negative, positive.*row 1, here"):
        HEAD.targets([0, label], where="here")


@pytest.mark.parametrize("label", [None, float("nan"), "", " "])
def test_an_empty_cell_is_missing_even_if_a_class_has_that_name(label: object) -> None:
    with pytest.raises(DataError, match="a label is missing.*where: row 1, here"):
        Classification(("None", "nan")).targets(["None", label], where="here")


@pytest.mark.parametrize(
    ("labels", "values", "expected"),
    [
        (("1", "0"), ["0", "1", "1"], [1, 0, 0]),
        (("1", "0"), [0, 1, np.int64(1)], [1, 0, 0]),
        (("1", "0"), [0.0, 1.0, "1.0"], [1, 0, 0]),
        (("true", "false"), [True, False], [0, 1]),
        (("true", "false"), ["true", "false"], [0, 1]),
        (("yes", "no"), [True, np.bool_(False)], [0, 1]),
        (("1", "2", "3", "4", "5"), [5, 1, 4.0, "3", "2.0"], [4, 0, 3, 2, 1]),
        (("0.5", "1.0", "1.5"), [1, 0.5, "1.50"], [1, 0, 2]),
        (("bad", "good"), [0.0, "1.0", "0", True], [0, 1, 0, 1]),
        (("NA", "EU"), ["EU", "NA"], [1, 0]),
        (("01", "1"), ["1", "01"], [1, 0]),
        (("0", "1"), ["1", 0, "0.0"], [1, 0, 0]),
    ],
)
def test_a_value_that_is_the_name_of_a_class_is_that_class(
    labels: tuple[str, ...], values: list[object], expected: list[int]
) -> None:
    assert Classification(labels).targets(values, where="here").tolist() == expected


@pytest.mark.parametrize(
    ("labels", "values"), [(("1", "2", "3"), [0, 1, 2]), (("1", "2", "3"), ["1", "2", "0"]), (("1", "b"), [0, 1])]
)
def test_labels_that_are_partly_names_and_partly_numbers_are_refused(
    labels: tuple[str, ...], values: list[int]
) -> None:
    with pytest.raises(DataError, match="can be read in two ways.*where: row [01], here; and row [02], here"):
        Classification(labels).targets(values, where="here")


NAMES = st.sampled_from(["0", "1", "2", "3", "1.0", "01", "true", "false", "True", "yes", "no", "bad", "good", "NA"])
CELLS = st.one_of(NAMES, st.booleans(), st.integers(-1, 4), st.sampled_from([0.0, 1.0, 2.0, 0.5]))


@settings(derandomize=True)
@given(labels=st.lists(NAMES, min_size=2, max_size=4, unique=True), cells=st.lists(CELLS, min_size=1, max_size=6))
def test_a_column_is_read_in_one_way_or_refused(labels: list[str], cells: list[object]) -> None:
    head = Classification(tuple(labels))
    try:
        targets = head.targets(cells, where="here")
    except DataError:
        return
    classes = [labels[int(target)] for target in targets]
    for cell, name in zip(cells, classes, strict=True):
        if isinstance(cell, str) and cell in labels:
            assert name == cell
        elif str(cell) in labels and not isinstance(cell, bool):
            assert name == str(cell)
    for cell, name in zip(cells, classes, strict=True):  # the same class alone, and within the column
        assert labels[int(head.targets([cell], where="here")[0])] == name


@settings(derandomize=True)
@given(labels=st.lists(NAMES, min_size=2, max_size=4, unique=True), data=st.data())
def test_names_come_back_as_they_are(labels: list[str], data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.sampled_from(labels), min_size=1))
    targets = Classification(tuple(labels)).targets(cells, where="here")
    assert [labels[int(target)] for target in targets] == cells


@settings(derandomize=True)
@given(labels=st.permutations(["a", "b", "c"]), names=st.permutations(["A", "b", "c"]), data=st.data())
def test_numbers_of_a_data_set_become_the_classes_of_their_names(
    labels: list[str], names: list[str], data: st.DataObject
) -> None:
    numbers = data.draw(st.lists(st.integers(0, 2), min_size=1))
    head = Classification(tuple(labels))
    targets = head.targets(head.translated(numbers, names, where="here"), where="here")
    assert [labels[int(target)] for target in targets] == [names[number].lower() for number in numbers]


def test_classes_of_a_data_set_in_another_order_are_read_by_their_names() -> None:
    assert HEAD.translated([0, 1, -1], ("Positive", "negative"), where="here") == ["positive", "negative", -1]
    assert HEAD.translated(["1", "Positive"], ("Positive", "negative"), where="here") == ["negative", "positive"]


@pytest.mark.parametrize("names", [("negative", "positive"), ("Negative", "POSITIVE"), ("0", "1")])
def test_classes_of_a_data_set_in_the_same_order_stay_numbers(names: tuple[str, ...]) -> None:
    assert HEAD.translated([0, 1], names, where="here") == [0, 1]


def test_labels_that_are_numbers_take_the_classes_of_the_data_set_in_its_order() -> None:
    assert Classification(("0", "1")).translated([0, 1], ("neg", "pos"), where="here") == [0, 1]
    assert Classification(("1", "0")).translated([0, 1], ("0", "1"), where="here") == ["0", "1"]


def test_other_classes_than_those_of_the_data_set_are_refused() -> None:
    with pytest.raises(
        DataError, match="given: 'labels: negative, positive'; allowed: names of the data set: neg, pos"
    ):
        HEAD.translated([0, 1], ("neg", "pos"), where="here")


def test_a_class_that_only_the_data_set_has_is_refused_with_its_row() -> None:
    values = HEAD.translated([0, 1, 2], ("negative", "neutral", "positive"), where="here")
    with pytest.raises(DataError, match="unknown label; given: 'neutral'.*row 1, here"):
        HEAD.targets(values, where="here")


def test_nothing_can_be_learned_from_one_class() -> None:
    with pytest.raises(DataError, match="every label is the same; given: 'positive'.*where: here"):
        HEAD.check_targets(np.ones(3), scored=False, where="here")
    note = HEAD.check_targets(np.ones(3), scored=True, where="here")
    assert note == "every row has the label 'positive': here"


def test_a_class_without_a_row_is_noted() -> None:
    head = Classification(("a", "b", "c"))
    assert head.check_targets(np.array([0.0, 2.0]), scored=False, where="here") == "no row has the label 'b': here"
    assert head.check_targets(np.arange(3.0), scored=False, where="here") is None


def test_the_most_likely_class_is_predicted() -> None:
    assert HEAD.decode(np.array([[0.1, 0.9], [2.0, 1.0]], np.float32)).tolist() == [1.0, 0.0]


def test_the_loss_of_a_row_is_its_negative_log_probability() -> None:
    outputs = np.array([[0.0, 0.0], [0.0, np.log(3.0)]], np.float32)
    assert HEAD.row_losses(outputs, np.array([0.0, 1.0])) == pytest.approx([np.log(2), np.log(4 / 3)])


@pytest.mark.parametrize(
    ("predictions", "references", "expected"),
    [
        ([1, 1, 1, 1], [1, 0, 1, 0], True),
        ([1, 0, 0, 1], [1, 1, 1, 0], True),
        ([1, 0, 1, 0], [1, 0, 1, 1], True),
        ([1, 0, 1, 0], [1, 0, 1, 0], False),
    ],
    ids=["one class", "worse than the majority", "equal to the majority", "perfect"],
)
def test_a_run_that_learned_nothing_has_collapsed(
    predictions: list[int], references: list[int], expected: bool
) -> None:
    assert HEAD.collapsed(np.array(predictions, dtype=float), np.array(references, dtype=float)) is expected


def test_a_prediction_is_shown_with_the_probability_of_every_class() -> None:
    (prediction,) = HEAD.predictions(np.array([[0.0, np.log(3.0)]], np.float32))
    assert prediction.columns() == ("positive", "0.7500")
    assert prediction.as_json() == {
        "label": "positive",
        "value": pytest.approx(0.75),
        "probabilities": {"negative": pytest.approx(0.25), "positive": pytest.approx(0.75)},
    }


def test_confusions_add_up_over_the_seeds() -> None:
    references = np.array([0.0, 0.0, 1.0])
    assert HEAD.confusion(references, np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])) == ((2, 2), (1, 1))


def test_the_hardest_rows_are_those_that_most_seeds_get_wrong() -> None:
    references = np.array([0.0, 1.0, 1.0])
    predictions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert HEAD.hardest(references, predictions, most=5) == [
        HardRow(1, "positive", "negative", "3 of 3 seeds"),
        HardRow(2, "positive", "negative", "2 of 3 seeds"),
    ]
    assert len(HEAD.hardest(references, predictions, most=1)) == 1


def test_tables_show_the_names_of_the_classes() -> None:
    assert (HEAD.output_names, HEAD.shown(1.0)) == (("output negative", "output positive"), "positive")


@pytest.mark.parametrize("labels", [("true", "false"), ("yes", "no")])
@pytest.mark.parametrize("cell", [1, 0.0, "1"])
def test_a_number_that_is_one_class_by_position_and_another_as_a_truth_value_is_refused(
    labels: tuple[str, ...], cell: object
) -> None:
    with pytest.raises(DataError, match="can be read in two ways: as the number of a class, or as true or false"):
        Classification(labels).targets([cell], where="this test")
    assert Classification(labels[::-1]).targets([cell], where="this test").tolist() == [float(cell)]  # type: ignore[arg-type]


STARS = ("1 star", "2 stars", "3 stars", "4 stars")


@pytest.mark.parametrize("values", [[1, 2, 3], ["1", "3"], [1.0]])
def test_numbers_that_are_in_the_names_of_other_classes_are_refused(values: list[object]) -> None:
    with pytest.raises(DataError, match="as the numbers of classes, or as the numbers in their names; given: '?1"):
        Classification(STARS).refuse_ambiguous(values, where="here")


@pytest.mark.parametrize(
    ("labels", "values", "expected"),
    [
        (STARS, [0, 1, 2, 3], [0, 1, 2, 3]),
        (STARS, ["1 star", "3 stars"], [0, 2]),
        (("LABEL_0", "LABEL_1"), [1, 1], [1, 1]),
        (("top 10", "top 20"), [1, 0], [1, 0]),
    ],
)
def test_numbers_that_can_be_read_in_one_way_are_class_numbers(
    labels: tuple[str, ...], values: list[object], expected: list[int]
) -> None:
    head = Classification(labels)
    head.refuse_ambiguous(values, where="here")
    assert head.targets(values, where="here").tolist() == expected


@pytest.mark.parametrize("value", ["Bad", "bad ", "\u00a0bad"])
def test_a_label_that_looks_like_a_class_is_answered_with_the_class(value: str) -> None:
    with pytest.raises(DataError, match="it differs from 'bad' only in case, blanks or Unicode form"):
        Classification(("bad", "good")).targets([value], where="here")
    with pytest.raises(DataError, match="it differs from 'n\u00e9' only"):
        Classification(("n\u00e9", "good")).targets(["ne\u0301"], where="here")
