@bundled @performance
Feature: Fewer layers answer sooner
  Encoders answer single texts, and texts in batches, in turns in one process. The claims are about ratios,
  because seconds depend on the machine more than on the encoder.

  Scenario Outline: <small> answers sooner than <large>
    Given the recipe "from-scratch"
    And bounds from "measured: 2026-11-25, one thread of two cores of an AMD EPYC, three runs: p50 0.60, p95 0.57 to 0.62, texts a second 1.72 to 1.89"
    When the encoders "<small>" and "<large>" answer in turns, 11 rounds of 40 texts, at 16 and 64 tokens
    Then "<small>" answers one text of 64 tokens in at most <median> times the time of "<large>", at the 50th percentile
    And "<small>" answers one text of 64 tokens in at most <tail> times the time of "<large>", at the 95th percentile
    And "<small>" answers at least <short> times as many texts of 16 tokens a second as "<large>"
    And "<small>" answers at least <long> times as many texts of 64 tokens a second as "<large>"

    Examples: Half the layers
      | small           | large     | median | tail | short | long |
      | distilbert-tiny | bert-mini | 0.85   | 0.9  | 1.3   | 1.3  |
