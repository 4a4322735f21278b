@bundled
Feature: What cannot work is refused before training starts
  One clear message says what was given, what is allowed and where.

  Rule: A word that names nothing is answered with the closest names

    Scenario Outline: An unknown <kind> is refused
      When a fine-tuning is asked for with
        | field   | value   |
        | <kind>  | <word>  |
        | <other> | <known> |
      Then it is refused before training: "unknown <kind>; given: '<word>'; allowed: did you mean <closest>"

      Examples:
        | kind    | word             | closest           | other   | known             |
        | encoder | brt-tiny         | bert-tiny         | task    | bundled/sentiment |
        | task    | bundled/sentimnt | bundled/sentiment | encoder | bert-tiny         |

    Scenario Outline: An unknown <kind> is refused beside an encoder and a task
      When a fine-tuning is asked for with
        | field   | value             |
        | encoder | bert-tiny         |
        | task    | bundled/sentiment |
        | <kind>  | <word>            |
      Then it is refused before training: "unknown <kind>; given: '<word>'; allowed: did you mean <closest>"

      Examples:
        | kind      | word         | closest     |
        | recipe    | fine-tunning | fine-tuning |
        | optimizer | adafactr     | adafactor   |

  Rule: A field is set once

    Scenario Outline: <field> twice is refused
      When a fine-tuning is asked for with
        | field   | value             |
        | encoder | bert-tiny         |
        | task    | bundled/sentiment |
        | <field> | <value>           |
        | <field> | <other>           |
      Then it is refused before training: "a field stands twice in the table; given: '<field>'"

      Examples:
        | field   | value        | other           |
        | encoder | bert-tiny    | distilbert-tiny |
        | steps   | 4            | 5               |
        | recipe  | from-scratch | fine-tuning     |

  Rule: A value that no run could use is refused

    Scenario Outline: <field> of <value> is refused
      When a fine-tuning is asked for with
        | field   | value             |
        | encoder | bert-tiny         |
        | task    | bundled/sentiment |
        | <field> | <value>           |
      Then it is refused before training: "<message>"

      Examples:
        | field         | value                        | message                                |
        | learning_rate | 0                            | input should be greater than 0         |
        | learning_rate | -1.0e-3                      | input should be greater than 0         |
        | batch_size    | 0                            | input should be greater than 0         |
        | epochs        | 0                            | input should be greater than 0         |
        | seeds         | []                           | at least 1 item                        |
        | seeds         | [1, 2, 1]                    | seeds [1] stand twice                  |
        | loss          | mse                          | the loss does not fit a classification |
        | settings      | {beta3: 1}                   | adamw has no such setting              |
        | momentum      | 0.9                          | not described by these fields          |
        | epoch         | 3                            | did you mean epochs?                   |
        | steps         | 1000000000000                | less than or equal to 10000000         |
        | steps         | [1,                          | the value of steps is not YAML         |
        | steps         | 2024-13-45                   | the value of steps has a date          |
        | steps         | 010                          | read differently                       |
        | settings      | {momentum: 0, momentum: 0.9} | settings repeats a key |
