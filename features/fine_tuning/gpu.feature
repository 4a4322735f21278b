@bundled @gpu
Feature: What is learned on a CPU is learned on a GPU
  The training loop is the same. The arithmetic differs in its last bits, and in precision if a recipe asks for it.

  # The bounds are those of the CPU. These rows have never been run on a GPU.

  Scenario Outline: On CUDA, <encoder> learns <task> from scratch with <optimizer>
    Given the encoder "<encoder>"
    And the task "<task>"
    And the recipe "from-scratch" with
      | field     | value       |
      | precision | <precision> |
    And bounds from "our runs on a CPU; never run on a GPU here"
    When it is fine-tuned with "<optimizer>" on seeds 1 to 10
    Then its accuracy is at least <accuracy>

    Examples:
      | encoder   | task               | optimizer | precision | accuracy |
      | bert-tiny | bundled/sentiment  | adamw     | fp32      | 0.90     |
      | bert-tiny | bundled/paraphrase | adamw     | bf16      | 0.88     |
