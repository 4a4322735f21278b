@bundled
Feature: An interrupted fine-tuning goes on where it stopped
  A checkpoint holds the weights, the optimizer, the schedule, the order of the rows and the random numbers. A run that
  was cut off resumes from it and ends with the same result.

  Scenario Outline: <encoder>, cut off after step <step>, ends with the same bits
    Given the encoder "<encoder>"
    And the task "bundled/sentiment"
    And the recipe "from-scratch" with
      | field | value |
      | steps | 100   |
    When it is fine-tuned on seed 1 with a checkpoint every 20 steps, cut off after step <step> and taken up again
    Then its outputs and its loss curve are those of a run without a break, bit for bit

    # On a CPU only: on CUDA the results would agree within noise.
    Examples:
      | encoder         | step |
      | bert-tiny       | 50   |
      | distilbert-tiny | 99   |
