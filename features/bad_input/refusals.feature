@bundled
Feature: What cannot work is refused before training starts
  One clear message says what was given, what is allowed and where.

  Rule: A word that names nothing is answered with the closest names

    Scenario Outline: An unknown <kind> is refused
      When a fine-tuning is asked for with
        | field  | value             |
        | encoder | bert-tiny        |
        | task    | bundled/sentiment |
        | <kind>  | <word>           |
      Then it is refused before training: "unknown <kind>; given: '<word>'; allowed: did you mean <closest>"

      Examples:
        | kind      | word              | closest           |
        | encoder   | brt-tiny          | bert-tiny         |
        | task      | bundled/sentimnt  | bundled/sentiment |
        | recipe    | fine-tunning      | fine-tuning       |
        | optimizer | adafactr          | adafactor         |

  Rule: A value that no run could use is refused

    Scenario Outline: <field> of <value> is refused
      When a fine-tuning is asked for with
        | field   | value             |
        | encoder | bert-tiny         |
        | task    | bundled/sentiment |
        | <field> | <value>           |
      Then it is refused before training: "<message>"

      Examples:
        | field         | value     | message                                 |
        | learning_rate | 0         | input should be greater than 0          |
        | learning_rate | -1.0e-3   | input should be greater than 0          |
        | batch_size    | 0         | input should be greater than 0          |
        | epochs        | 0         | input should be greater than 0          |
        | seeds         | []        | at least 1 item                         |
        | seeds         | [1, 2, 1] | seeds [1] stand twice                   |
        | loss          | mse       | the loss does not fit a classification  |
        | settings      | {beta3: 1} | adamw has no such setting              |
        | momentum      | 0.9       | not described by these fields           |
