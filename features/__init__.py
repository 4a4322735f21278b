"""The features that travel with bertspec."""
