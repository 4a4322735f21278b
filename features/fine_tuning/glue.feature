@hub @mirror @full
Feature: Encoders from the hub learn GLUE
  Widely used encoders, by their hub ids, on GLUE's tasks. Weights and rows come from a mirror or, with
  --download, from the hub.

  # Published scores, not measured here: SST-2 92.7 (bert-base) and 91.3 (distilbert) accuracy, MRPC 88.6 and
  # 87.5 F1, STS-B 89.0 and 86.9, from the README of transformers' distillation project. Each bound is
  # about three points below its published score. These rows have never been run here.

  Scenario Outline: <encoder> learns <task> with <optimizer>
    Given the encoder "<encoder>"
    And the task "<task>"
    And bounds from "published: README of transformers' distillation project, less three points; never run here"
    When it is fine-tuned with "<optimizer>" on seeds 1 to 10
    Then its <metric> is at least <bound>

    Examples:
      | encoder                                | task      | optimizer | metric               | bound |
      | google-bert/bert-base-uncased          | glue/sst2 | adamw     | accuracy             | 0.90  |
      | google-bert/bert-base-uncased          | glue/mrpc | adamw     | F1                   | 0.86  |
      | google-bert/bert-base-uncased          | glue/stsb | adamw     | Spearman correlation | 0.86  |
      | distilbert/distilbert-base-uncased     | glue/sst2 | adamw     | accuracy             | 0.88  |
      | distilbert/distilbert-base-uncased     | glue/mrpc | adamw     | F1                   | 0.84  |
      | distilbert/distilbert-base-uncased     | glue/stsb | adamw     | Spearman correlation | 0.84  |
      | sentence-transformers/all-MiniLM-L6-v2 | glue/mrpc | adamw     | F1                   | 0.82  |
      | sentence-transformers/all-MiniLM-L6-v2 | glue/stsb | adamw     | Spearman correlation | 0.80  |
