@bundled @performance
Feature: Fewer layers buy speed
  Speeds are compared only if they were measured in turns in one process, in this session.

  # Sanh et al. (2019) report 60 % more speed from half the layers.

  Scenario Outline: <small> outruns <large>
    # 8,000 rows: evaluating 1,000 takes a tenth of a second, and a moment of other load would double the ratio.
    Given the task "bundled/sentiment" with
      | field     | value                                                        |
      | generated | {train_rows: 8000, evaluation_rows: 8000, label_noise: 0.05} |
    And bounds from "published: Sanh et al. (2019), 60 % more speed from half the layers"
    And the recipe "from-scratch" with
      | field | value |
      | steps | 60    |
    When "<small>" and "<large>" are fine-tuned in turns, 15 rounds
    Then "<small>" trains on at least <training> times as many examples a second as "<large>"
    And "<small>" evaluates at least <inference> times as many examples a second as "<large>"

    Examples: Half the layers
      | small           | large     | training | inference |
      | distilbert-tiny | bert-mini | 1.4      | 1.3       |
