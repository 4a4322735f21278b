@bundled
Feature: Optimizers, each at its own best learning rate
  Every optimizer gets the same number of trials at the same multiples of the learning rate in its own config. Trials
  are scored on held-out rows of the training split. The best trial of each optimizer is then run again on the whole
  training split, on seeds that no trial has used, and scored on the evaluation split. No claim passes unless the
  budgets are equal.

  # In bundled/majority the words alone decide, and 5 % of the labels are wrong. On seeds 11 to 15 (2026-11-25, torch 2.13.0, two
  # cores) the best, LAMB, reached 0.956, AdamW 0.951, fourteen others 0.90 to 0.954, ASGD 0.743. The tolerance is wide
  # because one seed in five of schedule-free AdamW is still at 0.75 by then; five seeds cannot exclude a lead of 0.06.

  Scenario: AdamW is near the best of all, and ASGD is not
    Given the encoder "bert-tiny"
    And the task "bundled/majority"
    And the recipe "from-scratch" with
      | field          | value |
      | steps          | 60    |
      | batch_size     | 64    |
      | evaluate_every | 15    |
    And bounds from "our seeds 11 to 15 of 2026-11-25"
    When a sweep over "optimizer" runs with 3 trials each
      | parameter            | values                                                                                                                                |
      | optimizer            | adadelta, adafactor, adagrad, adam, adamw, asgd, ema, lamb, lion, muon, nadam, prodigy, radam, rmsprop, schedule-free-adamw, sgd, swa |
      | learning_rate_factor | 0.3, 1, 3                                                                                                                             |
      | seeds                | 201                                                                                                                                   |
      | confirmation_seeds   | 1, 2, 3, 4, 5                                                                                                                         |
    Then "adamw" is within 0.1 of the best
    And a claim that "asgd" is within 0.1 of the best does not pass
    And "adamw" needs at most 1 times the steps of "sgd" to reach 0.85
    And "adamw" stays within 0.15 of its best over at least 0.5 decades of the learning rate

  # "Among the best", within a point, stays undecided: ten seeds cannot exclude a lead of Muon of 0.012.
  @full
  Scenario: AdamW is near the best of the sweep file, with eight trials each
    Given bounds from "our seeds 1 to 10 of 2026-11-27: no other leads by more than 0.012; seeds 1001 to 1005: 0.018"
    When the sweep "optimizers" runs with 8 trials each
    Then "adamw" is within 0.03 of the best
    And a claim that "asgd" is within 0.03 of the best does not pass
