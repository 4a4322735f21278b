@bundled
Feature: What has been sabotaged does not pass
  Each fine-tuning here is spoiled in one way that happens in practice. The claim that the intact one passes must be
  refused, by the rule for that kind of fault.

  Background:
    Given the encoder "bert-tiny"
    And the task "bundled/sentiment"
    And bounds from "calibrated: the honest study is near 0.95 on every seed; see sentiment.feature"

  Rule: What learned nothing is refused by its mean

    Scenario: With shuffled labels, nothing is learned
      Given the training labels are shuffled
      When it is fine-tuned with "adamw" on seeds 1 to 3
      Then a claim that its accuracy is at least 0.90 does not pass, by its mean
      And its accuracy is at most 0.60

    Scenario: With a learning rate 100 times too large, it collapses
      Given the learning rate is 100 times its own
      When it is fine-tuned with "adamw" on seeds 1 to 3
      Then a claim that its accuracy is at least 0.90 does not pass, by its mean
      And a claim that no seed collapses does not pass

    Scenario: With a frozen encoder, the head alone learns too little
      Given the encoder is frozen
      When it is fine-tuned with "adamw" on seeds 1 to 3
      Then a claim that its accuracy is at least 0.90 does not pass, by its mean

    Scenario: With texts that are cut short, half the verdict is missing
      Given the texts are cut after 7 tokens
      When it is fine-tuned with "adamw" on seeds 1 to 3
      Then a claim that its accuracy is at least 0.90 does not pass, by its mean

  Rule: What is too good to be true is refused whatever its mean

    Scenario: With labels leaked into the texts, it scores above the ceiling
      Given the labels are leaked into the texts
      When it is fine-tuned with "adamw" on seeds 1 to 3
      Then a claim that its accuracy is at least 0.90 does not pass, by its ceiling

    Scenario: Scored on rows that it was trained on, it proves nothing
      Given it is scored on rows that it was trained on
      When it is fine-tuned with "adamw" on seeds 1 to 3
      Then a claim that its accuracy is at least 0.90 does not pass, by its overlap
