@bundled
Feature: AdamW against SGD
  Both optimizers get the same rows, the same order, the same steps and the same warm-up; each has the
  learning rate of its own config. Training a transformer from scratch is where adaptive steps matter.

  Scenario Outline: AdamW is ahead of SGD on <task>
    Given the encoder "<encoder>"
    And the task "<task>"
    When it is fine-tuned with each of "adamw" and "sgd" on seeds 1 to 5
    Then the accuracy of "adamw" exceeds that of "sgd" by at least <lead>

    Examples:
      | encoder   | task              | lead |
      | bert-tiny | bundled/sentiment | 0.10 |
