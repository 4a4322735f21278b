@bundled
Feature: AdamW against SGD
  Both optimizers get the same rows in the same order, the same steps and the same warm-up; each has the learning
  rate of its own config. Adaptive steps matter most when a transformer is trained from scratch.

  # On seeds 101 to 120 (2026-11-25, torch 2.13.0, one core) AdamW reached 0.872 to 0.956, mean 0.934, and SGD 0.700 to
  # 0.938, mean 0.800. features/optimizers/sweep.feature compares them at the best rate of each.

  Scenario Outline: After sixty steps, AdamW is ahead of SGD on <task>
    Given the encoder "<encoder>"
    And the task "<task>"
    And the recipe "from-scratch" with
      | field      | value |
      | steps      | 60    |
      | batch_size | 64    |
    And bounds from "our 20 seeds of 2026-11-25, 0.934 against 0.800; less twice what ten seeds leave, and more"
    When it is fine-tuned with each of "adamw" and "sgd" on seeds 1 to 10
    Then the accuracy of "adamw" exceeds that of "sgd" by at least <lead>

    Examples:
      | encoder   | task             | lead |
      | bert-tiny | bundled/majority | 0.05 |
