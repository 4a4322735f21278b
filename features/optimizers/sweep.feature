@bundled
Feature: Optimizers, each at its own best learning rate
  Every optimizer gets the same number of trials on the same learning rates, as multiples of the one in its own config,
  and each trial is scored on rows of the training split that it does not train on. The best trial of each is then run
  again on the whole training split, on seeds that no trial has seen, and scored on the evaluation split. Budgets that
  are not equal let no claim pass.

  # Three epochs, and not fewer: with 300 steps of 64 and a longer warm-up, adamw and adam reached 0.94 to 0.95 on seeds
  # 1 to 5, and on seeds 31 to 35 so unevenly that everything was left open (2026-11-25).

  Background:
    Given the encoder "bert-tiny"
    And the task "bundled/sentiment"
    And the recipe "from-scratch" with
      | field          | value |
      | evaluate_every | 50    |

  @full
  Scenario: AdamW is near the best, and does not hang on its learning rate
    Given bounds from "never run here"
    When a sweep over "optimizer" runs with 3 trials each
      | parameter            | values           |
      | optimizer            | adam, adamw, sgd |
      | learning_rate_factor | 1, 2, 4          |
      | seeds                | 201              |
      | confirmation_seeds   | 1, 2, 3, 4, 5    |
    Then "adamw" is within 0.02 of the best
    And a claim that "sgd" is within 0.02 of the best does not pass
    And "adamw" needs at most 1 times the steps of "sgd" to reach 0.85
    And "adamw" stays within 0.1 of its best over at least 0.3 decades of the learning rate

  @full
  Scenario: AdamW is among the best of the sweep file, with eight trials each
    Given bounds from "never run here"
    When the sweep "optimizers" runs with 8 trials each
    Then "adamw" is among the best
