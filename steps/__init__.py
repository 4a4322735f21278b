"""The step definitions: Gherkin ↔ the rooms. Nothing here trains, judges or stores by itself."""
