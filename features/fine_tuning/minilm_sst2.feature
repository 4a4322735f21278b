@minilm @mirror
Feature: The pretrained MiniLM learns real sentiment
  all-MiniLM-L6-v2, a real checkpoint, is fine-tuned for about a minute a seed on the Stanford Sentiment
  Treebank and scored on all 872 sentences of its validation split: once on GLUE's phrases, once on whole
  sentences.

  Scenario Outline: <encoder> learns <task>
    Given the encoder "<encoder>"
    And the task "<task>"
    And the recipe "quick-fine-tuning"
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at least <accuracy>
    And no seed collapses

    Examples:
      | encoder | task           | accuracy |
      | minilm  | glue/sst2      | 0.80     |
      | minilm  | sst2-sentences | 0.84     |

  Scenario Outline: <encoder> learns nothing from shuffled labels of <task>
    Given the encoder "<encoder>"
    And the task "<task>"
    And the recipe "quick-fine-tuning"
    And the training labels are shuffled
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then a claim that its accuracy is at least <accuracy> does not pass

    Examples:
      | encoder | task      | accuracy |
      | minilm  | glue/sst2 | 0.80     |
