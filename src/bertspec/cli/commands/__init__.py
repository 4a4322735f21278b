"""The commands: modules with NAME, HELP, EPILOG, ``add_arguments(parser)`` and ``execute(arguments) -> int``."""
