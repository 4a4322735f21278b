"""The commands, a module each: NAME, HELP, EPILOG, ``add_arguments(parser)`` and ``execute(arguments) -> int``."""
