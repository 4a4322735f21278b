from __future__ import annotations

from bertspec.report import markdown
from bertspec.results import Compared, SessionRecord


def test_the_claims_stand_in_a_table(hostile: SessionRecord) -> None:
    said = markdown(hostile)
    assert said.startswith("### bertspec: 0 PASS, 1 FAIL, 0 UNDECIDED\n")
    assert "| ❌ FAIL |" in said
    assert "| 0.500 | 0.400 to 0.600 |" in said
    assert "- 1 not run: " in said


def test_hostile_text_stays_text(hostile: SessionRecord) -> None:
    scenario = hostile.scenarios[0].model_copy(update={"title": "a | b [x](https://evil) @all `c` www.evil.example"})
    said = markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
    assert "<script>" not in said
    assert "https://" not in said
    assert "@all" not in said
    assert "www." not in said
    assert r"a \| b \[x\]\(https" in said


def test_what_did_not_pass_comes_first(hostile: SessionRecord) -> None:
    failed = hostile.scenarios[0]
    passed = failed.model_copy(update={"claims": (failed.claims[0].model_copy(update={"verdict": "PASS"}),)})
    said = markdown(hostile.model_copy(update={"scenarios": (passed, failed)}))
    assert said.index("❌ FAIL") < said.index("✅ PASS")


def test_a_scenario_that_broke_without_a_claim_is_named(hostile: SessionRecord) -> None:
    broken = hostile.scenarios[0].model_copy(update={"claims": (), "title": "It broke", "reason": "no such encoder"})
    assert "- ❌ It broke: no such encoder" in markdown(hostile.model_copy(update={"scenarios": (broken,)}))


def test_a_long_session_is_cut(hostile: SessionRecord) -> None:
    said = markdown(hostile.model_copy(update={"scenarios": hostile.scenarios[:1] * 300}))
    assert said.count("❌ FAIL") == 200
    assert "… and 100 more claims" in said


def test_what_a_rule_does_is_told_with_the_claim_and_its_odds_once(hostile: SessionRecord) -> None:
    claim = hostile.scenarios[0].claims[0]
    told = claim.model_copy(
        update={"verdict": "PASS", "reason": None, "detectable_drop": "it bites", "pass_rates": "passes now and then"}
    )
    scenario = hostile.scenarios[0].model_copy(update={"claims": (told, told)})
    said = markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
    assert said.count("(it bites)") == 2
    assert said.count("- pass_rates of 2 claims: passes now and then") == 1


def test_a_comparison_with_a_baseline_is_told_the_worst_first(hostile: SessionRecord) -> None:
    same = Compared(outcome="PASS", title="bert", quantity="accuracy", then=0.9, now=0.91, interval=(-0.01, 0.03))
    worse = same.model_copy(update={"outcome": "FAIL", "title": "albert <i>", "now": 0.8, "reason": "spread"})
    said = markdown(hostile.model_copy(update={"against": "1.0 of 2026-01-31", "compared": (same, worse)}))
    assert r"#### Against 1.0 of 2026\-01\-31" in said
    assert "| ✅ PASS | bert | accuracy | 0.900 | 0.910 | -0.010 to +0.030 |" in said
    assert said.index("albert &lt;i&gt;") < said.index("| bert |")


def test_two_hundred_long_claims_fit_a_comment(hostile: SessionRecord) -> None:
    claim = hostile.scenarios[0].claims[0].model_copy(update={"reason": "why " * 5000})
    scenario = hostile.scenarios[0].model_copy(update={"claims": (claim,) * 300, "reason": "why " * 5000})
    said = markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
    assert len(said) < 65_536
    assert "more claims" in said
