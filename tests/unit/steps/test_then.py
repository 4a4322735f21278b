from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from bertspec.steps import scene, then
from bertspec.steps.scene import Recipe, expectations

from bertspec.config import EncoderConfig, StudyConfig, TaskConfig
from bertspec.errors import BertspecError, InvalidConfig, UnknownName
from bertspec.pytest_plugin.internals import definitions_in
from bertspec.study import Session


def test_every_then_step_registers_what_its_line_claims() -> None:
    defined = {definition.pattern for definition in definitions_in(then)}
    assert len(defined) > 20
    assert defined == {step.parser.name for step in scene._THEN_STEPS}


@pytest.mark.parametrize(
    ("line", "metric", "bounds", "calibrated", "quality"),
    [
        ("its accuracy is at least 0.9", "accuracy", (0.9,), False, True),
        ("its accuracy is at most 0.6", "accuracy", (0.6,), False, False),
        ("its error rate is at most 0.1", "error rate", (0.1,), False, True),
        ("its Matthews correlation is between -0.1 and 0.1", "Matthews correlation", (-0.1, 0.1), False, True),
        ("a claim that its accuracy is at least 0.9 does not pass", "accuracy", (0.9,), False, False),
        ("a claim that its accuracy is at least 0.9 does not pass, by its overlap", "accuracy", (0.9,), False, False),
        ("it is at its calibrated f1", "f1", (), True, True),
        ('the accuracy of "adamw" exceeds that of "sgd" by at least 0.1', "accuracy", (), False, True),
        ('the accuracy of "adamw" is at least 1.2 times that of "sgd"', "accuracy", (), False, True),
        ("no seed collapses", None, (), False, False),
        ('"a" trains on at least 1.2 times as many examples a second as "b"', None, (), False, False),
    ],
)
@pytest.mark.filterwarnings("default::bertspec.errors.FormerName")
def test_a_line_claims_a_metric_and_its_bounds(
    line: str, metric: str | None, bounds: tuple[float, ...], calibrated: bool, quality: bool
) -> None:
    [expected] = expectations([line])
    assert (expected.metric, expected.bounds) == (metric, bounds)
    assert (expected.calibrated, expected.quality) == (calibrated, quality)


def test_a_line_of_no_step_claims_nothing() -> None:
    assert expectations(["the run took some time"]) == ()


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("its acuracy is at least 0.9", UnknownName, "did you mean accuracy"),
        ("its Pearson correlation is at least 0.9", InvalidConfig, "does not fit"),
        ("its accuracy is at least 90", InvalidConfig, "accuracy can never be 90"),
        ("its accuracy is between 0.9 and 95", InvalidConfig, "accuracy can never be 95"),
        ("a claim that its accuracy is at least 90 does not pass", InvalidConfig, "accuracy can never be 90"),
        ('the acuracy of "adamw" exceeds that of "sgd" by at least 0.1', UnknownName, "did you mean accuracy"),
        ('the acuracy of "adamw" is at least 1.2 times that of "sgd"', UnknownName, "did you mean accuracy"),
        ("it is at its calibrated accuracy", InvalidConfig, "has no calibrated accuracy"),
        ("its accuracy is at most inf", InvalidConfig, "accuracy can never be inf"),
        ("its accuracy is at least nan", InvalidConfig, "accuracy can never be nan"),
        ("its accuracy is between 0.9 and 0.1", InvalidConfig, "the range is empty; given: 'between 0.9 and 0.1'"),
        ("its accuracy is between 0.5 and 0.5", InvalidConfig, "the range is empty"),
        ('the accuracy of "adamw" exceeds that of "sgd" by at least 90', InvalidConfig, "can never differ by 90"),
        ('the accuracy of "adamw" exceeds that of "sgd" by at least inf', InvalidConfig, "can never differ by inf"),
        ('the accuracy of "adamw" is at least inf times that of "sgd"', InvalidConfig, "not a positive number"),
        ('the accuracy of "adamw" is at least 0 times that of "sgd"', InvalidConfig, "not a positive number"),
    ],
)
def test_a_claim_that_no_study_could_settle_is_refused_before_training(
    session: Session, encoder: EncoderConfig, task: TaskConfig, line: str, error: type[BertspecError], message: str
) -> None:
    recipe = Recipe(expected=expectations([line]))
    with pytest.raises(error, match=message):
        recipe.plan(session, encoder, task, "adamw", (1,))


@pytest.mark.parametrize(
    ("former", "reworded", "line"),
    [
        ("its {metric} is at least {bound:g}", "its {metric} reaches {bound:g}", "its accuracy reaches 90"),
        ("it is at its calibrated {metric}", "its {metric} is as recorded", "its accuracy is as recorded"),
    ],
)
def test_a_reworded_step_keeps_its_check(
    session: Session, study_config: StudyConfig, former: str, reworded: str, line: str
) -> None:
    with pytest.MonkeyPatch.context() as here:
        here.setattr(scene, "_THEN_STEPS", [])
        load_reworded(f'parsers.parse("{former}")', f'parsers.parse("{reworded}")')
        [expected] = expectations([line])
    with pytest.raises(InvalidConfig, match=r"accuracy can never be 90|no calibrated accuracy"):
        expected.check_study(study_config, session, calibrating=False)


def load_reworded(former: str, reworded: str) -> None:
    """Load the Then steps from a copy of their module with other words."""
    source = Path(str(then.__file__)).read_text("utf-8")
    assert former in source
    module = ModuleType("bertspec.steps.reworded")
    module.__package__ = then.__package__
    exec(compile(source.replace(former, reworded), str(then.__file__), "exec"), vars(module))  # noqa: S102 - our own


@pytest.mark.parametrize(
    "line",
    [
        '"a" trains on at least 0 times as many examples a second as "b"',
        '"a" answers one text of 8 tokens in at most 0 times the time of "b", at the 50th percentile',
        '"a" answers at least 0.0 times as many texts of 8 tokens a second as "b"',
    ],
)
def test_a_ratio_that_every_pair_or_none_has_is_refused(line: str) -> None:
    with pytest.raises(InvalidConfig, match="the factor is not a positive number"):
        expectations([line])


def test_a_bound_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="this is not a number; given: '1.2.3'"):
        expectations(['"a" trains on at least 1.2.3 times as many examples a second as "b"'])
