"""Makes the model's folder of a Triton model repository: the image's own template, named and filled for this model.

usage: triton_repository.py TEMPLATE MODEL_YAML FOLDER

TEMPLATE is a model folder of TensorRT-LLM's LLM API (config.pbtxt and 1/ with model.py); FOLDER is made anew,
its last part is the name under which Triton serves the model.
"""

import re
import shutil
import sys
from pathlib import Path


def make(template: Path, settings: Path, folder: Path) -> str:
    """Write the folder and return what is wrong with the template, or an empty text."""
    config = template / "config.pbtxt"
    if not config.is_file() or not (template / "1/model.py").is_file():
        return (
            f"{template}: no model folder of TensorRT-LLM's LLM API is there; "
            "use an image whose tag ends in -trtllm-python-py3"
        )
    named, found = re.subn(r'(?m)^name:\s*"[^"]*"', f'name: "{folder.name}"', config.read_text(), count=1)
    if not found:
        return f'{config}: has no line name: "..."; use an image of the version that the chart names'
    # A container that was restarted finds its first try.
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    (folder / "config.pbtxt").write_text(named)
    (folder / "1/model.yaml").write_text(settings.read_text())
    return ""


if __name__ == "__main__":
    problem = make(*map(Path, sys.argv[1:4]))
    sys.stderr.write(f"{problem}\n" if problem else "")
    sys.exit(problem != "")
