"""Why a release is not well, and what a cluster lacks for values: asks through kubectl, changes nothing.

asking.py and rendering.py are the edges (kubectl, helm); gathering.py says what to ask for. Every other module
judges plain objects: pure functions from what was read to findings. load.py makes the one pod that is ever made.
"""
