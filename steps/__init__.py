"""The step definitions of bertspec: each one parses its line, calls one function, and returns or asserts."""
