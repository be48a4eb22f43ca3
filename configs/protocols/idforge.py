"""IDForge v1 by its own lists: forged pictures, voices and words of celebrities.

    python scripts/study.py run --protocol=idforge --output=runs/idforge

Never run: the set is asked for with a form. Its lists share people; source videos they do not.
"""

from cad_jax.settings.protocol import Protocol, StudySet

PROTOCOLS = {
    "idforge": Protocol(
        preset="configs/cad.py:data=folder,size=b16",
        sets=(StudySet(path="prepared/idforge", reader="idforge", split="official"),),
        changes={"data": {"balance": "class"}},
    )
}
