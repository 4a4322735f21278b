from __future__ import annotations

from bertspec.report import markdown
from bertspec.results import Compared, SessionRecord

from .conftest import ESCAPED


def test_the_claims_stand_in_a_table(hostile: SessionRecord) -> None:
    text = markdown(hostile)
    assert text.startswith("### bertspec: 0 PASS, 1 FAIL, 0 UNDECIDED\n")
    assert "| ❌ FAIL |" in text
    assert "| 0.500 | 0.400 to 0.600 |" in text
    assert "- 1 not run: " in text


def test_hostile_text_stays_text(hostile: SessionRecord) -> None:
    scenario = hostile.scenarios[0].model_copy(update={"title": "a | b [x](https://evil) @all `c` www.evil.example"})
    text = markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
    assert "<script>" not in text
    assert "https://" not in text
    assert "@all" not in text
    assert "www." not in text
    assert r"a \| b \[x\]\(https" in text


def test_what_did_not_pass_comes_first(hostile: SessionRecord) -> None:
    failed = hostile.scenarios[0]
    passed = failed.model_copy(update={"claims": (failed.claims[0].model_copy(update={"verdict": "PASS"}),)})
    text = markdown(hostile.model_copy(update={"scenarios": (passed, failed)}))
    assert text.index("❌ FAIL") < text.index("✅ PASS")


def test_a_scenario_that_broke_without_a_claim_is_named(hostile: SessionRecord) -> None:
    broken = hostile.scenarios[0].model_copy(update={"claims": (), "title": "It broke", "reason": "no such encoder"})
    assert "- ❌ It broke: no such encoder" in markdown(hostile.model_copy(update={"scenarios": (broken,)}))


def test_a_long_session_is_cut(hostile: SessionRecord) -> None:
    text = markdown(hostile.model_copy(update={"scenarios": hostile.scenarios[:1] * 300}))
    assert text.count("❌ FAIL") == 200
    assert "… and 100 more claims" in text


def test_a_claim_shows_its_detectable_drop_and_equal_pass_rates_are_shown_once(hostile: SessionRecord) -> None:
    claim = hostile.scenarios[0].claims[0]
    passed = claim.model_copy(
        update={
            "verdict": "PASS",
            "reason": None,
            "detectable_drop": "below 0.8",
            "pass_rates": "5 % at the bound",
        }
    )
    scenario = hostile.scenarios[0].model_copy(update={"claims": (passed, passed)})
    text = markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
    assert text.count("(below 0.8)") == 2
    assert text.count("- pass rates of 2 claims: 5 % at the bound") == 1


def test_a_comparison_with_a_baseline_is_shown_with_the_worst_first(hostile: SessionRecord) -> None:
    same = Compared(outcome="PASS", title="bert", quantity="accuracy", then=0.9, now=0.91, interval=(-0.01, 0.03))
    worse = same.model_copy(update={"outcome": "FAIL", "title": "albert <i>", "now": 0.8, "reason": "spread"})
    text = markdown(hostile.model_copy(update={"against": "1.0 of 2026-01-31", "compared": (same, worse)}))
    assert r"#### Against 1.0 of 2026\-01\-31" in text
    assert "| ✅ PASS | bert | accuracy | 0.900 | 0.910 | -0.010 to +0.030 |" in text
    assert text.index("albert &lt;i&gt;") < text.index("| bert |")


def test_two_hundred_long_claims_fit_a_comment(hostile: SessionRecord) -> None:
    claim = hostile.scenarios[0].claims[0].model_copy(update={"reason": "why " * 5000})
    scenario = hostile.scenarios[0].model_copy(update={"claims": (claim,) * 300, "reason": "why " * 5000})
    text = markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
    assert len(text) < 65_536
    assert "more claims" in text


def test_text_that_a_terminal_could_act_on_is_shown_escaped(acting: SessionRecord) -> None:
    text = markdown(acting)
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    assert text.replace("\\\\", "\\").replace("\\[", "[").count(ESCAPED) >= 2


def test_the_line_breaks_of_a_reason_are_spaces(hostile: SessionRecord) -> None:
    scenario = hostile.scenarios[0].model_copy(update={"claims": (), "reason": "one\n  two"})
    assert ": one two\n" in markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
