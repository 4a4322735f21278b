@bundled
Feature: Every run leaves a record
  Each run is kept in the store with its provenance, and logged to Weights & Biases, offline if the service cannot be
  reached.

  Scenario: A study can be read back, run by run
    Given the encoder "bert-tiny"
    And the task "bundled/sentiment"
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then every run is in the store with its provenance
    And every run can be read back from its W&B record
