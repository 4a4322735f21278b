from __future__ import annotations

from bertspec.evidence import SessionEvidence
from bertspec.report import markdown


def test_the_claims_stand_in_a_table(hostile: SessionEvidence) -> None:
    said = markdown(hostile)
    assert said.startswith("### bertspec: 0 PASS, 1 FAIL, 0 UNDECIDED\n")
    assert "| ❌ FAIL |" in said
    assert "| 0.500 | 0.400 to 0.600 |" in said
    assert "- 1 not run: " in said


def test_hostile_text_stays_text(hostile: SessionEvidence) -> None:
    scenario = hostile.scenarios[0].model_copy(update={"title": "a | b [x](https://evil) @all `c`"})
    said = markdown(hostile.model_copy(update={"scenarios": (scenario,)}))
    assert "<script>" not in said
    assert "https://" not in said
    assert "@all" not in said
    assert r"a \| b \[x\]\(https" in said


def test_what_did_not_pass_comes_first(hostile: SessionEvidence) -> None:
    failed = hostile.scenarios[0]
    passed = failed.model_copy(update={"claims": (failed.claims[0].model_copy(update={"verdict": "PASS"}),)})
    said = markdown(hostile.model_copy(update={"scenarios": (passed, failed)}))
    assert said.index("❌ FAIL") < said.index("✅ PASS")


def test_a_scenario_that_broke_without_a_claim_is_named(hostile: SessionEvidence) -> None:
    broken = hostile.scenarios[0].model_copy(update={"claims": (), "title": "It broke", "reason": "no such encoder"})
    assert "- ❌ It broke: no such encoder" in markdown(hostile.model_copy(update={"scenarios": (broken,)}))


def test_a_long_session_is_cut(hostile: SessionEvidence) -> None:
    said = markdown(hostile.model_copy(update={"scenarios": hostile.scenarios[:1] * 300}))
    assert said.count("❌ FAIL") == 200
    assert "… and 100 more claims" in said
