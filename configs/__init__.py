"""The configs that travel with bertspec: encoders, tasks, recipes and optimizers, one YAML file a word."""
