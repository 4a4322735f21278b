# Short names for the most common tasks. tox does the work; `tox` alone runs everything.

.PHONY: help test unit acceptance lint type fmt clean

help:            ## list these
	@sed -n 's/^\([a-z]*\): *## /  make \1\t/p' $(MAKEFILE_LIST)

test:            ## everything that must pass
	tox

unit:            ## each package on its own
	tox -e unit

acceptance:      ## the features
	tox -e acceptance

lint:            ## style, layers, steps
	tox -e lint

type:            ## static types
	tox -e type

fmt:             ## format the code and fix what ruff can fix
	tox -q -e stack --notest
	.tox/stack/bin/ruff check --fix
	.tox/stack/bin/ruff format

clean:           ## remove build outputs and caches; finished runs stay
	rm -rf .tox .pytest_cache .ruff_cache .mypy_cache build dist src/*.egg-info
